//! The waiting room through the API: settings, the organiser's calls, the draw, limits, and a Redis
//! that loses it.

use crate::support::client::{Answer, Client};
use crate::support::node::{TestMatch, TestNode, eventually, eventually_within, plan};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::draw;
use grandstand::domain::ids::UserId;
use grandstand::engine::queue::{Place, PlaceVerb};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const BEFORE: &str = "2020-01-01T00:00:00Z";

fn queue_of(fixture: &TestMatch) -> String {
    format!("/api/admin/matches/{}/queue", fixture.id)
}

/// An announced match with these settings of its room. Its sale opens by hand.
async fn announced(admin: &Client, settings: &Value) -> TestMatch {
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201);
    let site_id = site["id"].as_str().unwrap().to_owned();
    let body = json!({"siteId": site_id, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let fixture = TestMatch { id: made["id"].as_str().unwrap().to_owned(), site_id };
    admin.put(&queue_of(&fixture), settings).await.expect(200);
    let path = format!("/api/admin/matches/{}/announce", fixture.id);
    admin.post(&path, &Value::Null).await.expect(200);
    fixture
}

async fn open(admin: &Client, fixture: &TestMatch) {
    let path = format!("/api/admin/matches/{}/open", fixture.id);
    admin.post(&path, &Value::Null).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_setting_is_changed_and_the_others_stay() {
    let node = TestNode::start().await;
    let (admin, fixture) = (node.admin().await, node.open_match().await);
    let path = queue_of(&fixture);
    let refused = admin.put(&path, &json!({"admitPerMinute": 1200})).await;
    let refused = refused.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "enabled", "{refused}");
    let whole = json!({"enabled": true, "opensAt": BEFORE, "admitPerMinute": 70, "maxActive": 80,
        "passTtlMs": 90_000, "admissionTtlMs": 91_000, "buyersPerFreeSeat": 1.5,
        "randomPreQueue": true, "paused": true, "challenge": true});
    let set = admin.put(&path, &whole).await.expect(200);
    assert_eq!(set["queue"], whole);
    for (field, value) in [
        ("admitPerMinute", json!(1200)),
        ("maxActive", json!(7)),
        ("passTtlMs", json!(10_000)),
        ("admissionTtlMs", json!(20_000)),
        ("buyersPerFreeSeat", json!(2)),
        ("randomPreQueue", json!(false)),
        ("paused", json!(false)),
        ("challenge", json!(false)),
        ("opensAt", Value::Null),
        ("enabled", json!(false)),
    ] {
        let before = admin.get(&fixture.path("")).await.expect(200)["queue"].clone();
        let after = admin.patch(&path, &json!({field: value})).await.expect(200)["queue"].clone();
        let mut expected = before;
        expected[field] = after[field].clone();
        assert_eq!(after, expected, "{field}");
        assert_eq!(after[field].as_f64(), value.as_f64(), "{field}");
        assert_eq!(after[field].is_null(), value.is_null(), "{field}");
    }
    for wrong in [
        json!({"admitPerMinute": 0}),
        json!({"maxActive": 1_000_001}),
        json!({"passTtlMs": 9_999}),
        json!({"admissionTtlMs": 3_600_001}),
        json!({"buyersPerFreeSeat": 0}),
        json!({"buyersPerFreeSeat": 10.5}),
        json!({"opensAt": "soon"}),
        json!({"paused": 1}),
        json!({"enabled": null}),
        json!({"maxActive": null}),
        json!({"buyersPerFreeSeat": null}),
        json!({"unknown": 1}),
    ] {
        let before = admin.get(&fixture.path("")).await.expect(200)["queue"].clone();
        let refused = admin.patch(&path, &wrong).await.refused(400, "VALIDATION");
        let field = wrong.as_object().unwrap().keys().next().unwrap();
        assert_eq!(refused["errors"][0]["field"], field.as_str(), "{refused}");
        assert_eq!(admin.get(&fixture.path("")).await.expect(200)["queue"], before, "{wrong}");
    }
    let fan = node.user("fan").await;
    fan.patch(&path, &json!({"paused": true})).await.refused(403, "FORBIDDEN");
    node.finish().await;
}

/// Also when a worker dies in the middle: another one goes on with the same order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_came_early_gets_the_order_of_the_seed() {
    const EARLY: u32 = 2_000;
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let settings = json!({"enabled": true, "opensAt": BEFORE, "randomPreQueue": true,
        "paused": true});
    let fixture = announced(&admin, &settings).await;
    let (id, engine) = (fixture.match_id(), node.engine());
    let people: Vec<UserId> = (0..EARLY).map(|_| UserId::new(id.partition())).collect();
    let joins = people.iter().map(|person| engine.join_queue(id, *person, Some(25)));
    let mut tickets = vec![0; people.len()];
    for (ticket, place) in tickets.iter_mut().zip(futures::future::join_all(joins).await) {
        let Place::Waiting { ticket: given, number: None, .. } = place.unwrap() else {
            panic!("no place before the draw");
        };
        *ticket = given as u32;
    }
    let path = fixture.path("/queue/draw");
    let secret = node.guest().get(&path).await.expect(200);
    assert_eq!((&secret["seed"], &secret["drawn"]), (&Value::Null, &Value::Null));
    // The seed is nowhere before the draw.
    for (caller, path) in [
        (&node.guest(), fixture.path("")),
        (&node.guest(), "/api/matches".to_owned()),
        (&node.guest(), fixture.path("/queue/serving")),
        (&admin, "/api/admin/matches".to_owned()),
        (&admin, queue_of(&fixture)),
    ] {
        let text = caller.get(&path).await.expect(200).to_string();
        let seed = node.engine().fixture(id).await.unwrap().unwrap().draw_seed.unwrap();
        assert!(!text.contains(&seed) && !text.to_lowercase().contains("\"drawseed"), "{path}");
    }
    open(&admin, &fixture).await;
    let drawn = eventually("the seed is known", || async {
        let drawn = node.guest().get(&path).await.expect(200);
        drawn["seed"].is_string().then_some(drawn)
    })
    .await;
    let seed = drawn["seed"].as_str().unwrap();
    assert_eq!(drawn["drawn"], EARLY);
    assert_eq!(drawn["seedHash"], secret["seedHash"]);
    assert_eq!(drawn["seedHash"], draw::seed_hash(seed));
    let mut place_of = vec![0; people.len() + 1];
    for (place, ticket) in (1_u64..).zip(draw::order(seed, EARLY)) {
        place_of[ticket as usize] = place;
    }
    for (person, ticket) in people.iter().zip(tickets) {
        let place = engine.queue_place(id, *person, PlaceVerb::Peek).await.unwrap().unwrap();
        let Place::Waiting { number, ahead, .. } = place else { panic!("{place:?}") };
        let expected = place_of[ticket as usize];
        assert_eq!((number, ahead), (Some(expected), Some(expected - 1)));
    }
    node.finish().await;
}

