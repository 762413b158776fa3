//! Reservations: held seats on their way to being bought.

use crate::steps::World;
use crate::steps::holds::{deadline, hold, wait_until};
use crate::steps::words::{Seats, Status, Won, milliseconds};
use crate::support::client::Answer;
use crate::support::node::eventually;
use cucumber::{given, then, when};
use serde_json::{Value, json};

#[given(expr = "a reservation lasts {float} seconds")]
async fn reservation_time(world: &mut World, seconds: f64) {
    let ms = milliseconds(seconds);
    world.set(move |settings| settings.payment_ttl_ms = ms);
}

#[given(expr = "{word} has reserved seat(s) {seats}")]
pub async fn has_reserved(world: &mut World, name: String, seats: Seats) {
    hold(world, name.clone(), seats).await;
    reserve(world, name).await;
}

#[given(expr = "{word} reserves them")]
#[when(expr = "{word} reserves them")]
async fn reserve(world: &mut World, name: String) {
    try_reserve(world, name.clone()).await;
    keep(world, &name);
}

fn keep(world: &mut World, name: &str) {
    let person = world.person_mut(name);
    person.reservation = person.answer().clone().expect(201);
    assert_eq!(person.reservation["status"], "PENDING");
}

#[when(expr = "{word} tries to reserve them")]
#[when(expr = "{word} tries to reserve them again")]
async fn try_reserve(world: &mut World, name: String) {
    try_reserve_of(world, name.clone(), name).await;
}

#[when(expr = "{word} tries to reserve what {word} holds")]
async fn try_reserve_of(world: &mut World, name: String, owner: String) {
    let hold = world.person(&owner).hold()["holdId"].clone();
    let body = json!({"matchId": world.fixture().id, "holdId": hold});
    let answer = world.client(&name).post("/api/reservations", &body).await;
    world.note(&name, answer);
}

#[when(expr = "{word} reserves only seat(s) {seats}")]
async fn reserve_seats(world: &mut World, name: String, seats: Seats) {
    try_reserve_seats(world, name.clone(), seats).await;
    keep(world, &name);
}

#[when(expr = "{word} tries to reserve seat(s) {seats}")]
async fn try_reserve_seats(world: &mut World, name: String, seats: Seats) {
    let body = json!({"matchId": world.fixture().id, "seatIds": seats.0});
    let answer = world.client(&name).post("/api/reservations", &body).await;
    world.note(&name, answer);
}

#[when(expr = "{word} reserves them twice under the key {string}")]
async fn reserve_twice(world: &mut World, name: String, key: String) {
    let hold = world.person(&name).hold()["holdId"].clone();
    let body = json!({"matchId": world.fixture().id, "holdId": hold});
    let client = world.client(&name);
    let first = client.post_with_key("/api/reservations", &body, &key).await.expect(201);
    let again = client.post_with_key("/api/reservations", &body, &key).await.expect(201);
    assert_eq!(first, again);
    world.person_mut(&name).reservation = first;
}

/// A path below the reservation of a person.
fn path(world: &World, owner: &str, rest: &str) -> String {
    let id = world.person(owner).reservation["id"].as_str().expect("no reservation").to_owned();
    format!("/api/reservations/{id}{rest}")
}

#[given(expr = "{word} cancels the reservation")]
#[when(expr = "{word} cancels the reservation")]
async fn cancel(world: &mut World, name: String) {
    try_cancel(world, name.clone()).await;
    let data = world.person(&name).answer().clone().expect(200);
    assert_eq!(data["status"], "CANCELLED");
}

#[when(expr = "{word} tries to cancel the reservation")]
async fn try_cancel(world: &mut World, name: String) {
    try_cancel_of(world, name.clone(), name).await;
}

#[when(expr = "{word} tries to cancel the reservation of {word}")]
async fn try_cancel_of(world: &mut World, name: String, owner: String) {
    let path = path(world, &owner, "/cancel");
    let answer = world.client(&name).post(&path, &Value::Null).await;
    world.note(&name, answer);
}

