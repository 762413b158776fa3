//! `grandstand verify` finds every disagreement, whichever side is wrong.

use crate::support::node::TestNode;
use crate::support::postgres::sql;
use fred::interfaces::{HashesInterface as _, KeysInterface as _, StreamsInterface as _};
use grandstand::commands::verify::gateway::verify_gateway;
use grandstand::commands::verify::{Verified, verify};
use grandstand::domain::ids::{MatchId, ReservationId};
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

async fn found(node: &TestNode) -> Verified {
    let services = node.services();
    let mut found = verify(&services.engine, &services.store).await.unwrap();
    verify_gateway(&services.store, &services.toss, 7, &mut found).await.unwrap();
    found
}

fn kinds(found: &Verified) -> BTreeSet<&'static str> {
    found.disagreements.iter().map(|fault| fault.kind).collect()
}

/// Three sales, then a node without a worker: nobody mends what a test breaks. The reservations
/// with the keys of their payments.
async fn three_sales(node: &mut TestNode, fixture: &str) -> Vec<(Value, String)> {
    let fan = node.user("fan").await;
    let mut sold = Vec::new();
    for seat in [1, 2, 3] {
        let reservation = fan.reserve(fixture, &[seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, "approve").await;
        fan.confirm(&payment, &key).await.expect(200);
        sold.push((reservation, key));
    }
    node.without_worker().await;
    sold
}

/// Breaks PostgreSQL in one way after the other.
async fn break_database(node: &TestNode, id: MatchId, wanted: &mut BTreeSet<&'static str>) {
    let stray = format!("insert into claims values ('{id}', 25, '{}')", uuid::Uuid::now_v7());
    let letter =
        "insert into dead_letters values (0, 1, '5-0', '{\"t\": \"account\"}', 'no', now())";
    let ways = [
        ("claim", stray.as_str()),
        ("account", "delete from accounts where email = 'fan@test.example'"),
        ("match", "update matches set document = jsonb_set(document, '{version}', '99')"),
        ("site", "delete from sites"),
        ("dead letter", letter),
    ];
    for (kind, statement) in ways {
        sql(&node.settings.database_url, statement).await;
        wanted.insert(kind);
        assert_eq!(kinds(&found(node).await), *wanted);
    }
}

/// The command ends with another status than 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_settings_of_commands_are_named() {
    let node = TestNode::start().await;
    let table: [(&[&str], &str); 4] = [
        (&["rebuild", "--partition", "999"], "there is no partition 999"),
        (&["verify", "--gateway", "--toss-secret-key", ""], "GRANDSTAND_TOSS_SECRET_KEY"),
        (&["verify", "--redis-url", "http://127.0.0.1:1"], "redis://"),
        (&["verify", "--redis-url", "redis://:secret@127.0.0.1:1"], "at 127.0.0.1:1"),
    ];
    for (arguments, wanted) in table {
        let (status, text) = node.run(arguments).await;
        assert!(status != 0 && text.contains(wanted), "{arguments:?}: {status} {text}");
        assert!(!text.contains("secret@"), "{text}");
    }
    node.finish().await;
}

