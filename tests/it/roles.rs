//! Who may call which route, and when a change of a role counts.

use crate::route_table::{ROUTES, Rule};
use crate::support::client::{Answer, Client};
use crate::support::node::{ADMIN, TestMatch, TestNode, eventually, plan};
use grandstand::domain::account::Role;
use grandstand::node::NodeRole;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Somebody who calls: no account, or one with a role.
struct Caller {
    name: &'static str,
    role: Option<Role>,
    /// The role counts at the site of the match.
    is_here: bool,
}

const CALLERS: [Caller; 8] = [
    Caller { name: "nobody", role: None, is_here: false },
    Caller { name: "another-user", role: Some(Role::User), is_here: false },
    Caller { name: "organiser", role: Some(Role::Organiser), is_here: true },
    Caller { name: "organiser-elsewhere", role: Some(Role::Organiser), is_here: false },
    Caller { name: "box-office", role: Some(Role::BoxOffice), is_here: true },
    Caller { name: "box-office-elsewhere", role: Some(Role::BoxOffice), is_here: false },
    Caller { name: "support", role: Some(Role::Support), is_here: true },
    Caller { name: "administrator", role: Some(Role::Admin), is_here: true },
];

use Rule::{Public, Staff, User};

impl Caller {
    /// 401, 403, or `None` when the route must not refuse because of who calls.
    fn refusal(&self, route: &str, rule: Rule) -> Option<u16> {
        let Some(role) = self.role else {
            return match rule {
                Public => None,
                User | Staff(_) => Some(401),
            };
        };
        let Staff(roles) = rule else { return None };
        let of_site = route.contains("{match}") || route.contains("{site}");
        let elsewhere = role.is_of_sites() && of_site && !self.is_here;
        (!roles.contains(&role) || elsewhere).then_some(403)
    }

    async fn log_in(&self, node: &TestNode) -> Client {
        let email = format!("{}@test.example", self.name);
        match self.role {
            None => node.guest(),
            Some(_) => node.guest().log_in(&email, "a password of tests").await,
        }
    }
}

/// Gives an account a role. The body is as in `PATCH /api/admin/accounts/{user}`.
pub(crate) async fn set_role(admin: &Client, fan: &Client, body: &Value) -> Answer {
    let me = fan.get("/api/users/me").await.expect(200);
    admin.patch(&format!("/api/admin/accounts/{}", me["id"].as_str().unwrap()), body).await
}

/// Calls a route with an empty object as its body; only the head of an event stream is read.
async fn call(client: &Client, method: &Method, path: &str, has_body: bool) -> (u16, Value) {
    let mut request = client.request(method.clone(), path).timeout(Duration::from_secs(20));
    if has_body {
        request = request.json(&json!({}));
    }
    let response = request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    match response.status().as_u16() {
        200 => (200, Value::Null),
        status => (status, Answer::of(response).await.body),
    }
}

/// What belongs to somebody else than the callers.
async fn ids_of_a_buyer(node: &TestNode, fixture: &TestMatch) -> Value {
    let buyer = node.user("buyer").await;
    let reservation = buyer.reserve(&fixture.id, &[1]).await;
    let payment = buyer.request_payment(&reservation).await;
    let hold = buyer.hold(&fixture.id, &[2]).await.expect(201);
    let sessions = buyer.get("/api/users/me/sessions").await.expect(200);
    let me = buyer.get("/api/users/me").await.expect(200);
    json!({"match": fixture.id, "site": fixture.site_id, "area": "1", "section": "1", "block": "1",
        "seat": "2", "hold": hold["holdId"], "reservation": reservation["id"],
        "payment": payment["id"], "user": me["id"], "key": me["id"],
        "session": sessions["sessions"][0]["id"]})
}

/// The document names the roles that may call a route.
#[test]
fn the_document_has_the_roles_of_the_table() {
    let document = serde_json::to_value(grandstand::api::document::openapi()).unwrap();
    for (route, rule) in ROUTES {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &document["paths"][path][method.to_lowercase()];
        let (scheme, roles) = match rule {
            Public => (None, Value::Null),
            User => (Some("token"), Value::Null),
            Staff(roles) => (Some("staff"), json!(roles)),
        };
        // An empty one means that the token may be left out.
        let all = operation["security"].as_array().into_iter().flatten();
        let named = all.filter_map(|scheme| scheme.as_object().unwrap().keys().next()).next();
        assert_eq!(named.map(String::as_str), scheme, "{route}");
        assert_eq!(operation["x-roles"], roles, "{route}");
    }
}

