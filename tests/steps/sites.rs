//! Sites as fans walk through them.

use crate::steps::World;
use crate::steps::refusals::assert_refused;
use crate::steps::words::Won;
use cucumber::{then, when};
use grandstand::api::error::ErrorCode;
use serde_json::Value;

fn site(world: &World, rest: &str) -> String {
    format!("/api/sites/{}{rest}", world.fixture().site_id)
}

/// The id of the entry with this name.
fn named(list: &Value, name: &str) -> u64 {
    let mut found = list.as_array().unwrap().iter().filter(|entry| entry["name"] == name);
    let id = found.next().and_then(|entry| entry["id"].as_u64());
    id.unwrap_or_else(|| panic!("there is no {name} in {list}"))
}

#[when(expr = "{word} walks through {string}, {string} to block {string}")]
async fn walk(world: &mut World, name: String, area: String, section: String, block: String) {
    let client = world.client(&name);
    let areas = client.get(&site(world, "/areas")).await.expect(200);
    let area = named(&areas["areas"], &area);
    let path = site(world, &format!("/areas/{area}/sections"));
    let sections = client.get(&path).await.expect(200);
    let section = named(&sections["sections"], &section);
    let path = site(world, &format!("/sections/{section}/blocks"));
    let blocks = client.get(&path).await.expect(200);
    let block = named(&blocks["blocks"], &block);
    let path = site(world, &format!("/blocks/{block}/seats"));
    let seats = client.get(&path).await.expect(200);
    world.person_mut(&name).seen = seats["seats"].clone();
}

#[then(expr = "{word} sees {int} seats")]
async fn see_count(world: &mut World, name: String, count: usize) {
    assert_eq!(world.person(&name).seen.as_array().unwrap().len(), count);
}

#[then(expr = "{word} sees seat {int} in row {string}, number {int}, for {won}")]
async fn see_seat(world: &mut World, name: String, id: u32, row: String, number: u32, won: Won) {
    let seats = world.person(&name).seen.as_array().unwrap();
    let seat = seats.iter().find(|seat| seat["id"] == id).expect("no such seat");
    assert_eq!(seat["row"], row);
    assert_eq!(seat["number"], number);
    assert_eq!(seat["price"], won.0);
}

#[when(expr = "{word} reads the plan of the site")]
async fn read_plan(world: &mut World, name: String) {
    let answer = world.client(&name).get(&site(world, "")).await;
    world.person_mut(&name).seen = answer.clone().expect(200);
    world.note(&name, answer);
}

#[then(expr = "{word} sees the grades {string} and {string}, and the lines of the blocks")]
async fn see_plan(world: &mut World, name: String, first: String, second: String) {
    let seen = &world.person(&name).seen;
    assert_eq!(seen["grades"][0]["code"], first);
    assert_eq!(seen["grades"][1]["code"], second);
    let block = &seen["areas"][0]["sections"][0]["blocks"][0];
    assert!(block["outline"].as_array().is_some_and(|line| line.len() >= 3), "{seen}");
}

#[then(expr = "{word} need not load the plan again while it is the same")]
async fn not_modified(world: &mut World, name: String) {
    let person = world.person(&name);
    let tag = person.answer().headers["etag"].clone();
    let path = site(world, "");
    let request = person.client.request(reqwest::Method::GET, &path);
    let response = request.header("if-none-match", tag).send().await.unwrap();
    assert_eq!(response.status(), 304);
    assert_eq!(response.bytes().await.unwrap().len(), 0);
}

#[then("nobody finds a part of the site that does not exist")]
async fn unknown(world: &mut World) {
    let guest = world.node().guest();
    let missing = [
        ("/areas/99/sections", ErrorCode::AreaNotFound),
        ("/sections/99/blocks", ErrorCode::SectionNotFound),
        ("/blocks/99/seats", ErrorCode::BlockNotFound),
    ];
    for (path, code) in missing {
        assert_refused(&guest.get(&site(world, path)).await, code);
    }
    let path = "/api/sites/0190a000-0000-7000-8000-000000000000";
    assert_refused(&guest.get(path).await, ErrorCode::SiteNotFound);
    assert_refused(&guest.get(&world.path("/blocks/99/seats")).await, ErrorCode::BlockNotFound);
}
