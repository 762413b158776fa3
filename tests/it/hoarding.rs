//! What a fan is told who holds seats and does not buy, and the rules that a match may set.

use crate::support::events::EventStream;
use crate::support::node::{TestNode, eventually};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cool_down_says_until_when() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.seat_calls_per_second = 1000;
        settings.rates.cool_down_after = 1;
        settings.hold_ttl_ms = 300;
    })
    .await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    fan.hold(&fixture.id, &[1]).await.expect(201);
    let answer = eventually("the hold has expired", || async {
        let answer = fan.hold(&fixture.id, &[1]).await;
        (answer.body["code"] != "ALREADY_HELD").then_some(answer)
    })
    .await;
    let seconds: i64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    let refused = answer.refused(429, "COOL_DOWN");
    assert!((1..=60).contains(&seconds), "{seconds}");
    let until: jiff::Timestamp = refused["until"].as_str().unwrap().parse().unwrap();
    let left = until.as_millisecond() - node.engine().now_ms(fixture.partition()).await.unwrap();
    assert!((1..=60_000).contains(&left), "{refused}");
    let best = json!({"bestAvailable": {"count": 1}});
    fan.post(&fixture.path("/holds"), &best).await.refused(429, "COOL_DOWN");
    // The key of such a call stays free, even for another body.
    for seat in [2, 3] {
        let body = json!({"seatIds": [seat]});
        let again = fan.post_with_key(&fixture.path("/holds"), &body, "again").await;
        again.refused(429, "COOL_DOWN");
    }
    node.user("other").await.hold(&fixture.id, &[1]).await.expect(201);
    node.finish().await;
}

/// Changes an open match.
async fn change(node: &TestNode, fixture: &crate::support::node::TestMatch, rule: Value) {
    let mut body = json!({"siteId": fixture.site_id, "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2030-05-05T05:00:00Z"});
    body.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
    let path = format!("/api/admin/matches/{}", fixture.id);
    node.admin().await.put(&path, &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_may_want_one_hold_and_a_verified_email() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    change(&node, &fixture, json!({"oneHoldPerUser": true})).await;
    let hold = fan.hold(&fixture.id, &[1]).await.expect(201);
    let refused = fan.hold(&fixture.id, &[2]).await.refused(409, "ONE_HOLD_ONLY");
    assert_eq!(refused["holdId"], hold["holdId"]);
    let body = json!({"matchId": fixture.id, "holdId": hold["holdId"]});
    let reservation = fan.post("/api/reservations", &body).await.expect(201);
    let refused = fan.hold(&fixture.id, &[2]).await.refused(409, "ONE_HOLD_ONLY");
    assert_eq!(refused["reservationId"], reservation["id"]);
    let seen = fan.get(&fixture.path("")).await.expect(200);
    assert_eq!(
        (&seen["oneHoldPerUser"], &seen["holdsNeedVerifiedEmail"]),
        (&json!(true), &json!(false))
    );
    change(&node, &fixture, json!({"holdsNeedVerifiedEmail": true})).await;
    fan.hold(&fixture.id, &[2]).await.refused(403, "EMAIL_NOT_VERIFIED");
    let best = json!({"bestAvailable": {"count": 1}});
    fan.post(&fixture.path("/holds"), &best).await.refused(403, "EMAIL_NOT_VERIFIED");
    let single = fixture.path("/allocation/seats/3/hold");
    fan.post(&single, &Value::Null).await.refused(403, "EMAIL_NOT_VERIFIED");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_may_want_verified_emails_everywhere() {
    let node = TestNode::start_with(|settings| settings.holds_need_verified_email = true).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    assert_eq!(fan.get(&fixture.path("")).await.expect(200)["holdsNeedVerifiedEmail"], true);
    fan.hold(&fixture.id, &[1]).await.refused(403, "EMAIL_NOT_VERIFIED");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_seats_come_back_when_the_sale_ends() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (fan, admin) = (node.user("fan").await, node.admin().await);
    let url = format!("{}{}", node.url(), fixture.path("/blocks/1/seats/events"));
    let mut map = EventStream::open(&url, None).await;
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    let hold = fan.hold(&fixture.id, &[2]).await.expect(201);
    map.wait_for(2, "HOLD").await;
    let close = format!("/api/admin/matches/{}/close", fixture.id);
    admin.post(&close, &Value::Null).await.expect(200);
    let body = json!({"matchId": fixture.id, "holdId": hold["holdId"]});
    let late = fan.post("/api/reservations", &body).await.refused(409, "MATCH_NOT_OPEN");
    assert!(late["detail"].as_str().unwrap().contains("has ended"), "{late}");
    let body = json!({"matchId": fixture.id, "seatIds": [2]});
    fan.post("/api/reservations", &body).await.refused(409, "MATCH_NOT_OPEN");
    map.wait_for(2, "AVAILABLE").await;
    assert_eq!(fan.get(&fixture.path("/holds")).await.expect(200)["holds"], json!([]));
    let release = format!("{}/{}", fixture.path("/holds"), hold["holdId"].as_str().unwrap());
    fan.delete(&release).await.expect(204);
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.expect(200);
    map.wait_for(1, "OCCUPIED").await;
    node.finish().await;
}
