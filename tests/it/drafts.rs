//! A draft does not exist, except for administrators.

use crate::support::client::{Answer, Client};
use crate::support::events::EventStream;
use crate::support::node::{TestNode, eventually, plan};
use fred::prelude::*;
use grandstand::domain::catalog::{Match, MatchStatus};
use grandstand::domain::ids::{MatchId, SeatId};
use grandstand::engine::operation::Operation;
use grandstand::redis::keys::PartitionKeys;
use reqwest::Method;
use serde_json::{Value, json};

const UNKNOWN: &str = "0190a000-0000-7000-8000-000000000000";

/// The id of a draft at the site of another match.
async fn draft(node: &TestNode, admin: &Client) -> String {
    let site = node.open_match().await.site_id;
    let made = admin.post("/api/admin/matches", &match_at(&json!(site))).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// All methods and paths of the document that name a match in their path, but for those of
/// administrators.
fn routes(document: &Value) -> Vec<(Method, String)> {
    let paths = document["paths"].as_object().unwrap();
    let named = paths
        .iter()
        .filter(|(path, _)| path.contains("{match}") && !path.starts_with("/api/admin"));
    named
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|name| (name.to_uppercase().parse().unwrap(), path.clone()))
        })
        .collect()
}

async fn call(caller: &Client, method: &Method, path: &str, id: &str) -> Answer {
    let hold = "0190a000-0000-7000-8000-000000000001";
    let path = path
        .replace("{match}", id)
        .replace("{block}", "1")
        .replace("{seat}", "1")
        .replace("{hold}", hold)
        .replace("{user}", hold);
    assert!(!path.contains('{'), "the test does not know a parameter of {path}");
    let request = caller.request(method.clone(), &path);
    let request = match path.ends_with("/holds") && *method == Method::POST {
        true => request.json(&json!({"seatIds": [1]})),
        false => request,
    };
    Answer::of(request.send().await.unwrap()).await
}

/// The routes are those of the OpenAPI document, so a new one is tested too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_not_found_on_any_route_by_anybody_but_an_administrator() {
    let node = TestNode::start().await;
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    let id = draft(&node, &admin).await;
    let document = node.guest().get("/api-docs/openapi.json").await.body;
    let routes = routes(&document);
    assert!(routes.len() >= 14, "{routes:?}");
    for (method, path) in &routes {
        for caller in [&node.guest(), &fan] {
            let unknown = call(caller, method, path, UNKNOWN).await;
            let found = call(caller, method, path, &id).await;
            let outcome = |answer: &Answer| (answer.status, answer.body["code"].clone());
            assert_eq!(outcome(&found), outcome(&unknown), "{method} {path}");
            if found.status != 401 {
                found.refused(404, "MATCH_NOT_FOUND");
            }
        }
    }
    let reserve = json!({"matchId": id, "seatIds": [1]});
    fan.post("/api/reservations", &reserve).await.refused(404, "MATCH_NOT_FOUND");
    let listed = fan.get("/api/matches").await.expect(200)["matches"].clone();
    assert!(listed.as_array().unwrap().iter().all(|fixture| fixture["id"] != id.as_str()));
    for rest in ["", "/seats", "/blocks/1/seats"] {
        admin.get(&format!("/api/matches/{id}{rest}")).await.expect(200);
    }
    let listed = admin.get("/api/matches?status=DRAFT").await.expect(200);
    assert_eq!(listed["matches"][0]["id"], id.as_str());
    let forged = Client::new(node.url(), Some("no token".to_owned()));
    forged.get(&format!("/api/matches/{id}")).await.refused(404, "MATCH_NOT_FOUND");
    node.finish().await;
}

/// As after a restore of an older state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_streams_of_a_match_that_is_a_draft_again_end() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let url = format!("{}{}", node.url(), fixture.path("/seats/events"));
    let mut stream = EventStream::open(&url, None).await;
    assert_eq!(stream.next().await.unwrap().name, "snapshot");
    let old = node.engine().fixture(fixture.match_id()).await.unwrap().unwrap();
    let again = Match { version: old.version + 1, status: MatchStatus::Draft, ..old };
    node.engine().put_match(&again, Operation::default()).await.unwrap();
    assert!(stream.next().await.is_none(), "it ends");
    eventually("nobody finds it", || async {
        let answer = node.guest().get(&fixture.path("/seats/events")).await;
        (answer.status == 404).then_some(())
    })
    .await;
    node.finish().await;
}

/// A draft at a site of its own, with the paths of both.
async fn own_draft(admin: &Client) -> (String, String) {
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201)["id"].clone();
    let made = admin.post("/api/admin/matches", &match_at(&site)).await.expect(201);
    let path = |noun: &str, id: &Value| format!("/api/admin/{noun}/{}", id.as_str().unwrap());
    (path("sites", &site), path("matches", &made["id"]))
}

fn match_at(site: &Value) -> Value {
    json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"})
}

