//! An Idempotency-Key belongs to one body, in whatever partition the effect of the body is.

use crate::support::client::{Answer, Client};
use crate::support::node::{TestMatch, TestNode, plan};
use grandstand::api::document::openapi;
use grandstand::api::idempotency::{MARKED, UNMARKED, WITHOUT_KEY};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Two matches in different partitions.
async fn apart(node: &TestNode) -> [TestMatch; 2] {
    let partition = |fixture: &TestMatch| fixture.partition();
    let first = node.open_match().await;
    loop {
        let second = node.open_match().await;
        if partition(&second) != partition(&first) {
            return [first, second];
        }
    }
}

/// Also when the other body names another partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_used_with_another_body_is_refused() {
    let node = TestNode::start().await;
    let ([first, other], fan) = (apart(&node).await, node.user("fan").await);
    let mut bodies = vec![];
    for fixture in [&first, &other] {
        let hold = fan.hold(&fixture.id, &[1]).await.expect(201);
        bodies.push(json!({"matchId": fixture.id, "holdId": hold["holdId"]}));
    }
    let reserve = async |body, key| fan.post_with_key("/api/reservations", body, key).await;
    let first = reserve(&bodies[0], "first").await.expect(201);
    reserve(&bodies[1], "first").await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(reserve(&bodies[0], "first").await.expect(201), first);
    let second = reserve(&bodies[1], "second").await.expect(201);
    reserve(&bodies[0], "second").await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    let request = async |reservation: &serde_json::Value| {
        let body = json!({"reservationId": reservation["id"], "method": "CARD"});
        fan.post_with_key("/api/payments/request", &body, "pay").await
    };
    let payment = request(&first).await.expect(201);
    request(&second).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(request(&first).await.expect(201), payment);
    node.finish().await;
}

/// Every POST uses a key, or says what happens without.
#[test]
fn each_post_says_what_a_key_does() {
    let document = serde_json::to_value(openapi()).unwrap();
    let (mut marked, mut unmarked, mut without) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            let key = parameters.find(|parameter| parameter["name"] == "Idempotency-Key");
            assert!(method != "post" || key.is_some(), "{path} says nothing about a key");
            let unused = WITHOUT_KEY.iter().find(|(known, _)| *known == id);
            if let Some((_, words)) = unused {
                let told = key.unwrap()["description"].as_str().unwrap();
                assert!(told.ends_with(words) && method == "post", "{path}: {told}");
                without.insert(id);
            }
            let uses = operation["responses"].get("422").is_some_and(|response| {
                response["description"].as_str().unwrap().contains("IDEMPOTENCY_KEY_REUSED")
            });
            assert_eq!(uses, key.is_some() && unused.is_none(), "{path}");
            let responses = operation["responses"].as_object().unwrap().values();
            let is_marked =
                |response: &Value| response["headers"].get("Idempotency-Replayed").is_some();
            if responses.into_iter().any(is_marked) {
                assert!(uses, "{path}");
                marked.insert(id);
            } else if uses {
                let told = key.unwrap()["description"].as_str().unwrap();
                assert!(told.ends_with("It is not marked as repeated."), "{path}: {told}");
                unmarked.insert(id);
            }
        }
    }
    assert_eq!(marked, BTreeSet::from(MARKED));
    assert_eq!(unmarked, BTreeSet::from(UNMARKED));
    assert_eq!(without.len(), WITHOUT_KEY.len());
}

/// Calls twice under a key; the response to the first.
async fn repeated(client: &Client, path: &str, body: &Value) -> Value {
    let call = async || client.post_with_key(path, body, &format!("key-of{path}")).await;
    let (first, second) = (call().await, call().await);
    let marks = [&first, &second].map(|answer| answer.headers.get("idempotency-replayed").cloned());
    assert_eq!(marks[0], None, "{path}");
    assert_eq!(marks[1].as_ref().unwrap(), "true", "{path}");
    assert_eq!((first.status, &first.body), (second.status, &second.body), "{path}");
    first.body["data"].clone()
}

