//! What real houses have: rows with turning numbers and aisles, tables, accessible seats, the
//! organiser's own ids, and areas without seats.

use crate::support::client::Client;
use crate::support::sale::{Sale, path_of, seats_of};
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::HashSet;

const LAWN_PLACES: u64 = 30;

/// Row 7 has the numbers 7 5 3 1 2 4 6, then an aisle, then 8 and 10. Row W has two accessible
/// seats with companions. Row T is a table for four, with seats A to D. The lawn has 30 places.
fn club() -> Value {
    let outline = json!([[0, 0], [20, 0], [20, 20]]);
    json!({
        "name": "Club", "focus": [0, -5],
        "grades": [
            {"code": "BLUE", "name": "Blue", "price": 10_000, "color": "#0072b2"},
            {"code": "LAWN", "name": "Lawn", "price": 5_000, "color": "#009e73"}],
        "areas": [
            {"id": 1, "name": "Stalls", "sections": [{"id": 1, "name": "Left", "blocks": [
                {"id": 1, "name": "A", "grade": "BLUE", "outline": outline,
                 "attributes": {"accessible": [21, 23], "companion": [22, 24]},
                 "rows": [
                    {"label": "7", "runs": [
                        {"firstSeatId": 1, "seats": 4, "firstNumber": 7, "numberStep": -2,
                         "externalIds": ["A-7-7", "A-7-5", "A-7-3", "A-7-1"],
                         "from": [0, 0], "to": [3, 0]},
                        {"firstSeatId": 5, "seats": 3, "firstNumber": 2, "numberStep": 2,
                         "joined": true, "from": [4, 0], "to": [6, 0]},
                        {"firstSeatId": 8, "seats": 2, "firstNumber": 8, "numberStep": 2,
                         "from": [9, 0], "to": [10, 0]}]},
                    {"label": "W", "firstSeatId": 21, "seats": 4, "from": [0, 1], "to": [3, 1]},
                    {"label": "T", "firstSeatId": 31, "seats": 4, "unitSeats": 4,
                     "names": ["A", "B", "C", "D"],
                     "points": [[0, 3], [1, 3], [1, 4], [0, 4]]}]}]}]},
            {"id": 9, "name": "Lawn", "sections": [{"id": 9, "name": "Lawn", "blocks": [
                {"id": 9, "name": "Lawn", "grade": "LAWN", "outline": outline,
                 "places": {"firstSeatId": 1001, "count": LAWN_PLACES}}]}]}]
    })
}

async fn start() -> Sale {
    Sale::with(|settings| settings.max_seats_per_user = 9).plan(club()).start().await
}

async fn hold(sale: &Sale, body: &Value) -> crate::support::client::Answer {
    sale.fan.post(&sale.fixture.path("/holds"), body).await
}

async fn release(sale: &Sale, hold: &Value) {
    let path = sale.fixture.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
    assert_eq!(sale.fan.delete(&path).await.status, 204);
}

/// The seats of the best choice, which is given back at once.
async fn best(sale: &Sale, wish: Value) -> Vec<u64> {
    let held = hold(sale, &json!({"bestAvailable": wish})).await.expect(201);
    let mut seats = seats_of(&held);
    seats.sort_unstable();
    release(sale, &held).await;
    seats
}

