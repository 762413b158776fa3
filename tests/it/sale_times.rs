//! A sale opens and ends by itself: workers make it known, once, and organisers may interfere.

use crate::support::client::Client;
use crate::support::events::EventStream;
use crate::support::node::{TestMatch, TestNode, eventually, plan};
use fred::prelude::*;
use grandstand::domain::catalog::{Match, MatchStatus};
use grandstand::domain::ids::Partition;
use grandstand::engine::operation::Operation;
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use serde_json::{Value, json};
use std::process::Stdio;

const YEAR_2031: &str = "2031-05-05T05:00:00Z";

fn moment(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).unwrap()
}

/// An organiser and an announced match that is opened by hand.
struct Scene {
    node: TestNode,
    admin: Client,
    fixture: TestMatch,
}

impl Scene {
    async fn start() -> Self {
        let node = TestNode::start().await;
        let admin = node.admin().await;
        let site = admin.post("/api/admin/sites", &plan()).await.expect(201);
        let site_id = site["id"].as_str().unwrap().to_owned();
        let body = match_at(&site_id, &json!({}));
        let made = admin.post("/api/admin/matches", &body).await.expect(201);
        let fixture = TestMatch { id: made["id"].as_str().unwrap().to_owned(), site_id };
        let scene = Self { node, admin, fixture };
        scene.turn("announce").await;
        scene
    }

    async fn turn(&self, verb: &str) -> Value {
        let path = format!("/api/admin/matches/{}/{verb}", self.fixture.id);
        self.admin.post(&path, &Value::Null).await.expect(200)
    }

    /// Sets the times of the sale.
    async fn set(&self, times: Value) -> Value {
        let path = format!("/api/admin/matches/{}", self.fixture.id);
        self.admin.put(&path, &match_at(&self.fixture.site_id, &times)).await.expect(200)
    }

    fn partition(&self) -> Partition {
        self.fixture.partition()
    }

    async fn now_ms(&self) -> i64 {
        self.node.engine().now_ms(self.partition()).await.unwrap()
    }

    /// A time that is this far away.
    async fn in_ms(&self, ms: i64) -> jiff::Timestamp {
        moment(self.now_ms().await + ms)
    }

    async fn in_redis(&self) -> Match {
        self.node.engine().fixture(self.fixture.match_id()).await.unwrap().unwrap()
    }

    async fn wait_for_status(&self, status: MatchStatus) {
        eventually(&format!("the match is {}", status.word()), || async {
            (self.in_redis().await.status == status).then_some(())
        })
        .await;
    }

    /// Waits until a seat can be held.
    async fn wait_for_sale(&self, fan: &Client, seat: u32) {
        eventually("seats can be held", || async {
            let held = fan.hold(&self.fixture.id, &[seat]).await;
            (held.status == 201).then_some(())
        })
        .await;
    }

    /// Waits until no seat can be held, because the sale has ended.
    async fn wait_for_end(&self, fan: &Client) {
        let best = json!({"bestAvailable": {"count": 1}});
        eventually("the sale has ended", || async {
            let held = fan.post(&self.fixture.path("/holds"), &best).await;
            let detail = held.body["detail"].as_str().unwrap_or_default().to_owned();
            (held.status == 409 && detail.contains("has ended")).then_some(())
        })
        .await;
    }
}

fn match_at(site: &str, times: &Value) -> Value {
    let mut body = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": YEAR_2031});
    body.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    body
}

