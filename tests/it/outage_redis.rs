//! Redis killed, wiped, set back: what it answered stands, and what is sold stays sold.

use crate::support::client::Client;
use crate::support::events::EventStream;
use crate::support::node::{TestMatch, TestNode, eventually};
use crate::support::postgres;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::ids::{MatchId, Partition, UserId};
use grandstand::domain::position::EventId;
use grandstand::node::{Node, NodeRole};
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use grandstand_embedded::Fsync;
use serde_json::Value;

struct Bed {
    app: TestNode,
    event: TestMatch,
    id: MatchId,
    fan: Client,
}

impl Bed {
    async fn start() -> Self {
        let database = postgres::database().await;
        let app = TestNode::start_on(database, Fsync::Always, |settings| {
            settings.reconcile_after_ms = 200;
        })
        .await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        let id = event.id.parse().unwrap();
        Self { app, event, id, fan }
    }

    async fn ready(&self, client: &Client, seat: u32) -> (Value, Value, String) {
        let reservation = client.reserve(&self.event.id, &[seat]).await;
        let payment = client.request_payment(&reservation).await;
        let key = self.app.pay_at_gateway(&payment, "approve").await;
        (reservation, payment, key)
    }

    async fn buy(&self, client: &Client, seat: u32) -> Value {
        let (reservation, payment, key) = self.ready(client, seat).await;
        client.confirm(&payment, &key).await.expect(200);
        reservation
    }

    async fn epoch(&self) -> Option<u64> {
        self.app.node().services.engine.epoch(self.id.partition()).await.ok()?
    }

    async fn state(&self, seat: usize) -> Option<String> {
        let answer = self.fan.get(&self.event.path("/blocks/1/seats")).await;
        Some(answer.body["data"]["seats"][seat - 1]["state"].as_str()?.to_owned())
    }

    fn map(&self) -> String {
        format!("{}{}", self.fan.url, self.event.path("/blocks/1/seats/events"))
    }
}

/// The rule: what Redis has answered is there after a kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_hold_survives_a_kill_of_redis() {
    let mut bed = Bed::start().await;
    bed.buy(&bed.fan, 1).await;
    let hold = bed.fan.hold(&bed.event.id, &[2, 3]).await.expect(201);
    bed.app.redis.kill().await;
    // While Redis is away the answer is 503 with a time to come back, soon.
    let refused = bed.fan.hold(&bed.event.id, &[4]).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    bed.app.redis.restart().await.unwrap();
    eventually("log-ins go on", || async {
        let body =
            serde_json::json!({"email": "other@test.example", "password": "a password of tests"});
        let answer = bed.app.guest().post("/api/users/sign-up", &body).await;
        [201, 409].contains(&answer.status).then_some(())
    })
    .await;
    let other = bed.app.guest().log_in("other@test.example", "a password of tests").await;
    let lost = other.hold(&bed.event.id, &[1, 2, 3]).await.refused(409, "SEAT_TAKEN");
    assert_eq!(lost["lost"], serde_json::json!([1, 2, 3]));
    let body = serde_json::json!({"matchId": bed.event.id, "holdId": hold["holdId"]});
    bed.fan.post("/api/reservations", &body).await.expect(201);
    bed.buy(&other, 5).await;
    bed.app.finish().await;
}

/// The rule: a wiped Redis is rebuilt from PostgreSQL: sold stays sold, under a new epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_redis_is_rebuilt_and_sold_stays_sold() {
    let bed = Bed::start().await;
    let sold = bed.buy(&bed.fan, 1).await;
    bed.fan.hold(&bed.event.id, &[2]).await.expect(201);
    let mut map = EventStream::open(&bed.map(), None).await;
    map.wait_for(2, "HOLD").await;
    let before: EventId = map.last_id.parse().unwrap();
    bed.app.verify().await;
    let flush = CustomCommand::new_static("FLUSHALL", ClusterHash::Random, false);
    let _: () = bed.app.raw().await.custom(flush, Vec::<String>::new()).await.unwrap();
    let epoch = eventually("the partition is loaded again", || bed.epoch()).await;
    assert_eq!(epoch, before.position.epoch + 1);
    // A client that stayed is told anew: the open hold is gone, the sale is not.
    let first = eventually_event(&mut map).await;
    assert_eq!(first.name, "snapshot");
    assert_eq!(map.last_id.parse::<EventId>().unwrap().position.epoch, epoch);
    assert_eq!((map.seats[&1].as_str(), map.seats[&2].as_str()), ("OCCUPIED", "AVAILABLE"));
    // One that returns with an id of before gets a snapshot too.
    let mut back = EventStream::open(&bed.map(), Some(&before.to_string())).await;
    assert_eq!(back.next().await.unwrap().name, "snapshot");
    // Accounts and catalogue are back, and the sale goes on, with its journal.
    eventually("log-ins go on", || async {
        let body =
            serde_json::json!({"email": "fan@test.example", "password": "a password of tests"});
        (bed.app.guest().post("/api/users/log-in", &body).await.status == 200).then_some(())
    })
    .await;
    let other = bed.app.user("other").await;
    other.hold(&bed.event.id, &[1]).await.refused(409, "SEAT_TAKEN");
    bed.buy(&other, 2).await;
    map.wait_for(2, "OCCUPIED").await;
    bed.app.wait_for_status(&bed.fan, &sold, "CONFIRMED").await;
    let cancel = format!("/api/reservations/{}/cancel", sold["id"].as_str().unwrap());
    bed.fan.post(&cancel, &Value::Null).await.expect(200);
    map.wait_for(1, "AVAILABLE").await;
    bed.app.finish().await;
}

