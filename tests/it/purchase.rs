//! The whole path, as the API tells it.

use crate::support::app::TestApp;
use crate::support::events::EventStream;

/// The rule: what a confirmation answers with 200 is sold on the map and kept in PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_sold_from_hold_to_confirmation() {
    let app = TestApp::start().await;
    let event = app.open_match().await;
    let (buyer, other) = (app.user("buyer").await, app.user("other").await);
    let url = format!("{}{}", other.url, event.path("/blocks/1/seats/events"));
    let mut map = EventStream::open(&url, None).await;
    map.wait_for(3, "AVAILABLE").await;

    let reservation = buyer.reserve(&event.id, &[3, 4]).await;
    map.wait_for(3, "PENDING").await;
    let lost = other.hold(&event.id, &[4, 5]).await.refused(409, "SEAT_TAKEN");
    assert_eq!(lost["lost"], serde_json::json!([4]));

    let payment = buyer.request_payment(&reservation).await;
    let key = app.pay_at_gateway(&payment, "approve").await;
    let answer = buyer.confirm(&payment, &key).await.expect(200);
    assert_eq!(answer["persisted"], true);
    assert_eq!(answer["reservation"]["status"], "CONFIRMED");
    map.wait_for(4, "OCCUPIED").await;

    let found = app.verify().await;
    assert_eq!((found.seats, found.disagreements.len()), (2, 0));
    app.finish().await;
}
