//! Payments: the gateway's page, the confirmation, and the gateway's own books.

use crate::steps::World;
use crate::steps::refusals::assert_refused;
use crate::steps::reservations::has_reserved;
use crate::steps::words::{Seats, Status, Won};
use crate::support::client::{Answer, plain_http};
use cucumber::{given, then, when};
use futures::future::join_all;
use grandstand::api::error::ErrorCode;
use serde_json::{Value, json};

#[given("the node soon asks the gateway for unknown outcomes")]
async fn reconcile_soon(world: &mut World) {
    world.set(|settings| settings.reconcile_after_ms = 100);
}

/// The next confirmation at the gateway is carried out, and its response is lost.
#[given("the connection breaks after the gateway has charged")]
#[when("the connection breaks after the gateway has charged")]
async fn cut_after(world: &mut World) {
    fault(world, &json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
}

#[given("the connection breaks before the gateway can charge")]
async fn cut_before(world: &mut World) {
    fault(world, &json!({"call": "confirm", "kind": "dropBefore", "count": 1})).await;
}

async fn fault(world: &mut World, fault: &Value) {
    let url = format!("{}/_emulator/faults", world.start().await.emulator.url());
    let answer = plain_http().post(url).json(fault).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

#[given(expr = "{word} has bought seat(s) {seats}")]
async fn has_bought(world: &mut World, name: String, seats: Seats) {
    has_reserved(world, name.clone(), seats).await;
    pay(world, name).await;
}

#[when(expr = "{word} pays for them")]
async fn pay(world: &mut World, name: String) {
    request(world, name.clone()).await;
    agree(world, name.clone()).await;
    confirm(world, name).await;
}

#[given(expr = "{word} asks for a payment")]
#[when(expr = "{word} asks for a payment")]
async fn request(world: &mut World, name: String) {
    try_request(world, name.clone(), "card".to_owned()).await;
    let person = world.person_mut(&name);
    person.payment = person.answer().clone().expect(201);
    assert_eq!(person.payment["status"], "READY");
    assert_eq!(person.payment["amount"], person.reservation["amount"]);
}

#[when(expr = "{word} tries to ask for a payment by {word}")]
async fn try_request(world: &mut World, name: String, method: String) {
    try_request_of(world, name.clone(), name, method).await;
}

#[when(expr = "{word} tries to ask for a payment for the reservation of {word} by {word}")]
async fn try_request_of(world: &mut World, name: String, owner: String, method: String) {
    let reservation = world.person(&owner).reservation["id"].clone();
    let body = json!({"reservationId": reservation, "method": method.to_uppercase()});
    let answer = world.client(&name).post("/api/payments/request", &body).await;
    world.note(&name, answer);
}

async fn at_gateway(world: &mut World, name: &str, ends: &str) {
    let payment = world.person(name).payment.clone();
    let key = world.node().pay_at_gateway(&payment, ends).await;
    world.person_mut(name).payment_key = key;
}

#[given(expr = "{word} agrees on the gateway's page")]
#[when(expr = "{word} agrees on the gateway's page")]
async fn agree(world: &mut World, name: String) {
    at_gateway(world, &name, "approve").await;
}

#[given(expr = "{word} agrees with a card that will be declined")]
async fn agree_with_bad_card(world: &mut World, name: String) {
    at_gateway(world, &name, "decline").await;
}

fn body(world: &World, name: &str) -> Value {
    let person = world.person(name);
    json!({"paymentId": person.payment["id"], "paymentKey": person.payment_key,
        "orderId": person.payment["orderId"], "amount": person.payment["amount"]})
}

async fn send(world: &World, name: &str, body: &Value) -> Answer {
    world.client(name).post("/api/payments/confirm", body).await
}

#[given(expr = "{word} confirms the payment")]
#[when(expr = "{word} confirms the payment")]
#[when(expr = "{word} confirms the payment again")]
async fn confirm(world: &mut World, name: String) {
    try_confirm(world, name.clone()).await;
    keep(world, &name);
}

/// The last response is that of a sale that only a refund can undo.
fn keep(world: &mut World, name: &str) {
    let person = world.person_mut(name);
    let data = person.answer().clone().expect(200);
    assert_eq!(data["persisted"], true, "{data}");
    assert_eq!(data["payment"]["status"], "PAID", "{data}");
    assert_eq!(data["reservation"]["status"], "CONFIRMED", "{data}");
    person.confirmed.push(data);
}

#[when(expr = "{word} tries to confirm the payment")]
async fn try_confirm(world: &mut World, name: String) {
    let answer = send(world, &name, &body(world, &name)).await;
    world.note(&name, answer);
}

#[when(expr = "{word} tries to confirm the payment of {word}")]
async fn try_confirm_of(world: &mut World, name: String, owner: String) {
    let answer = send(world, &name, &body(world, &owner)).await;
    world.note(&name, answer);
}

#[when(expr = "{word} tries to confirm the payment with an amount of {won}")]
async fn tamper(world: &mut World, name: String, won: Won) {
    let mut body = body(world, &name);
    body["amount"] = won.0.into();
    let answer = send(world, &name, &body).await;
    world.note(&name, answer);
}

#[when(expr = "{word} tries to confirm the payment under the order of {word}")]
async fn other_order(world: &mut World, name: String, other: String) {
    let mut body = body(world, &name);
    body["orderId"] = world.person(&other).payment["orderId"].clone();
    let answer = send(world, &name, &body).await;
    world.note(&name, answer);
}

#[when(expr = "{word} confirms the payment {int} times at once")]
async fn confirm_at_once(world: &mut World, name: String, times: usize) {
    let body = body(world, &name);
    let answers = join_all((0..times).map(|_| send(world, &name, &body))).await;
    for answer in answers {
        world.note(&name, answer);
        keep(world, &name);
    }
}

#[when(expr = "{word} agrees in two windows and confirms both at once")]
async fn two_windows(world: &mut World, name: String) {
    agree(world, name.clone()).await;
    let first = body(world, &name);
    agree(world, name.clone()).await;
    let second = body(world, &name);
    let answers = join_all([&first, &second].map(|body| send(world, &name, body))).await;
    world.race = answers;
}

#[then(expr = "{word} got the same response each time")]
async fn same_answer(world: &mut World, name: String) {
    let confirmed = &world.person(&name).confirmed;
    assert!(confirmed.len() > 1, "only one response");
    for answer in confirmed {
        assert_eq!(answer, &confirmed[0]);
    }
}

#[then(expr = "{word} is told that the outcome is not known yet")]
async fn unknown(world: &mut World, name: String) {
    let data = world.person(&name).answer().clone().expect(202);
    assert_eq!(data["persisted"], false, "{data}");
    assert_eq!(data["payment"]["status"], "UNKNOWN", "{data}");
    assert_eq!(data["reservation"]["status"], "PAYING", "{data}");
}

#[then(expr = "{word} is told that the card company declined")]
async fn declined(world: &mut World, name: String) {
    let answer = world.person(&name).answer();
    assert_refused(answer, ErrorCode::PaymentDeclined);
    assert_eq!(answer.body["gatewayCode"], "REJECT_CARD_COMPANY");
}

#[then(expr = "{word}'s payment is {status}")]
async fn has_status(world: &mut World, name: String, status: Status) {
    let id = world.person(&name).payment["id"].as_str().unwrap().to_owned();
    let data = world.client(&name).get(&format!("/api/payments/{id}")).await.expect(200);
    assert_eq!(data["status"], status.0, "{data}");
}

#[when(expr = "{word} tries to look at the payment of {word}")]
async fn look_at(world: &mut World, name: String, owner: String) {
    let id = world.person(&owner).payment["id"].as_str().unwrap().to_owned();
    let answer = world.client(&name).get(&format!("/api/payments/{id}")).await;
    world.note(&name, answer);
}

/// Anybody can send a message in the form of the gateway's.
#[when(expr = "a message says that {word} has paid")]
async fn hint(world: &mut World, name: String) {
    let order = world.person(&name).payment["orderId"].clone();
    let body = json!({"eventType": "PAYMENT_STATUS_CHANGED",
        "data": {"orderId": order, "status": "DONE"}});
    world.node().guest().post("/api/payments/webhooks/toss", &body).await.expect(200);
}

/// The total and the balance of each payment with this status in the gateway's own books.
async fn ledger(world: &World, status: &str) -> Vec<(i64, i64)> {
    let url = format!("{}/_emulator/ledger", world.node().emulator.url());
    let books: Value = plain_http().get(url).send().await.unwrap().json().await.unwrap();
    let all = books["payments"].as_array().unwrap().iter();
    let number = |value: &Value| value.as_i64().unwrap();
    all.filter(|payment| payment["status"] == status)
        .map(|payment| (number(&payment["totalAmount"]), number(&payment["balanceAmount"])))
        .collect()
}

#[then("the gateway has charged nothing")]
async fn charged_nothing(world: &mut World) {
    for status in ["DONE", "CANCELED", "PARTIAL_CANCELED"] {
        assert_eq!(ledger(world, status).await, vec![], "{status}");
    }
}

#[then(expr = "the gateway has charged {won}, once")]
async fn charged_once(world: &mut World, won: Won) {
    assert_eq!(ledger(world, "DONE").await, vec![(won.0, won.0)]);
    assert_eq!(ledger(world, "CANCELED").await, vec![]);
}

#[then(expr = "the gateway has given {won} of {won} back")]
async fn given_a_part_back(world: &mut World, part: Won, all: Won) {
    assert_eq!(ledger(world, "PARTIAL_CANCELED").await, vec![(all.0, all.0 - part.0)]);
}

#[then(expr = "the gateway has given {won} back, once")]
async fn given_back(world: &mut World, won: Won) {
    assert_eq!(ledger(world, "CANCELED").await, vec![(won.0, 0)]);
    assert_eq!(ledger(world, "DONE").await, vec![]);
}
