//! Each route with which people with a role change something leaves an entry in the audit trail.
//! A new route needs a row here, or a reason why it has no entry.

use crate::route_table::ROUTES;
use crate::second_factor::App;
use crate::support::client::{Answer, Client};
use crate::support::node::{ADMIN, TestNode, eventually, plan};
use crate::support::sale::{Sale, path_of};
use crate::trail::entries;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Routes without an entry, and why.
const SILENT: &[(&str, &str)] =
    &[("POST /api/admin/sites/import", "it reads a plan and returns it, and stores nothing")];

/// Calls each route once, as an administrator.
struct Walk {
    sale: Sale,
    admin: Client,
    me: Value,
    called: HashSet<&'static str>,
    known: HashSet<String>,
}

impl Walk {
    async fn begin() -> Self {
        let sale = Sale::with(|_| {}).start().await;
        let admin = sale.node.admin().await;
        let me = admin.get("/api/users/me").await.expect(200)["id"].clone();
        Self { sale, admin, me, called: HashSet::new(), known: HashSet::new() }
    }

    /// The call succeeds, and has an entry that says who, and to what. `id` is the one in the path;
    /// where the path has none, it is that of the response. Returns the data of the response.
    async fn act(&mut self, route: &'static str, id: &str, body: Value, wanted: &str) -> Value {
        let (method, template) = route.split_once(' ').unwrap();
        let (act, noun) = wanted.split_once(" on ").unwrap();
        let (of_path, user) = id.split_once(' ').unwrap_or((id, ""));
        let path = template.replace("{user}", if user.is_empty() { of_path } else { user });
        let path = ["{match}", "{site}", "{reservation}", "{key}"]
            .iter()
            .fold(path, |path, name| path.replace(name, of_path));
        let mut request = self.admin.request(method.parse().unwrap(), &path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(matches!(answer.status, 200 | 201 | 204), "{route}: {}", answer.body);
        let data = answer.body["data"].clone();
        let id = if of_path.is_empty() { data["id"].as_str().unwrap() } else { of_path };
        let (query, target) = (format!("&act={act}"), format!("{noun}/{id}"));
        let (admin, known) = (&self.admin, &self.known);
        let entry =
            eventually(&format!("{route} is in the trail as {act} of {target}"), || async {
                let mut found = entries(admin, &query).await.into_iter();
                found.find(|entry| {
                    entry["target"] == target && !known.contains(entry["id"].as_str().unwrap())
                })
            })
            .await;
        assert_eq!((&entry["actor"], &entry["role"]), (&self.me, &json!("ADMIN")), "{entry}");
        self.known.insert(entry["id"].as_str().unwrap().to_owned());
        self.called.insert(route);
        data
    }

    async fn sites_and_drafts(&mut self) {
        let site = self.act("POST /api/admin/sites", "", plan(), "SITE_CREATED on site").await;
        let site = site["id"].as_str().unwrap();
        self.act("PUT /api/admin/sites/{site}", site, plan(), "SITE_REPLACED on site").await;
        let body = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
            "startsAt": "2030-05-05T05:00:00Z"});
        let made =
            self.act("POST /api/admin/matches", "", body.clone(), "MATCH_CREATED on match").await;
        let id = made["id"].as_str().unwrap();
        let changed = "MATCH_CHANGED on match";
        self.act("PUT /api/admin/matches/{match}", id, body, changed).await;
        let teams = json!({"awayTeam": "KIA Tigers"});
        self.act("PATCH /api/admin/matches/{match}", id, teams, changed).await;
        self.act("PUT /api/admin/matches/{match}/prices", id, prices(), changed).await;
        let announced = "MATCH_ANNOUNCED on match";
        self.act("POST /api/admin/matches/{match}/announce", id, Value::Null, announced).await;
        let opened = "SALE_OPENED on match";
        self.act("POST /api/admin/matches/{match}/open", id, Value::Null, opened).await;
        let empty = self.act("POST /api/admin/sites", "", plan(), "SITE_CREATED on site").await;
        let empty = empty["id"].as_str().unwrap();
        let body = json!({"siteId": empty, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
            "startsAt": "2030-05-05T05:00:00Z"});
        let draft = self.act("POST /api/admin/matches", "", body, "MATCH_CREATED on match").await;
        let draft = draft["id"].as_str().unwrap();
        let (of_match, of_site) = ("MATCH_DELETED on match", "SITE_DELETED on site");
        self.act("DELETE /api/admin/matches/{match}", draft, Value::Null, of_match).await;
        self.act("DELETE /api/admin/sites/{site}", empty, Value::Null, of_site).await;
    }

    /// The match of the sale has seats that are sold.
    async fn seats_and_reservations(&mut self) {
        let id = self.sale.fixture.id.clone();
        let seat = json!({"seatIds": [10]});
        let (blocked, unblocked) = ("SEATS_BLOCKED on match", "SEATS_UNBLOCKED on match");
        self.act("POST /api/admin/matches/{match}/block", &id, seat.clone(), blocked).await;
        self.act("POST /api/admin/matches/{match}/unblock", &id, seat, unblocked).await;
        let sold = self.sale.sold(&[1]).await;
        let ticket = self.sale.fan.get(&path_of(&sold)).await.expect(200);
        let code = json!({"code": ticket["checkInCodes"][0]["code"]});
        let entered = "CHECKED_IN on match";
        self.act("POST /api/admin/matches/{match}/check-ins", &id, code, entered).await;
        let sold = self.sale.sold(&[2]).await;
        let reservation = sold["id"].as_str().unwrap();
        let cancel = "POST /api/admin/reservations/{reservation}/cancel";
        let cancelled = "RESERVATION_CANCELLED on reservation";
        self.act(cancel, reservation, json!({}), cancelled).await;
    }

    async fn waiting_room(&mut self) {
        let id = self.sale.fixture.id.clone();
        let person = self.sale.fan.get("/api/users/me").await.expect(200)["id"].clone();
        let person = format!("{id} {}", person.as_str().unwrap());
        let (on, off) = (json!({"enabled": true}), json!({"enabled": false}));
        let changed = "QUEUE_CHANGED on match";
        self.act("PUT /api/admin/matches/{match}/queue", &id, on, changed).await;
        let count = json!({"count": 3});
        let admitted = "PEOPLE_LET_IN on match";
        self.act("POST /api/admin/matches/{match}/queue/admit", &id, count, admitted).await;
        let put = "PUT /api/admin/matches/{match}/queue/people/{user}";
        self.act(put, &person, Value::Null, "PERSON_LET_IN on match").await;
        let delete = "DELETE /api/admin/matches/{match}/queue/people/{user}";
        self.act(delete, &person, Value::Null, "PERSON_SENT_AWAY on match").await;
        self.act("PATCH /api/admin/matches/{match}/queue", &id, off, changed).await;
        let closed = "SALE_CLOSED on match";
        self.act("POST /api/admin/matches/{match}/close", &id, Value::Null, closed).await;
    }

    async fn accounts_and_keys(&mut self) {
        let user = self.sale.node.user("somebody").await.get("/api/users/me").await.expect(200);
        let user = user["id"].as_str().unwrap();
        let role = json!({"role": "SUPPORT"});
        let (changed, deleted) = ("ACCOUNT_CHANGED on account", "ACCOUNT_DELETED on account");
        self.act("PATCH /api/admin/accounts/{user}", user, role, changed).await;
        self.act("DELETE /api/admin/accounts/{user}", user, Value::Null, deleted).await;
        let key = json!({"name": "Gate", "role": "SUPPORT", "sites": [], "scopes": ["QUEUE_READ"]});
        let made =
            self.act("POST /api/admin/api-keys", "", key, "API_KEY_CREATED on api-key").await;
        let key = made["id"].as_str().unwrap();
        let deleted = "API_KEY_DELETED on api-key";
        self.act("DELETE /api/admin/api-keys/{key}", key, Value::Null, deleted).await;
    }
}

