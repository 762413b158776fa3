//! Holds: a claim on seats for some minutes.

use crate::steps::World;
use crate::steps::refusals::assert_refused;
use crate::steps::users::logged_in;
use crate::steps::words::{People, Seats, State, Won, milliseconds};
use crate::support::client::Answer;
use crate::support::node::eventually;
use cucumber::{given, then, when};
use futures::future::join_all;
use grandstand::api::error::ErrorCode;
use serde_json::{Value, json};

#[given(expr = "a hold lasts {float} seconds")]
async fn hold_time(world: &mut World, seconds: f64) {
    let ms = milliseconds(seconds);
    world.set(move |settings| settings.hold_ttl_ms = ms);
}

#[given(expr = "one person may have {int} seats")]
async fn seat_limit(world: &mut World, seats: u32) {
    world.set(move |settings| settings.max_seats_per_user = seats);
}

#[given(expr = "{word} holds seat(s) {seats}")]
#[when(expr = "{word} holds seat(s) {seats}")]
pub async fn hold(world: &mut World, name: String, seats: Seats) {
    try_hold(world, name.clone(), seats).await;
    keep(world, &name, 201);
}

/// Remembers the hold in the last response.
fn keep(world: &mut World, name: &str, status: u16) {
    let person = world.person_mut(name);
    let hold = person.answer().clone().expect(status);
    person.holds.push(hold);
}

#[when(expr = "{word} tries to hold seat(s) {seats}")]
async fn try_hold(world: &mut World, name: String, seats: Seats) {
    let answer = world.client(&name).hold(&world.fixture().id, &seats.0).await;
    world.note(&name, answer);
}

#[when(expr = "{word} holds seat {int} with one click")]
async fn hold_one(world: &mut World, name: String, seat: u32) {
    let path = world.path(&format!("/allocation/seats/{seat}/hold"));
    let answer = world.client(&name).post(&path, &Value::Null).await;
    world.note(&name, answer);
    keep(world, &name, 200);
}

#[when(expr = "{word} gives seat {int} back with one click")]
async fn release_one(world: &mut World, name: String, seat: u32) {
    try_release_one(world, name.clone(), seat).await;
    world.person(&name).answer().clone().expect(204);
}

#[when(expr = "{word} tries to give seat {int} back with one click")]
async fn try_release_one(world: &mut World, name: String, seat: u32) {
    let path = world.path(&format!("/allocation/seats/{seat}/release"));
    let answer = world.client(&name).post(&path, &Value::Null).await;
    world.note(&name, answer);
}

#[when(expr = "{word} holds seat(s) {seats} under the key {string}")]
async fn hold_with_key(world: &mut World, name: String, seats: Seats, key: String) {
    try_hold_with_key(world, name.clone(), seats, key).await;
    keep(world, &name, 201);
}

#[when(expr = "{word} tries to hold seat(s) {seats} under the key {string}")]
async fn try_hold_with_key(world: &mut World, name: String, seats: Seats, key: String) {
    let answer = with_key(world, &name, &seats, &key).await;
    world.note(&name, answer);
}

async fn with_key(world: &World, name: &str, seats: &Seats, key: &str) -> Answer {
    let body = json!({"seatIds": seats.0});
    world.client(name).post_with_key(&world.path("/holds"), &body, key).await
}

#[when(expr = "{word} holds seat(s) {seats} under the key {string} {int} times at once")]
async fn hold_at_once(world: &mut World, name: String, seats: Seats, key: String, times: usize) {
    let calls = (0..times).map(|_| with_key(world, &name, &seats, &key));
    let answers = join_all(calls).await;
    // A call that came while the first was under way is refused; it is sent again.
    for answer in answers {
        let answer = if answer.status == 409 {
            assert_refused(&answer, ErrorCode::IdempotencyKeyInUse);
            with_key(world, &name, &seats, &key).await
        } else {
            answer
        };
        world.note(&name, answer);
        keep(world, &name, 201);
    }
}

#[then(expr = "{word} has one and the same hold")]
async fn same_hold(world: &mut World, name: String) {
    let holds = &world.person(&name).holds;
    assert!(holds.len() > 1, "only one answer");
    assert!(holds.iter().all(|hold| hold == &holds[0]), "{holds:?}");
}

#[when(expr = "{people} try to hold seat(s) {seats} at the same time")]
async fn race(world: &mut World, names: People, seats: Seats) {
    let id = &world.fixture().id;
    let clients: Vec<_> = names.0.iter().map(|name| world.client(name)).collect();
    let answers = join_all(clients.iter().map(|client| client.hold(id, &seats.0))).await;
    world.race = answers;
}

#[when(expr = "{int} other people try to hold seat(s) {seats} at the same time")]
async fn crowd(world: &mut World, count: usize, seats: Seats) {
    let name = |number: usize| format!("Person{}", "x".repeat(number));
    let names = People((0..count).map(name).collect());
    logged_in(world, People(names.0.clone())).await;
    race(world, names, seats).await;
}

