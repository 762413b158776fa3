//! Steps of fans who look for matches.

use crate::steps::World;
use crate::steps::refusals::assert_refused;
use crate::steps::words::Sale;
use crate::support::node::{TestMatch, eventually, plan};
use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use grandstand::api::error::ErrorCode;
use serde_json::{Value, json};

/// A match that only administrators see.
pub async fn draft(world: &mut World, home: &str, starts_at: &str) -> TestMatch {
    let admin = world.start().await.admin().await;
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201);
    let body = json!({"siteId": site["id"], "homeTeam": home, "awayTeam": "Doosan Bears",
        "startsAt": starts_at});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    TestMatch { id: text(&made["id"]), site_id: text(&site["id"]) }
}

#[given("a match is on sale")]
async fn on_sale(world: &mut World) {
    let fixture = world.start().await.open_match().await;
    world.fixture = Some(fixture);
}

#[given("a match is still a draft")]
async fn still_draft(world: &mut World) {
    let fixture = draft(world, "LG Twins", "2030-05-05T05:00:00Z").await;
    world.fixture = Some(fixture);
}

/// The table has the home team, the start and the status of each match.
#[given("these matches:")]
async fn these_matches(world: &mut World, step: &Step) {
    let rows = step.table.as_ref().expect("a table of matches").rows.clone();
    let admin = world.start().await.admin().await;
    for row in rows.iter().skip(1) {
        let fixture = draft(world, &row[0], &row[1]).await;
        let steps: &[&str] = match row[2].as_str() {
            "draft" => &[],
            "announced" => &["announce"],
            "on sale" => &["open"],
            "closed" => &["open", "close"],
            other => panic!("no such status: {other}"),
        };
        for step in steps {
            let path = format!("/api/admin/matches/{}/{step}", fixture.id);
            admin.post(&path, &Value::Null).await.expect(200);
        }
    }
}

#[when(expr = "{word} looks at the list of matches")]
async fn list(world: &mut World, name: String) {
    let data = world.client(&name).get("/api/matches").await.expect(200);
    world.person_mut(&name).seen = data["matches"].clone();
}

#[when(expr = "{word} looks at the matches that are {sale}")]
async fn list_some(world: &mut World, name: String, sale: Sale) {
    let path = format!("/api/matches?status={}", sale.0);
    let data = world.client(&name).get(&path).await.expect(200);
    world.person_mut(&name).seen = data["matches"].clone();
}

#[when(expr = "{word} leafs through the list of matches, {int} on a page")]
async fn leaf(world: &mut World, name: String, limit: usize) {
    let client = world.client(&name);
    let mut found = vec![];
    let mut path = format!("/api/matches?limit={limit}");
    loop {
        let data = client.get(&path).await.expect(200);
        let page = data["matches"].as_array().unwrap();
        assert!((1..=limit).contains(&page.len()), "{data}");
        found.extend(page.iter().cloned());
        let Some(cursor) = data["nextCursor"].as_str() else { break };
        path = format!("/api/matches?limit={limit}&cursor={cursor}");
    }
    world.person_mut(&name).seen = Value::Array(found);
}

#[then(expr = "{word} sees these home teams, in this order:")]
async fn home_teams(world: &mut World, step: &Step, name: String) {
    let seen = world.person(&name).seen.as_array().unwrap();
    let found: Vec<&str> =
        seen.iter().map(|fixture| fixture["homeTeam"].as_str().unwrap()).collect();
    let table = step.table.as_ref().expect("a table of teams");
    let expected: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(found, expected);
}

#[then(expr = "{word} sees no match")]
async fn no_match(world: &mut World, name: String) {
    assert_eq!(world.person(&name).seen, json!([]));
}

#[when(expr = "{word} chooses the match")]
async fn choose(world: &mut World, name: String) {
    let data = world.client(&name).get("/api/matches?status=OPEN").await.expect(200);
    let id = world.fixture().id.clone();
    let listed =
        data["matches"].as_array().unwrap().iter().any(|fixture| fixture["id"] == id.as_str());
    assert!(listed, "{data}");
    look_at(world, name).await;
}

#[when(expr = "{word} looks at the match")]
async fn look_at(world: &mut World, name: String) {
    let data = world.client(&name).get(&world.path("")).await.expect(200);
    world.person_mut(&name).seen = data;
}

#[then(expr = "{word} sees {string} against {string} at {string}, {int} seats, {sale}")]
async fn see_match(
    world: &mut World,
    name: String,
    home: String,
    away: String,
    stadium: String,
    seats: u32,
    sale: Sale,
) {
    let seen = &world.person(&name).seen;
    assert_eq!(seen["homeTeam"], home);
    assert_eq!(seen["awayTeam"], away);
    assert_eq!(seen["stadium"], stadium);
    assert_eq!(seen["seats"], seats);
    assert_eq!(seen["status"], sale.0);
    assert_eq!(seen["siteId"], world.fixture().site_id.as_str());
}

#[then(expr = "the list of matches says within seconds that {int} seats are left")]
async fn seats_left(world: &mut World, seats: u32) {
    let guest = world.node().guest();
    let id = world.fixture().id.clone();
    eventually("the list has the number of seats", || async {
        let data = guest.get("/api/matches").await.expect(200);
        let list = data["matches"].as_array().unwrap().clone();
        let is_it = |fixture: &Value| fixture["id"] == id.as_str() && fixture["seatsLeft"] == seats;
        list.iter().any(is_it).then_some(())
    })
    .await;
}

#[then(expr = "a person may have {int} seats of the match, and hold them for {int} minutes")]
async fn bounds(world: &mut World, seats: u32, minutes: u64) {
    let data = world.node().guest().get(&world.path("")).await.expect(200);
    assert_eq!(data["maxSeatsPerUser"], seats);
    assert_eq!(data["holdTtlMs"], minutes * 60_000);
}

#[then("the match does not say how many seats are left")]
async fn no_seats_left(world: &mut World) {
    let data = world.node().admin().await.get(&world.path("")).await.expect(200);
    assert_eq!(data["seatsLeft"], Value::Null);
    assert_eq!(data["seats"], 25);
}

#[then("nobody finds a match that does not exist")]
async fn unknown(world: &mut World) {
    let path = "/api/matches/0190a000-0000-7000-8000-000000000000";
    let answer = world.start().await.guest().get(path).await;
    assert_refused(&answer, ErrorCode::MatchNotFound);
    let answer = world.node().guest().get(&format!("{path}/seats")).await;
    assert_refused(&answer, ErrorCode::MatchNotFound);
}

#[then(expr = "the match is {sale}")]
async fn has_status(world: &mut World, sale: Sale) {
    let data = world.node().admin().await.get(&world.path("")).await.expect(200);
    assert_eq!(data["status"], sale.0);
}

#[then(expr = "the match is soon {sale}")]
async fn gets_status(world: &mut World, sale: Sale) {
    let guest = world.node().guest();
    eventually("the match has this status", || async {
        let data = guest.get(&world.path("")).await.expect(200);
        (data["status"] == sale.0).then_some(())
    })
    .await;
}

#[when(expr = "{word} tries to look at the match")]
async fn try_look_at(world: &mut World, name: String) {
    let answer = world.client(&name).get(&world.path("")).await;
    world.note(&name, answer);
}

#[then(expr = "{word} is told that the sale opens at {string}")]
async fn told_opening(world: &mut World, name: String, at: String) {
    let answer = world.person(&name).answer();
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("opens at {at}")), "{detail}");
}
