//! Two organisers change the same match or site.

use crate::support::client::{Answer, Client};
use crate::support::node::{TestNode, plan};
use reqwest::Method;
use serde_json::{Value, json};

async fn with_version(
    client: &Client,
    (method, path): (Method, &str),
    version: &str,
    body: &Value,
) -> Answer {
    let request = client.request(method, path).header("if-match", version);
    let request = if body.is_null() { request } else { request.json(body) };
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_what_somebody_else_has_changed_is_refused() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201)["id"].clone();
    let body = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let of_match = format!("/api/admin/matches/{}", made["id"].as_str().unwrap());
    let of_site = format!("/api/admin/sites/{}", site.as_str().unwrap());
    let (queue, prices) = (format!("{of_match}/queue"), format!("{of_match}/prices"));
    let list = json!({"types": [{"code": "ADULT", "name": "Adult"}],
        "prices": [{"grade": "BLUE", "type": "ADULT", "price": 10_000},
            {"grade": "RED", "type": "ADULT", "price": 10_000}]});
    assert_eq!(made["version"], 1);
    admin.patch(&of_match, &json!({"homeTeam": "KT Wiz"})).await.expect(200);
    let (new_plan, none) = (plan(), Value::Null);
    let calls = [
        (Method::PUT, &*of_match, &body),
        (Method::PATCH, &of_match, &json!({"awayTeam": "NC Dinos"})),
        (Method::DELETE, &of_match, &none),
        (Method::PUT, &queue, &json!({"enabled": true})),
        (Method::PATCH, &queue, &json!({"enabled": true})),
        (Method::PUT, &prices, &list),
        (Method::PUT, &of_site, &new_plan),
        (Method::DELETE, &of_site, &none),
    ];
    for (method, path, body) in calls.clone() {
        let stale = if path == of_site { "\"7\"" } else { "\"1\"" };
        let answer = with_version(&admin, (method.clone(), path), stale, body).await;
        answer.refused(412, "VERSION_MISMATCH");
        for wrong in ["2", "\"two\"", "W/\"2\""] {
            let answer = with_version(&admin, (method.clone(), path), wrong, body).await;
            assert_eq!(answer.refused(400, "VALIDATION")["errors"][0]["field"], "If-Match");
        }
    }
    let now = admin.get(&of_match.replace("/admin", "")).await.expect(200);
    assert_eq!((&now["version"], &now["homeTeam"]), (&json!(2), &json!("KT Wiz")));
    // With the right version, each change makes the next one.
    let changes = [&calls[0], &calls[1], &calls[3], &calls[4]];
    for (number, (method, path, body)) in changes.into_iter().enumerate() {
        let version = format!("\"{}\"", number + 2);
        let answer = with_version(&admin, (method.clone(), path), &version, body).await;
        assert_eq!(answer.expect(200)["version"], number + 3);
    }
    // The second call is the same one, whose response was lost.
    for _ in 0..2 {
        let replaced = with_version(&admin, (Method::PUT, &of_site), "\"1\"", &new_plan).await;
        assert_eq!(replaced.expect(200)["version"], 2);
    }
    with_version(&admin, (Method::DELETE, &of_match), "*", &none).await.expect(204);
    with_version(&admin, (Method::DELETE, &of_site), "\"2\"", &none).await.expect(204);
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_one_field_leaves_the_others() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201)["id"].clone();
    let body = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z", "saleOpensAt": "2030-05-01T05:00:00Z",
        "saleClosesAt": "2030-05-04T05:00:00Z", "refundableUntil": "2030-05-03T05:00:00Z",
        "refundFees": [{"until": "2030-05-03T05:00:00Z", "percent": 10, "perSeat": 500}],
        "oneHoldPerUser": true, "holdsNeedVerifiedEmail": true, "orphanRule": true});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let path = format!("/api/admin/matches/{}", made["id"].as_str().unwrap());
    let without = |view: &Value, fields: &[&str]| {
        let mut view = view.clone();
        for field in ["version"].iter().chain(fields) {
            view.as_object_mut().unwrap().remove(*field);
        }
        view
    };
    let same = admin.patch(&path, &json!({})).await.expect(200);
    assert_eq!(without(&same, &[]), without(&made, &[]));
    let changed = admin.patch(&path, &json!({"homeTeam": " KT Wiz "})).await.expect(200);
    assert_eq!(changed["homeTeam"], "KT Wiz");
    assert_eq!(without(&changed, &["homeTeam"]), without(&made, &["homeTeam"]));
    let all = json!({"homeTeam": "LG Twins", "saleOpensAt": null, "saleClosesAt": null,
        "refundableUntil": null, "refundFees": [], "oneHoldPerUser": false,
        "holdsNeedVerifiedEmail": false, "orphanRule": false});
    let changed = admin.patch(&path, &all).await.expect(200);
    let plain = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let replaced = admin.put(&path, &plain).await.expect(200);
    assert_eq!(without(&changed, &[]), without(&replaced, &[]));
    // What does not fit the fields that stay is refused as for PUT.
    admin.patch(&path, &json!({"saleClosesAt": "2030-05-04T05:00:00Z"})).await.expect(200);
    let late = json!({"saleOpensAt": "2030-05-04T06:00:00Z"});
    let refused = admin.patch(&path, &late).await;
    assert_eq!(refused.refused(400, "VALIDATION")["errors"][0]["field"], "saleOpensAt");
    for wrong in [json!({"homeTeam": null}), json!({"status": "OPEN"}), json!({"homeTeam": ""})] {
        admin.patch(&path, &wrong).await.refused(400, "VALIDATION");
    }
    let elsewhere = json!({"siteId": uuid::Uuid::now_v7()});
    admin.patch(&path, &elsewhere).await.refused(404, "SITE_NOT_FOUND");
    node.finish().await;
}