/// Skips changes until a snapshot comes.
async fn eventually_event(map: &mut EventStream) -> crate::support::events::Event {
    for _ in 0..20 {
        let event = map.next().await.expect("the stream goes on");
        if event.name == "snapshot" {
            return event;
        }
    }
    panic!("no snapshot in 20 events");
}

/// The rule: claimed stays PAYING over a wipe, and the reconciler settles it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_under_way_survives_a_wipe() {
    let bed = Bed::start().await;
    let (reservation, payment, key) = bed.ready(&bed.fan, 1).await;
    bed.app.fault(&serde_json::json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    bed.app.fault(&serde_json::json!({"call": "lookup", "kind": "errorBefore"})).await;
    bed.fan.confirm(&payment, &key).await.expect(202);
    bed.app.verify().await;
    let flush = CustomCommand::new_static("FLUSHALL", ClusterHash::Random, false);
    let _: () = bed.app.raw().await.custom(flush, Vec::<String>::new()).await.unwrap();
    eventually("the partition is loaded again", || bed.epoch()).await;
    eventually("the seat is claimed", || async {
        (bed.state(1).await? == "PENDING").then_some(())
    })
    .await;
    bed.app.clear_faults().await;
    bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    assert_eq!(bed.app.ledger().await, ["DONE"]);
    bed.app.finish().await;
}

/// The rule: what a release with another layout has left is not read, but loaded anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_layout_is_loaded_anew() {
    let mut bed = Bed::start().await;
    bed.buy(&bed.fan, 1).await;
    bed.fan.hold(&bed.event.id, &[2]).await.expect(201);
    bed.app.verify().await;
    bed.app.node.take().unwrap().stop().await;
    let (raw, keys) = (bed.app.raw().await, PartitionKeys(bed.id.partition()));
    let _: i64 = raw.hset(keys.partition(), ("layout", "1")).await.unwrap();
    for ring in keys.operations() {
        let _: i64 = raw.hset(ring, ("an older key", "in an older form")).await.unwrap();
    }
    let node = Node::start(&bed.app.settings, NodeRole::All).await.unwrap();
    bed.fan = Client::new(node.url(), bed.fan.token.clone());
    bed.app.node = Some(node);
    eventually("the epoch rises", || async { (bed.epoch().await? == 2).then_some(()) }).await;
    assert_eq!(eventually("the map is loaded", || bed.state(1)).await, "OCCUPIED");
    for ring in keys.operations() {
        assert!(!raw.hexists::<bool, _, _>(ring, "an older key").await.unwrap());
    }
    bed.fan.hold(&bed.event.id, &[2]).await.expect(201);
    bed.app.finish().await;
}

/// The rule: a Redis that lost its tail (failover, truncated file) is not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_its_tail_is_rebuilt_at_the_start_of_a_worker() {
    let mut bed = Bed::start().await;
    bed.buy(&bed.fan, 1).await;
    bed.app.verify().await;
    bed.app.node.take().unwrap().stop().await;
    // As a replica that had not yet heard of the sale.
    let (raw, keys) = (bed.app.raw().await, PartitionKeys(bed.id.partition()));
    let _: i64 = raw.hdel(MatchKeys(bed.id).seats(), "1").await.unwrap();
    let _: i64 = raw.del(vec![keys.claims(), keys.journal()]).await.unwrap();
    let node = Node::start(&bed.app.settings, NodeRole::All).await.unwrap();
    bed.fan = Client::new(node.url(), bed.fan.token.clone());
    bed.app.node = Some(node);
    eventually("the epoch rises", || async { (bed.epoch().await? == 2).then_some(()) }).await;
    let state = eventually("the map is loaded", || bed.state(1)).await;
    assert_eq!(state, "OCCUPIED");
    bed.app.finish().await;
}

