//! An Idempotency-Key belongs to one body, in whatever partition the effect of the body is.

use crate::support::node::{TestMatch, TestNode};
use serde_json::json;

/// Two matches in different partitions.
async fn apart(node: &TestNode) -> [TestMatch; 2] {
    let partition = |fixture: &TestMatch| fixture.partition();
    let first = node.open_match().await;
    loop {
        let second = node.open_match().await;
        if partition(&second) != partition(&first) {
            return [first, second];
        }
    }
}

/// Also when the other body names another partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_used_with_another_body_is_refused() {
    let node = TestNode::start().await;
    let ([first, other], fan) = (apart(&node).await, node.user("fan").await);
    let mut bodies = vec![];
    for fixture in [&first, &other] {
        let hold = fan.hold(&fixture.id, &[1]).await.expect(201);
        bodies.push(json!({"matchId": fixture.id, "holdId": hold["holdId"]}));
    }
    let reserve = async |body, key| fan.post_with_key("/api/reservations", body, key).await;
    let first = reserve(&bodies[0], "first").await.expect(201);
    reserve(&bodies[1], "first").await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(reserve(&bodies[0], "first").await.expect(201), first);
    let second = reserve(&bodies[1], "second").await.expect(201);
    reserve(&bodies[0], "second").await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    let request = async |reservation: &serde_json::Value| {
        let body = json!({"reservationId": reservation["id"], "method": "CARD"});
        fan.post_with_key("/api/payments/request", &body, "pay").await
    };
    let payment = request(&first).await.expect(201);
    request(&second).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(request(&first).await.expect(201), payment);
    node.finish().await;
}
