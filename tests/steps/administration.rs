//! Steps of administrators.

use crate::steps::World;
use crate::steps::refusals::assert_refused;
use crate::steps::words::{Reason, Seats};
use crate::support::client::Answer;
use crate::support::node::{ADMIN, plan};
use cucumber::{given, then, when};
use grandstand::api::error::ErrorCode;
use serde_json::{Value, json};

#[given(expr = "{word} is the administrator")]
async fn administrator(world: &mut World, name: String) {
    let admin = world.start().await.guest().log_in(ADMIN.0, ADMIN.1).await;
    world.meet(&name, admin);
}

/// Calls `open`, `close`, `block` or `unblock` of the match.
async fn sale(world: &World, name: &str, step: &str, body: &Value) -> Answer {
    let path = format!("/api/admin/matches/{}/{step}", world.fixture().id);
    world.client(name).post(&path, body).await
}

#[given(expr = "{word} opens the sale")]
#[when(expr = "{word} opens the sale")]
async fn open(world: &mut World, name: String) {
    sale(world, &name, "open", &Value::Null).await.expect(200);
}

#[given(expr = "{word} closes the sale")]
#[when(expr = "{word} closes the sale")]
async fn close(world: &mut World, name: String) {
    sale(world, &name, "close", &Value::Null).await.expect(200);
}

#[when(expr = "{word} announces the match")]
async fn announce(world: &mut World, name: String) {
    sale(world, &name, "announce", &Value::Null).await.expect(200);
}

#[when(expr = "{word} tries to announce the match")]
async fn try_announce(world: &mut World, name: String) {
    let answer = sale(world, &name, "announce", &Value::Null).await;
    world.note(&name, answer);
}

/// Sets the times of the sale, which are all that changes.
async fn set_times(world: &World, name: &str, times: &[(&str, String)]) {
    let mut body = json!({"siteId": world.fixture().site_id, "homeTeam": "LG Twins",
        "awayTeam": "Doosan Bears", "startsAt": "2030-05-05T05:00:00Z"});
    for (field, time) in times {
        body[field] = time.as_str().into();
    }
    world.client(name).put(&match_path(world), &body).await.expect(200);
}

#[given(expr = "{word} lets the sale open by itself at {string}")]
#[when(expr = "{word} lets the sale open by itself at {string}")]
async fn opens_at(world: &mut World, name: String, at: String) {
    set_times(world, &name, &[("saleOpensAt", at)]).await;
}

/// Half a second from now, by the clock of the match.
async fn soon(world: &World) -> String {
    let partition = world.fixture().partition();
    let now = world.node().engine().now_ms(partition).await.unwrap();
    jiff::Timestamp::from_millisecond(now + 500).unwrap().to_string()
}

#[when(expr = "{word} lets the sale open by itself in a moment")]
async fn opens_soon(world: &mut World, name: String) {
    set_times(world, &name, &[("saleOpensAt", soon(world).await)]).await;
}

#[when(expr = "{word} lets the sale end by itself in a moment")]
async fn ends_soon(world: &mut World, name: String) {
    set_times(world, &name, &[("saleClosesAt", soon(world).await)]).await;
}

#[when(expr = "{word} tries to {word} the sale")]
async fn try_sale(world: &mut World, name: String, verb: String) {
    let answer = sale(world, &name, &verb, &Value::Null).await;
    world.note(&name, answer);
}

#[given(expr = "{word} blocks seat(s) {seats}")]
#[when(expr = "{word} blocks seat(s) {seats}")]
async fn block(world: &mut World, name: String, seats: Seats) {
    let count = seats.0.len();
    let data = sale(world, &name, "block", &json!({"seatIds": seats.0})).await.expect(200);
    assert_eq!(data["seats"], count);
}

#[when(expr = "{word} unblocks seat(s) {seats}")]
async fn unblock(world: &mut World, name: String, seats: Seats) {
    sale(world, &name, "unblock", &json!({"seatIds": seats.0})).await.expect(200);
}

#[when(expr = "{word} tries to block seat(s) {seats}")]
async fn try_block(world: &mut World, name: String, seats: Seats) {
    let answer = sale(world, &name, "block", &json!({"seatIds": seats.0})).await;
    world.note(&name, answer);
}

#[when(expr = "{word} makes the site {string}")]
async fn make_site(world: &mut World, name: String, site: String) {
    let mut plan = plan();
    plan["name"] = site.into();
    let data = world.client(&name).post("/api/admin/sites", &plan).await.expect(201);
    assert_eq!(data["seats"], 25);
    world.person_mut(&name).seen = data;
}

