//! Error messages are at the right field, and in the words of the API.

use crate::api_input::{fields, send};
use crate::support::node::TestNode;
use serde_json::{Value, json};

/// The person who filled in the field must understand it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_names_its_field_and_no_internals() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let holds = fixture.path("/holds");
    let table = [
        ("/api/users/sign-up", json!({}), "email"),
        ("/api/users/sign-up", json!({"email": "a@b.example"}), "password"),
        ("/api/users/sign-up", json!("text"), "body"),
        (holds.as_str(), json!({"bestAvailable": {}}), "bestAvailable.count"),
        (holds.as_str(), json!({"bestAvailable": {"count": "x"}}), "bestAvailable.count"),
        (holds.as_str(), json!({"seatIds": [1, -1]}), "seatIds[1]"),
        ("/api/reservations", json!({"matchId": "x"}), "matchId"),
    ];
    for (path, body, field) in table {
        let problem = fan.post(path, &body).await.refused(400, "VALIDATION");
        assert_eq!(fields(&problem), [field], "{problem}");
        let said = problem["errors"][0]["message"].as_str().unwrap();
        for word in ["struct", "u32", " at line ", "UUID parsing"] {
            assert!(!said.contains(word), "{body}: {said}");
        }
    }
    let admin = node.admin().await;
    let late = json!({"siteId": fixture.site_id, "homeTeam": "A", "awayTeam": "B",
        "startsAt": "tomorrow"});
    let problem = admin.post("/api/admin/matches", &late).await.refused(400, "VALIDATION");
    assert_eq!(fields(&problem), ["startsAt"]);
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("RFC 3339"), "{problem}");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_may_have_null_for_its_body() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1, 2]).await;
    let path = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
    let part = fan.post(&path, &json!({"seatIds": [1]})).await.refused(409, "NOT_CANCELLABLE");
    assert!(part["detail"].as_str().unwrap().contains("without seatIds"), "{part}");
    send(&fan, &path, Some("application/json"), " null ").await.expect(200);
    node.finish().await;
}

/// An id that was made up may name a partition that does not exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_an_unknown_partition_is_not_found() {
    let node = TestNode::start().await;
    let fan = node.user("fan").await;
    let id = "e3e70682-c209-7cac-a29f-6fbed82c07cd";
    fan.get(&format!("/api/matches/{id}")).await.refused(404, "MATCH_NOT_FOUND");
    fan.get(&format!("/api/sites/{id}")).await.refused(404, "SITE_NOT_FOUND");
    let path = format!("/api/reservations/{id}");
    fan.get(&path).await.refused(404, "RESERVATION_NOT_FOUND");
    let cancel = fan.post(&format!("{path}/cancel"), &Value::Null).await;
    cancel.refused(404, "RESERVATION_NOT_FOUND");
    let body = json!({"reservationId": id, "method": "CARD"});
    fan.post("/api/payments/request", &body).await.refused(404, "RESERVATION_NOT_FOUND");
    fan.get(&format!("/api/payments/{id}")).await.refused(404, "PAYMENT_NOT_FOUND");
    node.finish().await;
}

/// JSON has one kind of number, so 2.0 is the whole number 2, and 2.5 is not a whole number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_number_may_be_written_with_a_point() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (fan, json) = (node.user("fan").await, Some("application/json"));
    let holds = fixture.path("/holds");
    let held = send(&fan, &holds, json, r#"{"seatIds":[1.0,2e0]}"#).await.expect(201);
    assert_eq!(held["seats"][1]["seatId"], 2);
    let best = r#"{"bestAvailable":{"count":2.0}}"#;
    send(&fan, &holds, json, best).await.expect(201);
    let problem = send(&fan, &holds, json, r#"{"seatIds":[4.5]}"#).await.refused(400, "VALIDATION");
    assert_eq!(fields(&problem), ["seatIds[0]"]);
    node.finish().await;
}
