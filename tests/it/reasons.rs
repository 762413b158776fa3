//! A refusal says its own reason, and names each seat once.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use serde_json::{Value, json};

/// A match in which no single seat may be left alone.
async fn strict_match(node: &TestNode) -> TestMatch {
    let fixture = node.open_match().await;
    let admin = node.admin().await;
    let body = json!({"siteId": fixture.site_id, "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2030-05-05T05:00:00Z", "orphanRule": true});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    admin.post(&format!("/api/admin/matches/{id}/open"), &Value::Null).await.expect(200);
    TestMatch { id, ..fixture }
}

async fn blocked(node: &TestNode, fixture: &TestMatch, seats: &[u32]) {
    let path = format!("/api/admin/matches/{}/block", fixture.id);
    node.admin().await.post(&path, &json!({"seatIds": seats})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orphan_between_two_chosen_seats_is_named_once() {
    let node = TestNode::start().await;
    let fixture = strict_match(&node).await;
    let fan = node.user("fan").await;
    let problem = fan.hold(&fixture.id, &[4, 6]).await.refused(409, "ORPHAN_SEAT");
    assert_eq!(problem["orphans"], json!([5]));
    let problem = fan.hold(&fixture.id, &[2, 4]).await.refused(409, "ORPHAN_SEAT");
    assert_eq!(problem["orphans"], json!([1, 3]));
    node.finish().await;
}

/// No other choice of as many seats would leave fewer seats alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_choice_is_accepted_when_no_other_leaves_fewer_orphans() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 20).await;
    let fixture = strict_match(&node).await;
    // Row 1 has seats 1 to 10, of which 3, 4, 6, 7, 8 and 10 are free.
    blocked(&node, &fixture, &[1, 2, 5, 9]).await;
    let fan = node.user("fan").await;
    let alone = fan.hold(&fixture.id, &[7]).await.refused(409, "ORPHAN_SEAT");
    assert_eq!(alone["orphans"], json!([6, 8]), "at the end of the three, two stay together");
    for seats in [vec![3], vec![6, 8], vec![10]] {
        fan.hold(&fixture.id, &seats).await.expect(201);
    }
    // Row 2 has seats 11 to 20, all free.
    let apart = fan.hold(&fixture.id, &[11, 13]).await.refused(409, "ORPHAN_SEAT");
    assert_eq!(apart["orphans"], json!([12]));
    fan.hold(&fixture.id, &(11..=19).collect::<Vec<u32>>()).await.expect(201);
    node.finish().await;
}

/// The refusal names the hold that has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holding_my_own_seats_again_names_my_hold() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 3).await;
    let fixture = node.open_match().await;
    let (fan, other) = (node.user("fan").await, node.user("other").await);
    let mine = fan.hold(&fixture.id, &[1, 2, 3]).await.expect(201);
    // Also at the limit, because these are no additional seats.
    for (seats, own) in [(vec![2], json!([2])), (vec![3, 2], json!([3, 2]))] {
        let problem = fan.hold(&fixture.id, &seats).await.refused(409, "ALREADY_HELD");
        assert_eq!((&problem["holdId"], &problem["seatIds"]), (&mine["holdId"], &own));
    }
    let path = fixture.path("/allocation/seats/1/hold");
    fan.post(&path, &Value::Null).await.refused(409, "ALREADY_HELD");
    other.hold(&fixture.id, &[2, 4]).await.refused(409, "SEAT_TAKEN");

    fan.post(&fixture.path("/allocation/seats/1/release"), &Value::Null).await.expect(204);
    other.hold(&fixture.id, &[4]).await.expect(201);
    let problem = fan.hold(&fixture.id, &[2, 4]).await;
    let problem = match problem.status {
        409 if problem.body["code"] == "SEAT_LIMIT" => {
            fan.post(&fixture.path("/allocation/seats/3/release"), &Value::Null).await.expect(204);
            fan.hold(&fixture.id, &[2, 4]).await
        }
        _ => problem,
    };
    let problem = problem.refused(409, "SEAT_TAKEN");
    assert_eq!(problem["lost"], json!([4]), "the own seat is not lost");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holding_my_reserved_seats_again_names_the_reservation() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1, 2]).await;
    let hold = |seats: &'static [u32]| fan.hold(&fixture.id, seats);
    let problem = hold(&[2]).await.refused(409, "ALREADY_RESERVED");
    assert_eq!((&problem["reservationId"], &problem["seatIds"]), (&reservation["id"], &json!([2])));
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.expect(200);
    let problem = hold(&[1]).await.refused(409, "ALREADY_RESERVED");
    assert_eq!(problem["reservationId"], reservation["id"]);
    node.finish().await;
}

async fn cancel(fan: &Client, reservation: &Value, body: &Value) -> crate::support::client::Answer {
    fan.post(&format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap()), body)
        .await
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

