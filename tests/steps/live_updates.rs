//! The live map and its event streams.

use crate::steps::World;
use crate::steps::holds::deadline;
use crate::steps::words::{Sale, Seats, State};
use crate::support::events::{Event, EventStream};
use cucumber::{given, then, when};
use serde_json::Value;
use std::collections::BTreeSet;

async fn open(world: &mut World, name: &str, rest: &str, last_id: Option<&str>) {
    let url = format!("{}{}", world.client(name).url, world.path(rest));
    world.person_mut(name).map = Some(EventStream::open(&url, last_id).await);
}

fn map<'a>(world: &'a mut World, name: &str) -> &'a mut EventStream {
    world.person_mut(name).map.as_mut().expect("not watching")
}

async fn next(world: &mut World, name: &str) -> Event {
    let map = map(world, name);
    let event = map.next().await.expect("the stream ended");
    // A snapshot of the whole match has a letter for each seat; ids follow each other in a block.
    for block in event.data["blocks"].as_array().into_iter().flatten() {
        let first = if block["id"] == 1 { 1 } else { 21 };
        let letters = block["states"].as_str().unwrap().chars();
        map.seats.extend((first..).zip(letters.map(word)));
    }
    event
}

/// The state that a letter stands for.
fn word(letter: char) -> String {
    let word = match letter {
        'A' => "AVAILABLE",
        'H' => "HOLD",
        'P' => "PENDING",
        'O' => "OCCUPIED",
        'B' => "BLOCKED",
        other => panic!("no such state: {other}"),
    };
    word.to_owned()
}

/// Reads on until the map shows the seat in the state.
async fn wait_for(world: &mut World, name: &str, seat: u64, state: &str) {
    while map(world, name).seats.get(&seat).map(String::as_str) != Some(state) {
        next(world, name).await;
    }
}

#[given(expr = "{word} watches block {int}")]
#[when(expr = "{word} watches block {int}")]
async fn watch(world: &mut World, name: String, block: u32) {
    open(world, &name, &format!("/blocks/{block}/seats/events"), None).await;
    let first = next(world, &name).await;
    assert_eq!(first.name, "snapshot");
}

#[given(expr = "{word} watches the whole match")]
async fn watch_match(world: &mut World, name: String) {
    open(world, &name, "/seats/events", None).await;
    let first = next(world, &name).await;
    assert_eq!(first.name, "snapshot");
    assert_eq!(first.data["blocks"][0]["states"], "A".repeat(20));
    assert_eq!(first.data["blocks"][1]["states"], "A".repeat(5));
}

#[given(expr = "{word}'s connection breaks")]
async fn cut(world: &mut World, name: String) {
    let last = map(world, &name).last_id.clone();
    let person = world.person_mut(&name);
    person.map = None;
    person.seen = Value::String(last);
}

#[when(expr = "{word} comes back to block {int} with the last event seen")]
async fn resume(world: &mut World, name: String, block: u32) {
    let last = world.person(&name).seen.as_str().unwrap().to_owned();
    open(world, &name, &format!("/blocks/{block}/seats/events"), Some(&last)).await;
}

#[when(expr = "{word} comes back to block {int} with an event that nobody knows")]
async fn resume_unknown(world: &mut World, name: String, block: u32) {
    let rest = format!("/blocks/{block}/seats/events");
    open(world, &name, &rest, Some("999-1-0")).await;
}

#[when(expr = "{word} comes back to block {int} with the last event in the address")]
async fn resume_by_query(world: &mut World, name: String, block: u32) {
    let last = world.person(&name).seen.as_str().unwrap().to_owned();
    let rest = format!("/blocks/{block}/seats/events?lastEventId={last}");
    open(world, &name, &rest, None).await;
}

#[then(expr = "{word} is told that the match is {sale}")]
async fn told(world: &mut World, name: String, sale: Sale) {
    let map = map(world, &name);
    while map.next_named("match").await.data["status"] != sale.0 {}
}

#[then(expr = "{word} gets only the change(s) of seat(s) {seats}")]
async fn only_changes(world: &mut World, name: String, seats: Seats) {
    let mut found = BTreeSet::new();
    while found.len() < seats.0.len() {
        let event = next(world, &name).await;
        assert_eq!(event.name, "changes");
        for change in event.data["changes"].as_array().unwrap() {
            found.insert(change["seatId"].as_u64().unwrap());
        }
    }
    let expected: Vec<u64> = seats.0.iter().map(|seat| u64::from(*seat)).collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
}

#[then(expr = "{word} gets the whole block")]
async fn snapshot(world: &mut World, name: String) {
    let event = next(world, &name).await;
    assert_eq!(event.name, "snapshot");
    assert!(event.data["seats"].as_array().is_some_and(|seats| !seats.is_empty()));
}

#[given(expr = "{word}'s map shows seat(s) {seats} as {state}")]
#[then(expr = "{word}'s map shows seat(s) {seats} as {state}")]
async fn shows(world: &mut World, name: String, seats: Seats, state: State) {
    for seat in seats.0 {
        wait_for(world, &name, u64::from(seat), state.0).await;
    }
}

#[then(expr = "{word}'s map has nothing of seat(s) {seats}")]
async fn nothing_of(world: &mut World, name: String, seats: Seats) {
    let map = map(world, &name);
    assert!(seats.0.iter().all(|seat| !map.seats.contains_key(&u64::from(*seat))));
}

/// The promise is one second. The second one is for a machine that is busy with other tests.
#[then(expr = "{word}'s map shows seat {int} as free about a second after {word}'s deadline")]
async fn shows_in_time(world: &mut World, name: String, seat: u64, owner: String) {
    let deadline = deadline(world.person(&owner).hold());
    wait_for(world, &name, seat, "AVAILABLE").await;
    let late = jiff::Timestamp::now().as_millisecond() - deadline.as_millisecond();
    assert!(late >= 0, "{} ms too early", -late);
    assert!(late <= 2000, "{late} ms late");
}

#[then("the map of the whole match says:")]
async fn whole_match(world: &mut World, step: &cucumber::gherkin::Step) {
    let table = step.table.as_ref().expect("a table of blocks");
    let expected: Vec<(String, String)> =
        table.rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let path = world.path("/seats");
    let guest = world.node().guest();
    crate::support::node::eventually("the map is as in the table", || async {
        let data = guest.get(&path).await.expect(200);
        let blocks = data["blocks"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let found: Vec<_> =
            blocks.map(|block| (block["id"].to_string(), text(&block["states"]))).collect();
        (found == expected).then_some(())
    })
    .await;
}

#[then(expr = "{word}'s map gets newer and newer while {word} takes and gives back seat {int}")]
async fn versions(world: &mut World, name: String, other: String, seat: u32) {
    let client = world.client(&other);
    let id = world.fixture().id.clone();
    let mut version = 0;
    for _ in 0..5 {
        let hold = client.hold(&id, &[seat]).await.expect(201);
        version = later(world, &name, version).await;
        let path = world.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
        client.delete(&path).await.expect(204);
        version = later(world, &name, version).await;
    }
}

/// The version of the next event, which is later than the version seen before.
async fn later(world: &mut World, name: &str, before: u64) -> u64 {
    let version = next(world, name).await.data["version"].as_u64().unwrap();
    assert!(version > before, "{version} after {before}");
    version
}
