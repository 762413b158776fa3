//! The audit trail: every act of a person with a role is in it, and nothing is taken out of it.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually, plan};
use crate::support::sale::{Sale, path_of};
use fred::prelude::HashesInterface as _;
use grandstand::domain::ids::Partition;
use grandstand::domain::trail::{Act, TrailEntry};
use grandstand::engine::sessions::SESSIONS_MAX;
use grandstand::redis::keys::PartitionKeys;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) async fn entries(admin: &Client, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("/api/admin/audit?limit=500{query}")).await.expect(200);
    page["entries"].as_array().unwrap().clone()
}

/// The entries of `query`, once PostgreSQL has `least` of them. An act is noted on its way to
/// PostgreSQL, and the acts of two partitions come there in any order.
async fn arrived(admin: &Client, query: &str, least: usize) -> Vec<Value> {
    eventually("the acts are in PostgreSQL", || async {
        let found = entries(admin, query).await;
        (found.len() >= least).then_some(found)
    })
    .await
}

fn entry(act: Act, target: &str) -> TrailEntry {
    TrailEntry {
        id: Uuid::now_v7(),
        actor: None,
        role: None,
        address: "192.0.2.7".to_owned(),
        act,
        target: target.to_owned(),
        before: json!({"status": "OPEN"}),
        after: Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_read_in_pages_and_never_changed() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let all: Vec<TrailEntry> =
        (0..7).map(|number| entry(Act::LogInFailed, &format!("account/{number}"))).collect();
    for made in &all {
        // Twice the same, as after a dead letter that is replayed.
        for _ in 0..2 {
            node.engine().add_to_trail(Partition(1), made).await.unwrap();
        }
    }
    let query = "&act=LOG_IN_FAILED";
    let found = arrived(&admin, query, all.len()).await;
    assert_eq!(found.len(), all.len());
    assert_eq!(found[0]["target"], "account/6", "the newest first");
    assert_eq!(found[0]["before"], json!({"status": "OPEN"}));
    assert_eq!((&found[0]["after"], &found[0]["actor"]), (&Value::Null, &Value::Null));
    assert_eq!(entries(&admin, "&target=account/3").await.len(), 1);

    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/admin/audit?limit=3{query}{cursor}");
        let page = admin.get(&path).await.expect(200);
        pages.extend(page["entries"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, found);
    for wrong in ["cursor=-1", "cursor=x", "limit=0", "act=NONSENSE"] {
        admin.get(&format!("/api/admin/audit?{wrong}")).await.refused(400, "VALIDATION");
    }
    node.user("fan").await.get("/api/admin/audit").await.refused(403, "FORBIDDEN");

    let (client, connection) =
        tokio_postgres::connect(&node.settings.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for forbidden in ["update trail set act = 'x'", "delete from trail", "truncate trail"] {
        let refused = client.batch_execute(forbidden).await.unwrap_err().to_string();
        assert!(refused.contains("db error"), "{forbidden}: {refused}");
    }
    assert_eq!(entries(&admin, query).await.len(), all.len());
    node.finish().await;
}

async fn acts_on(admin: &Client, target: &str, least: usize) -> Vec<String> {
    let found = arrived(admin, &format!("&target={target}"), least).await;
    let acts = found.iter().rev().map(|entry| entry["act"].as_str().unwrap().to_owned());
    acts.collect()
}

/// With the states before and after, and without the seed of the draw, which is a secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_act_of_a_person_with_a_role_is_in_the_trail() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let me = admin.get("/api/users/me").await.expect(200)["id"].clone();
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201)["id"].clone();
    let site = site.as_str().unwrap();
    let body = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let path = format!("/api/admin/matches/{}", made["id"].as_str().unwrap());
    let user = node.user("fan").await.get("/api/users/me").await.expect(200);
    let user = user["id"].as_str().unwrap();
    let person = format!("{path}/queue/people/{user}");
    admin.put(&path, &body).await.expect(200);
    let queue = json!({"enabled": true, "randomPreQueue": true});
    admin.put(&format!("{path}/queue"), &queue).await.expect(200);
    admin.post(&format!("{path}/announce"), &Value::Null).await.expect(200);
    admin.post(&format!("{path}/open"), &Value::Null).await.expect(200);
    // The worker changes the match once more when the draw is done.
    eventually("the draw is published", || async {
        let draw = path.replace("/admin", "") + "/queue/draw";
        let draw = admin.get(&draw).await.expect(200);
        draw["seed"].is_string().then_some(())
    })
    .await;
    admin.post(&format!("{path}/block"), &json!({"seatIds": [1, 2]})).await.expect(200);
    admin.post(&format!("{path}/unblock"), &json!({"seatIds": [2]})).await.expect(200);
    admin.post(&format!("{path}/queue/admit"), &json!({"count": 3})).await.expect(200);
    admin.put(&person, &Value::Null).await.expect(204);
    admin.get(&person).await.expect(200);
    admin.delete(&person).await.expect(204);
    admin.patch(&format!("{path}/queue"), &json!({"enabled": false})).await.expect(200);
    admin.post(&format!("{path}/close"), &Value::Null).await.expect(200);
    let account = format!("/api/admin/accounts/{user}");
    admin.patch(&account, &json!({"role": "SUPPORT"})).await.expect(200);

    let target = format!("match/{}", made["id"].as_str().unwrap());
    let wanted = "MATCH_CREATED MATCH_CHANGED QUEUE_CHANGED MATCH_ANNOUNCED SALE_OPENED \
        SEATS_BLOCKED SEATS_UNBLOCKED PEOPLE_LET_IN PERSON_LET_IN PLACE_READ PERSON_SENT_AWAY \
        QUEUE_CHANGED SALE_CLOSED";
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    assert_eq!(acts_on(&admin, &target, wanted.len()).await, wanted);
    let found = entries(&admin, &format!("&target={target}")).await;
    let seed = node.engine().fixture(made["id"].as_str().unwrap().parse().unwrap()).await;
    let seed = seed.unwrap().unwrap().draw_seed.unwrap();
    for entry in &found {
        assert_eq!((&entry["actor"], &entry["role"]), (&me, &json!("ADMIN")), "{entry}");
        assert_eq!(entry["address"], "127.0.0.1");
        assert!(!entry.to_string().contains(&seed), "{entry}");
    }
    let opened = found.iter().find(|entry| entry["act"] == "SALE_OPENED").unwrap();
    assert_eq!(opened["before"]["status"], "ANNOUNCED");
    assert_eq!(opened["after"]["status"], "OPEN");
    assert_eq!(acts_on(&admin, &format!("site/{site}"), 1).await, ["SITE_CREATED"]);
    let changed = format!("&target=account/{user}&act=ACCOUNT_CHANGED");
    let changed = &arrived(&admin, &changed, 1).await[0];
    assert_eq!(changed["before"]["role"], "USER");
    assert_eq!(changed["after"]["role"], "SUPPORT");
    node.finish().await;
}

/// Without the e-mail and the password, of which one may be the other by mistake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_log_ins_and_ended_sessions_are_in_the_trail() {
    let node = TestNode::start().await;
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    let me = fan.get("/api/users/me").await.expect(200);
    let target = format!("account/{}", me["id"].as_str().unwrap());
    for email in [me["email"].as_str().unwrap(), "nobody@test.example"] {
        let body = json!({"email": email, "password": "a wrong password"});
        fan.post("/api/users/log-in", &body).await.refused(401, "BAD_CREDENTIALS");
    }
    fan.post("/api/users/log-out", &Value::Null).await.expect(204);
    // The session has ended already, so this ends nothing.
    fan.post("/api/users/log-out", &Value::Null).await.refused(401, "UNAUTHORIZED");
    let account = format!("/api/admin/accounts/{}", me["id"].as_str().unwrap());
    admin.patch(&account, &json!({"disabled": true})).await.expect(200);
    let right = json!({"email": me["email"], "password": "a password of tests"});
    fan.post("/api/users/log-in", &right).await.refused(403, "ACCOUNT_DISABLED");
    let found = acts_on(&admin, &target, 4).await;
    assert_eq!(found, ["LOG_IN_FAILED", "SESSION_ENDED", "ACCOUNT_CHANGED", "LOG_IN_FAILED"]);
    let last = &entries(&admin, &format!("&target={target}")).await[0];
    assert_eq!(last["after"], json!({"reason": "ACCOUNT_DISABLED"}));
    let unknown = arrived(&admin, "&target=account/unknown", 1).await;
    assert_eq!(unknown.len(), 1);
    assert!(!unknown[0].to_string().contains("nobody@"), "{unknown:?}");
    node.finish().await;
}