/// Each has its own sentence. The reasons that end by waiting have a code of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reason_not_to_cancel_has_its_own_sentence() {
    let node = TestNode::start_with(|settings| settings.reconcile_after_ms = 60_000).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let sold = async |seats: &[u32]| {
        let reservation = fan.reserve(&fixture.id, seats).await;
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, "approve").await;
        fan.confirm(&payment, &key).await.expect(200);
        reservation
    };
    let reservation = sold(&[1, 2]).await;
    let foreign =
        cancel(&fan, &reservation, &json!({"seatIds": [9]})).await.refused(403, "NOT_YOURS");
    assert!(detail(&foreign).contains("part of this reservation"), "{foreign}");

    node.fault(&json!({"call": "cancel", "kind": "refuse", "code": "EXCEED_MAX_REFUND_DUE",
        "count": 1}))
        .await;
    let kept = cancel(&fan, &reservation, &Value::Null).await.refused(409, "REFUND_REFUSED");
    assert!(detail(&kept).contains("stays yours"), "{kept}");

    node.fault(&json!({"call": "cancel", "kind": "dropBefore"})).await;
    cancel(&fan, &reservation, &json!({"seatIds": [1]})).await.expect(202);
    let busy =
        cancel(&fan, &reservation, &json!({"seatIds": [2]})).await.refused(409, "REFUND_UNDER_WAY");
    assert!(detail(&busy).contains("money"), "{busy}");
    node.clear_faults().await;
    eventually("the money of the first seat is back", || async {
        let answer = cancel(&fan, &reservation, &json!({"seatIds": [1]})).await;
        (answer.status == 200).then_some(())
    })
    .await;

    let open = fan.reserve(&fixture.id, &[3, 4]).await;
    let part = cancel(&fan, &open, &json!({"seatIds": [3]})).await.refused(409, "NOT_CANCELLABLE");
    assert!(detail(&part).contains("without seatIds"), "{part}");
    let payment = fan.request_payment(&open).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    node.fault(&json!({"call": "confirm", "kind": "dropBefore", "count": 1})).await;
    fan.confirm(&payment, &key).await.expect(202);
    let paying = cancel(&fan, &open, &Value::Null).await.refused(409, "NOT_CANCELLABLE");
    assert!(detail(&paying).contains("payment"), "{paying}");
    assert_ne!(detail(&paying), detail(&part));
    fan.confirm(&payment, &key).await;
    node.clear_faults().await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reason_not_to_pay_has_its_own_sentence() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    let first = fan.request_payment(&reservation).await;
    let second = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&second, "decline").await;
    fan.confirm(&second, &key).await.refused(402, "PAYMENT_DECLINED");
    let mut said = vec![];
    let mut note = |problem: Value| said.push(detail(&problem).to_owned());
    note(fan.confirm(&second, &key).await.refused(409, "RESERVATION_NOT_PENDING"));
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.expect(200);
    note(fan.confirm(&payment, "another-key").await.refused(409, "RESERVATION_NOT_PENDING"));
    let body = json!({"reservationId": reservation["id"], "method": "CARD"});
    note(fan.post("/api/payments/request", &body).await.refused(409, "RESERVATION_NOT_PENDING"));
    assert!(said[0].contains("declined"), "{said:?}");
    assert!(said[1..].iter().all(|text| text.contains("paid")), "{said:?}");
    cancel(&fan, &reservation, &Value::Null).await.expect(200);
    let gone = fan.post("/api/payments/request", &body).await;
    let gone = gone.refused(409, "RESERVATION_NOT_PENDING");
    assert!(detail(&gone).contains("cancelled"), "{gone}");
    drop(first);
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_on_sale_says_whether_the_sale_is_to_come_or_over() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (fan, admin) = (node.user("fan").await, node.admin().await);
    let body = json!({"siteId": fixture.site_id, "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2030-05-05T05:00:00Z"});
    let later = admin.post("/api/admin/matches", &body).await.expect(201);
    let later = later["id"].as_str().unwrap();
    let path = format!("/api/admin/matches/{later}");
    admin.post(&format!("{path}/announce"), &Value::Null).await.expect(200);
    let yet = fan.hold(later, &[1]).await.refused(409, "MATCH_NOT_OPEN");
    assert!(detail(&yet).contains("not begun"), "{yet}");
    let mut body = body;
    body["saleOpensAt"] = "2030-05-01T02:00:00Z".into();
    admin.put(&path, &body).await.expect(200);
    for body in [json!({"seatIds": [1]}), json!({"bestAvailable": {"count": 2}})] {
        let path = format!("/api/matches/{later}/holds");
        let yet = fan.post(&path, &body).await.refused(409, "MATCH_NOT_OPEN");
        assert!(detail(&yet).contains("opens at 2030-05-01T02:00:00Z"), "{yet}");
    }
    let queue = json!({"enabled": true});
    let path = format!("/api/admin/matches/{}", fixture.id);
    admin.put(&format!("{path}/queue"), &queue).await.expect(200);
    admin.post(&format!("{path}/close"), &Value::Null).await.expect(200);
    let over = fan.hold(&fixture.id, &[1]).await.refused(409, "MATCH_NOT_OPEN");
    assert!(detail(&over).contains("ended"), "{over}");
    // When the sale is over, the refusal must not invite the fan to choose seats.
    let queue = fan.post(&fixture.path("/queue"), &Value::Null).await;
    let queue = queue.refused(409, "MATCH_NOT_OPEN");
    assert!(detail(&queue).contains("ended"), "{queue}");
    node.finish().await;
}

/// Seats must be free to be blocked, and blocked to be unblocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_that_cannot_be_blocked_or_given_back_are_named_with_the_reason() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (fan, admin) = (node.user("fan").await, node.admin().await);
    fan.hold(&fixture.id, &[1]).await.expect(201);
    let path = |verb: &str| format!("/api/admin/matches/{}/{verb}", fixture.id);
    let body = json!({"seatIds": [1, 2, 1]});
    let block = admin.post(&path("block"), &body).await.refused(409, "SEAT_TAKEN");
    let unblock = admin.post(&path("unblock"), &body).await.refused(409, "SEAT_TAKEN");
    assert_eq!((&block["lost"], &unblock["lost"]), (&json!([1]), &json!([1])));
    assert_ne!(detail(&block), detail(&unblock));
    let missing = json!({"seatIds": [99, 99, 98]});
    let missing = admin.post(&path("block"), &missing).await.refused(404, "SEAT_NOT_FOUND");
    assert_eq!(missing["seatIds"], json!([99, 98]));
    node.finish().await;
}
