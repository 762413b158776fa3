//! Redis is killed, wiped or set back: acknowledged holds and all sales stand.

use crate::support::events::EventStream;
use crate::support::node::eventually;
use crate::support::sale::Sale;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::ids::{MatchId, Partition, UserId};
use grandstand::domain::position::EventId;
use grandstand::engine::accounts::{AccountChange, EndSessions};
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::{Value, json};

/// A sale whose Redis keeps each command over a kill.
async fn start() -> Sale {
    Sale::with(|settings| settings.reconcile_after_ms = 200).durable_redis().start().await
}

/// The address of the live map.
fn map_of(sale: &Sale) -> String {
    format!("{}{}", sale.fan.url, sale.fixture.path("/blocks/1/seats/events"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_hold_survives_a_kill_of_redis() {
    let mut sale = start().await;
    sale.sold(&[1]).await;
    let hold = sale.fan.hold(&sale.fixture.id, &[2, 3]).await.expect(201);
    sale.node.redis.kill().await;
    // While Redis is away the response is 503 with a time to come back.
    let refused = sale.fan.hold(&sale.fixture.id, &[4]).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    sale.node.redis.restart().await.unwrap();
    eventually("log-ins go on", || async {
        let body = json!({"email": "other@test.example", "password": "a password of tests"});
        let answer = sale.node.guest().post("/api/users/sign-up", &body).await;
        [201, 409].contains(&answer.status).then_some(())
    })
    .await;
    let other = sale.node.guest().log_in("other@test.example", "a password of tests").await;
    let lost = other.hold(&sale.fixture.id, &[1, 2, 3]).await.refused(409, "SEAT_TAKEN");
    assert_eq!(lost["lost"], json!([1, 2, 3]));
    let body = json!({"matchId": sale.fixture.id, "holdId": hold["holdId"]});
    sale.fan.post("/api/reservations", &body).await.expect(201);
    sale.sold_to(&other, &[5]).await;
    sale.finish().await;
}

/// It is loaded from PostgreSQL under a new epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_redis_is_rebuilt_with_all_sales() {
    let sale = start().await;
    let sold = sale.sold(&[1]).await;
    sale.fan.hold(&sale.fixture.id, &[2]).await.expect(201);
    let mut map = EventStream::open(&map_of(&sale), None).await;
    map.wait_for(2, "HOLD").await;
    let before: EventId = map.last_id.parse().unwrap();
    sale.node.verify().await;
    let flush = CustomCommand::new_static("FLUSHALL", ClusterHash::Random, false);
    let _: () = sale.node.raw().await.custom(flush, Vec::<String>::new()).await.unwrap();
    let epoch = eventually("the partition is loaded again", || sale.epoch()).await;
    assert_eq!(epoch, before.position.epoch + 1);
    // A client that stayed gets a new snapshot: the open hold is gone, the sale is not.
    let first = eventually_event(&mut map).await;
    assert_eq!(first.name, "snapshot");
    assert_eq!(map.last_id.parse::<EventId>().unwrap().position.epoch, epoch);
    assert_eq!((map.seats[&1].as_str(), map.seats[&2].as_str()), ("OCCUPIED", "AVAILABLE"));
    // A client that returns with an earlier id gets a snapshot too.
    let mut back = EventStream::open(&map_of(&sale), Some(&before.to_string())).await;
    assert_eq!(back.next().await.unwrap().name, "snapshot");
    // Accounts and catalogue are back, and the sale goes on, with its journal.
    eventually("log-ins go on", || async {
        let body = json!({"email": "fan@test.example", "password": "a password of tests"});
        (sale.node.guest().post("/api/users/log-in", &body).await.status == 200).then_some(())
    })
    .await;
    let other = sale.node.user("other").await;
    other.hold(&sale.fixture.id, &[1]).await.refused(409, "SEAT_TAKEN");
    sale.sold_to(&other, &[2]).await;
    map.wait_for(2, "OCCUPIED").await;
    sale.node.wait_for_status(&sale.fan, &sold, "CONFIRMED").await;
    sale.cancel(&sold, &Value::Null).await.expect(200);
    map.wait_for(1, "AVAILABLE").await;
    sale.finish().await;
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

/// It stays PAYING, and the reconciler settles it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_under_way_survives_a_wipe() {
    let sale = start().await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    sale.node.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    sale.node.fault(&json!({"call": "lookup", "kind": "errorBefore"})).await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    sale.node.verify().await;
    let flush = CustomCommand::new_static("FLUSHALL", ClusterHash::Random, false);
    let _: () = sale.node.raw().await.custom(flush, Vec::<String>::new()).await.unwrap();
    eventually("the partition is loaded again", || sale.epoch()).await;
    sale.wait_for_seat(1, "PENDING").await;
    sale.node.clear_faults().await;
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    assert_eq!(sale.node.ledger().await, ["DONE"]);
    sale.finish().await;
}

/// The data of a release with another layout is not read; the partition is loaded from PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_of_another_layout_is_loaded_again() {
    let mut sale = start().await;
    sale.sold(&[1]).await;
    sale.fan.hold(&sale.fixture.id, &[2]).await.expect(201);
    sale.node.verify().await;
    sale.node.stop_node().await;
    let (raw, keys) = (sale.node.raw().await, PartitionKeys(sale.partition()));
    let _: i64 = raw.hset(keys.partition(), ("layout", "1")).await.unwrap();
    for ring in keys.operations() {
        let _: i64 = raw.hset(ring, ("an older key", "in an older form")).await.unwrap();
    }
    sale.start_node().await;
    eventually("the epoch rises", || async { (sale.epoch().await? == 2).then_some(()) }).await;
    sale.wait_for_seat(1, "OCCUPIED").await;
    for ring in keys.operations() {
        assert!(!raw.hexists::<bool, _, _>(ring, "an older key").await.unwrap());
    }
    sale.fan.hold(&sale.fixture.id, &[2]).await.expect(201);
    sale.finish().await;
}

/// After a failover or with a truncated file, Redis is not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_its_tail_is_rebuilt_at_the_start_of_a_worker() {
    let mut sale = start().await;
    sale.sold(&[1]).await;
    sale.node.verify().await;
    sale.node.stop_node().await;
    // Like a replica that had not got the sale yet.
    let (raw, keys) = (sale.node.raw().await, PartitionKeys(sale.partition()));
    let _: i64 = raw.hdel(MatchKeys(sale.match_id()).seats(), "1").await.unwrap();
    let _: i64 = raw.del(vec![keys.claims(), keys.journal()]).await.unwrap();
    sale.start_node().await;
    eventually("the epoch rises", || async { (sale.epoch().await? == 2).then_some(()) }).await;
    sale.wait_for_seat(1, "OCCUPIED").await;
    sale.finish().await;
}

