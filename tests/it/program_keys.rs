//! API keys: what a program may do with one, and when it ends.

use crate::route_table::{ROUTES, Rule};
use crate::support::client::{Answer, Client};
use crate::support::node::{TestMatch, TestNode, eventually};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::account::Role;
use grandstand::domain::api_key::Scope;
use grandstand::node::NodeRole;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/api/admin/api-keys";

/// The routes for keys with their scopes. No key can call any other route that needs a token.
const SCOPES: &[(&str, Scope)] = &[
    ("GET /api/admin/matches", Scope::CatalogueRead),
    ("POST /api/admin/matches", Scope::CatalogueWrite),
    ("PUT /api/admin/matches/{match}", Scope::CatalogueWrite),
    ("PATCH /api/admin/matches/{match}", Scope::CatalogueWrite),
    ("DELETE /api/admin/matches/{match}", Scope::CatalogueWrite),
    ("PUT /api/admin/matches/{match}/prices", Scope::CatalogueWrite),
    ("POST /api/admin/matches/{match}/announce", Scope::CatalogueWrite),
    ("POST /api/admin/matches/{match}/open", Scope::CatalogueWrite),
    ("POST /api/admin/matches/{match}/close", Scope::CatalogueWrite),
    ("POST /api/admin/matches/{match}/block", Scope::SeatsBlock),
    ("POST /api/admin/matches/{match}/unblock", Scope::SeatsBlock),
    ("POST /api/admin/matches/{match}/check-ins", Scope::CheckIn),
    ("GET /api/admin/matches/{match}/queue", Scope::QueueRead),
    ("PUT /api/admin/matches/{match}/queue", Scope::QueueWrite),
    ("PATCH /api/admin/matches/{match}/queue", Scope::QueueWrite),
    ("POST /api/admin/matches/{match}/queue/admit", Scope::QueueWrite),
    ("GET /api/admin/matches/{match}/queue/people/{user}", Scope::QueueRead),
    ("PUT /api/admin/matches/{match}/queue/people/{user}", Scope::QueueWrite),
    ("DELETE /api/admin/matches/{match}/queue/people/{user}", Scope::QueueWrite),
    ("GET /api/admin/reservations/{reservation}", Scope::ReservationsRead),
    ("POST /api/admin/reservations/{reservation}/cancel", Scope::ReservationsCancel),
    ("GET /api/admin/sites", Scope::CatalogueRead),
    ("POST /api/admin/sites", Scope::CatalogueWrite),
    ("POST /api/admin/sites/import", Scope::CatalogueWrite),
    ("PUT /api/admin/sites/{site}", Scope::CatalogueWrite),
    ("DELETE /api/admin/sites/{site}", Scope::CatalogueWrite),
    ("GET /api/matches/{match}/queue", Scope::Buy),
    ("POST /api/matches/{match}/queue", Scope::Buy),
    ("DELETE /api/matches/{match}/queue", Scope::Buy),
    ("GET /api/matches/{match}/holds", Scope::Buy),
    ("POST /api/matches/{match}/holds", Scope::Buy),
    ("DELETE /api/matches/{match}/holds/{hold}", Scope::Buy),
    ("POST /api/matches/{match}/allocation/seats/{seat}/hold", Scope::Buy),
    ("POST /api/matches/{match}/allocation/seats/{seat}/release", Scope::Buy),
    ("GET /api/reservations", Scope::Buy),
    ("POST /api/reservations", Scope::Buy),
    ("GET /api/reservations/{reservation}", Scope::Buy),
    ("POST /api/reservations/{reservation}/cancel", Scope::Buy),
    ("GET /api/reservations/{reservation}/payments", Scope::Buy),
    ("POST /api/payments/request", Scope::Buy),
    ("POST /api/payments/confirm", Scope::Buy),
    ("GET /api/payments/{payment}", Scope::Buy),
];

fn input(role: Role, site: &TestMatch, scopes: &[Scope]) -> Value {
    let sites = if role.is_of_sites() { vec![&site.site_id] } else { vec![] };
    json!({"name": "Box office", "role": role, "sites": sites, "scopes": scopes})
}

/// The program of a new key, and the response that has it.
async fn program(node: &TestNode, body: &Value) -> (Client, Value) {
    let made = node.admin().await.post(PATH, body).await.expect(201);
    (node.guest().with_token(made["key"].as_str().unwrap()), made)
}

