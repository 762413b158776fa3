//! One account can't use up the calls to the gateway, and can't pause the payments of others.

use crate::support::client::Client;
use crate::support::sale::Sale;
use serde_json::{Value, json};

/// Pays with a key that the gateway never gave; the status.
async fn pay_with_a_made_up_key(fan: &Client, reservation: &Value, number: usize) -> u16 {
    let body = json!({"reservationId": reservation["id"], "method": "CARD"});
    let payment = fan.post("/api/payments/request", &body).await;
    if payment.status != 201 {
        return payment.status;
    }
    fan.confirm(&payment.body["data"], &format!("made-up-{number}")).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rude_buyer_does_not_pause_payments_for_others() {
    let sale = Sale::with(|settings| settings.rates.rate_limits = "on".to_owned()).start().await;
    let (_, honest, key) = sale.ready(&[1]).await;
    let rude = sale.node.user("rude").await;
    let reservation = rude.reserve(&sale.fixture.id, &[2, 3]).await;
    let mut statuses = Vec::new();
    for number in 0..30 {
        statuses.push(pay_with_a_made_up_key(&rude, &reservation, number).await);
    }
    let declined = statuses.iter().filter(|status| **status == 402).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(declined <= 6 && declined + refused == 30, "{statuses:?}");
    assert!(!sale.node.ledger().await.is_empty());
    // The gateway is busy for a while: it wants fewer calls.
    sale.node.fault(&json!({"call": "confirm", "kind": "rateLimit", "perMinute": 0})).await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        let fan = sale.node.user(name).await;
        let seat = u32::from(name.as_bytes()[0] - b'a') + 4;
        let reservation = fan.reserve(&sale.fixture.id, &[seat]).await;
        let status = pay_with_a_made_up_key(&fan, &reservation, 99).await;
        assert_eq!(status, 202, "its outcome is not known");
    }
    sale.node.clear_faults().await;
    // More calls than would open the breaker had no success, and still nobody is refused.
    sale.fan.confirm(&honest, &key).await.expect(200);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_has_ten_payments_that_are_declined() {
    let sale = Sale::with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.confirms_per_minute = 1000;
        settings.rates.payment_requests_per_minute = 1000;
    });
    let sale = sale.start().await;
    let reservation = sale.fan.reserve(&sale.fixture.id, &[1]).await;
    let mut statuses = Vec::new();
    for number in 0..13 {
        statuses.push(pay_with_a_made_up_key(&sale.fan, &reservation, number).await);
    }
    assert_eq!(statuses, [vec![402; 10], vec![429; 3]].concat());
    // The buyer begins again with the same seats.
    let path = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
    sale.fan.post(&path, &Value::Null).await.expect(200);
    let again = sale.fan.reserve(&sale.fixture.id, &[1]).await;
    assert_eq!(pay_with_a_made_up_key(&sale.fan, &again, 0).await, 402);
    sale.finish().await;
}