/// After a failover the clock of the new server may be behind, so its entries have ids below the
/// position of PostgreSQL. They are kept. Keys of matches that PostgreSQL does not have are
/// deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_with_ids_below_the_position_of_postgresql_are_read() {
    let mut sale = start().await;
    sale.sold(&[1]).await;
    sale.node.verify().await;
    sale.node.stop_node().await;
    let (raw, keys) = (sale.node.raw().await, PartitionKeys(sale.partition()));
    let mut documents: Vec<String> = Vec::new();
    for partition in (0..2).map(Partition) {
        let found: Vec<String> = raw.hvals(PartitionKeys(partition).accounts()).await.unwrap();
        documents.extend(found);
    }
    let document = documents.first().expect("there are accounts");
    let mut account: Value = serde_json::from_str(document).unwrap();
    account["id"] = json!(UserId::new(sale.partition()).to_string());
    account["email"] = json!("behind@test.example");
    let _: i64 = raw.del(keys.journal()).await.unwrap();
    let fields =
        vec![("v", "1".to_owned()), ("t", "account".to_owned()), ("doc", account.to_string())];
    let _: String = raw.xadd(keys.journal(), false, None::<()>, "1000-0", fields).await.unwrap();
    let forgotten = MatchId::new(sale.partition());
    let _: i64 = raw.hset(keys.matches(), (forgotten.key(), "{}")).await.unwrap();
    let _: i64 = raw.hset(MatchKeys(forgotten).seats(), ("1", "B")).await.unwrap();
    sale.start_node().await;
    eventually("the epoch rises", || async { (sale.epoch().await? == 2).then_some(()) }).await;
    let kept = sale.node.store().accounts(sale.partition()).await.unwrap();
    assert!(kept.iter().any(|account| account.email == "behind@test.example"));
    assert!(!raw.exists::<bool, _>(MatchKeys(forgotten).seats()).await.unwrap());
    sale.finish().await;
}