/// Reads on until the match has this status.
async fn told(stream: &mut EventStream, status: &str) -> Value {
    loop {
        let event = stream.next_named("match").await;
        if event.data["status"] == status {
            return event.data;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_opens_and_ends_by_itself_and_the_watchers_are_told() {
    let scene = Scene::start().await;
    let (node, id) = (&scene.node, &scene.fixture.id);
    let fan = node.user("fan").await;
    let url = format!("{}{}", node.url(), scene.fixture.path("/seats/events"));
    let mut stream = EventStream::open(&url, None).await;
    let first = told(&mut stream, "ANNOUNCED").await;
    assert_eq!((&first["saleOpensAt"], &first["saleClosesAt"]), (&Value::Null, &json!(YEAR_2031)));
    let yet = fan.hold(id, &[1]).await.refused(409, "MATCH_NOT_OPEN");
    assert!(yet["detail"].as_str().unwrap().contains("has not begun"), "{yet}");
    let opens_at = scene.in_ms(300).await;
    scene.set(json!({"saleOpensAt": opens_at})).await;
    let open = told(&mut stream, "OPEN").await;
    assert_eq!(open["saleOpensAt"], opens_at.to_string());
    assert!(scene.now_ms().await >= opens_at.as_millisecond(), "it has opened too early");
    let reservation = fan.reserve(id, &[1]).await;
    let ends_at = scene.in_ms(300).await;
    scene.set(json!({"saleOpensAt": opens_at, "saleClosesAt": ends_at})).await;
    told(&mut stream, "CLOSED").await;
    assert!(scene.now_ms().await >= ends_at.as_millisecond(), "it has ended too early");
    let over = fan.hold(id, &[2]).await.refused(409, "MATCH_NOT_OPEN");
    assert!(over["detail"].as_str().unwrap().contains("has ended"), "{over}");
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.expect(200);
    scene.node.finish().await;
}

/// Whichever of them comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_open_and_end_a_sale_once() {
    let scene = Scene::start().await;
    let second = scene.node.another_node(NodeRole::Worker).await;
    let both = async |status| {
        let partition = scene.partition();
        let (mut changed, before) = (0, scene.in_redis().await.version);
        while scene.in_redis().await.status != status {
            let (here, there) = tokio::join!(
                scene.node.workers().follow_sales_once(partition),
                second.workers.follow_sales_once(partition)
            );
            changed += here.unwrap() + there.unwrap();
        }
        assert!(changed <= 1, "{changed} changes");
        for worker in [scene.node.workers(), &second.workers] {
            assert_eq!(worker.follow_sales_once(partition).await.unwrap(), 0);
        }
        assert_eq!(scene.in_redis().await.version, before + 1);
    };
    for _ in 0..5 {
        let now = scene.in_ms(100).await;
        let opened = scene.set(json!({"saleOpensAt": now})).await;
        if opened["status"] == "ANNOUNCED" {
            both(MatchStatus::Open).await;
        }
        let now = scene.in_ms(100).await;
        let ended = scene.set(json!({"saleClosesAt": now})).await;
        if ended["status"] == "OPEN" {
            both(MatchStatus::Closed).await;
        }
        // There is no way back for an organiser.
        let old = scene.in_redis().await;
        let again = Match {
            version: old.version + 1,
            status: MatchStatus::Announced,
            sale_closes_at: None,
            ..old
        };
        scene.node.engine().put_match(&again, Operation::default()).await.unwrap();
    }
    second.stop().await;
    scene.node.finish().await;
}

/// A worker that comes later makes it known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_opens_and_ends_while_no_worker_runs() {
    let mut scene = Scene::start().await;
    let tokens = (scene.node.user("fan").await.token, scene.admin.token.clone());
    scene.node.without_worker().await;
    let fan = Client::new(scene.node.url(), tokens.0);
    scene.admin = Client::new(scene.node.url(), tokens.1);
    let opens_at = scene.in_ms(200).await;
    scene.set(json!({"saleOpensAt": opens_at})).await;
    scene.wait_for_sale(&fan, 1).await;
    assert!(scene.now_ms().await >= opens_at.as_millisecond(), "it has opened too early");
    let best = json!({"bestAvailable": {"count": 1}});
    fan.post(&scene.fixture.path("/holds"), &best).await.expect(201);
    assert_eq!(scene.in_redis().await.status, MatchStatus::Announced, "no worker was there");
    let ends_at = scene.in_ms(200).await;
    let set = scene.set(json!({"saleOpensAt": opens_at, "saleClosesAt": ends_at})).await;
    assert_eq!(set["status"], "OPEN", "a change by hand has the status of the clock");
    scene.wait_for_end(&fan).await;
    assert!(scene.now_ms().await >= ends_at.as_millisecond(), "it has ended too early");
    assert_eq!(scene.in_redis().await.status, MatchStatus::Open, "no worker was there");
    let worker = scene.node.another_node(NodeRole::Worker).await;
    scene.wait_for_status(MatchStatus::Closed).await;
    scene.node.verify().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_opens_the_sale_when_a_worker_is_killed() {
    let mut scene = Scene::start().await;
    let token = scene.admin.token.clone();
    scene.node.without_worker().await;
    scene.admin = Client::new(scene.node.url(), token);
    let mut command = scene.node.binary(&["serve", "--role", "worker"]);
    let mut first = command.stdout(Stdio::null()).spawn().unwrap();
    let lease = PartitionKeys(scene.partition()).lease();
    let raw = scene.node.raw().await;
    eventually("the worker owns the partition", || async {
        (raw.exists::<i64, _>(&lease).await.unwrap() == 1).then_some(())
    })
    .await;
    let opens_at = scene.in_ms(400).await;
    let before = scene.set(json!({"saleOpensAt": opens_at})).await;
    first.kill().await.unwrap();
    let second = scene.node.another_node(NodeRole::Worker).await;
    scene.wait_for_status(MatchStatus::Open).await;
    assert_eq!(scene.in_redis().await.version, before["version"].as_u64().unwrap() + 1);
    scene.node.verify().await;
    second.stop().await;
}

/// Both changes are made, whichever comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_hand_at_the_moment_of_the_opening_is_made() {
    let scene = Scene::start().await;
    let workers = scene.node.workers();
    for round in 0..10 {
        let now = scene.now_ms().await;
        let old = scene.in_redis().await;
        let due = Match {
            version: old.version + 1,
            status: MatchStatus::Announced,
            sale_opens_at: Some(moment(now)),
            ..old
        };
        scene.node.engine().put_match(&due, Operation::default()).await.unwrap();
        let team = format!("Team {round}");
        let body = match_at(&scene.fixture.site_id, &json!({"awayTeam": team}));
        let path = format!("/api/admin/matches/{}", scene.fixture.id);
        let (put, opened) = tokio::join!(
            scene.admin.put(&path, &body),
            workers.follow_sales_once(scene.partition())
        );
        opened.unwrap();
        assert_eq!(put.expect(200)["status"], "OPEN", "it opened at its time");
        scene.wait_for_status(MatchStatus::Open).await;
        let change = scene.admin.put(&path, &body).await.expect(200);
        assert_eq!((&change["awayTeam"], &change["status"]), (&json!(team), &json!("OPEN")));
    }
    scene.node.finish().await;
}

/// The worker counts the drawn people in the match. Nobody else changes that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_hand_is_made_while_the_worker_changes_the_match() {
    let scene = Scene::start().await;
    let path = format!("/api/admin/matches/{}", scene.fixture.id);
    let engine = scene.node.engine();
    let draw = async |round: u32| {
        for step in 0..3 {
            loop {
                let old = scene.in_redis().await;
                let drawn = Some(round * 10 + step);
                let next = Match { version: old.version + 1, drawn, ..old };
                if engine.put_match(&next, Operation::default()).await.is_ok() {
                    break;
                }
            }
        }
    };
    for round in 0..20 {
        let body = match_at(&scene.fixture.site_id, &json!({"awayTeam": format!("Team {round}")}));
        let (put, ()) = tokio::join!(scene.admin.put(&path, &body), draw(round));
        put.expect(200);
        let queue = json!({"admitPerMinute": 100 + round});
        let room = format!("{path}/queue");
        let (patch, ()) = tokio::join!(scene.admin.patch(&room, &queue), draw(round));
        patch.expect(200);
        let kept = scene.in_redis().await;
        assert_eq!(kept.away_team, format!("Team {round}"));
        assert_eq!((kept.queue.admit_per_minute, kept.drawn), (100 + round, Some(round * 10 + 2)));
    }
    scene.node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_is_put_off_does_not_open_at_the_earlier_time() {
    let scene = Scene::start().await;
    let fan = scene.node.user("fan").await;
    let first = scene.in_ms(3000).await;
    scene.set(json!({"saleOpensAt": first})).await;
    scene.set(json!({"saleOpensAt": "2030-01-01T00:00:00Z"})).await;
    eventually("the earlier time has come", || async {
        (scene.now_ms().await > first.as_millisecond()).then_some(())
    })
    .await;
    let workers = scene.node.workers();
    assert_eq!(workers.follow_sales_once(scene.partition()).await.unwrap(), 0);
    assert_eq!(scene.in_redis().await.status, MatchStatus::Announced);
    let yet = fan.hold(&scene.fixture.id, &[1]).await.refused(409, "MATCH_NOT_OPEN");
    assert!(yet["detail"].as_str().unwrap().contains("2030-01-01T00:00:00Z"), "{yet}");
    scene.node.finish().await;
}

/// Until somebody opens it, and a sale whose end has passed needs a later end first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_was_closed_stays_closed() {
    let scene = Scene::start().await;
    let open = format!("/api/admin/matches/{}/open", scene.fixture.id);
    let assert_closed = async || {
        assert_eq!(scene.node.workers().follow_sales_once(scene.partition()).await.unwrap(), 0);
        assert_eq!(scene.in_redis().await.status, MatchStatus::Closed);
    };
    let opens_at = scene.in_ms(3000).await;
    scene.set(json!({"saleOpensAt": opens_at})).await;
    assert_eq!(scene.turn("close").await["status"], "CLOSED", "it is called off");
    eventually("the time of the opening has come", || async {
        (scene.now_ms().await > opens_at.as_millisecond()).then_some(())
    })
    .await;
    assert_closed().await;
    assert_eq!(scene.turn("open").await["status"], "OPEN");
    assert_eq!(scene.turn("close").await["status"], "CLOSED");
    assert_closed().await;
    let past = moment(scene.now_ms().await - 1000);
    scene.set(json!({"saleClosesAt": past})).await;
    assert_closed().await;
    let over = scene.admin.post(&open, &Value::Null).await.refused(409, "MATCH_NOT_OPEN");
    assert!(over["detail"].as_str().unwrap().contains("saleClosesAt"), "{over}");
    scene.set(json!({})).await;
    assert_eq!(scene.turn("open").await["status"], "OPEN");
    scene.node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_is_announced_once_and_keeps_its_site_from_then_on() {
    let scene = Scene::start().await;
    let path = format!("/api/admin/matches/{}", scene.fixture.id);
    let announce = format!("{path}/announce");
    let other = scene.admin.post("/api/admin/sites", &plan()).await.expect(201);
    let moved = match_at(other["id"].as_str().unwrap(), &json!({}));
    let listed = scene.node.guest().get("/api/matches?status=ANNOUNCED").await.expect(200);
    assert_eq!(listed["matches"][0]["id"], scene.fixture.id.as_str());
    for verb in [None, Some("open"), Some("close")] {
        if let Some(verb) = verb {
            scene.turn(verb).await;
        }
        scene.admin.post(&announce, &Value::Null).await.refused(409, "MATCH_ON_SALE");
        scene.admin.put(&path, &moved).await.refused(409, "MATCH_ON_SALE");
        scene.admin.delete(&path).await.refused(409, "MATCH_ON_SALE");
    }
    scene.node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_opens_before_it_ends() {
    let scene = Scene::start().await;
    let path = format!("/api/admin/matches/{}", scene.fixture.id);
    for times in [
        json!({"saleOpensAt": YEAR_2031}),
        json!({"saleOpensAt": "2030-01-01T00:00:00Z", "saleClosesAt": "2030-01-01T00:00:00Z"}),
    ] {
        let body = match_at(&scene.fixture.site_id, &times);
        for answer in [
            scene.admin.put(&path, &body).await,
            scene.admin.post("/api/admin/matches", &body).await,
        ] {
            let problem = answer.refused(400, "VALIDATION");
            assert_eq!(problem["errors"][0]["field"], "saleOpensAt", "{problem}");
        }
    }
    scene.node.finish().await;
}