fn prices() -> Value {
    json!({"types": [{"code": "ADULT", "name": "Adult"}], "prices": [
        {"grade": "BLUE", "type": "ADULT", "price": 30_000},
        {"grade": "RED", "type": "ADULT", "price": 50_000}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_that_changes_something_leaves_an_entry() {
    let mut walk = Walk::begin().await;
    walk.sites_and_drafts().await;
    walk.seats_and_reservations().await;
    walk.waiting_room().await;
    walk.accounts_and_keys().await;
    for (route, _) in ROUTES {
        if !route.contains(" /api/admin/") || route.starts_with("GET ") {
            continue;
        }
        let silent = SILENT.iter().any(|(name, _)| name == route);
        assert!(walk.called.contains(route) != silent, "{route} must have an entry, or a reason");
    }
    walk.sale.finish().await;
}

/// A second factor belongs to its owner, but it protects the rights of a role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_factor_of_somebody_with_a_role_is_in_the_trail() {
    const PATH: &str = "/api/users/me/second-factor";
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let me = admin.get("/api/users/me").await.expect(200)["id"].clone();
    let (email, password) = ADMIN;
    let view = admin.post(PATH, &json!({"password": password})).await.expect(200);
    let app = App::read(&view, email).await;
    let first = json!({"setup": view["setup"], "code": app.code(-1), "password": password});
    admin.put(PATH, &first).await.expect(204);
    let body = json!({"email": email, "password": password, "code": app.code(0)});
    let session = node.guest().post("/api/users/log-in", &body).await.expect(200);
    let admin = node.guest().with_token(session["accessToken"].as_str().unwrap());
    let body = json!({"password": password, "code": app.code(1)});
    let removal = admin.request(Method::DELETE, PATH).json(&body).send().await.unwrap();
    Answer::of(removal).await.expect(204);
    let admin = node.admin().await;
    let query = format!("&act=ACCOUNT_CHANGED&target=account/{}", me.as_str().unwrap());
    let found = eventually("both changes are in the trail", || async {
        let found = entries(&admin, &query).await;
        (found.len() == 2).then_some(found)
    })
    .await;
    let on = |entry: &Value, when: &str| entry[when]["secondFactor"].as_bool().unwrap();
    let said: Vec<_> =
        found.iter().rev().map(|entry| (on(entry, "before"), on(entry, "after"))).collect();
    assert_eq!(said, [(false, true), (true, false)]);
    for entry in &found {
        assert_eq!((&entry["actor"], &entry["role"]), (&me, &json!("ADMIN")), "{entry}");
        assert!(!entry.to_string().contains(view["setup"].as_str().unwrap()), "{entry}");
    }
    node.finish().await;
}