/// Also those that need no look at an account or its password. People type a password in place of
/// the e-mail, so nothing of the text is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_ins_that_nobody_could_succeed_with_are_in_the_trail() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.log_ins_per_minute = 4;
    })
    .await;
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    let me = fan.get("/api/users/me").await.expect(200)["id"].clone();
    let long = "s3cret".repeat(200);
    for (email, password) in [
        ("s3cret without a host", "s3cret"),
        (&*format!("{long}@test.example"), "s3cret"),
        ("fan@test.example", &*long),
        ("nobody@test.example", &*long),
    ] {
        let body = json!({"email": email, "password": password});
        fan.post("/api/users/log-in", &body).await.refused(401, "BAD_CREDENTIALS");
    }
    let found = arrived(&admin, "&act=LOG_IN_FAILED", 4).await;
    let mut targets: Vec<&str> =
        found.iter().map(|entry| entry["target"].as_str().unwrap()).collect();
    targets.sort_unstable();
    let own = format!("account/{}", me.as_str().unwrap());
    let mut wanted = vec![&*own, "account/unknown", "account/unknown", "account/unknown"];
    wanted.sort_unstable();
    assert_eq!(targets, wanted);
    for entry in &found {
        let text = entry.to_string();
        assert!(!text.contains("s3cret") && !text.contains("nobody"), "{text}");
        assert_eq!((&entry["actor"], &entry["address"]), (&Value::Null, &json!("127.0.0.1")));
    }
    // They have a limit, so that nobody fills the trail with them.
    let body = json!({"email": "another without a host", "password": "s3cret"});
    eventually("such a log-in is refused by the limit", || async {
        (fan.post("/api/users/log-in", &body).await.status == 429).then_some(())
    })
    .await;
    node.finish().await;
}