/// With a seed that is known, nobody may be drawn again. So it is shown when no loss of Redis can
/// bring the match back as it was before the opening, and from then on it can always be checked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seed_is_shown_when_postgresql_has_the_draw_and_for_ever() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let settings = json!({"enabled": true, "opensAt": BEFORE, "randomPreQueue": true});
    let fixture = announced(&admin, &settings).await;
    let path = fixture.path("/queue/draw");
    for name in ["a", "b", "c"] {
        let fan = node.user(name).await;
        fan.post(&fixture.path("/queue"), &Value::Null).await.expect(201);
    }
    let (client, connection) =
        tokio_postgres::connect(&node.settings.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("begin; lock table matches in exclusive mode").await.unwrap();
    open(&admin, &fixture).await;
    eventually("the early people are drawn and let in", || async {
        let line = node.guest().get(&fixture.path("/queue/serving")).await.expect(200);
        (line["serving"] == 3).then_some(())
    })
    .await;
    let secret = node.guest().get(&path).await.expect(200);
    assert_eq!((&secret["seed"], &secret["drawn"]), (&Value::Null, &Value::Null));
    client.batch_execute("commit").await.unwrap();
    let shown = async |what: &str| {
        eventually(what, || async {
            let drawn = node.guest().get(&path).await;
            let is_shown = drawn.status == 200 && drawn.body["data"]["seed"].is_string();
            is_shown.then(|| drawn.expect(200))
        })
        .await
    };
    let drawn = shown("the draw is stored").await;
    assert_eq!((&drawn["drawn"], &drawn["seedHash"]), (&json!(3), &secret["seedHash"]));

    let _: () = node.raw().await.flushall(false).await.unwrap();
    assert_eq!(shown("the draw after the loss of Redis").await, drawn);
    admin.post(&format!("/api/admin{}/close", &fixture.path("")[4..]), &Value::Null).await;
    assert_eq!(shown("the draw after the end").await, drawn);
    node.finish().await;
}

