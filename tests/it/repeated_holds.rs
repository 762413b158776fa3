//! Holds that are sent again, with the same Idempotency-Key or without one.

use crate::support::client::{Answer, Client};
use crate::support::sale::{Sale, seats_of};
use serde_json::{Value, json};

/// Three rows of seats, and a lawn with four places.
fn plan() -> Value {
    let outline = json!([[0, 0], [20, 0], [20, 20]]);
    let row = |at: u32| {
        json!({"label": at.to_string(), "firstSeatId": at * 10 + 1, "seats": 5,
            "from": [0, at], "to": [4, at]})
    };
    json!({
        "name": "Club", "focus": [0, -5],
        "grades": [
            {"code": "BLUE", "name": "Blue", "price": 10_000, "color": "#0072b2"},
            {"code": "LAWN", "name": "Lawn", "price": 5_000, "color": "#009e73"}],
        "areas": [
            {"id": 1, "name": "Stalls", "sections": [{"id": 1, "name": "Left", "blocks": [
                {"id": 1, "name": "A", "grade": "BLUE", "outline": outline,
                 "rows": [row(0), row(1), row(2)]}]}]},
            {"id": 9, "name": "Lawn", "sections": [{"id": 9, "name": "Lawn", "blocks": [
                {"id": 9, "name": "Lawn", "grade": "LAWN", "outline": outline,
                 "places": {"firstSeatId": 1001, "count": 4}}]}]}]
    })
}

/// A list with these types, each at this price in both grades.
fn list(types: &[(&str, i64)], limit: u32) -> Value {
    let price = |(code, price): &(&str, i64)| {
        ["BLUE", "LAWN"].map(|grade| json!({"grade": grade, "type": code, "price": price}))
    };
    let kinds = types.iter().map(|(code, _)| json!({"code": code, "name": code, "limit": limit}));
    json!({"types": kinds.collect::<Vec<_>>(),
        "prices": types.iter().flat_map(price).collect::<Vec<_>>()})
}

async fn start() -> (Sale, Client) {
    let sale = Sale::with(|settings| settings.max_seats_per_user = 20).plan(plan()).start().await;
    let admin = sale.node.admin().await;
    set(&sale, &admin, &list(&[("ADULT", 10_000), ("CHILD", 5_000)], 9)).await;
    (sale, admin)
}

async fn set(sale: &Sale, admin: &Client, list: &Value) {
    let path = format!("/api/admin/matches/{}/prices", sale.fixture.id);
    admin.put(&path, list).await.expect(200);
}

async fn hold(sale: &Sale, body: &Value, key: &str) -> Answer {
    sale.fan.post_with_key(&sale.fixture.path("/holds"), body, key).await
}