/// Each route, as each caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_is_for_those_whom_the_table_names() {
    let node = TestNode::start().await;
    let (fixture, elsewhere) = (node.open_match().await, node.open_match_at(&plan()).await);
    let ids = ids_of_a_buyer(&node, &fixture).await;
    let admin = node.admin().await;
    for caller in &CALLERS {
        let Some(role) = caller.role else { continue };
        let fan = node.user(caller.name).await;
        let site = if caller.is_here { &fixture.site_id } else { &elsewhere.site_id };
        let body = match role.is_of_sites() {
            true => json!({"role": role, "sites": [site]}),
            false => json!({"role": role}),
        };
        set_role(&admin, &fan, &body).await.expect(200);
    }
    let document = node.guest().get("/api-docs/openapi.json").await.body;
    let mut logged_in: BTreeMap<&str, Client> = BTreeMap::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let route = format!("{method} {template}");
            let rule = ROUTES.iter().find(|(name, _)| *name == route);
            let (_, rule) = rule.unwrap_or_else(|| panic!("who may call {route}? Add a row"));
            let mut path = template.clone();
            for (name, value) in ids.as_object().unwrap() {
                path = path.replace(&format!("{{{name}}}"), value.as_str().unwrap());
            }
            let has_body = operation.get("requestBody").is_some();
            let is_owned = ["{reservation}", "{payment}", "{hold}", "{session}"];
            let is_owned = is_owned.iter().any(|name| template.contains(name));
            for caller in &CALLERS {
                // Some routes end the session of their caller.
                let known = logged_in.remove(caller.name);
                let client = match known {
                    Some(client) if client.get("/api/users/me").await.status == 200 => client,
                    _ => caller.log_in(&node).await,
                };
                logged_in.insert(caller.name, client.clone());
                let (status, problem) = call(&client, &method, &path, has_body).await;
                let seen = format!("{route} as {}: {status} {problem}", caller.name);
                match caller.refusal(&route, *rule) {
                    Some(401) => assert_eq!(problem["code"], "UNAUTHORIZED", "{seen}"),
                    Some(_) => assert_eq!(problem["code"], "FORBIDDEN", "{seen}"),
                    None => {
                        let code = problem["code"].as_str().unwrap_or_default();
                        assert!(!["UNAUTHORIZED", "FORBIDDEN"].contains(&code), "{seen}");
                        assert!(status < 500, "{seen}");
                        assert!(!is_owned || [403, 404].contains(&status), "{seen}");
                    }
                }
            }
        }
    }
    node.finish().await;
}

/// Lists show what belongs to the sites of the caller, and drafts are seen there alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organiser_sees_and_runs_the_matches_of_their_sites_only() {
    let node = TestNode::start().await;
    let (here, elsewhere) = (node.open_match().await, node.open_match_at(&plan()).await);
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    set_role(&admin, &fan, &json!({"role": "ORGANISER", "sites": [here.site_id]}))
        .await
        .expect(200);
    let organiser = node.guest().log_in("fan@test.example", "a password of tests").await;
    let listed = organiser.get("/api/admin/matches").await.expect(200);
    assert_eq!(listed["matches"].as_array().unwrap().len(), 1);
    assert_eq!(listed["matches"][0]["id"], json!(here.id));
    let sites = organiser.get("/api/admin/sites").await.expect(200);
    assert_eq!(sites["sites"].as_array().unwrap().len(), 1);
    let draft = |site: &str| {
        json!({"siteId": site, "homeTeam": "A", "awayTeam": "B",
            "startsAt": "2030-05-05T05:00:00Z"})
    };
    let made = organiser.post("/api/admin/matches", &draft(&here.site_id)).await.expect(201);
    let path = format!("/api/admin/matches/{}", made["id"].as_str().unwrap());
    organiser
        .post("/api/admin/matches", &draft(&elsewhere.site_id))
        .await
        .refused(403, "FORBIDDEN");
    organiser.put(&path, &draft(&elsewhere.site_id)).await.refused(403, "FORBIDDEN");
    let public = format!("/api/matches/{}", made["id"].as_str().unwrap());
    organiser.get(&public).await.expect(200);
    set_role(&admin, &organiser, &json!({"sites": [elsewhere.site_id]})).await.expect(200);
    let moved = node.guest().log_in("fan@test.example", "a password of tests").await;
    moved.get(&public).await.refused(404, "MATCH_NOT_FOUND");
    moved.delete(&path).await.refused(403, "FORBIDDEN");
    node.finish().await;
}