#[when(expr = "{word} makes the same site twice under the key {string}")]
async fn make_site_twice(world: &mut World, name: String, key: String) {
    let client = world.client(&name);
    let first = client.post_with_key("/api/admin/sites", &plan(), &key).await.expect(201);
    let again = client.post_with_key("/api/admin/sites", &plan(), &key).await.expect(201);
    assert_eq!(first, again);
}

/// The plan has a price below zero, two rows that share seats, and an unknown grade.
#[when(expr = "{word} tries to make a site with several mistakes")]
async fn make_bad_site(world: &mut World, name: String) {
    let mut plan = plan();
    plan["name"] = "Broken Park".into();
    plan["grades"][0]["price"] = (-1).into();
    let blocks = &mut plan["areas"][0]["sections"][0]["blocks"];
    blocks[0]["rows"][1]["firstSeatId"] = 5.into();
    blocks[1]["grade"] = "GOLD".into();
    let answer = world.client(&name).post("/api/admin/sites", &plan).await;
    world.note(&name, answer);
}

#[when(expr = "{word} tries to make a site")]
async fn try_make_site(world: &mut World, name: String) {
    let answer = world.client(&name).post("/api/admin/sites", &plan()).await;
    world.note(&name, answer);
}

#[then(expr = "{word} finds {int} site(s) in the list")]
async fn sites(world: &mut World, name: String, count: usize) {
    let data = world.client(&name).get("/api/admin/sites").await.expect(200);
    assert_eq!(data["sites"].as_array().unwrap().len(), count, "{data}");
}

#[when(expr = "{word} tries to change the site of the match")]
async fn try_change_site(world: &mut World, name: String) {
    let path = format!("/api/admin/sites/{}", world.fixture().site_id);
    let answer = world.client(&name).put(&path, &plan()).await;
    world.note(&name, answer);
}

#[when(expr = "{word} tries to delete the site of the match")]
async fn try_delete_site(world: &mut World, name: String) {
    let path = format!("/api/admin/sites/{}", world.fixture().site_id);
    let answer = world.client(&name).delete(&path).await;
    world.note(&name, answer);
}

#[when(expr = "{word} deletes the site again")]
async fn delete_site(world: &mut World, name: String) {
    let id = world.person(&name).seen["id"].as_str().unwrap().to_owned();
    world.client(&name).delete(&format!("/api/admin/sites/{id}")).await.expect(204);
}

fn match_path(world: &World) -> String {
    format!("/api/admin/matches/{}", world.fixture().id)
}

#[when(expr = "{word} moves the match to {string} with {string} as the guest")]
async fn change_match(world: &mut World, name: String, starts_at: String, away: String) {
    let body = json!({"siteId": world.fixture().site_id, "homeTeam": "LG Twins",
        "awayTeam": away, "startsAt": starts_at});
    let data = world.client(&name).put(&match_path(world), &body).await.expect(200);
    let found = |name: &str| data[name].as_str().unwrap().to_owned();
    assert_eq!((found("startsAt"), found("awayTeam")), (starts_at, away));
}

#[when(expr = "{word} deletes the match")]
async fn delete_match(world: &mut World, name: String) {
    world.client(&name).delete(&match_path(world)).await.expect(204);
}

#[when(expr = "{word} tries to delete the match")]
async fn try_delete_match(world: &mut World, name: String) {
    let answer = world.client(&name).delete(&match_path(world)).await;
    world.note(&name, answer);
}

#[then("nobody finds the match any more")]
async fn match_gone(world: &mut World) {
    let answer = world.node().guest().get(&world.path("")).await;
    assert_refused(&answer, ErrorCode::MatchNotFound);
}

#[then(expr = "every call of the administration is refused to {word} because {reason}")]
async fn may_not(world: &mut World, name: String, reason: Reason) {
    let client = world.client(&name);
    let (fixture, site) =
        (match_path(world), format!("/api/admin/sites/{}", world.fixture().site_id));
    let body = json!({"siteId": world.fixture().site_id, "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2030-05-05T05:00:00Z"});
    let seats = json!({"seatIds": [1]});
    let answers = [
        client.get("/api/admin/sites").await,
        client.post("/api/admin/sites", &plan()).await,
        client.put(&site, &plan()).await,
        client.delete(&site).await,
        client.get("/api/admin/matches").await,
        client.post("/api/admin/matches", &body).await,
        client.put(&fixture, &body).await,
        client.delete(&fixture).await,
        client.post(&format!("{fixture}/announce"), &Value::Null).await,
        client.post(&format!("{fixture}/open"), &Value::Null).await,
        client.post(&format!("{fixture}/close"), &Value::Null).await,
        client.post(&format!("{fixture}/block"), &seats).await,
        client.post(&format!("{fixture}/unblock"), &seats).await,
        client.put(&format!("{fixture}/queue"), &json!({"enabled": true})).await,
    ];
    for answer in &answers {
        assert_refused(answer, reason.0);
    }
}