#[when(expr = "{word} tries to hold each of the seats {seats} at the same time")]
async fn greedy(world: &mut World, name: String, seats: Seats) {
    let (id, client) = (&world.fixture().id, world.client(&name));
    let seats: Vec<[u32; 1]> = seats.0.iter().map(|seat| [*seat]).collect();
    let answers = join_all(seats.iter().map(|seat| client.hold(id, seat))).await;
    world.race = answers;
}

#[then(expr = "{int} of the attempts succeed")]
async fn successes(world: &mut World, count: usize) {
    let won = world.race.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(won, count, "{:?}", world.race);
}

#[when(expr = "{word} gives the seats back")]
async fn release(world: &mut World, name: String) {
    try_release(world, name.clone()).await;
    world.person(&name).answer().clone().expect(204);
}

#[when(expr = "{word} tries to give the seats back")]
async fn try_release(world: &mut World, name: String) {
    try_release_of(world, name.clone(), name).await;
}

#[when(expr = "{word} tries to give back the seats of {word}")]
async fn try_release_of(world: &mut World, name: String, owner: String) {
    let hold = world.person(&owner).hold()["holdId"].as_str().unwrap().to_owned();
    let answer = world.client(&name).delete(&world.path(&format!("/holds/{hold}"))).await;
    world.note(&name, answer);
}

#[when(expr = "{word} looks up what she/he holds")]
async fn look_up(world: &mut World, name: String) {
    let data = world.client(&name).get(&world.path("/holds")).await.expect(200);
    world.person_mut(&name).seen = data["holds"].clone();
}

#[then(expr = "{word}'s holds are of seats {seats}")]
async fn held(world: &mut World, name: String, seats: Seats) {
    let holds = world.person(&name).seen.as_array().unwrap().clone();
    let mut found: Vec<u64> = Vec::new();
    for hold in &holds {
        let lines = hold["seats"].as_array().unwrap();
        found.extend(lines.iter().map(|line| line["seatId"].as_u64().unwrap()));
        let prices: i64 = lines.iter().map(|line| line["price"].as_i64().unwrap()).sum();
        assert_eq!(hold["amount"], prices);
        assert!(deadline(hold) > jiff::Timestamp::now());
        assert!(world.person(&name).holds.iter().any(|made| made["holdId"] == hold["holdId"]));
    }
    found.sort_unstable();
    assert_eq!(found, seats.0.iter().map(|seat| u64::from(*seat)).collect::<Vec<_>>());
}

#[then(expr = "{word} holds nothing")]
async fn nothing_held(world: &mut World, name: String) {
    assert_eq!(world.person(&name).seen, json!([]));
}

#[given(expr = "{int} unpaid hold(s) begin(s) a cool-down")]
async fn cool_down_after(world: &mut World, count: u32) {
    world.set(move |settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.cool_down_after = count;
    });
}

#[when(expr = "the time of {word}'s hold is over")]
async fn over(world: &mut World, name: String) {
    let deadline = deadline(world.person(&name).hold());
    wait_until(world, deadline).await;
}

/// When a hold or a reservation ends.
pub fn deadline(claim: &Value) -> jiff::Timestamp {
    claim["expiresAt"].as_str().expect("no deadline").parse().unwrap()
}

/// Waits until the server's clock shows this time.
pub async fn wait_until(world: &World, time: jiff::Timestamp) {
    let guest = world.node().guest();
    eventually("the deadline has passed", || async {
        let data = guest.get("/api/time").await.expect(200);
        let now: jiff::Timestamp = data["now"].as_str().unwrap().parse().unwrap();
        (now > time).then_some(())
    })
    .await;
}

#[then(expr = "{word}'s hold costs {won} and lasts {int} minutes")]
async fn price(world: &mut World, name: String, won: Won, minutes: i64) {
    let hold = world.person(&name).hold();
    assert_eq!(hold["amount"], won.0);
    let left = deadline(hold).as_second() - jiff::Timestamp::now().as_second();
    assert!((minutes * 60 - 60..=minutes * 60).contains(&left), "{left} s");
}

#[then(expr = "{word}'s ticket(s) will say {string}")]
async fn ticket_texts(world: &mut World, name: String, labels: String) {
    let seats = world.person(&name).hold()["seats"].as_array().unwrap();
    let found: Vec<&str> = seats.iter().map(|seat| seat["label"].as_str().unwrap()).collect();
    assert_eq!(found.join("; "), labels);
}

#[given(expr = "seat(s) {seats} show(s) as {state}")]
#[then(expr = "seat(s) {seats} is/are {state} on the map")]
async fn on_the_map(world: &mut World, seats: Seats, state: State) {
    world.wait_for_seats(&seats.0, state.0).await;
}
