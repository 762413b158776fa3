//! `grandstand verify --gateway` finds a charge that no book has.

use crate::support::client::plain_http;
use crate::support::node::TestNode;
use crate::support::postgres::sql;
use fred::interfaces::{HashesInterface as _, StreamsInterface as _};
use futures::{StreamExt as _, stream};
use grandstand::commands::verify::gateway::verify_gateway;
use grandstand::commands::verify::{Verified, verify};
use grandstand::domain::ids::{MatchId, ReservationId};
use grandstand::gateway::toss::ConfirmOutcome;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The disagreements: kind, subject and text.
async fn disagreements(node: &TestNode) -> Vec<(&'static str, String, String)> {
    let services = node.services();
    let mut found: Verified = verify(&services.engine, &services.store).await.unwrap();
    verify_gateway(&services.store, &services.toss, 1, &mut found).await.unwrap();
    found.disagreements.into_iter().map(|fault| (fault.kind, fault.about, fault.what)).collect()
}

/// A sale of one seat.
struct Sale {
    reservation: ReservationId,
    seat: String,
    order: String,
    /// The gateway's key of the payment.
    key: String,
}

/// Sales of these seats, then a node without a worker: nobody mends what a test breaks.
async fn sales(node: &mut TestNode, fixture: &str, seats: &[u32]) -> Vec<Sale> {
    let fan = node.user("fan").await;
    let mut sold = Vec::new();
    for seat in seats {
        let reservation = fan.reserve(fixture, &[*seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, "approve").await;
        fan.confirm(&payment, &key).await.expect(200);
        sold.push(Sale {
            reservation: ReservationId(reservation["id"].as_str().unwrap().parse().unwrap()),
            seat: seat.to_string(),
            order: payment["orderId"].as_str().unwrap().to_owned(),
            key,
        });
    }
    node.without_worker().await;
    sold
}

/// PostgreSQL and Redis lose a sale.
async fn lose(node: &TestNode, fixture: MatchId, sale: &Sale) {
    let id = sale.reservation;
    let statements = format!(
        "delete from claims where reservation_id = '{id}'; \
         delete from payments where reservation_id = '{id}'; \
         delete from reservations where id = '{id}'"
    );
    sql(&node.settings.database_url, &statements).await;
    let (raw, claims) = (node.raw().await, PartitionKeys(fixture.partition()).claims());
    let _: i64 = raw.hdel(MatchKeys(fixture).seats(), sale.seat.as_str()).await.unwrap();
    let all: HashMap<String, String> = raw.hgetall(claims.clone()).await.unwrap();
    let (user, records) = all.iter().find(|(_, records)| records.contains(&id.key())).unwrap();
    let left: Vec<_> = records.lines().filter(|record| !record.starts_with(&id.key())).collect();
    let _: i64 = raw.hset(claims, (user.as_str(), left.join("\n"))).await.unwrap();
}

/// More charges of another shop that has the same account at the gateway than one page has.
async fn charges_of_another_shop(node: &TestNode) {
    let (http, toss) = (plain_http(), &node.services().toss);
    let pay = |number: u32| {
        let http = http.clone();
        async move {
            let order = format!("another-shop-{number}");
            let url = format!("{}/_emulator/payments", node.emulator.url());
            let body = json!({"orderId": order, "amount": 1000});
            let answer = http.post(url).json(&body).send().await.unwrap();
            let key = answer.json::<Value>().await.unwrap()["paymentKey"].clone();
            let outcome = toss.confirm(key.as_str().unwrap(), &order, 1000, 1).await;
            assert!(matches!(outcome, ConfirmOutcome::Approved(_)), "{outcome:?}");
        }
    };
    stream::iter(0..1001).map(pay).buffer_unordered(16).collect::<Vec<_>>().await;
}

/// It is named with its balance until that has gone back. A charge that has a row, or that is
/// another shop's, is not named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_without_a_row_is_found() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    charges_of_another_shop(&node).await;
    let sold = sales(&mut node, &fixture.id, &[1, 2, 3]).await;
    assert_eq!(disagreements(&node).await, vec![]);

    let lost = &sold[1];
    lose(&node, fixture.id.parse().unwrap(), lost).await;
    let named = |left: i64| {
        let what = format!(
            "charged {left} KRW, and no row of PostgreSQL has it: give it back at the gateway"
        );
        vec![("gateway", lost.order.clone(), what)]
    };
    assert_eq!(disagreements(&node).await, named(10_000));
    let (status, text) = node.run(&["verify", "--gateway", "--days", "365"]).await;
    assert!(status == 1 && text.contains(&lost.order), "{status} {text}");

    let toss = &node.services().toss;
    toss.cancel(&lost.key, "a-part", "a test", Some(4_000)).await;
    assert_eq!(disagreements(&node).await, named(6_000));
    toss.cancel(&lost.key, "the-rest", "a test", None).await;
    assert_eq!(disagreements(&node).await, vec![]);
    node.finish().await;
}

/// While the journal and PostgreSQL differ, Redis may know the sale, and a restore would bring it
/// back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_refund_is_advised_while_the_journal_differs() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let sold = sales(&mut node, &fixture.id, &[1]).await;
    let id = fixture.match_id();
    lose(&node, id, &sold[0]).await;
    let cap = ("MAXLEN", "=", 0_i64);
    let journal = PartitionKeys(id.partition()).journal();
    let _: i64 = node.raw().await.xtrim(journal, cap).await.unwrap();
    let found = disagreements(&node).await;
    let (_, about, what) = found.iter().find(|(kind, ..)| *kind == "gateway").unwrap();
    assert_eq!(*about, sold[0].order);
    let wanted = format!("mend the journal of partition {} first", id.partition());
    assert!(what.ends_with(&wanted), "{what}");
    node.running.unwrap().stop().await;
}

/// Numbers of days without sense are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_list_of_charges_is_one_line() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let sold = sales(&mut node, &fixture.id, &[1]).await;
    lose(&node, fixture.id.parse().unwrap(), &sold[0]).await;
    for call in ["transactions", "lookup"] {
        node.fault(&json!({"call": call, "kind": "errorBefore", "count": 1})).await;
        let found = disagreements(&node).await;
        let [("gateway", about, what)] = &found[..] else { panic!("{call}: {found:?}") };
        assert_eq!(about, "-");
        assert!(what.starts_with("the charges within --days 1 could not all be seen"), "{what}");
    }
    for arguments in [&["--gateway", "--days", "0"][..], &["--gateway", "--days", "366"]] {
        let (status, text) = node.run(&[&["verify"], arguments].concat()).await;
        assert!(status != 0 && text.contains("1..=365"), "{arguments:?}: {status} {text}");
    }
    let (status, text) = node.run(&["verify", "--days", "3"]).await;
    assert!(status != 0 && text.contains("--gateway"), "{status} {text}");
    node.finish().await;
}