/// Another worker finds the match closed, and PostgreSQL comes back after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seed_is_shown_also_when_the_match_closes_before_postgresql_has_the_draw() {
    let mut node = TestNode::start().await;
    let admin = node.admin().await;
    let settings = json!({"enabled": true, "opensAt": BEFORE, "randomPreQueue": true});
    let fixture = announced(&admin, &settings).await;
    for name in ["a", "b", "c"] {
        let fan = node.user(name).await;
        fan.post(&fixture.path("/queue"), &Value::Null).await.expect(201);
    }
    let (client, connection) =
        tokio_postgres::connect(&node.settings.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("begin; lock table matches in exclusive mode").await.unwrap();
    open(&admin, &fixture).await;
    eventually("the draw is in Redis", || async {
        let kept = node.engine().fixture(fixture.match_id()).await.ok()??;
        (kept.drawn == Some(3)).then_some(())
    })
    .await;
    let close = format!("/api/admin/matches/{}/close", fixture.id);
    admin.post(&close, &Value::Null).await.expect(200);
    let workers = node.workers().clone();
    node.stop_node().await;
    // A draw that is under way has its own part of the workers.
    eventually("the first worker gives up", async || {
        (std::sync::Arc::strong_count(&workers) == 1).then_some(())
    })
    .await;
    node.start_node().await;
    client.batch_execute("commit").await.unwrap();
    let drawn = eventually("the draw is shown", || async {
        let drawn = node.guest().get(&fixture.path("/queue/draw")).await;
        let is_shown = drawn.status == 200 && drawn.body["data"]["seed"].is_string();
        is_shown.then(|| drawn.expect(200))
    })
    .await;
    assert_eq!(drawn["drawn"], 3);
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_can_be_polled_and_cached() {
    let node = TestNode::start().await;
    let (admin, fixture) = (node.admin().await, node.open_match().await);
    let path = fixture.path("/queue/serving");
    node.guest().get(&path).await.refused(409, "QUEUE_OFF");
    admin.put(&queue_of(&fixture), &json!({"enabled": true, "paused": true})).await.expect(200);
    let fan = node.user("fan").await;
    let place = fan.post(&fixture.path("/queue"), &Value::Null).await.expect(201);
    assert!((1_000..=60_000).contains(&place["pollAfterMs"].as_u64().unwrap()), "{place}");
    let seen = eventually("one waits", || async {
        let answer = node.guest().get(&path).await;
        let caching = answer.headers.get("cache-control").cloned();
        let line = answer.expect(200);
        (line["waiting"] == 1).then_some((line, caching))
    })
    .await;
    let (line, caching) = seen;
    assert_eq!((&line["state"], &line["eta"]), (&json!("PAUSED"), &Value::Null));
    let caching = caching.unwrap();
    let age = caching.to_str().unwrap().strip_prefix("public, max-age=").unwrap();
    let age: u64 = age.parse().unwrap();
    assert!(age > 0 && age * 1000 <= line["pollAfterMs"].as_u64().unwrap(), "{line} {age}");
    node.guest().get(&fixture.path("/queue/draw")).await.refused(404, "NO_DRAW");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_organiser_sees_and_moves_people() {
    let node = TestNode::start().await;
    let (admin, fixture) = (node.admin().await, node.open_match().await);
    admin.put(&queue_of(&fixture), &json!({"enabled": true, "paused": true})).await.expect(200);
    let mut fans = Vec::new();
    for number in 0..4 {
        let fan = node.user(&format!("fan{number}")).await;
        fan.post(&fixture.path("/queue"), &Value::Null).await.expect(201);
        let me = fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
        fans.push((fan, format!("{}/people/{me}", queue_of(&fixture))));
    }
    let counts = async || {
        let now = admin.get(&queue_of(&fixture)).await.expect(200);
        ["waiting", "admitted", "choosing", "buying", "seatsLeft"]
            .map(|name| now[name].as_u64().unwrap())
    };
    assert_eq!(counts().await, [4, 0, 0, 0, 25]);
    admin.put(&fans[3].1, &json!({})).await.expect(204);
    assert_eq!(counts().await, [3, 1, 0, 0, 25]);
    assert_eq!(admin.get(&fans[3].1).await.expect(200)["state"], "ADMITTED");
    assert_eq!(counts().await, [3, 1, 0, 0, 25], "looking picks nothing up");
    fans[3].0.get(&fixture.path("/queue")).await.expect(200);
    assert_eq!(counts().await, [3, 0, 1, 0, 25]);
    fans[3].0.hold(&fixture.id, &[1, 2]).await.expect(201);
    assert_eq!(counts().await, [3, 0, 0, 1, 23]);
    let admit = format!("{}/admit", queue_of(&fixture));
    assert_eq!(admin.post(&admit, &json!({"count": 2})).await.expect(200)["admitted"], 2);
    assert_eq!(counts().await, [1, 2, 0, 1, 23]);
    assert_eq!(admin.get(&fans[2].1).await.expect(200)["ahead"], 0);
    admin.delete(&fans[2].1).await.expect(204);
    admin.delete(&fans[2].1).await.refused(404, "NOT_IN_QUEUE");
    assert_eq!(counts().await, [0, 2, 0, 1, 23]);
    admin.post(&admit, &json!({"count": 0})).await.refused(400, "VALIDATION");
    assert_eq!(admin.post(&admit, &json!({"count": 5})).await.expect(200)["admitted"], 0);
    for (method, path) in
        [(Method::GET, &fans[0].1), (Method::PUT, &fans[0].1), (Method::POST, &admit)]
    {
        let answer = fans[0].0.request(method, path).json(&json!({"count": 1})).send().await;
        Answer::of(answer.unwrap()).await.refused(403, "FORBIDDEN");
    }
    node.finish().await;
}

/// A farm of accounts, or one account that joins and leaves, does not go on for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_are_limited_by_user_and_by_block_of_addresses() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.calls_per_second = 100_000;
        settings.rates.account_calls_per_minute = 100_000;
        settings.rates.joins_per_minute = 3;
        settings.rates.joins_per_address_block = 8;
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let (admin, fixture) = (node.admin().await, node.open_match().await);
    admin.put(&queue_of(&fixture), &json!({"enabled": true, "paused": true})).await.expect(200);
    let join = async |fan: &Client, address: &str| {
        let request = fan.request(Method::POST, &fixture.path("/queue"));
        Answer::of(request.header("x-forwarded-for", address).send().await.unwrap()).await
    };
    let fan = node.user("fan").await;
    for _ in 0..3 {
        join(&fan, "192.0.2.1").await.expect(201);
        fan.delete(&fixture.path("/queue")).await.expect(204);
    }
    let refused = join(&fan, "198.51.100.1").await;
    assert!(refused.headers.get("retry-after").is_some(), "{}", refused.body);
    refused.refused(429, "TOO_MANY_REQUESTS");
    for number in 4..=8 {
        let other = node.user(&format!("fan{number}")).await;
        join(&other, &format!("192.0.2.{number}")).await.expect(201);
    }
    let late = node.user("late").await;
    join(&late, "192.0.2.77").await.refused(429, "TOO_MANY_REQUESTS");
    join(&late, "192.0.3.77").await.expect(201);
    node.finish().await;
}

/// Places are in Redis alone. When it has lost them, people are told, and join again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_loses_its_data_raises_the_epoch_of_the_line() {
    let node = TestNode::start().await;
    let (admin, fixture) = (node.admin().await, node.open_match().await);
    admin.put(&queue_of(&fixture), &json!({"enabled": true, "paused": true})).await.expect(200);
    let fan = node.user("fan").await;
    let path = fixture.path("/queue");
    let before = fan.post(&path, &Value::Null).await.expect(201)["epoch"].as_u64().unwrap();
    let line = async || {
        let answer = node.guest().get(&fixture.path("/queue/serving")).await;
        (answer.status == 200).then(|| answer.body["data"].clone())
    };
    assert_eq!(line().await.unwrap()["epoch"], before);
    // What PostgreSQL has not got yet would be lost, too.
    node.verify().await;
    let flush = CustomCommand::new_static("FLUSHALL", ClusterHash::Random, false);
    let _: Value = serde_json::Value::from(
        node.raw().await.custom::<String, _>(flush, vec!["SYNC"]).await.unwrap(),
    );
    eventually_within(Duration::from_secs(20), "the line begins again", || async {
        line().await.filter(|line| line["epoch"].as_u64() > Some(before)).map(drop)
    })
    .await;
    // The log-in is gone too, but the account is not.
    let again = node.guest().log_in("fan@test.example", "a password of tests").await;
    again.get(&path).await.refused(404, "NOT_IN_QUEUE");
    let place = again.post(&path, &Value::Null).await.expect(201);
    assert!(place["epoch"].as_u64() > Some(before), "{place}");
    node.finish().await;
}