/// A hold without the names of its types, which are those of the list of today.
fn without_names(mut held: Value) -> Value {
    for seat in held["seats"].as_array_mut().unwrap() {
        seat["typeName"] = Value::Null;
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_hold_has_its_first_reply_whatever_has_become_of_the_prices() {
    let (sale, admin) = start().await;
    let bodies = [
        json!({"seats": [{"seatId": 1, "type": "CHILD"}, {"seatId": 2}]}),
        json!({"bestAvailable": {"count": 2, "types": {"ADULT": 1, "CHILD": 1}}}),
        json!({"areas": [{"areaId": 9, "quantity": 2, "type": "CHILD"}]}),
        json!({"seats": [{"seatId": 25, "type": "CHILD"}],
            "areas": [{"areaId": 9, "quantity": 2}]}),
        json!({"seatIds": [21, 22]}),
    ];
    let mut first = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        first.push(hold(&sale, body, &format!("key-{number}")).await.expect(201));
    }
    let lost = json!({"seats": [{"seatId": 1, "type": "CHILD"}]});
    let other = sale.node.user("other").await;
    let path = sale.fixture.path("/holds");
    other.post_with_key(&path, &lost, "lost").await.refused(409, "SEAT_TAKEN");
    // Children are not sold any more, and nobody may have two seats.
    set(&sale, &admin, &list(&[("ADULT", 20_000)], 1)).await;
    for (number, body) in bodies.iter().enumerate() {
        let again = hold(&sale, body, &format!("key-{number}")).await.expect(201);
        assert_eq!(without_names(again), without_names(first[number].clone()), "{body}");
    }
    other.post_with_key(&path, &lost, "lost").await.refused(409, "SEAT_TAKEN");
    // A key that is new, or had another body, gets no seat.
    let typed = json!({"seats": [{"seatId": 5, "type": "CHILD"}]});
    hold(&sale, &typed, "new").await.refused(400, "VALIDATION");
    hold(&sale, &typed, "key-0").await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    // A request that was never tried leaves its key free.
    hold(&sale, &json!({"seatIds": [5]}), "new").await.expect(201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_seats_with_places_are_refused_like_own_seats_alone() {
    let (sale, _) = start().await;
    let path = sale.fixture.path("/holds");
    let body = json!({"seats": [{"seatId": 1}, {"seatId": 2}],
        "areas": [{"areaId": 9, "quantity": 2}]});
    let held = sale.fan.post(&path, &body).await.expect(201);
    let refused = async |body: &Value| sale.fan.post(&path, body).await;
    let problem = refused(&body).await.refused(409, "ALREADY_HELD");
    assert_eq!((&problem["holdId"], &problem["seatIds"]), (&held["holdId"], &json!([1, 2])));
    // The same when the fan has the last places, too.
    let rest = json!({"areas": [{"areaId": 9, "quantity": 2}]});
    let lawn = sale.fan.post(&path, &rest).await.expect(201);
    assert_eq!(seats_of(&lawn).len(), 2);
    let problem = refused(&body).await.refused(409, "ALREADY_HELD");
    assert_eq!((&problem["holdId"], &problem["seatIds"]), (&held["holdId"], &json!([1, 2])));
    // A seat of somebody else comes first.
    sale.node.user("other").await.hold(&sale.fixture.id, &[3]).await.expect(201);
    let mixed = json!({"seats": [{"seatId": 1}, {"seatId": 3}],
        "areas": [{"areaId": 9, "quantity": 1}]});
    let problem = refused(&mixed).await.refused(409, "SEAT_TAKEN");
    assert_eq!(problem["lost"], json!([3]));
    let reservation = json!({"matchId": sale.fixture.id, "holdId": held["holdId"]});
    let reservation = sale.fan.post("/api/reservations", &reservation).await.expect(201);
    let problem = refused(&body).await.refused(409, "ALREADY_RESERVED");
    assert_eq!(problem["reservationId"], reservation["id"]);
    sale.finish().await;
}

/// A seat, and two places of the lawn.
fn with_places(seat: u32) -> Value {
    json!({"seats": [{"seatId": seat}], "areas": [{"areaId": 9, "quantity": 2}]})
}

/// A sale whose node has a map, and hears of no changes.
async fn deaf() -> Sale {
    let (sale, _) = start().await;
    sale.wait_for_seat(1, "AVAILABLE").await;
    sale.deafen().await;
    sale
}

impl Sale {
    /// A hold for which the map of the node is too old: it waits until the map has caught up.
    async fn hold_late(&self, body: &Value) {
        let (first, ()) = tokio::join!(hold(self, body, "late"), self.hear_again());
        let first = first.expect(201);
        assert_eq!(seats_of(&first).len(), 3);
        assert_eq!(hold(self, body, "late").await.expect(201)["holdId"], first["holdId"]);
    }
}

/// A node whose map is old proposes places that the fan has already. They are not what the fan
/// named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_places_that_an_old_map_shows_as_free_are_not_refused() {
    let sale = deaf().await;
    let held = hold(&sale, &with_places(1), "first").await.expect(201);
    let problem = hold(&sale, &with_places(1), "again").await.refused(409, "ALREADY_HELD");
    assert_eq!((&problem["holdId"], &problem["seatIds"]), (&held["holdId"], &json!([1])));
    sale.hold_late(&with_places(5)).await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_places_that_an_old_map_shows_as_free_are_not_kept_as_a_refusal() {
    let sale = deaf().await;
    let path = sale.fixture.path("/holds");
    let other = sale.node.user("other").await;
    other.post(&path, &with_places(1)).await.expect(201);
    let problem = hold(&sale, &with_places(1), "taken").await.refused(409, "SEAT_TAKEN");
    assert_eq!(problem["lost"], json!([1]));
    sale.hold_late(&with_places(5)).await;
    sale.finish().await;
}