/// The end of a session says why: an eleventh log-in, or because its user wanted it. A new password
/// and the deletion of the account have entries of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_says_why_a_session_has_ended() {
    let node = TestNode::start().await;
    let (admin, guest) = (node.admin().await, node.guest());
    let fan = node.user("fan").await;
    let me = fan.get("/api/users/me").await.expect(200)["id"].clone();
    let target = format!("account/{}", me.as_str().unwrap());
    let credentials = |password: &str| json!({"email": "fan@test.example", "password": password});
    let old = credentials("a password of tests");
    for _ in 0..SESSIONS_MAX {
        guest.post("/api/users/log-in", &old).await.expect(200);
    }
    fan.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let session = guest.post("/api/users/log-in", &old).await.expect(200);
    let here = Client::new(node.url(), session["accessToken"].as_str().map(str::to_owned));
    let new = json!({"currentPassword": "a password of tests", "newPassword": "another one"});
    here.put("/api/users/me/password", &new).await.expect(204);
    let session = guest.post("/api/users/log-in", &credentials("another one")).await.expect(200);
    let here = Client::new(node.url(), session["accessToken"].as_str().map(str::to_owned));
    here.delete("/api/users/me/sessions").await.expect(204);
    let here = guest.log_in("fan@test.example", "another one").await;
    let body = json!({"password": "another one"});
    let deleted = here.request(Method::DELETE, "/api/users/me").json(&body).send().await.unwrap();
    assert_eq!(deleted.status(), 204);

    let wanted = [
        ("SESSION_ENDED", "TOO_MANY_SESSIONS"),
        ("SESSION_ENDED", "TOO_MANY_SESSIONS"),
        ("PASSWORD_CHANGED", ""),
        ("SESSION_ENDED", "ALL_BY_THE_USER"),
        ("ACCOUNT_DELETED", ""),
    ];
    let found = arrived(&admin, &format!("&target={target}"), wanted.len()).await;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let said = |entry: &Value| (word(&entry["act"]), word(&entry["after"]["reason"]));
    let found: Vec<(String, String)> = found.iter().rev().map(said).collect();
    let wanted = wanted.map(|(act, reason)| (act.to_owned(), reason.to_owned()));
    assert_eq!(found, wanted);
    node.finish().await;
}

