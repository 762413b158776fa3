//! Sites and matches through the API.

use crate::support::client::{Answer, Client};
use crate::support::node::{TestNode, eventually, plan};
use grandstand::domain::ids::Partition;
use grandstand::node::NodeRole;
use serde_json::{Value, json};
use std::collections::HashSet;

async fn new_site(admin: &Client) -> Value {
    admin.post("/api/admin/sites", &plan()).await.expect(201)["id"].clone()
}

fn match_at(site: &Value, starts_at: &str) -> Value {
    json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": starts_at})
}

const MAY: &str = "2030-05-05T05:00:00Z";

/// A client that has the present version of the plan gets 304, on every level of the plan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_site_is_not_sent_again() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let site = new_site(&admin).await;
    let base = format!("/api/sites/{}", site.as_str().unwrap());
    let guest = node.guest();
    let whole = guest.get(&base).await.expect(200);
    assert_eq!((&whole["name"], &whole["version"]), (&json!("Test Ground"), &json!(1)));
    let levels = [
        ("", "areas"),
        ("/areas", "areas"),
        ("/areas/1/sections", "sections"),
        ("/sections/1/blocks", "blocks"),
        ("/blocks/2/seats", "seats"),
    ];
    for (path, member) in levels {
        let path = format!("{base}{path}");
        let answer = guest.get(&path).await;
        let tag = answer.headers["etag"].clone();
        assert!(answer.expect(200)[member].as_array().is_some_and(|list| !list.is_empty()));
        let again = guest.request(reqwest::Method::GET, &path).header("if-none-match", &tag);
        let again = again.send().await.unwrap();
        assert_eq!((again.status().as_u16(), &again.headers()["etag"]), (304, &tag), "{path}");
        assert_eq!(again.bytes().await.unwrap().len(), 0);
    }
    let seats = guest.get(&format!("{base}/blocks/2/seats")).await.expect(200);
    let first = json!({"id": 21, "row": "1", "number": 1, "name": "1", "grade": "RED",
        "price": 20000,
        "label": "Infield Home 102, row 1, seat 1", "labelKo": "Infield Home 102 블록 1열 1번"});
    assert_eq!((&seats["seats"][0], seats["seats"].as_array().unwrap().len()), (&first, 5));
    let mut changed = plan();
    changed["name"] = json!("Another Ground");
    let old = guest.get(&base).await.headers["etag"].clone();
    let path = format!("/api/admin/sites/{}", site.as_str().unwrap());
    assert_eq!(admin.put(&path, &changed).await.expect(200)["version"], 2);
    let fresh = guest.request(reqwest::Method::GET, &base).header("if-none-match", old);
    assert_eq!(fresh.send().await.unwrap().status(), 200, "a new version is sent");
    node.finish().await;
}

