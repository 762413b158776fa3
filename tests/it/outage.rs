//! PostgreSQL is away: holds go on, payments wait, and nothing is lost when it is back.

use crate::support::client::Client;
use crate::support::node::eventually;
use crate::support::sale::{Sale, confirm_when_payments_go_on, path_of};
use fred::prelude::*;
use grandstand::domain::ids::{Partition, ReservationId};
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use serde_json::{Value, json};
use std::time::Duration;

/// Nothing is charged, and nobody loses seats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgresql_holds_go_on_and_payments_wait() {
    let mut sale =
        Sale::with(|settings| settings.payment_ttl_ms = 60_000).own_postgres().start().await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    sale.postgres().kill().await;
    for _ in 0..2 {
        let paused = sale.fan.confirm(&payment, &key).await;
        assert!(paused.headers.contains_key("retry-after"));
        paused.refused(503, "PAYMENTS_PAUSED");
        let now = sale.fan.get(&path_of(&reservation)).await.expect(200);
        assert_eq!(now["status"], "PENDING");
        let (before, after) = (&reservation["expiresAt"], &now["expiresAt"]);
        assert!(before.as_str() < after.as_str(), "{before} then {after}");
    }
    assert_eq!(sale.node.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    sale.fan.hold(&sale.fixture.id, &[2]).await.expect(201);
    sale.fan.reserve(&sale.fixture.id, &[3]).await;
    let other = sale.node.user("made-meanwhile").await;
    other.hold(&sale.fixture.id, &[4]).await.expect(201);
    let list = sale.fan.get("/api/reservations").await.expect(200);
    assert_eq!(
        (&list["history"], list["reservations"].as_array().unwrap().len()),
        (&json!(false), 2)
    );
    eventually("the node says that PostgreSQL is away, and is ready", || async {
        let ready = sale.node.operator().get("/health/ready").await.expect(200);
        (ready["database"] == "away").then_some(())
    })
    .await;

    sale.postgres().restart().await.unwrap();
    let answer = confirm_when_payments_go_on(&sale.fan, &payment, &key).await;
    assert_eq!(
        (&answer["persisted"], &answer["reservation"]["status"]),
        (&json!(true), &json!("CONFIRMED"))
    );
    assert_eq!(sale.node.ledger().await, ["DONE"]);
    let list = sale.fan.get("/api/reservations").await.expect(200);
    assert_eq!(list["history"], true);
    sale.finish().await;
}