/// Reading what belongs to others is an act, as is the end of a site or a match.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_ends_are_in_the_trail() {
    let sale = Sale::with(|_| {}).start().await;
    let admin = sale.node.admin().await;
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201)["id"].clone();
    let body = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201)["id"].clone();
    let (site, made) = (site.as_str().unwrap(), made.as_str().unwrap());
    let of_site = format!("/api/admin/sites/{site}");
    let of_match = format!("/api/admin/matches/{made}");
    admin.delete(&of_match).await.expect(204);
    admin.put(&of_site, &plan()).await.expect(200);
    admin.delete(&of_site).await.expect(204);
    let reservation = sale.sold(&[1]).await;
    let path = path_of(&reservation).replace("/api", "/api/admin");
    admin.get(&path).await.expect(200);
    let reservation = path.rsplit('/').next().unwrap();
    for (target, wanted) in [
        (format!("site/{site}"), &["SITE_CREATED", "SITE_REPLACED", "SITE_DELETED"][..]),
        (format!("match/{made}"), &["MATCH_CREATED", "MATCH_DELETED"]),
        (format!("reservation/{reservation}"), &["RESERVATION_READ"]),
    ] {
        let found = acts_on(&admin, &target, wanted.len()).await;
        assert_eq!(found, wanted, "{target}");
    }
    arrived(&admin, "&act=TRAIL_READ", 1).await;
    sale.finish().await;
}

/// The second call does nothing, so nothing is noted for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_repeated_under_its_key_has_one_entry() {
    let sale = Sale::with(|_| {}).start().await;
    let admin = sale.node.admin().await;
    let room = format!("/api/admin/matches/{}/queue", sale.fixture.id);
    admin.patch(&room, &json!({"enabled": true})).await.expect(200);
    let admit = format!("{room}/admit");
    for key in ["first", "first", "second"] {
        admin.post_with_key(&admit, &json!({"count": 3}), key).await.expect(200);
    }
    admin
        .post_with_key(&admit, &json!({"count": 4}), "first")
        .await
        .refused(422, "IDEMPOTENCY_KEY_REUSED");
    admin.patch(&room, &json!({"enabled": false})).await.expect(200);
    let reservation = sale.sold(&[1, 2]).await;
    let cancel = format!("/api/admin{}/cancel", &path_of(&reservation)[4..]);
    for (key, seat) in [("first", 1), ("first", 1), ("second", 2)] {
        admin.post_with_key(&cancel, &json!({"seatIds": [seat]}), key).await.expect(200);
    }
    // The entries of a partition come in their order, so this one is the last.
    let all = eventually("all acts are in PostgreSQL", || async {
        let all = acts_on(&admin, &format!("match/{}", sale.fixture.id), 1).await;
        let cancelled = entries(&admin, "&act=RESERVATION_CANCELLED").await;
        (all.last().unwrap() == "QUEUE_CHANGED" && cancelled.len() >= 2).then_some(all)
    })
    .await;
    assert_eq!(all.iter().filter(|act| *act == "PEOPLE_LET_IN").count(), 2, "{all:?}");
    sale.node.verify().await;
    assert_eq!(entries(&admin, "&act=RESERVATION_CANCELLED").await.len(), 2);
    sale.finish().await;
}

/// An entry that can't be written must not turn the end of a session into an error of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_also_when_nothing_can_be_noted() {
    let mut node = TestNode::start().await;
    node.user("fan").await;
    node.without_worker().await;
    let credentials = json!({"email": "fan@test.example", "password": "a password of tests"});
    let session = node.guest().post("/api/users/log-in", &credentials).await.expect(200);
    let token = json!({"refreshToken": session["refreshToken"]});
    // The partitions count as not loaded, as while a worker rebuilds them.
    let raw = node.raw().await;
    let mut layouts: Vec<(String, String)> = Vec::new();
    for partition in 0..node.settings.partitions {
        let key = PartitionKeys(Partition(partition)).partition();
        layouts.push((key.clone(), raw.hget(&key, "layout").await.unwrap()));
        let _: u32 = raw.hdel(&key, "layout").await.unwrap();
    }
    node.guest().post("/api/users/log-out", &token).await.expect(204);
    node.guest().post("/api/users/refresh", &token).await.refused(401, "UNAUTHORIZED");
    for (key, layout) in layouts {
        let _: u32 = raw.hset(&key, ("layout", layout)).await.unwrap();
    }
    node.stop_node().await;
    node.start_node().await;
    node.finish().await;
}
