//! A whole purchase through the API.

use crate::support::client::Client;
use crate::support::events::EventStream;
use crate::support::node::TestNode;
use grandstand::node::NodeRole;

/// After the 200 of the confirmation the seat is sold on the map, and PostgreSQL has the sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_sold_from_hold_to_confirmation() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (buyer, other) = (node.user("buyer").await, node.user("other").await);
    let url = format!("{}{}", other.url, fixture.path("/blocks/1/seats/events"));
    let mut map = EventStream::open(&url, None).await;
    map.wait_for(3, "AVAILABLE").await;

    let reservation = buyer.reserve(&fixture.id, &[3, 4]).await;
    map.wait_for(3, "PENDING").await;
    let lost = other.hold(&fixture.id, &[4, 5]).await.refused(409, "SEAT_TAKEN");
    assert_eq!(lost["lost"], serde_json::json!([4]));

    let payment = buyer.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    let answer = buyer.confirm(&payment, &key).await.expect(200);
    assert_eq!(answer["persisted"], true);
    assert_eq!(answer["reservation"]["status"], "CONFIRMED");
    map.wait_for(4, "OCCUPIED").await;

    let found = node.verify().await;
    assert_eq!((found.seats, found.disagreements.len()), (2, 0));
    // The time of the sale stays the same when Redis loads it from PostgreSQL.
    let path = format!("/api/reservations/{}", reservation["id"].as_str().unwrap());
    let made = reservation["createdAt"].as_str().expect("the time of the reservation");
    assert_eq!(buyer.get(&path).await.expect(200)["createdAt"], made);
    assert_eq!(node.run(&["rebuild"]).await.0, 0);
    let rebuilt = crate::support::node::eventually("it is loaded again", || async {
        let answer = buyer.get(&path).await;
        (answer.status == 200).then(|| answer.body["data"]["createdAt"].clone())
    });
    assert_eq!(rebuilt.await, made);
    node.finish().await;
}

/// Its own node refuses it. Another node waits for the first response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_first_call_is_under_way_is_refused() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let (path, body) = (fixture.path("/holds"), serde_json::json!({"seatIds": [1, 2]}));
    let second = node.another_node(NodeRole::Api).await;
    let elsewhere = Client::new(second.url(), fan.token.clone());
    elsewhere.get(&fixture.path("")).await.expect(200);
    node.redis.freeze();
    let call = |client: &Client| {
        let (client, path, body) = (client.clone(), path.clone(), body.clone());
        tokio::spawn(async move { client.post_with_key(&path, &body, "one").await })
    };
    let (there, here) = (call(&elsewhere), vec![call(&fan), call(&fan)]);
    let (refused, _, mut left) = futures::future::select_all(here).await;
    let refused = refused.unwrap();
    assert!(refused.headers.contains_key("retry-after"));
    refused.refused(409, "IDEMPOTENCY_KEY_IN_USE");
    node.redis.thaw();
    let first = left.remove(0).await.unwrap().expect(201);
    assert_eq!(there.await.unwrap().expect(201), first);
    assert_eq!(fan.post_with_key(&path, &body, "one").await.expect(201), first);
    second.stop().await;
    node.finish().await;
}