#[when(expr = "{word} cancels seat(s) {seats} of the reservation")]
async fn cancel_part(world: &mut World, name: String, seats: Seats) {
    try_cancel_part(world, name.clone(), seats).await;
    let data = world.person(&name).answer().clone().expect(200);
    assert_eq!(data["status"], "CONFIRMED");
}

#[when(expr = "{word} tries to cancel seat(s) {seats} of the reservation")]
async fn try_cancel_part(world: &mut World, name: String, seats: Seats) {
    let path = path(world, &name, "/cancel");
    let answer = world.client(&name).post(&path, &json!({"seatIds": seats.0})).await;
    world.note(&name, answer);
}

#[when(expr = "{word} tries to look at the reservation of {word}")]
async fn look_at(world: &mut World, name: String, owner: String) {
    let answer = read(world, &name, &owner).await;
    world.note(&name, answer);
}

async fn read(world: &World, name: &str, owner: &str) -> Answer {
    world.client(name).get(&path(world, owner, "")).await
}

#[when(expr = "the time of {word}'s reservation is over")]
async fn over(world: &mut World, name: String) {
    let deadline = deadline(&world.person(&name).reservation);
    wait_until(world, deadline).await;
}

#[then(expr = "{word}'s reservation has seat(s) {seats} for {won}")]
async fn seats_and_price(world: &mut World, name: String, seats: Seats, won: Won) {
    let data = read(world, &name, &name).await.expect(200);
    let list = data["seats"].as_array().unwrap().iter();
    let found: Vec<u64> = list.map(|seat| seat["seatId"].as_u64().unwrap()).collect();
    assert_eq!(found, seats.0.iter().map(|seat| u64::from(*seat)).collect::<Vec<_>>());
    assert_eq!(data["amount"], won.0);
}

#[then(expr = "{word}'s reservation is {status}")]
async fn is(world: &mut World, name: String, status: Status) {
    let data = read(world, &name, &name).await.expect(200);
    assert_eq!(data["status"], status.0, "{data}");
}

#[then(expr = "{word}'s reservation becomes {status}")]
async fn becomes(world: &mut World, name: String, status: Status) {
    let world = &*world;
    let what = format!("the reservation is {}", status.0);
    eventually(&what, || async {
        let data = read(world, &name, &name).await.expect(200);
        (data["status"] == status.0).then_some(())
    })
    .await;
}

#[then(expr = "{word} finds {int} reservation(s) in the list")]
async fn listed(world: &mut World, name: String, count: usize) {
    let data = world.client(&name).get("/api/reservations").await.expect(200);
    let list = data["reservations"].as_array().unwrap();
    assert_eq!(list.len(), count, "{data}");
    let own = &world.person(&name).reservation["id"];
    assert!(count == 0 || list.iter().any(|reservation| &reservation["id"] == own), "{data}");
}

/// Status, seats and price of a reservation in PostgreSQL.
async fn in_the_books(world: &World, name: &str) -> Option<(String, Vec<i32>, i64)> {
    let url = &world.node().settings.database_url;
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let id = world.person(name).reservation["id"].as_str().expect("no reservation");
    let id: uuid::Uuid = id.parse().unwrap();
    let query = "select status, seats, amount from reservations where id = $1";
    let row = client.query_opt(query, &[&id]).await.unwrap();
    let found = row.map(|row| (row.get(0), row.get(1), row.get(2)));
    drop(client);
    connection.await.unwrap().unwrap();
    found
}

/// Looks once, without waiting: a success response means that PostgreSQL has the sale already.
#[then(expr = "{word}'s reservation is in the books: {status}, seat(s) {seats}, {won}")]
async fn kept(world: &mut World, name: String, status: Status, seats: Seats, won: Won) {
    let expected = seats.0.iter().map(|seat| i32::try_from(*seat).unwrap()).collect();
    assert_eq!(in_the_books(world, &name).await, Some((status.0.to_owned(), expected, won.0)));
}

#[then(expr = "{word}'s reservation is not in the books")]
async fn not_kept(world: &mut World, name: String) {
    assert_eq!(in_the_books(world, &name).await, None);
}