/// The rule: what a server whose clock is behind has acknowledged after a failover is kept, though
/// its entries stand below the place of PostgreSQL; and keys of what PostgreSQL does not have go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_went_on_below_the_place_of_postgresql_is_read() {
    let mut bed = Bed::start().await;
    bed.buy(&bed.fan, 1).await;
    bed.app.verify().await;
    bed.app.node.take().unwrap().stop().await;
    let (raw, keys) = (bed.app.raw().await, PartitionKeys(bed.id.partition()));
    let mut documents: Vec<String> = Vec::new();
    for partition in (0..2).map(Partition) {
        let found: Vec<String> = raw.hvals(PartitionKeys(partition).accounts()).await.unwrap();
        documents.extend(found);
    }
    let document = documents.first().expect("there are accounts");
    let mut account: Value = serde_json::from_str(document).unwrap();
    account["id"] = serde_json::json!(UserId::new(bed.id.partition()).to_string());
    account["email"] = serde_json::json!("behind@test.example");
    let _: i64 = raw.del(keys.journal()).await.unwrap();
    let fields =
        vec![("v", "1".to_owned()), ("t", "account".to_owned()), ("doc", account.to_string())];
    let _: String = raw.xadd(keys.journal(), false, None::<()>, "1000-0", fields).await.unwrap();
    let forgotten = MatchId::new(bed.id.partition());
    let _: i64 = raw.hset(keys.matches(), (forgotten.key(), "{}")).await.unwrap();
    let _: i64 = raw.hset(MatchKeys(forgotten).seats(), ("1", "B")).await.unwrap();
    let node = Node::start(&bed.app.settings, NodeRole::All).await.unwrap();
    bed.fan = Client::new(node.url(), bed.fan.token.clone());
    bed.app.node = Some(node);
    eventually("the epoch rises", || async { (bed.epoch().await? == 2).then_some(()) }).await;
    let kept = bed.app.node().services.store.accounts(bed.id.partition()).await.unwrap();
    assert!(kept.iter().any(|one| one.email == "behind@test.example"));
    assert!(!raw.exists::<bool, _>(MatchKeys(forgotten).seats()).await.unwrap());
    bed.app.finish().await;
}

/// The rule: PostgreSQL has the last word before money moves: a seat that Redis forgot is not sold
/// a second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_that_redis_forgot_is_not_sold_again() {
    let mut bed = Bed::start().await;
    bed.buy(&bed.fan, 1).await;
    let (raw, keys) = (bed.app.raw().await, PartitionKeys(bed.id.partition()));
    let _: i64 = raw.hdel(MatchKeys(bed.id).seats(), "1").await.unwrap();
    let _: i64 = raw.del(keys.claims()).await.unwrap();
    let other = bed.app.user("other").await;
    let reservation = other.reserve(&bed.event.id, &[1, 2]).await;
    let payment = other.request_payment(&reservation).await;
    let key = bed.app.pay_at_gateway(&payment, "approve").await;
    let refused = other.confirm(&payment, &key).await.refused(409, "SEAT_SOLD");
    assert_eq!(refused["lost"], serde_json::json!([1]));
    assert_eq!(bed.app.ledger().await, ["DONE", "IN_PROGRESS"], "no second charge");
    // The seat stays out of the sale, the other one is free again.
    other.hold(&bed.event.id, &[1]).await.refused(409, "SEAT_TAKEN");
    other.hold(&bed.event.id, &[2]).await.expect(201);
    bed.app.verify().await;
    // A rebuild brings the sale back to the map; it is done while no worker has a lease.
    bed.app.node.take().unwrap().stop().await;
    let rebuilt = eventually("the leases have ended", || async {
        grandstand::commands::rebuild::rebuild(&bed.app.settings, None).await.ok()
    })
    .await;
    assert_eq!(rebuilt, 2);
    let node = Node::start(&bed.app.settings, NodeRole::All).await.unwrap();
    bed.fan = Client::new(node.url(), bed.fan.token.clone());
    bed.app.node = Some(node);
    eventually("the sale is on the map", || async {
        (bed.state(1).await? == "OCCUPIED").then_some(())
    })
    .await;
    bed.app.finish().await;
}