/// Pages ask for the matches every few seconds, and mostly nothing has changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn matches_that_have_not_changed_are_not_sent_again() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (guest, fan) = (node.guest(), node.user("fan").await);
    for path in ["/api/matches".to_owned(), fixture.path("")] {
        let tag = eventually("the seats are counted", async || {
            let answer = guest.get(&path).await;
            let counted = answer.body.to_string().contains("\"seatsLeft\":25");
            counted.then(|| answer.headers["etag"].clone())
        })
        .await;
        let ask = async || {
            let again = guest.request(reqwest::Method::GET, &path).header("if-none-match", &tag);
            again.send().await.unwrap()
        };
        let same = ask().await;
        assert_eq!((same.status().as_u16(), &same.headers()["etag"]), (304, &tag), "{path}");
        assert_eq!(same.bytes().await.unwrap().len(), 0);
        let hold = fan.hold(&fixture.id, &[1]).await.expect(201);
        let changed = eventually("a seat less", async || {
            let answer = ask().await;
            (answer.status() == 200).then_some(answer)
        })
        .await;
        assert_ne!(changed.headers()["etag"], tag);
        let hold = fixture.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
        fan.delete(&hold).await.expect(204);
        eventually("the seat is back", async || (ask().await.status() == 304).then_some(())).await;
    }
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_names_what_does_not_exist() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (guest, admin) = (node.guest(), node.admin().await);
    let site = format!("/api/sites/{}", fixture.site_id);
    // An id of a partition that exists, and an id of a partition that does not.
    let mut strangers = vec![uuid::Uuid::now_v7().to_string()];
    strangers.push(format!("{}7fff{}", &strangers[0][..14], &strangers[0][18..]));
    strangers.push(fixture.id.clone());
    for stranger in &strangers {
        guest.get(&format!("/api/sites/{stranger}")).await.refused(404, "SITE_NOT_FOUND");
        let path = format!("/api/admin/sites/{stranger}");
        admin.put(&path, &plan()).await.refused(404, "SITE_NOT_FOUND");
        admin.delete(&path).await.refused(404, "SITE_NOT_FOUND");
        admin
            .post("/api/admin/matches", &match_at(&json!(stranger), MAY))
            .await
            .refused(404, "SITE_NOT_FOUND");
    }
    for stranger in &strangers[..2] {
        guest.get(&format!("/api/matches/{stranger}")).await.refused(404, "MATCH_NOT_FOUND");
        guest.get(&format!("/api/matches/{stranger}/seats")).await.refused(404, "MATCH_NOT_FOUND");
        let path = format!("/api/admin/matches/{stranger}");
        admin.delete(&path).await.refused(404, "MATCH_NOT_FOUND");
        admin.post(&format!("{path}/open"), &Value::Null).await.refused(404, "MATCH_NOT_FOUND");
        admin.post(&format!("{path}/close"), &Value::Null).await.refused(404, "MATCH_NOT_FOUND");
        let (path, on) = (format!("{path}/queue"), json!({"enabled": true}));
        admin.put(&path, &on).await.refused(404, "MATCH_NOT_FOUND");
        admin.patch(&path, &on).await.refused(404, "MATCH_NOT_FOUND");
    }
    guest.get(&format!("{site}/areas/9/sections")).await.refused(404, "AREA_NOT_FOUND");
    guest.get(&format!("{site}/sections/9/blocks")).await.refused(404, "SECTION_NOT_FOUND");
    guest.get(&format!("{site}/blocks/9/seats")).await.refused(404, "BLOCK_NOT_FOUND");
    guest.get(&fixture.path("/blocks/9/seats")).await.refused(404, "BLOCK_NOT_FOUND");
    node.finish().await;
}

/// Pages are in the order of the start of the matches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_matches_are_complete_and_without_repeats() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let site = new_site(&admin).await;
    let mut made = HashSet::new();
    for number in 0..11 {
        // Some start at the same moment, so the id decides their order. Others start 1 µs later.
        let at = format!("2030-05-{:02}T05:00:00.00000{}Z", 1 + number / 3, 1 + number % 2);
        let id =
            admin.post("/api/admin/matches", &match_at(&site, &at)).await.expect(201)["id"].clone();
        let id = id.as_str().unwrap().to_owned();
        admin.post(&format!("/api/admin/matches/{id}/open"), &Value::Null).await.expect(200);
        made.insert(id);
    }
    let guest = node.guest();
    for limit in [1, 2, 3, 5, 11, 100] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = guest.get(&format!("/api/matches?limit={limit}{cursor}")).await.expect(200);
            let list = page["matches"].as_array().unwrap();
            assert!(list.len() <= limit);
            seen.extend(list.iter().map(|fixture| {
                (
                    fixture["startsAt"].as_str().unwrap().to_owned(),
                    fixture["id"].as_str().unwrap().to_owned(),
                )
            }));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert!(seen.is_sorted(), "limit {limit}: {seen:?}");
        let ids: HashSet<String> = seen.iter().map(|(_, id)| id.clone()).collect();
        assert_eq!((seen.len(), &ids), (made.len(), &made), "limit {limit}");
    }
    // From a moment, until another one.
    let (from, to) = ("2030-05-02T05:00:00.000002Z", "2030-05-04T05:00:00Z");
    let page = guest.get(&format!("/api/matches?from={from}&to={to}")).await.expect(200);
    let starts: Vec<&str> = page["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fixture| fixture["startsAt"].as_str().unwrap())
        .collect();
    assert_eq!(starts.len(), 5, "{starts:?}");
    assert!(starts.iter().all(|at| from[..26] <= at[..26] && *at < to), "{starts:?}");
    guest.get("/api/matches?from=tomorrow").await.refused(400, "VALIDATION");
    node.finish().await;
}

