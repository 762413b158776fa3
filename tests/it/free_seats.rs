//! Seats that cost nothing: they are sold and given back without the gateway, and they take nobody
//! else's money along.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually, plan};
use grandstand::commands::verify::gateway::verify_gateway;
use grandstand::commands::verify::verify;
use grandstand::domain::ids::{PaymentId, ReservationId, SeatId, UserId};
use serde_json::{Value, json};

struct Bed {
    app: TestNode,
    event: TestMatch,
    fan: Client,
}

impl Bed {
    /// Seats 1 to 20 cost 10,000 KRW, seats 21 to 25 cost nothing.
    async fn start() -> Self {
        let app = TestNode::start_with(|settings| settings.reconcile_after_ms = 200).await;
        let mut plan = plan();
        plan["grades"][1]["price"] = json!(0);
        let event = app.open_match_at(&plan).await;
        let fan = app.user("fan").await;
        Self { app, event, fan }
    }

    async fn sold(&self, seats: &[u32]) -> Value {
        let reservation = self.fan.reserve(&self.event.id, seats).await;
        let payment = self.fan.request_payment(&reservation).await;
        let key = self.app.pay_at_gateway(&payment, "approve").await;
        self.fan.confirm(&payment, &key).await.expect(200);
        reservation
    }

    async fn cancel(&self, reservation: &Value, body: &Value) -> Value {
        let path = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
        self.fan.post(&path, body).await.expect(200)
    }

    /// The books agree, also by `verify --gateway`.
    async fn books(&self) -> Vec<String> {
        let kept = self.app.wait_for_books().await;
        let node = &self.app.node().services;
        let mut found = verify(&node.engine, &node.store).await.unwrap();
        verify_gateway(&node.store, &node.toss, 7, &mut found).await.unwrap();
        assert_eq!(found.disagreements, vec![]);
        kept
    }

    async fn balance(&self) -> i64 {
        self.app.ledger_entries().await[0]["balanceAmount"].as_i64().unwrap()
    }
}

fn seats_of(reservation: &Value) -> Vec<u64> {
    let seats = reservation["seats"].as_array().unwrap().iter();
    seats.map(|seat| seat["seatId"].as_u64().unwrap()).collect()
}

/// The rule: a free seat of a sale is given back alone, and the money for the others stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_seat_is_given_back_without_the_money_of_the_others() {
    let bed = Bed::start().await;
    let one = bed.sold(&[1, 21]).await;
    let left = bed.cancel(&one, &json!({"seatIds": [21]})).await;
    assert_eq!((seats_of(&left), left["amount"].as_i64()), (vec![1], Some(10_000)));
    assert_eq!((bed.books().await, bed.balance().await), (vec!["PAID".to_owned()], 10_000));
    bed.app.user("other").await.hold(&bed.event.id, &[21]).await.expect(201);
    assert_eq!(bed.cancel(&one, &Value::Null).await["status"], "CANCELLED");
    assert_eq!((bed.books().await, bed.balance().await), (vec!["REFUNDED".to_owned()], 0));
    bed.app.finish().await;
}

/// The rule: a free seat stays sold when all the money for the others is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_seat_stays_when_all_the_money_is_back() {
    let bed = Bed::start().await;
    let one = bed.sold(&[1, 21]).await;
    let left = bed.cancel(&one, &json!({"seatIds": [1]})).await;
    assert_eq!((seats_of(&left), left["amount"].as_i64()), (vec![21], Some(0)));
    assert_eq!((bed.books().await, bed.balance().await), (vec!["PAID".to_owned()], 0));
    assert_eq!(bed.cancel(&one, &Value::Null).await["status"], "CANCELLED");
    assert_eq!(bed.books().await, ["REFUNDED"]);
    bed.app.finish().await;
}