fn seats(list: &[u32]) -> Value {
    json!({"seatIds": list})
}

/// The plan of the tests without its second block, seats 21 to 25.
fn smaller_plan() -> Value {
    let mut plan = plan();
    plan["grades"].as_array_mut().unwrap().pop();
    plan["areas"][0]["sections"][0]["blocks"].as_array_mut().unwrap().pop();
    plan
}

/// They would stay blocked for ever, and count as seats of the match.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_keeps_the_seats_that_a_draft_has_blocked() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let (site, draft) = own_draft(&admin).await;
    admin.post(&format!("{draft}/block"), &seats(&[1, 21, 25])).await.expect(200);
    let refused = admin.put(&site, &smaller_plan()).await.refused(409, "SEATS_BLOCKED");
    assert_eq!(refused["seatIds"], json!([21, 25]));
    let id = draft.rsplit('/').next().unwrap();
    assert!(refused["detail"].as_str().unwrap().contains(id), "{refused}");
    admin.post(&format!("{draft}/unblock"), &seats(&[21, 25])).await.expect(200);
    assert_eq!(admin.put(&site, &smaller_plan()).await.expect(200)["version"], 2);
    admin.post(&format!("{draft}/open"), &Value::Null).await.expect(200);
    let fan = node.user("fan").await;
    fan.hold(id, &[1]).await.refused(409, "SEAT_TAKEN");
    eventually("all seats but the blocked one are left", || async {
        let data = fan.get(&format!("/api/matches/{id}")).await.expect(200);
        (data["seatsLeft"] == 19).then_some(())
    })
    .await;
    node.finish().await;
}

/// The same numbers are other seats there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_with_blocked_seats_does_not_move_to_another_site() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let ((_, draft), (other, _)) = (own_draft(&admin).await, own_draft(&admin).await);
    admin.post(&format!("{draft}/block"), &seats(&[2, 1])).await.expect(200);
    let there = json!({"siteId": other.rsplit('/').next().unwrap()});
    let body = match_at(&there["siteId"]);
    for refused in [admin.patch(&draft, &there).await, admin.put(&draft, &body).await] {
        let refused = refused.refused(409, "SEATS_BLOCKED");
        assert_eq!(refused["seatIds"], json!([1, 2]));
    }
    admin.patch(&draft, &json!({"homeTeam": "KT Wiz"})).await.expect(200);
    admin.post(&format!("{draft}/unblock"), &seats(&[1, 2])).await.expect(200);
    admin.patch(&draft, &there).await.expect(200);
    node.finish().await;
}

/// An earlier release let a plan lose seats that were blocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_seats_that_the_plan_has_lost_are_unblocked() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let (site, draft) = own_draft(&admin).await;
    let id: MatchId = draft.rsplit('/').next().unwrap().parse().unwrap();
    node.engine().block(id, vec![SeatId(99)]).await.unwrap();
    let refused = admin.put(&site, &smaller_plan()).await.refused(409, "SEATS_BLOCKED");
    assert_eq!(refused["seatIds"], json!([99]));
    let unblock = format!("{draft}/unblock");
    let unknown = admin.post(&unblock, &seats(&[1, 98, 99])).await.refused(404, "SEAT_NOT_FOUND");
    assert_eq!(unknown["seatIds"], json!([98]));
    admin.post(&unblock, &seats(&[1, 99])).await.expect(200);
    let unknown = admin.post(&unblock, &seats(&[99])).await.refused(404, "SEAT_NOT_FOUND");
    assert_eq!(unknown["seatIds"], json!([99]));
    admin.put(&site, &smaller_plan()).await.expect(200);
    node.finish().await;
}

/// A node that has not heard of the new site blocks seats of the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_of_the_site_before_do_not_stay_blocked() {
    let node = TestNode::start().await;
    let (admin, raw) = (node.admin().await, node.raw().await);
    let ((_, draft), (other, _)) = (own_draft(&admin).await, own_draft(&admin).await);
    let id: MatchId = draft.rsplit('/').next().unwrap().parse().unwrap();
    let key = PartitionKeys(id.partition()).matches();
    let document: String = raw.hget(&key, id.key()).await.unwrap();
    // Without a notice, as if the notice were still on its way.
    let mut moved: Value = serde_json::from_str(&document).unwrap();
    moved["siteId"] = json!(other.rsplit('/').next().unwrap());
    let _: i64 = raw.hset(&key, (id.key(), moved.to_string())).await.unwrap();
    let block = format!("{draft}/block");
    admin.post(&block, &seats(&[1, 2])).await.refused(409, "CHANGED_MEANWHILE");
    assert_eq!(node.engine().blocked(id).await.unwrap(), []);
    let _: i64 = raw.hset(&key, (id.key(), document)).await.unwrap();
    admin.post(&block, &seats(&[1, 2])).await.expect(200);
    node.finish().await;
}