/// DRAFT → OPEN → CLOSED: only an open match sells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_sells_while_it_is_open() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let fan = node.user("fan").await;
    let site = new_site(&admin).await;
    let made = admin.post("/api/admin/matches", &match_at(&site, MAY)).await.expect(201);
    assert_eq!(made["status"], "DRAFT");
    let id = made["id"].as_str().unwrap();
    let path = format!("/api/admin/matches/{id}");
    let close = format!("{path}/close");
    admin.post(&close, &Value::Null).await.refused(409, "MATCH_NOT_OPEN");
    fan.hold(id, &[1]).await.refused(404, "MATCH_NOT_FOUND");
    let open = format!("{path}/open");
    assert_eq!(admin.post(&open, &Value::Null).await.expect(200)["status"], "OPEN");
    admin.post(&open, &Value::Null).await.refused(409, "MATCH_ALREADY_OPEN");
    admin.delete(&path).await.refused(409, "MATCH_ON_SALE");
    let reservation = fan.reserve(id, &[1]).await;
    assert_eq!(admin.post(&close, &Value::Null).await.expect(200)["status"], "CLOSED");
    fan.hold(id, &[2]).await.refused(409, "MATCH_NOT_OPEN");
    let list = |status: &str| {
        let path = format!("/api/matches?status={status}");
        let guest = node.guest();
        async move { guest.get(&path).await.expect(200)["matches"].as_array().unwrap().len() }
    };
    assert_eq!((list("OPEN").await, list("CLOSED").await), (0, 1));
    // An earlier reservation can still be paid until its deadline.
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.expect(200);
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_listed_for_administrators_only() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let site = new_site(&admin).await;
    let made = admin.post("/api/admin/matches", &match_at(&site, MAY)).await.expect(201);
    for (query, found) in [("", 1), ("?status=DRAFT", 1), ("?status=OPEN", 0)] {
        for (caller, found) in [(&admin, found), (&node.guest(), 0)] {
            let listed = caller.get(&format!("/api/matches{query}")).await.expect(200);
            assert_eq!(listed["matches"].as_array().unwrap().len(), found, "{query}");
        }
    }
    let id = made["id"].as_str().unwrap();
    assert_eq!(admin.get(&format!("/api/matches/{id}")).await.expect(200), made);
    node.finish().await;
}

/// The site can be deleted when no match uses it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_in_use_is_neither_replaced_nor_deleted() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let admin = node.admin().await;
    let path = format!("/api/admin/sites/{}", fixture.site_id);
    admin.put(&path, &plan()).await.refused(409, "SITE_IN_USE");
    admin.delete(&path).await.refused(409, "SITE_IN_USE");
    let free = new_site(&admin).await;
    let draft = admin.post("/api/admin/matches", &match_at(&free, MAY)).await.expect(201);
    let free = format!("/api/admin/sites/{}", free.as_str().unwrap());
    assert_eq!(admin.put(&free, &plan()).await.expect(200)["version"], 2, "a draft does not bind");
    admin.delete(&free).await.refused(409, "SITE_IN_USE");
    let draft = format!("/api/admin/matches/{}", draft["id"].as_str().unwrap());
    admin.delete(&draft).await.expect(204);
    admin.delete(&draft).await.refused(404, "MATCH_NOT_FOUND");
    admin.delete(&free).await.expect(204);
    admin.delete(&free).await.refused(404, "SITE_NOT_FOUND");
    // The site of a match on sale cannot be exchanged; its other fields can.
    let other = new_site(&admin).await;
    let path = format!("/api/admin/matches/{}", fixture.id);
    admin.put(&path, &match_at(&other, MAY)).await.refused(409, "MATCH_ON_SALE");
    let later = "2030-06-01T05:00:00Z";
    let moved = admin.put(&path, &match_at(&json!(fixture.site_id), later)).await.expect(200);
    assert_eq!((moved["startsAt"].as_str(), moved["status"].as_str()), (Some(later), Some("OPEN")));
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_repeated_under_its_key_makes_one_site_and_one_match() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let make = async |path: &str, body: &Value| admin.post_with_key(path, body, "once").await;
    let site = make("/api/admin/sites", &plan()).await.expect(201);
    assert_eq!(make("/api/admin/sites", &plan()).await.expect(201)["id"], site["id"]);
    let body = match_at(&site["id"], MAY);
    let fixture = make("/api/admin/matches", &body).await.expect(201);
    assert_eq!(make("/api/admin/matches", &body).await.expect(201)["id"], fixture["id"]);
    let other = match_at(&site["id"], "2031-05-05T05:00:00Z");
    make("/api/admin/matches", &other).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    let sites = admin.get("/api/admin/sites").await.expect(200);
    assert_eq!(sites["sites"].as_array().unwrap().len(), 1);
    node.finish().await;
}

