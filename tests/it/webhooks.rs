//! Webhooks of the gateway, which anybody can send.

use crate::support::node::TestNode;
use crate::support::sale::Sale;
use grandstand::domain::ids::{Partition, PaymentId};
use serde_json::{Value, json};

/// Anybody may send a hint, so nothing in it is believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_webhook_changes_nothing() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    let payment = fan.request_payment(&reservation).await;
    let path = "/api/payments/webhooks/toss";
    let of = |order: Value| {
        json!({"eventType": "PAYMENT_STATUS_CHANGED",
        "data": {"orderId": order, "status": "DONE", "paymentKey": "forged"}})
    };
    // A payment of ours, an unknown payment, a payment of a partition that does not exist.
    let strange = PaymentId::new(Partition(4000));
    let orders = [
        payment["orderId"].clone(),
        json!("gs-x"),
        json!("other"),
        json!(strange.order_id()),
        Value::Null,
    ];
    for order in orders {
        let answer = node.guest().post(path, &of(order.clone())).await;
        assert_eq!(answer.status, 200, "{order}: {}", answer.body);
    }
    // Of other types than documented: a refusal would be repeated for days.
    for body in [
        json!({}),
        json!({"data": []}),
        json!({"data": "text", "orderId": 7}),
        json!({"data": {"orderId": {}, "status": 1, "paymentKey": []}}),
        json!({"orderId": null, "status": ["DONE"]}),
    ] {
        assert_eq!(node.guest().post(path, &body).await.status, 200, "{body}");
    }
    let id = reservation["id"].as_str().unwrap();
    let now = fan.get(&format!("/api/reservations/{id}")).await.expect(200);
    assert_eq!(now["status"], "PENDING");
    node.finish().await;
}

/// Where a node has a secret for webhooks, and where it has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_gateway_knows_the_address_with_the_secret() {
    let secret = "a-secret-of-webhooks";
    let sale =
        Sale::with(|settings| settings.toss_webhook_secret = secret.to_owned()).start().await;
    let path = "/api/payments/webhooks/toss";
    let guest = sale.node.guest();
    let body = json!({"data": {}});
    for wrong in [path, &format!("{path}/another-secret-of-ours"), &format!("{path}/{secret}x")] {
        guest.post(wrong, &body).await.refused(404, "NOT_FOUND");
    }
    guest.post(&format!("{path}/{secret}"), &body).await.expect(200);
    sale.finish().await;
    let node = TestNode::start().await;
    node.guest().post(&format!("{path}/{secret}"), &body).await.refused(404, "NOT_FOUND");
    node.guest().post(&format!("{path}/"), &body).await.refused(404, "NOT_FOUND");
    node.finish().await;
}