/// The rule: the reconciler gives back what was asked for and no more, when the node that had a
/// refund in hand is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reconciler_gives_a_free_seat_back_without_money() {
    let bed = Bed::start().await;
    let one = bed.sold(&[1, 21]).await;
    let me: UserId =
        bed.fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().parse().unwrap();
    let id: ReservationId = one["id"].as_str().unwrap().parse().unwrap();
    let engine = &bed.app.node().services.engine;
    engine.cancel(bed.event.id.parse().unwrap(), me, id, &[(SeatId(21), 0)]).await.unwrap();
    let path = format!("/api/reservations/{}", one["id"].as_str().unwrap());
    let left = eventually("the free seat is given back", || async {
        let now = bed.fan.get(&path).await.expect(200);
        (seats_of(&now) == [1]).then_some(now)
    })
    .await;
    assert_eq!((&left["status"], left["amount"].as_i64()), (&json!("CONFIRMED"), Some(10_000)));
    assert_eq!((bed.books().await, bed.balance().await), (vec!["PAID".to_owned()], 10_000));
    bed.app.finish().await;
}

/// The rule: seats that cost nothing are bought with any payment key, and given back at once, also
/// while the gateway is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_costs_nothing_is_sold_without_the_gateway() {
    let bed = Bed::start().await;
    bed.app.fault(&json!({"kind": "dropBefore"})).await;
    let one = bed.fan.reserve(&bed.event.id, &[21, 22]).await;
    let payment = bed.fan.request_payment(&one).await;
    assert_eq!((payment["amount"].as_i64(), &payment["checkoutUrl"]), (Some(0), &Value::Null));
    let sold = bed.fan.confirm(&payment, "free").await.expect(200);
    assert_eq!((&sold["persisted"], &sold["payment"]["status"]), (&json!(true), &json!("PAID")));
    let left = bed.cancel(&one, &json!({"seatIds": [21]})).await;
    assert_eq!(seats_of(&left), [22]);
    assert_eq!(bed.cancel(&one, &Value::Null).await["status"], "CANCELLED");
    // The node that confirmed is gone: the reconciler goes on.
    let me: UserId =
        bed.fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().parse().unwrap();
    let one = bed.fan.reserve(&bed.event.id, &[23]).await;
    let payment = bed.fan.request_payment(&one).await;
    let (engine, id) =
        (&bed.app.node().services.engine, one["id"].as_str().unwrap().parse().unwrap());
    let paid: PaymentId = payment["id"].as_str().unwrap().parse().unwrap();
    let event = bed.event.id.parse().unwrap();
    engine.begin_payment(event, me, id, paid, 0, "free").await.unwrap();
    bed.app.wait_for_status(&bed.fan, &one, "CONFIRMED").await;
    bed.app.clear_faults().await;
    let mut kept = bed.books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "REFUNDED"]);
    assert_eq!(bed.app.ledger().await, Vec::<String>::new(), "the gateway knows nothing of it");
    bed.app.finish().await;
}

/// The rule: what the gateway refuses for its amount is refused before anybody holds or pays it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_amount_below_what_the_gateway_takes_is_refused_early() {
    let bed = Bed::start().await;
    let mut small = plan();
    small["grades"][0]["price"] = json!(50);
    let admin = bed.app.admin().await;
    let refused = admin.post("/api/admin/sites", &small).await.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "/grades/0/price", "{refused}");
    // A card takes it, and a transfer does not.
    small["grades"][0]["price"] = json!(150);
    let event = bed.app.open_match_at(&small).await;
    let reservation = bed.fan.reserve(&event.id, &[1]).await;
    let body = json!({"reservationId": reservation["id"], "method": "TRANSFER"});
    let refused = bed.fan.post("/api/payments/request", &body).await.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "method", "{refused}");
    let payment = bed.fan.request_payment(&reservation).await;
    let key = bed.app.pay_at_gateway(&payment, "approve").await;
    bed.fan.confirm(&payment, &key).await.expect(200);
    let both = bed.fan.reserve(&event.id, &[2, 3]).await;
    let body = json!({"reservationId": both["id"], "method": "TRANSFER"});
    bed.fan.post("/api/payments/request", &body).await.expect(201);
    bed.app.finish().await;
}
