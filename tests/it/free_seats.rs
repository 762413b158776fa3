//! Seats that cost nothing: they are sold and given back without the gateway, and without the money
//! of other seats.

use crate::support::engine::these;
use crate::support::node::{eventually, plan};
use crate::support::sale::{Sale, path_of, seats_of};
use grandstand::commands::verify::gateway::verify_gateway;
use grandstand::commands::verify::verify;
use grandstand::domain::ids::{PaymentId, ReservationId, SeatId, UserId};
use grandstand::engine::operation::Operation;
use serde_json::{Value, json};

/// A sale in which seats 1 to 20 cost 10,000 KRW, and seats 21 to 25 cost nothing.
async fn start() -> Sale {
    let mut plan = plan();
    plan["grades"][1]["price"] = json!(0);
    Sale::with(|settings| settings.reconcile_after_ms = 200).plan(plan).start().await
}

impl Sale {
    /// Cancels, and returns the reservation.
    async fn give_back(&self, reservation: &Value, body: &Value) -> Value {
        self.cancel(reservation, body).await.expect(200)
    }

    /// The books agree, also by `verify --gateway`.
    async fn books(&self) -> Vec<String> {
        let kept = self.node.wait_for_books().await;
        let services = self.node.services();
        let mut found = verify(&services.engine, &services.store).await.unwrap();
        verify_gateway(&services.store, &services.toss, 7, &mut found).await.unwrap();
        assert_eq!(found.disagreements, vec![]);
        kept
    }

    async fn balance(&self) -> i64 {
        self.node.ledger_entries().await[0]["balanceAmount"].as_i64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_without_a_price_is_given_back_alone() {
    let sale = start().await;
    let sold = sale.sold(&[1, 21]).await;
    let left = sale.give_back(&sold, &json!({"seatIds": [21]})).await;
    assert_eq!((seats_of(&left), left["amount"].as_i64()), (vec![1], Some(10_000)));
    assert_eq!((sale.books().await, sale.balance().await), (vec!["PAID".to_owned()], 10_000));
    sale.node.user("other").await.hold(&sale.fixture.id, &[21]).await.expect(201);
    assert_eq!(sale.give_back(&sold, &Value::Null).await["status"], "CANCELLED");
    assert_eq!((sale.books().await, sale.balance().await), (vec!["REFUNDED".to_owned()], 0));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_without_a_price_stays_sold_when_the_others_are_refunded() {
    let sale = start().await;
    let sold = sale.sold(&[1, 21]).await;
    let left = sale.give_back(&sold, &json!({"seatIds": [1]})).await;
    assert_eq!((seats_of(&left), left["amount"].as_i64()), (vec![21], Some(0)));
    assert_eq!((sale.books().await, sale.balance().await), (vec!["PAID".to_owned()], 0));
    assert_eq!(sale.give_back(&sold, &Value::Null).await["status"], "CANCELLED");
    assert_eq!(sale.books().await, ["REFUNDED"]);
    sale.finish().await;
}

/// The node that had begun the refund is gone. The reconciler gives back the named seat and no
/// more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reconciler_gives_a_seat_without_a_price_back() {
    let sale = start().await;
    let sold = sale.sold(&[1, 21]).await;
    let me: UserId =
        sale.fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().parse().unwrap();
    let id: ReservationId = sold["id"].as_str().unwrap().parse().unwrap();
    let engine = sale.node.engine();
    engine
        .cancel(
            sale.fixture.id.parse().unwrap(),
            me,
            id,
            these(&[(SeatId(21), 0)]),
            Operation::default(),
        )
        .await
        .unwrap();
    let path = path_of(&sold);
    let left = eventually("the free seat is given back", || async {
        let now = sale.fan.get(&path).await.expect(200);
        (seats_of(&now) == [1]).then_some(now)
    })
    .await;
    assert_eq!((&left["status"], left["amount"].as_i64()), (&json!("CONFIRMED"), Some(10_000)));
    assert_eq!((sale.books().await, sale.balance().await), (vec!["PAID".to_owned()], 10_000));
    sale.finish().await;
}

/// Any payment key is accepted, also while the gateway is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_without_a_price_are_sold_without_the_gateway() {
    let sale = start().await;
    sale.node.fault(&json!({"kind": "dropBefore"})).await;
    let reservation = sale.fan.reserve(&sale.fixture.id, &[21, 22]).await;
    let payment = sale.fan.request_payment(&reservation).await;
    assert_eq!((payment["amount"].as_i64(), &payment["checkoutUrl"]), (Some(0), &Value::Null));
    let sold = sale.fan.confirm(&payment, "free").await.expect(200);
    assert_eq!((&sold["persisted"], &sold["payment"]["status"]), (&json!(true), &json!("PAID")));
    let left = sale.give_back(&reservation, &json!({"seatIds": [21]})).await;
    assert_eq!(seats_of(&left), [22]);
    assert_eq!(sale.give_back(&reservation, &Value::Null).await["status"], "CANCELLED");
    // The node that confirmed is gone: the reconciler goes on.
    let me: UserId =
        sale.fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().parse().unwrap();
    let reservation = sale.fan.reserve(&sale.fixture.id, &[23]).await;
    let payment = sale.fan.request_payment(&reservation).await;
    let (engine, id) = (sale.node.engine(), reservation["id"].as_str().unwrap().parse().unwrap());
    let paid: PaymentId = payment["id"].as_str().unwrap().parse().unwrap();
    let fixture = sale.fixture.id.parse().unwrap();
    engine.begin_payment(fixture, me, id, paid, 0, "free").await.unwrap();
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    sale.node.clear_faults().await;
    let mut kept = sale.books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "REFUNDED"]);
    assert_eq!(sale.node.ledger().await, Vec::<String>::new(), "the gateway knows nothing of it");
    sale.finish().await;
}

/// Before anybody holds the seats or pays for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_amount_that_the_gateway_would_refuse_is_refused_early() {
    let sale = start().await;
    let mut small = plan();
    small["grades"][0]["price"] = json!(50);
    let admin = sale.node.admin().await;
    let refused = admin.post("/api/admin/sites", &small).await.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "/grades/0/price", "{refused}");
    // A card takes it, and a transfer does not.
    small["grades"][0]["price"] = json!(150);
    let fixture = sale.node.open_match_at(&small).await;
    let reservation = sale.fan.reserve(&fixture.id, &[1]).await;
    let body = json!({"reservationId": reservation["id"], "method": "TRANSFER"});
    let refused = sale.fan.post("/api/payments/request", &body).await.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "method", "{refused}");
    let payment = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    let both = sale.fan.reserve(&fixture.id, &[2, 3]).await;
    let body = json!({"reservationId": both["id"], "method": "TRANSFER"});
    sale.fan.post("/api/payments/request", &body).await.expect(201);
    sale.finish().await;
}