async fn block(sale: &Sale, admin: &Client, seats: &[u32]) {
    let path = format!("/api/admin/matches/{}/block", sale.fixture.id);
    admin.post(&path, &json!({"seatIds": seats})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_sit_side_by_side_whatever_their_numbers_are() {
    let sale = start().await;
    let admin = sale.node.admin().await;
    // Only 1 and 2 in the middle are left in row 7, and 8 behind the aisle.
    block(&sale, &admin, &[1, 2, 3, 6, 7, 9, 31, 32, 33, 34]).await;
    assert_eq!(best(&sale, json!({"count": 2})).await, [4, 5]);
    hold(&sale, &json!({"bestAvailable": {"count": 3}})).await.refused(409, "SOLD_OUT");
    let held = hold(&sale, &json!({"seatIds": [4, 5]})).await.expect(201);
    let labels: Vec<&str> = held["seats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seat| seat["label"].as_str().unwrap())
        .collect();
    assert_eq!(labels, ["Stalls Left A, row 7, seat 1", "Stalls Left A, row 7, seat 2"]);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_are_found_by_the_ids_of_the_organiser() {
    let sale = start().await;
    let body = json!({"seats": [{"externalId": "A-7-5"}, {"seatId": 3}]});
    let held = hold(&sale, &body).await.expect(201);
    assert_eq!(seats_of(&held), [2, 3]);
    assert_eq!(held["seats"][0]["externalId"], "A-7-5");
    let unknown = json!({"seats": [{"externalId": "A-7-9"}]});
    let problem = hold(&sale, &unknown).await.refused(400, "VALIDATION");
    assert_eq!(problem["errors"][0]["field"], "seats[0].externalId");
    let path = format!("/api/sites/{}/blocks/1/seats", sale.fixture.site_id);
    let seats = sale.fan.get(&path).await.expect(200);
    assert_eq!(
        (&seats["seats"][1]["externalId"], &seats["seats"][1]["number"]),
        (&json!("A-7-5"), &json!(5))
    );
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_held_sold_and_given_back_as_a_whole() {
    let sale = start().await;
    let problem = hold(&sale, &json!({"seatIds": [31, 33]})).await.refused(409, "UNIT_INCOMPLETE");
    assert_eq!(problem["seatIds"], json!([32, 34]));
    let path = sale.fixture.path("/allocation/seats/31/hold");
    sale.fan.post(&path, &Value::Null).await.refused(409, "UNIT_INCOMPLETE");
    // Three people don't get a part of the table, even when nothing else is left.
    let admin = sale.node.admin().await;
    block(&sale, &admin, &[1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
    let three = json!({"bestAvailable": {"count": 3, "adjacent": false}});
    hold(&sale, &three).await.refused(409, "SOLD_OUT");
    assert_eq!(best(&sale, json!({"count": 4})).await, [31, 32, 33, 34]);
    let held = hold(&sale, &json!({"seatIds": [31, 32, 33, 34]})).await.expect(201);
    assert_eq!(held["seats"][3]["label"], "Stalls Left A, row T, seat D");
    let path = sale.fixture.path("/allocation/seats/31/release");
    sale.fan.post(&path, &Value::Null).await.refused(409, "UNIT_INCOMPLETE");
    let part = json!({"matchId": sale.fixture.id, "seatIds": [31, 32]});
    sale.fan.post("/api/reservations", &part).await.refused(409, "UNIT_INCOMPLETE");
    let whole = json!({"matchId": sale.fixture.id, "holdId": held["holdId"]});
    let reservation = sale.fan.post("/api/reservations", &whole).await.expect(201);
    let payment = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    sale.cancel(&reservation, &json!({"seatIds": [31]})).await.refused(409, "UNIT_INCOMPLETE");
    let all = json!({"seatIds": [31, 32, 33, 34]});
    sale.cancel(&reservation, &all).await.expect(200);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accessible_seats_are_for_those_who_ask() {
    let sale = start().await;
    let admin = sale.node.admin().await;
    let mut both = best(&sale, json!({"count": 2, "accessible": 1})).await;
    assert_eq!(both, [21, 22]);
    both = best(&sale, json!({"count": 4, "accessible": 2})).await;
    assert_eq!(both, [21, 22, 23, 24]);
    block(&sale, &admin, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 34]).await;
    for adjacent in [true, false] {
        let wish = json!({"bestAvailable": {"count": 2, "adjacent": adjacent}});
        hold(&sale, &wish).await.refused(409, "SOLD_OUT");
    }
    let alone = json!({"seatIds": [22]});
    let problem = hold(&sale, &alone).await.refused(409, "ACCESSIBLE_ONLY");
    assert_eq!(problem["seatIds"], json!([22]));
    // The alternative to an accessible seat is an accessible seat.
    let other = sale.node.user("other").await;
    other.hold(&sale.fixture.id, &[21, 22]).await.expect(201);
    let problem = hold(&sale, &json!({"seatIds": [21, 22]})).await.refused(409, "SEAT_TAKEN");
    assert_eq!(problem["alternatives"][0]["seatIds"], json!([23, 24]));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_to_a_companion_seat_by_giving_the_accessible_seat_back() {
    let sale = start().await;
    hold(&sale, &json!({"seatIds": [21, 22]})).await.expect(201);
    let part = json!({"matchId": sale.fixture.id, "seatIds": [22]});
    sale.fan.post("/api/reservations", &part).await.refused(409, "ACCESSIBLE_ONLY");
    let alone = json!({"matchId": sale.fixture.id, "seatIds": [21]});
    sale.fan.post("/api/reservations", &alone).await.refused(409, "ACCESSIBLE_ONLY");
    let give_back = async |seat: u32| {
        let path = sale.fixture.path(&format!("/allocation/seats/{seat}/release"));
        sale.fan.post(&path, &Value::Null).await
    };
    let problem = give_back(21).await.refused(409, "ACCESSIBLE_ONLY");
    assert_eq!(problem["seatIds"], json!([22]));
    assert_eq!(give_back(22).await.status, 204);
    assert_eq!(give_back(21).await.status, 204);
    assert_eq!(give_back(21).await.status, 204, "a repeated call");
    let held = hold(&sale, &json!({"seatIds": [21, 22, 1]})).await.expect(201);
    let part = json!({"matchId": sale.fixture.id, "seatIds": [22, 21]});
    sale.fan.post("/api/reservations", &part).await.expect(201);
    let rest = json!({"matchId": sale.fixture.id, "holdId": held["holdId"]});
    sale.fan.post("/api/reservations", &rest).await.expect(201);
    let sold = sale.sold(&[23, 24]).await;
    sale.cancel(&sold, &json!({"seatIds": [23]})).await.refused(409, "ACCESSIBLE_ONLY");
    sale.cancel(&sold, &json!({"seatIds": [24]})).await.expect(200);
    sale.cancel(&sold, &json!({"seatIds": [23]})).await.expect(200);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accessible_seat_brings_no_more_companions_than_it_has_room_for() {
    let sale = start().await;
    // 22 is beside 21, and 24 is not.
    let problem = hold(&sale, &json!({"seatIds": [21, 22, 24]})).await;
    let problem = problem.refused(409, "ACCESSIBLE_ONLY");
    assert_eq!(problem["seatIds"], json!([24]));
    let apart = hold(&sale, &json!({"seatIds": [21, 24]})).await.expect(201);
    release(&sale, &apart).await;
    let all = hold(&sale, &json!({"seatIds": [21, 22, 23, 24, 1]})).await.expect(201);
    let give_back = async |seat: u32| {
        let path = sale.fixture.path(&format!("/allocation/seats/{seat}/release"));
        sale.fan.post(&path, &Value::Null).await
    };
    let problem = give_back(23).await.refused(409, "ACCESSIBLE_ONLY");
    assert_eq!(problem["seatIds"], json!([24]));
    // 22 and 24 are both beside 23.
    assert_eq!(give_back(21).await.status, 204);
    release(&sale, &all).await;
    sale.finish().await;
}

/// The ids of the places of a hold.
fn places(held: &Value) -> Vec<u64> {
    seats_of(held).into_iter().filter(|seat| *seat > 1000).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_area_never_has_more_people_than_places() {
    let sale = start().await;
    let body = json!({"areas": [{"areaId": 9, "quantity": 2}]});
    let mut fans = Vec::new();
    for number in 0..20 {
        fans.push(sale.node.user(&format!("lawn{number}")).await);
    }
    let path = sale.fixture.path("/holds");
    let answers = join_all(fans.iter().map(|fan| fan.post(&path, &body))).await;
    let mut taken = HashSet::new();
    let mut refused = 0;
    for answer in answers {
        if answer.status == 201 {
            let held = places(&answer.expect(201));
            assert_eq!(held.len(), 2);
            assert!(held.iter().all(|place| taken.insert(*place)), "a place twice");
        } else {
            let problem = answer.refused(409, "AREA_FULL");
            assert_eq!((&problem["areaId"], &problem["left"]), (&json!(9), &json!(0)));
            refused += 1;
        }
    }
    assert_eq!((taken.len() as u64, refused), (LAWN_PLACES, 5));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_and_places_are_held_together_or_not_at_all() {
    let sale = start().await;
    let other = sale.node.user("other").await;
    other.hold(&sale.fixture.id, &[1]).await.expect(201);
    let body =
        |seat: u32| json!({"seats": [{"seatId": seat}], "areas": [{"areaId": 9, "quantity": 2}]});
    let problem = hold(&sale, &body(1)).await.refused(409, "SEAT_TAKEN");
    assert_eq!(problem["lost"], json!([1]));
    let path = sale.fixture.path("/blocks/9/seats");
    let lawn = sale.fan.get(&path).await.expect(200);
    let free = |lawn: &Value| {
        let seats = lawn["seats"].as_array().unwrap().iter();
        seats.filter(|seat| seat["state"] == "AVAILABLE").count() as u64
    };
    assert_eq!(free(&lawn), LAWN_PLACES);
    // The same key has one effect, also once the area is full.
    let holds = sale.fixture.path("/holds");
    let held = sale.fan.post_with_key(&holds, &body(2), "key-of-mine").await.expect(201);
    assert_eq!((held["amount"].as_i64(), places(&held).len()), (Some(20_000), 2));
    assert_eq!(held["seats"][1]["label"], "Lawn");
    let again = sale.fan.post_with_key(&holds, &body(2), "key-of-mine").await.expect(201);
    assert_eq!(again["holdId"], held["holdId"]);
    // Nobody chooses a place, and an area with seats has no places.
    hold(&sale, &json!({"seatIds": [1001]})).await.refused(400, "VALIDATION");
    let stalls = json!({"areas": [{"areaId": 1, "quantity": 1}]});
    hold(&sale, &stalls).await.refused(400, "VALIDATION");
    let typed = json!({"areas": [{"areaId": 9, "quantity": 1, "type": "CHILD"}]});
    let problem = hold(&sale, &typed).await.refused(400, "VALIDATION");
    assert_eq!(problem["errors"][0]["field"], "areas[0].type");
    // The best of the lawn are places. The best of the house are none.
    release(&sale, &held).await;
    let lawn = best(&sale, json!({"count": 2, "areaId": 9})).await;
    assert!(lawn.iter().all(|place| *place > 1000), "{lawn:?}");
    let house = best(&sale, json!({"count": 2})).await;
    assert!(house.iter().all(|seat| *seat < 1000), "{house:?}");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_paid_and_given_back_like_seats() {
    let sale = start().await;
    let body = json!({"areas": [{"areaId": 9, "quantity": 3}]});
    let held = hold(&sale, &body).await.expect(201);
    let whole = json!({"matchId": sale.fixture.id, "holdId": held["holdId"]});
    let reservation = sale.fan.post("/api/reservations", &whole).await.expect(201);
    assert_eq!(reservation["amount"], 15_000);
    let payment = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    let first = places(&held)[0];
    sale.cancel(&reservation, &json!({"seatIds": [first]})).await.expect(200);
    let left = sale.fan.get(&path_of(&reservation)).await.expect(200);
    assert_eq!((left["amount"].as_i64(), places(&left).len()), (Some(10_000), 2));
    sale.finish().await;
}