/// The money has moved, so it is a sale: the response is 202, and PostgreSQL gets it later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_between_claim_and_outcome_survives_the_loss_of_postgresql() {
    let mut sale = Sale::with(|_| {}).own_postgres().start().await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    sale.node
        .fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 1500, "count": 1}))
        .await;
    let fan = sale.fan.clone();
    let kill = async {
        sale.wait_for_charge().await;
        sale.postgres().kill().await;
    };
    let (answer, ()) = tokio::join!(fan.confirm(&payment, &key), kill);
    let answer = answer.expect(202);
    assert_eq!(
        (&answer["persisted"], &answer["reservation"]["status"]),
        (&json!(false), &json!("CONFIRMED"))
    );
    // A repeated confirmation gets the same response meanwhile.
    sale.fan.confirm(&payment, &key).await.expect(202);
    sale.postgres().restart().await.unwrap();
    let again = eventually("PostgreSQL has the sale", || async {
        let answer = sale.fan.confirm(&payment, &key).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert_eq!(again["data"]["persisted"], true);
    let id = reservation["id"].as_str().unwrap().parse().unwrap();
    let kept = sale.node.store().reservation(id).await.unwrap().unwrap();
    assert_eq!((kept.status.word(), kept.amount), ("CONFIRMED", 10_000));
    assert_eq!(sale.node.ledger().await, ["DONE"]);
    sale.finish().await;
}

/// PostgreSQL takes the claim after the node has given up. The claim is withdrawn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_postgresql_pauses_payments_and_keeps_no_claim() {
    let mut sale = Sale::with(|_| {}).own_postgres().start().await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    sale.postgres().freeze();
    sale.fan.confirm(&payment, &key).await.refused(503, "PAYMENTS_PAUSED");
    sale.fan.hold(&sale.fixture.id, &[2]).await.expect(201);
    sale.postgres().thaw();
    sale.cancel(&reservation, &Value::Null).await.expect(200);
    sale.node.verify().await;
    assert_eq!(sale.node.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    // The seat is free for a sale to another.
    let other = sale.node.user("other").await;
    let (_, payment, key) = sale.ready_of(&other, &[1], "approve").await;
    confirm_when_payments_go_on(&other, &payment, &key).await;
    sale.postgres().thaw();
    sale.finish().await;
}

/// It drains what the first worker left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_takes_over_where_one_stopped() {
    let mut sale = Sale::with(|_| {}).own_postgres().start().await;
    let second = sale.node.another_node(NodeRole::All).await;
    let fan = Client::new(second.url(), sale.fan.token.clone());
    sale.node.stop_node().await;
    let reservation = fan.reserve(&sale.fixture.id, &[1]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    confirm_when_payments_go_on(&fan, &payment, &key).await;
    for number in 0..2 {
        let partition = Partition(number);
        let (engine, store) = (&second.services.engine, &second.services.store);
        eventually("the journal is drained", || async {
            let upto = store.position(partition).await.ok()??.id;
            (engine.journal_backlog(partition, upto).await.ok()? == 0).then_some(())
        })
        .await;
    }
    sale.node.running = Some(second);
    sale.finish().await;
}

/// The first worker has vanished without giving up its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_takes_over_when_a_lease_ends() {
    let sale = Sale::with(|_| {}).own_postgres().start().await;
    let raw = sale.node.raw().await;
    // A dead worker has the partition, so nobody renews its lease.
    let lease = PartitionKeys(sale.partition()).lease();
    let expire = Some(Expiration::PX(4000));
    let _: () = raw.set(lease, "a worker that is dead", expire, None, false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await; // the live worker notices at its renewal
    let (_, payment, key) = sale.ready(&[1]).await;
    confirm_when_payments_go_on(&sale.fan, &payment, &key).await;
    sale.finish().await;
}

/// No money goes back that PostgreSQL does not know of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_refund_also_waits_for_postgresql() {
    let mut sale =
        Sale::with(|settings| settings.reconcile_after_ms = 500).own_postgres().start().await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    sale.postgres().kill().await;
    let cancel = format!("{}/cancel", path_of(&reservation));
    for _ in 0..2 {
        sale.fan.post(&cancel, &Value::Null).await.expect(202);
        assert_eq!(sale.node.ledger().await, ["DONE"], "nothing has gone back");
    }
    sale.postgres().restart().await.unwrap();
    eventually("the money is back", || async {
        (sale.node.ledger().await == ["CANCELED"]).then_some(())
    })
    .await;
    sale.node.wait_for_status(&sale.fan, &reservation, "CANCELLED").await;
    sale.finish().await;
}

/// A 404 would say that nothing was charged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_payment_is_not_reported_as_missing() {
    let mut sale = Sale::with(|_| {}).own_postgres().start().await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    sale.node.verify().await;
    // Redis has lost the reservation, and PostgreSQL, which has it, is away.
    let id: ReservationId = reservation["id"].as_str().unwrap().parse().unwrap();
    let claims = PartitionKeys(id.partition()).claims();
    let _: i64 = sale.node.raw().await.del(claims).await.unwrap();
    sale.postgres().kill().await;
    let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
    sale.fan.get(&path).await.refused(503, "HISTORY_UNAVAILABLE");
    sale.postgres().restart().await.unwrap();
    eventually("it is read again", || async {
        let answer = sale.fan.get(&path).await;
        (answer.status == 200).then_some(())
    })
    .await;
    sale.finish_unequal().await;
}