/// A key belongs to its address: the same key and plan for another site change that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_plan_counts_for_one_site() {
    let node = TestNode::start_with(|settings| settings.partitions = 1).await;
    let admin = node.admin().await;
    let (first, second) = (new_site(&admin).await, new_site(&admin).await);
    let mut bigger = plan();
    bigger["name"] = json!("Another name");
    let put = async |site: &Value| {
        let path = format!("/api/admin/sites/{}", site.as_str().unwrap());
        let request = admin.request(reqwest::Method::PUT, &path).json(&bigger);
        let request = request.header("idempotency-key", "same-key");
        Answer::of(request.send().await.unwrap()).await.expect(200)
    };
    for site in [&first, &second, &first] {
        let done = put(site).await;
        assert_eq!((&done["id"], &done["name"]), (site, &json!("Another name")));
        assert_eq!(done["version"], 2, "a repeated call changes nothing");
    }
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_catalogue_reaches_every_node_and_postgresql() {
    let node = TestNode::start().await;
    let second = node.another_node(NodeRole::Api).await;
    let fixture = node.open_match().await;
    let there = Client::new(second.url(), None);
    eventually("the other node shows the match as open", || async {
        let answer = there.get(&fixture.path("")).await;
        (answer.status == 200 && answer.body["data"]["status"] == "OPEN").then_some(())
    })
    .await;
    let store = node.store();
    eventually("PostgreSQL has the match as open", || async {
        let (mut sites, mut matches) = store.catalog(Partition(0)).await.ok()?;
        let others = store.catalog(Partition(1)).await.ok()?;
        sites.extend(others.0);
        matches.extend(others.1);
        (sites.len() == 1 && matches.first()?.status.word() == "OPEN").then_some(())
    })
    .await;
    second.stop().await;
    node.finish().await;
}

/// Blocked seats cannot be held, and held seats cannot be blocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_seats_are_not_for_sale() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    let block = format!("/api/admin/matches/{}/block", fixture.id);
    let unblock = format!("/api/admin/matches/{}/unblock", fixture.id);
    fan.hold(&fixture.id, &[1]).await.expect(201);
    let seats = |list: &[u32]| json!({"seatIds": list});
    let taken = admin.post(&block, &seats(&[1, 2])).await.refused(409, "SEAT_TAKEN");
    assert_eq!(taken["lost"], json!([1]));
    assert_eq!(admin.post(&block, &seats(&[2, 3])).await.expect(200)["seats"], 2);
    fan.hold(&fixture.id, &[2]).await.refused(409, "SEAT_TAKEN");
    admin.post(&unblock, &seats(&[2])).await.expect(200);
    fan.hold(&fixture.id, &[2]).await.expect(201);
    admin.post(&block, &seats(&[99])).await.refused(404, "SEAT_NOT_FOUND");
    admin.post(&block, &seats(&[])).await.refused(400, "VALIDATION");
    fan.post(&block, &seats(&[5])).await.refused(403, "FORBIDDEN");
    node.finish().await;
}

/// A stored document may come from a newer release, so unknown fields are ignored. In a request
/// they are mistakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_fields_are_ignored_in_stored_documents_and_refused_in_requests() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let admin = node.admin().await;
    let mut plan = crate::support::node::plan();
    plan["areas"][0]["roof"] = json!("glass");
    let refused = admin.post("/api/admin/sites", &plan).await.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "areas.0.roof");
    let queue = format!("/api/admin/matches/{}/queue", fixture.id);
    admin.put(&queue, &json!({"enabled": false, "speed": 3})).await.refused(400, "VALIDATION");
    let kept = json!({"id": uuid::Uuid::now_v7(), "version": 1, "plan": plan, "colour": "red"});
    let fields = [("t", "site".to_owned()), ("doc", kept.to_string())];
    let fields = fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    let fact = grandstand::domain::fact::Fact::parse(Default::default(), &fields);
    assert!(matches!(fact, Ok(grandstand::domain::fact::Fact::Site(_))), "{fact:?}");
    node.finish().await;
}