/// Nothing is found where all agree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_disagreement_is_found() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let sold = three_sales(&mut node, &fixture.id).await;
    let (status, text) = node.run(&["verify", "--gateway"]).await;
    assert_eq!(status, 0, "{text}");
    let summary = "1 matches, 3 taken seats, 3 payments at the gateway, 0 journal entries";
    assert!(text.contains(summary), "{text}");

    let id = fixture.match_id();
    let (raw, keys) = (node.raw().await, PartitionKeys(id.partition()));
    let reservation: uuid::Uuid = sold[1].0["id"].as_str().unwrap().parse().unwrap();
    let claim = ReservationId(reservation).key();
    let mut wanted = BTreeSet::new();

    let _: i64 = raw.hdel(MatchKeys(id).seats(), "1").await.unwrap();
    wanted.insert("seat");
    assert_eq!(kinds(&found(&node).await), wanted);

    let all: HashMap<String, String> = raw.hgetall(keys.claims()).await.unwrap();
    let (user, records) = all.iter().find(|(_, records)| records.contains(&claim)).unwrap();
    let cheaper = |record: &str| {
        if record.starts_with(&claim) {
            record.replace("|10000|", "|1|")
        } else {
            record.to_owned()
        }
    };
    let cheap: Vec<String> = records.lines().map(cheaper).collect();
    let _: i64 = raw.hset(keys.claims(), (user.as_str(), cheap.join("\n"))).await.unwrap();
    wanted.insert("reservation");
    assert_eq!(kinds(&found(&node).await), wanted);

    break_database(&node, id, &mut wanted).await;

    // The money of a sale went back without a row.
    let toss = &node.services().toss;
    toss.cancel(&sold[2].1, "by-hand", "a test", None).await;
    wanted.insert("payment");
    assert_eq!(kinds(&found(&node).await), wanted);

    let cap = ("MAXLEN", "=", 0_i64);
    let _: i64 = raw.xtrim(keys.journal(), cap).await.unwrap();
    wanted.insert("journal");
    let last = found(&node).await;
    assert_eq!(kinds(&last), wanted, "{}", last.table());

    let (status, text) = node.run(&["verify", "--gateway"]).await;
    assert_eq!(status, 1, "{text}");
    let head = text.lines().next().unwrap();
    assert!(head.starts_with("kind") && head.ends_with("what does not agree"), "{text}");
    for kind in wanted {
        assert!(text.lines().any(|line| line.starts_with(kind)), "no {kind} in:\n{text}");
    }
    assert!(text.contains("PAID in PostgreSQL, CANCELED at the gateway"), "{text}");
    node.running.unwrap().stop().await;
}

/// The newest payment of each sale looks as it should.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_without_a_payment_or_with_two_is_found() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let sold = three_sales(&mut node, &fixture.id).await;
    assert_eq!(kinds(&found(&node).await), BTreeSet::new());
    let id = |number: usize| sold[number].0["id"].as_str().unwrap();
    let copy = format!(
        "insert into payments select (jsonb_populate_record(p, jsonb_build_object('id', \
         gen_random_uuid(), 'order_id', 'another', 'begun_at', p.begun_at - interval '1 s'))).* \
         from payments p where reservation_id = '{}'",
        id(0)
    );
    let fail = format!("update payments set status = 'FAILED' where reservation_id = '{}'", id(1));
    let lose = format!("delete from payments where reservation_id = '{}'", id(2));
    for statement in [copy, fail, lose] {
        sql(&node.settings.database_url, &statement).await;
    }
    let services = node.services();
    let found = verify(&services.engine, &services.store).await.unwrap();
    let named = found.disagreements.iter().map(|fault| (fault.kind, &*fault.about));
    let named: BTreeSet<_> = named.collect();
    let wanted = (0..3).map(|number| ("reservation", id(number))).collect();
    assert_eq!(named, wanted, "{}", found.table());
    assert!(found.table().contains("2 payments are PAID"), "{}", found.table());
    node.running.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_repairs_redis() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1, 2]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.expect(200);
    node.verify().await;
    let id = fixture.match_id();
    let _: i64 = node.raw().await.hdel(MatchKeys(id).seats(), "1").await.unwrap();
    assert_eq!(node.run(&["verify"]).await.0, 1);
    let partition = id.partition().to_string();
    let (status, text) = node.run(&["rebuild", "--partition", &partition]).await;
    assert!(status == 0 && text.contains("1 partitions loaded"), "{status} {text}");
    let (status, text) = node.run(&["verify", "--gateway"]).await;
    assert_eq!(status, 0, "{text}");
    node.finish().await;
}

/// A load of the partition frees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_seat_without_a_claim_is_found() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    fan.hold(&fixture.id, &[3]).await.expect(201);
    node.verify().await;
    assert!(found(&node).await.disagreements.is_empty());
    let id = fixture.match_id();
    let claims = PartitionKeys(id.partition()).claims();
    let _: i64 = node.raw().await.del(claims).await.unwrap();
    let wrong = found(&node).await;
    assert_eq!(kinds(&wrong), BTreeSet::from(["seat"]), "{}", wrong.table());
    fan.hold(&fixture.id, &[3]).await.refused(409, "SEAT_TAKEN");
    let (status, text) = node.run(&["rebuild"]).await;
    assert_eq!(status, 0, "{text}");
    crate::support::node::eventually("the seat is free", || async {
        (fan.hold(&fixture.id, &[3]).await.status == 201).then_some(())
    })
    .await;
    node.finish().await;
}