/// Also when the node itself would refuse now what it has granted then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_success_says_so() {
    let node = TestNode::start().await;
    let (fixture, fan, admin) =
        (node.open_match().await, node.user("fan").await, node.admin().await);
    let holds = fixture.path("/holds");
    let hold = repeated(&fan, &holds, &json!({"seatIds": [1, 2]})).await;
    let best = json!({"bestAvailable": {"count": 1}});
    let call = async || fan.post_with_key(&holds, &best, "best").await;
    assert!(!call().await.headers.contains_key("idempotency-replayed"));
    assert!(call().await.headers.contains_key("idempotency-replayed"));
    let refused = async || fan.post_with_key(&holds, &json!({"seatIds": [1]}), "taken").await;
    for answer in [refused().await, refused().await] {
        assert!(!answer.headers.contains_key("idempotency-replayed"));
        assert_eq!(answer.refused(409, "ALREADY_HELD")["holdId"], hold["holdId"]);
    }
    let body = json!({"matchId": fixture.id, "holdId": hold["holdId"]});
    let reservation = repeated(&fan, "/api/reservations", &body).await;
    let body = json!({"reservationId": reservation["id"], "method": "CARD"});
    repeated(&fan, "/api/payments/request", &body).await;
    let body = json!({"email": "new@test.example", "password": "a password of tests"});
    repeated(&node.guest(), "/api/users/sign-up", &body).await;
    let site = repeated(&admin, "/api/admin/sites", &plan()).await;
    let body = json!({"siteId": site["id"], "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2030-05-05T09:30:00Z"});
    let made = repeated(&admin, "/api/admin/matches", &body).await;
    let path = format!("/api/admin/matches/{}", made["id"].as_str().unwrap());
    admin.post(&format!("{path}/open"), &Value::Null).await.expect(200);
    admin
        .patch(&format!("{path}/queue"), &json!({"enabled": true, "paused": true}))
        .await
        .expect(200);
    repeated(&admin, &format!("{path}/queue/admit"), &json!({"count": 5})).await;
    // Without a key nothing is a repetition.
    let again = fan.post(&fixture.path("/holds"), &json!({"seatIds": [5]})).await;
    assert!(!again.headers.contains_key("idempotency-replayed"));
    node.finish().await;
}

async fn draft(node: &TestNode) -> TestMatch {
    let (open, admin) = (node.open_match().await, node.admin().await);
    let body = json!({"siteId": open.site_id, "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2030-05-05T09:30:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    TestMatch { id: made["id"].as_str().unwrap().to_owned(), site_id: open.site_id }
}

/// What `WITHOUT_KEY` says about matches and seats, and that the form of a key counts everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_without_a_use_for_a_key_check_it_and_do_what_they_say() {
    let node = TestNode::start().await;
    let (fixture, fan, admin) = (draft(&node).await, node.user("fan").await, node.admin().await);
    let path = format!("/api/admin/matches/{}", fixture.id);
    let twice = async |client: &Client, path: &str, body: &Value| -> (Answer, Answer) {
        let wrong = client.request(Method::POST, path).header("idempotency-key", "a b").json(body);
        let wrong = Answer::of(wrong.send().await.unwrap()).await;
        assert_eq!(wrong.refused(400, "VALIDATION")["errors"][0]["field"], "Idempotency-Key");
        let first = client.post_with_key(path, body, "a-key").await;
        (first, client.post_with_key(path, body, "a-key").await)
    };
    for (verb, code) in [("announce", "MATCH_ON_SALE"), ("open", "MATCH_ALREADY_OPEN")] {
        let (first, second) = twice(&admin, &format!("{path}/{verb}"), &json!({})).await;
        first.expect(200);
        second.refused(409, code);
    }
    for verb in ["block", "unblock"] {
        let body = json!({"seatIds": [3]});
        let (first, second) = twice(&admin, &format!("{path}/{verb}"), &body).await;
        assert_eq!(first.expect(200), second.expect(200));
    }
    let seat = fixture.path("/allocation/seats/3");
    let (first, second) = twice(&fan, &format!("{seat}/hold"), &json!({})).await;
    let held = second.refused(409, "ALREADY_HELD");
    assert_eq!(held["holdId"], first.expect(200)["holdId"]);
    let (first, second) = twice(&fan, &format!("{seat}/release"), &json!({})).await;
    assert_eq!((first.status, second.status), (204, 204));
    // Nobody is let in meanwhile, because a fan who is in has no ticket any more.
    let queue = json!({"enabled": true, "paused": true});
    admin.patch(&format!("{path}/queue"), &queue).await.expect(200);
    let (first, second) = twice(&fan, &fixture.path("/queue"), &json!(null)).await;
    assert_eq!(first.expect(201)["ticket"], second.expect(201)["ticket"]);
    let (first, second) = twice(&admin, &format!("{path}/close"), &json!({})).await;
    first.expect(200);
    second.refused(409, "MATCH_NOT_OPEN");
    node.finish().await;
}