/// On every node, also on one that starts later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_role_counts_from_the_next_request() {
    let node = TestNode::start().await;
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    let credentials = json!({"email": "fan@test.example", "password": "a password of tests"});
    let mut session = fan.post("/api/users/log-in", &credentials).await.expect(200);
    let second = node.another_node(NodeRole::Api).await;
    let guest = Client::new(second.url(), None);
    for (role, status) in [("SUPPORT", 200), ("USER", 403)] {
        let old = session["accessToken"].as_str().map(str::to_owned);
        let here = Client::new(node.url(), old.clone());
        let there = Client::new(second.url(), old.clone());
        set_role(&admin, &here, &json!({"role": role})).await.expect(200);
        here.get("/api/admin/matches").await.refused(401, "UNAUTHORIZED");
        eventually("the other node refuses the old token", || async {
            (there.get("/api/users/me").await.status == 401).then_some(())
        })
        .await;
        let late = node.another_node(NodeRole::Api).await;
        let late_client = Client::new(late.url(), old);
        eventually("a later node refuses the old token", || async {
            (late_client.get("/api/users/me").await.status == 401).then_some(())
        })
        .await;
        late.stop().await;
        let body = json!({"refreshToken": session["refreshToken"]});
        session = guest.post("/api/users/refresh", &body).await.expect(200);
        assert_eq!(session["user"]["role"], role);
        let token = session["accessToken"].as_str().map(str::to_owned);
        let now = Client::new(second.url(), token).get("/api/admin/matches").await;
        assert_eq!(now.status, status, "{}", now.body);
    }
    second.stop().await;
    node.finish().await;
}

/// Also not by the owner of the account, who deletes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_administrator_stays() {
    let node = TestNode::start().await;
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    for body in [json!({"role": "USER"}), json!({"disabled": true})] {
        set_role(&admin, &admin, &body).await.refused(409, "LAST_ADMINISTRATOR");
    }
    let deletion = admin.request(Method::DELETE, "/api/users/me");
    let deletion = deletion.json(&json!({"password": ADMIN.1})).send().await.unwrap();
    Answer::of(deletion).await.refused(409, "LAST_ADMINISTRATOR");
    set_role(&admin, &fan, &json!({"role": "ADMIN"})).await.expect(200);
    let other = node.guest().log_in("fan@test.example", "a password of tests").await;
    eventually("PostgreSQL knows the second administrator", || async {
        let answer = set_role(&admin, &admin, &json!({"role": "USER"})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    set_role(&other, &other, &json!({"role": "USER"})).await.refused(409, "LAST_ADMINISTRATOR");
    node.finish().await;
}

/// A disabled account has no sessions, and gets no new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_account_can_do_nothing() {
    let node = TestNode::start().await;
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    let credentials = json!({"email": "fan@test.example", "password": "a password of tests"});
    let session = fan.post("/api/users/log-in", &credentials).await.expect(200);
    let account = set_role(&admin, &fan, &json!({"disabled": true})).await.expect(200);
    assert_eq!(account["disabled"], true);
    fan.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let guest = node.guest();
    let body = json!({"refreshToken": session["refreshToken"]});
    guest.post("/api/users/refresh", &body).await.refused(401, "UNAUTHORIZED");
    guest.post("/api/users/log-in", &credentials).await.refused(403, "ACCOUNT_DISABLED");
    let path = format!("/api/admin/accounts/{}", account["id"].as_str().unwrap());
    let found = admin.get("/api/admin/accounts?email=FAN@test.example").await.expect(200);
    assert_eq!(found["accounts"], json!([account]));
    admin.patch(&path, &json!({"disabled": false})).await.expect(200);
    guest.post("/api/users/log-in", &credentials).await.expect(200);
    for (body, field) in [
        (json!({"sites": [account["id"]]}), "sites"),
        (json!({"role": "ORGANISER", "sites": [account["id"]]}), "sites"),
        (json!({"role": "KING"}), "role"),
    ] {
        let problem = admin.patch(&path, &body).await.refused(400, "VALIDATION");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    let unknown = "/api/admin/accounts/0190a000-0000-7000-8000-000000000001";
    admin.patch(unknown, &json!({})).await.refused(404, "ACCOUNT_NOT_FOUND");
    eventually("the pages have all accounts", || async {
        let first = admin.get("/api/admin/accounts?limit=1").await.expect(200);
        let cursor = first["nextCursor"].as_str()?.to_owned();
        let path = format!("/api/admin/accounts?limit=1&cursor={cursor}");
        let second = admin.get(&path).await.expect(200);
        assert_ne!(first["accounts"][0]["id"], second["accounts"][0]["id"]);
        second["nextCursor"].is_null().then_some(())
    })
    .await;
    node.finish().await;
}
