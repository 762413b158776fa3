//! What people are told when something is refused.

use crate::steps::World;
use crate::steps::words::{Reason, Seats};
use crate::support::client::Answer;
use cucumber::gherkin::Step;
use cucumber::then;
use grandstand::api::error::ErrorCode;
use serde_json::json;

/// The response is a refusal with this code and its status.
pub fn assert_refused(answer: &Answer, code: ErrorCode) {
    answer.clone().refused(code.status().as_u16(), &code.to_string());
}

#[then(expr = "{word} is refused because {reason}")]
async fn refused(world: &mut World, name: String, reason: Reason) {
    assert_refused(world.person(&name).answer(), reason.0);
}

#[then(expr = "{word} is told that seat(s) {seats} is/are gone")]
async fn lost(world: &mut World, name: String, seats: Seats) {
    assert_eq!(world.person(&name).answer().body["lost"], json!(seats.0));
}

#[then(expr = "{word} is told what is wrong with:")]
async fn wrong_fields(world: &mut World, step: &Step, name: String) {
    let body = &world.person(&name).answer().body;
    let errors = body["errors"].as_array().expect("no errors");
    let found: Vec<&str> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
    let table = step.table.as_ref().expect("a table of fields");
    let expected: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(found, expected, "{body}");
    let explains = |text: &str| text.len() > 5;
    assert!(errors.iter().all(|error| error["message"].as_str().is_some_and(explains)), "{body}");
}

#[then(expr = "{word} is asked to come back later")]
async fn come_back(world: &mut World, name: String) {
    let answer = world.person(&name).answer();
    assert_eq!(answer.status, 429, "{}", answer.body);
    let after = answer.headers.get("retry-after").and_then(|value| value.to_str().ok());
    assert!(after.is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{after:?}");
}

#[then(expr = "exactly one of them succeeds, and the others are refused because {reason}")]
async fn one_wins(world: &mut World, reason: Reason) {
    let (won, lost): (Vec<_>, Vec<_>) = world.race.iter().partition(|answer| answer.status < 300);
    assert_eq!(won.len(), 1, "{:?}", world.race);
    lost.into_iter().for_each(|answer| assert_refused(answer, reason.0));
}