/// PostgreSQL refuses it before money moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_that_redis_forgot_is_not_sold_again() {
    let mut sale = start().await;
    sale.sold(&[1]).await;
    let (raw, keys) = (sale.node.raw().await, PartitionKeys(sale.partition()));
    let _: i64 = raw.hdel(MatchKeys(sale.match_id()).seats(), "1").await.unwrap();
    let _: i64 = raw.del(keys.claims()).await.unwrap();
    let other = sale.node.user("other").await;
    let reservation = other.reserve(&sale.fixture.id, &[1, 2]).await;
    let payment = other.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    let refused = other.confirm(&payment, &key).await.refused(409, "SEAT_SOLD");
    assert_eq!(refused["lost"], json!([1]));
    assert_eq!(sale.node.ledger().await, ["DONE", "IN_PROGRESS"], "no second charge");
    // The seat stays out of the sale, the other one is free again.
    other.hold(&sale.fixture.id, &[1]).await.refused(409, "SEAT_TAKEN");
    other.hold(&sale.fixture.id, &[2]).await.expect(201);
    sale.node.verify().await;
    // A rebuild brings the sale back to the map; it is done while no worker has a lease.
    sale.node.stop_node().await;
    let rebuilt = eventually("the leases have ended", || async {
        grandstand::commands::rebuild::rebuild(&sale.node.settings, None).await.ok()
    })
    .await;
    assert_eq!(rebuilt, 2);
    sale.start_node().await;
    sale.wait_for_seat(1, "OCCUPIED").await;
    sale.finish().await;
}

/// A node that does not hear whether sessions were ended accepts access tokens for calls that move
/// no money. Before money moves it asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_money_moves_for_a_session_that_has_ended_unheard() {
    let sale = start().await;
    let bought = sale.sold(&[1]).await;
    let reservation = sale.fan.reserve(&sale.fixture.id, &[2]).await;
    sale.deafen().await;
    let payment = sale.fan.request_payment(&reservation).await;
    // Another node has ended the session.
    let me = sale.fan.get("/api/users/me").await.expect(200);
    let user: UserId = me["id"].as_str().unwrap().parse().unwrap();
    sale.node.engine().end_all_sessions(user, None).await.unwrap();
    let request = json!({"reservationId": reservation["id"], "method": "CARD"});
    let confirm = json!({"paymentId": payment["id"], "paymentKey": "k",
        "orderId": payment["orderId"], "amount": payment["amount"]});
    let cancel = format!("/api/reservations/{}/cancel", bought["id"].as_str().unwrap());
    let calls = [
        ("/api/payments/request", request),
        ("/api/payments/confirm", confirm),
        (cancel.as_str(), json!({})),
    ];
    for (path, body) in &calls {
        sale.fan.post(path, body).await.refused(401, "UNAUTHORIZED");
    }
    // The same for somebody who gives money back for the organiser.
    let admin = sale.node.admin().await;
    let me = admin.get("/api/users/me").await.expect(200);
    let user: UserId = me["id"].as_str().unwrap().parse().unwrap();
    sale.node.engine().end_all_sessions(user, None).await.unwrap();
    let cancel = format!("/api/admin/reservations/{}/cancel", bought["id"].as_str().unwrap());
    admin.post(&cancel, &json!({})).await.refused(401, "UNAUTHORIZED");
    admin.get("/api/admin/sites").await.expect(200);
    sale.fan.get("/api/reservations").await.expect(200);
    sale.hear_again().await;
    eventually("the node hears the end", async || {
        (sale.fan.get("/api/reservations").await.status == 401).then_some(())
    })
    .await;
    sale.finish().await;
}

/// An API key is a credential like a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_money_moves_for_a_key_that_was_deleted_unheard() {
    let sale = start().await;
    let body = json!({"name": "Box office", "role": "BOX_OFFICE", "sites": [sale.fixture.site_id],
        "scopes": ["BUY", "SEATS_BLOCK"]});
    let made = sale.node.admin().await.post("/api/admin/api-keys", &body).await.expect(201);
    let program = sale.node.guest().with_token(made["key"].as_str().unwrap());
    let reservation = program.reserve(&sale.fixture.id, &[3]).await;
    sale.deafen().await;
    // Another node has deleted the key.
    let id: UserId = made["id"].as_str().unwrap().parse().unwrap();
    let before = sale.node.engine().api_key(id).await.unwrap().unwrap();
    let (ending, token, trail) = (EndSessions::All, None, None);
    let change = AccountChange { before: &before, after: None, ending, token, trail };
    sale.node.engine().change_account(change).await.unwrap();
    let request = json!({"reservationId": reservation["id"], "method": "CARD"});
    let block = format!("/api/admin/matches/{}/block", sale.fixture.id);
    for (path, body) in
        [("/api/payments/request", request), (block.as_str(), json!({"seatIds": [9]}))]
    {
        program.post(path, &body).await.refused(401, "UNAUTHORIZED");
    }
    program.get("/api/reservations").await.expect(200);
    sale.hear_again().await;
    eventually("the node hears the end", async || {
        (program.get("/api/reservations").await.status == 401).then_some(())
    })
    .await;
    sale.finish().await;
}
