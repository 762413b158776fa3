//! A draft does not exist, except for administrators.

use crate::support::client::{Answer, Client};
use crate::support::events::EventStream;
use crate::support::node::{TestNode, eventually};
use grandstand::domain::catalog::{Match, MatchStatus};
use grandstand::engine::operation::Operation;
use reqwest::Method;
use serde_json::{Value, json};

const UNKNOWN: &str = "0190a000-0000-7000-8000-000000000000";

/// The id of a draft at the site of another match.
async fn draft(node: &TestNode, admin: &Client) -> String {
    let site = node.open_match().await.site_id;
    let body = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
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
