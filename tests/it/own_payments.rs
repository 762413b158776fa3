//! What a fan sees of the money of a reservation.

use crate::support::sale::{Sale, confirm_until_persisted, path_of};
use serde_json::{Value, json};

async fn payments(sale: &Sale, reservation: &Value) -> Value {
    sale.fan.get(&format!("{}/payments", path_of(reservation))).await.expect(200)
}

/// One was declined, the outcome of the next one was unknown for a while, and some seats are given
/// back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_and_each_refund_is_listed() {
    let sale = Sale::with(|settings| {
        settings.reconcile_after_ms = 200;
        settings.toss_timeout_ms = 1500;
    });
    let sale = sale.start().await;
    let (reservation, first, key) = sale.ready_to_end(&[1, 2], "decline").await;
    let listed = payments(&sale, &reservation).await;
    assert_eq!(listed["payments"].as_array().unwrap().len(), 1);
    assert_eq!(listed["payments"][0]["id"], first["id"]);
    assert_eq!(listed["payments"][0]["status"], "READY");
    assert_eq!(listed["payments"][0]["begunAt"], Value::Null);
    sale.fan.confirm(&first, &key).await.refused(402, "PAYMENT_DECLINED");

    let second = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&second, "approve").await;
    sale.node.fault(&json!({"call": "lookup", "kind": "errorBefore"})).await;
    sale.node.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    sale.fan.confirm(&second, &key).await.expect(202);
    let listed = payments(&sale, &reservation).await;
    let (failed, unknown) = (&listed["payments"][0], &listed["payments"][1]);
    assert_eq!((&failed["id"], &failed["status"]), (&first["id"], &json!("FAILED")), "{listed}");
    assert_eq!(failed["code"], "REJECT_CARD_COMPANY");
    assert!(failed["begunAt"].is_string() && failed["updatedAt"].is_string(), "{failed}");
    assert_eq!((&unknown["id"], &unknown["status"]), (&second["id"], &json!("UNKNOWN")));
    assert_eq!(unknown["orderId"], second["orderId"]);
    let shown = sale.fan.get(&path_of(&reservation)).await.expect(200);
    assert_eq!(shown["payment"]["status"], "UNKNOWN", "as the 202 has said");

    sale.node.clear_faults().await;
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    confirm_until_persisted(&sale.fan, &second, &key).await;
    sale.cancel(&reservation, &json!({"seatIds": [2]})).await.expect(200);
    sale.node.verify().await;
    let listed = payments(&sale, &reservation).await;
    let paid = &listed["payments"][1];
    assert_eq!((&listed["history"], &paid["status"]), (&json!(true), &json!("PAID")), "{listed}");
    let refund = &paid["refunds"][0];
    assert_eq!((&refund["seatIds"], &refund["status"]), (&json!([2]), &json!("DONE")), "{paid}");
    assert_eq!(refund["amount"], json!(second["amount"].as_i64().unwrap() / 2));
    assert_eq!((&refund["fee"], &refund["code"]), (&json!(0), &Value::Null));
    let at = |name| refund[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at("begunAt") <= at("updatedAt"), "{refund}");

    let stranger = sale.node.user("stranger").await;
    let path = format!("{}/payments", path_of(&reservation));
    stranger.get(&path).await.refused(404, "RESERVATION_NOT_FOUND");
    let unpaid = sale.fan.reserve(&sale.fixture.id, &[5]).await;
    assert_eq!(payments(&sale, &unpaid).await["payments"], json!([]));
    sale.finish().await;
}

/// Without PostgreSQL the payment of an open reservation is still there, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_payment_of_an_open_reservation_needs_no_postgresql() {
    let sale = Sale::with(|settings| settings.payment_ttl_ms = 60_000).own_postgres();
    let mut sale = sale.start().await;
    let (reservation, payment, _) = sale.ready(&[1]).await;
    sale.postgres().kill().await;
    let listed = payments(&sale, &reservation).await;
    assert_eq!((&listed["history"], &listed["payments"][0]["id"]), (&json!(false), &payment["id"]));
    sale.postgres().restart().await.unwrap();
    sale.finish().await;
}