/// Calls a route with ids that nothing has, and an empty object as its body.
async fn code_of(client: &Client, fixture: &TestMatch, route: &str) -> (u16, String) {
    let (method, template) = route.split_once(' ').unwrap();
    let mut path = template.replace("{match}", &fixture.id).replace("{site}", &fixture.site_id);
    for name in ["hold", "reservation", "payment", "user", "key", "session"] {
        path = path.replace(&format!("{{{name}}}"), "0199a3f2-6c1e-7000-9b7e-0d6f5a4c3b2a");
    }
    for name in ["seat", "area", "section", "block"] {
        path = path.replace(&format!("{{{name}}}"), "1");
    }
    let method: Method = method.parse().unwrap();
    let mut request = client.request(method.clone(), &path).timeout(Duration::from_secs(20));
    if method != Method::GET {
        request = request.json(&json!({}));
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    // Only the head of an event stream is read.
    if status == 200 {
        return (status, String::new());
    }
    let body = Answer::of(response).await.body;
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_opens_the_routes_of_its_scope_alone() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    for scope in Scope::ALL {
        let (program, _) = program(&node, &input(Role::Organiser, &fixture, &[scope])).await;
        for (route, rule) in ROUTES {
            let needed = SCOPES.iter().find(|(known, _)| known == route).map(|(_, scope)| *scope);
            // A session can also end by its refresh token, without an access token.
            let is_public = matches!(rule, Rule::Public) || route.ends_with("/log-out");
            let open = is_public || needed == Some(scope);
            let (status, code) = code_of(&program, &fixture, route).await;
            let seen = format!("{route} with {}: {status} {code}", scope.word());
            assert_eq!(code != "SCOPE_MISSING", open, "{seen}");
            assert!(status < 500, "{seen}");
            // A key does not log out, whatever it sends.
            assert!(code != "UNAUTHORIZED" || route.contains("/api/users/"), "{seen}");
        }
    }
    for (route, _) in SCOPES {
        assert!(ROUTES.iter().any(|(known, _)| known == route), "there is no {route}");
    }
    node.finish().await;
}

/// The document tells developers the same.
#[test]
fn the_document_names_the_scope_of_each_route() {
    let document = serde_json::to_value(grandstand::api::document::openapi()).unwrap();
    for (route, _) in ROUTES {
        let (method, path) = route.split_once(' ').unwrap();
        let scope = SCOPES.iter().find(|(known, _)| known == route);
        let told = &document["paths"][path][method.to_lowercase()]["x-scope"];
        assert_eq!(told, &json!(scope.map(|(_, scope)| scope)), "{route}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_counts_on_all_nodes_until_somebody_deletes_it() {
    let node = TestNode::start_with(|settings| {
        settings.staff_need_second_factor = false;
        settings.holds_need_verified_email = true;
    })
    .await;
    let fixture = node.open_match().await;
    let admin = node.admin().await;
    let body = input(Role::BoxOffice, &fixture, &[Scope::Buy, Scope::SeatsBlock]);
    let (here, made) = program(&node, &body).await;
    let other = node.another_node(NodeRole::Api).await;
    let there = Client { url: other.url(), ..here.clone() };
    // It buys as a person does, and the sale is its own.
    let reservation = here.reserve(&fixture.id, &[1, 2]).await;
    let payment = there.request_payment(&reservation).await;
    let paid_with = node.pay_at_gateway(&payment, "approve").await;
    there.confirm(&payment, &paid_with).await.expect(200);
    here.post(&format!("/api/admin/matches/{}/block", fixture.id), &json!({"seatIds": [5]}))
        .await
        .expect(200);
    here.get("/api/admin/matches").await.refused(403, "SCOPE_MISSING");
    here.get("/api/users/me").await.refused(403, "SCOPE_MISSING");
    here.post("/api/users/log-out", &Value::Null).await.refused(401, "UNAUTHORIZED");

    let id = made["id"].as_str().unwrap().to_owned();
    let key = made["key"].as_str().unwrap();
    let listed = eventually("the key is in the list", async || {
        let page = admin.get(PATH).await.expect(200);
        (page["apiKeys"][0]["id"] == json!(id)).then_some(page)
    })
    .await;
    assert_eq!(listed["apiKeys"][0]["scopes"], json!(["BUY", "SEATS_BLOCK"]));
    assert!(!listed.to_string().contains(key), "{listed}");
    let people = admin.get("/api/admin/accounts").await.expect(200);
    assert!(!people.to_string().contains(&id), "a key is no person: {people}");
    let patch = json!({"role": "ADMIN"});
    let account = format!("/api/admin/accounts/{id}");
    admin.patch(&account, &patch).await.refused(404, "ACCOUNT_NOT_FOUND");
    admin.delete(&account).await.refused(404, "ACCOUNT_NOT_FOUND");

    forget_all(&node).await;
    let fresh = node.another_node(NodeRole::Api).await;
    let after = Client { url: fresh.url(), ..here.clone() };
    eventually("the key is loaded again", async || {
        let answer = after.get("/api/reservations").await;
        assert_ne!(answer.status, 401, "the key is lost");
        (answer.status == 200).then_some(())
    })
    .await;

    let path = format!("{PATH}/{id}");
    admin.delete(&path).await.expect(204);
    here.get("/api/reservations").await.refused(401, "UNAUTHORIZED");
    eventually("the other nodes have heard", async || {
        let seen = [there.get("/api/reservations").await, after.get("/api/reservations").await];
        seen.iter().all(|answer| answer.status == 401).then_some(())
    })
    .await;
    admin.delete(&path).await.refused(404, "API_KEY_NOT_FOUND");
    eventually("the list is empty", async || {
        let page = admin.get(PATH).await.expect(200);
        (page["apiKeys"] == json!([])).then_some(())
    })
    .await;
    the_trail_has_it(&node, &admin, &id, key).await;
    fresh.stop().await;
    other.stop().await;
    node.finish().await;
}

/// Redis loses everything that PostgreSQL has.
async fn forget_all(node: &TestNode) {
    node.verify().await;
    let flush = CustomCommand::new_static("FLUSHALL", ClusterHash::Random, false);
    let _: () = node.raw().await.custom(flush, Vec::<String>::new()).await.unwrap();
}

/// The trail names the key for what it did, and never shows it.
async fn the_trail_has_it(node: &TestNode, admin: &Client, id: &str, key: &str) {
    node.verify().await;
    let of_key = admin.get(&format!("/api/admin/audit?target=api-key/{id}")).await.expect(200);
    let acts = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["act"].as_str().unwrap().to_owned()).collect()
    };
    let mut both = acts(&of_key);
    both.sort_unstable();
    assert_eq!(both, ["API_KEY_CREATED", "API_KEY_DELETED"]);
    let by_key = admin.get(&format!("/api/admin/audit?actor={id}")).await.expect(200);
    assert_eq!(acts(&by_key), ["SEATS_BLOCKED"]);
    for page in [&of_key, &by_key] {
        assert!(!page.to_string().contains(key) && !page.to_string().contains("hash"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_could_do_nothing_or_too_much_is_not_made() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let admin = node.admin().await;
    let good = input(Role::Support, &fixture, &[Scope::CatalogueRead]);
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(61))),
        ("name", json!("two\nlines")),
        ("role", json!("ADMIN")),
        ("sites", json!([fixture.site_id])),
        ("scopes", json!([])),
        ("scopes", json!(["CHECK_IN"])),
        ("scopes", json!(["CATALOGUE_READ", "RESERVATIONS_CANCEL"])),
        ("expiresAt", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let problem = admin.post(PATH, &body).await.refused(400, "VALIDATION");
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
    }
    for path in ["/api/admin/api-keys?limit=0", "/api/admin/api-keys?cursor=x"] {
        admin.get(path).await.refused(400, "VALIDATION");
    }
    // A program makes no keys.
    let all = [Scope::CatalogueRead, Scope::QueueRead, Scope::ReservationsRead, Scope::Buy];
    let (program, _) = program(&node, &input(Role::Support, &fixture, &all)).await;
    program.post(PATH, &good).await.refused(403, "SCOPE_MISSING");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_and_old_keys_are_refused_and_cost_little() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.calls_per_second = 20;
    })
    .await;
    let fixture = node.open_match().await;
    let mut body = input(Role::User, &fixture, &[Scope::Buy]);
    let (_, made) = program(&node, &body).await;
    let key = made["key"].as_str().unwrap();
    let with = |key: &str| node.guest().with_token(key);
    let last = if key.ends_with('A') { "E" } else { "A" };
    let changed = format!("{}{last}", &key[..key.len() - 1]);
    with(&changed).get("/api/reservations").await.refused(401, "UNAUTHORIZED");
    with(&key[..60]).get("/api/reservations").await.refused(401, "UNAUTHORIZED");
    with(key).get("/api/reservations").await.expect(200);

    let admin = node.admin().await;
    let end = jiff::Timestamp::now() + Duration::from_secs(8);
    body["expiresAt"] = json!(end);
    let made = admin.post(PATH, &body).await.expect(201);
    let short = with(made["key"].as_str().unwrap());
    short.get("/api/reservations").await.expect(200);
    eventually("the key has ended", async || {
        (short.get("/api/reservations").await.status == 401).then_some(())
    })
    .await;

    // Wrong keys are not looked up without end, and those that are known go on.
    let wrong = (0..300).map(|_| async { with(&changed).get("/api/reservations").await.status });
    let codes = futures::future::join_all(wrong).await;
    assert!(codes.contains(&401) && codes.contains(&429), "{codes:?}");
    assert_eq!(with(key).get("/api/reservations").await.status, 200);
    admin.get(PATH).await.expect(200);
    node.finish().await;
}
