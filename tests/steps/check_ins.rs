//! Check-ins at the gate.

use crate::steps::World;
use crate::support::client::Answer;
use cucumber::when;
use serde_json::json;

/// The code of a seat of the reservation of a person, as the person sees it.
async fn code(world: &World, owner: &str, seat: u64) -> String {
    let id = world.person(owner).reservation["id"].as_str().expect("no reservation").to_owned();
    let found = world.client(owner).get(&format!("/api/reservations/{id}")).await.expect(200);
    let codes = found["checkInCodes"].as_array().unwrap();
    let code = codes.iter().find(|code| code["seatId"] == json!(seat)).expect("a code");
    code["code"].as_str().unwrap().to_owned()
}

async fn scan(world: &World, name: &str, code: &str) -> Answer {
    let path = format!("/api/admin/matches/{}/check-ins", world.fixture().id);
    world.client(name).post(&path, &json!({"code": code})).await
}

#[when(expr = "{word} checks {word} in with seat {int}")]
async fn check_in(world: &mut World, name: String, owner: String, seat: u64) {
    let code = code(world, &owner, seat).await;
    let entered = scan(world, &name, &code).await.expect(200);
    assert_eq!(entered["seat"]["seatId"], json!(seat));
}

#[when(expr = "{word} scans the code of seat {int} of {word} again")]
async fn scan_again(world: &mut World, name: String, seat: u64, owner: String) {
    let code = code(world, &owner, seat).await;
    let answer = scan(world, &name, &code).await;
    world.note(&name, answer);
}

#[when(expr = "{word} repeats a scan of seat {int} of {word} whose response was lost")]
async fn repeat_scan(world: &mut World, name: String, seat: u64, owner: String) {
    let body = json!({"code": code(world, &owner, seat).await});
    let path = format!("/api/admin/matches/{}/check-ins", world.fixture().id);
    let gate = world.client(&name);
    let lost = gate.post_with_key(&path, &body, "a-scan").await.expect(200);
    let entered = gate.post_with_key(&path, &body, "a-scan").await.expect(200);
    assert_eq!(entered, lost, "the gate opens");
}

#[when(expr = "{word} scans a code that somebody has made up")]
async fn scan_made_up(world: &mut World, name: String) {
    let answer = scan(world, &name, "GST1.AaIfJMdpcAGXYSjKWa-sjw.3.AAAAAAAAAAAAAAAAAAAAAA").await;
    world.note(&name, answer);
}
