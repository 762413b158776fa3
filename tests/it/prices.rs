//! The price list of a match: what a hold costs, and that nothing changes it later.

use crate::support::client::Client;
use crate::support::engine::{PRICE, TestEngine, seats};
use crate::support::node::eventually;
use crate::support::postgres::sql;
use crate::support::sale::{Sale, path_of, seats_of};
use fred::prelude::*;
use grandstand::domain::bill::{Bill, Charge};
use grandstand::domain::ids::{ReservationId, SeatId};
use grandstand::engine::operation::Operation;
use grandstand::engine::reservations::Source;
use serde_json::{Value, json};

/// Adults pay 30,000 in BLUE and 50,000 in RED. Children pay 15,000 in BLUE, at most two at once,
/// and are not sold in RED. Babies are free. Each place costs 1,000 besides.
fn list() -> Value {
    json!({
        "types": [
            {"code": "ADULT", "name": {"ko": "어른", "en": "Adult"}},
            {"code": "CHILD", "name": "Child", "limit": 2},
            {"code": "BABY", "name": "Baby"}],
        "prices": [
            {"grade": "BLUE", "type": "ADULT", "price": 30_000},
            {"grade": "BLUE", "type": "CHILD", "price": 15_000},
            {"grade": "BLUE", "type": "BABY", "price": 0},
            {"grade": "RED", "type": "ADULT", "price": 50_000}],
        "serviceFee": 1_000,
    })
}

/// The list without a service fee, at these prices in BLUE.
fn list_at(adult: i64, child: i64) -> Value {
    json!({
        "types": [{"code": "ADULT", "name": "Adult"}, {"code": "CHILD", "name": "Child"}],
        "prices": [
            {"grade": "BLUE", "type": "ADULT", "price": adult},
            {"grade": "BLUE", "type": "CHILD", "price": child},
            {"grade": "RED", "type": "CHILD", "price": child}],
    })
}

async fn set_list(sale: &Sale, admin: &Client, list: &Value) -> Value {
    let path = format!("/api/admin/matches/{}/prices", sale.fixture.id);
    admin.put(&path, list).await.expect(200)
}

async fn start(list: &Value) -> (Sale, Client) {
    let sale = Sale::with(|_| {}).start().await;
    let admin = sale.node.admin().await;
    set_list(&sale, &admin, list).await;
    (sale, admin)
}

fn holds(sale: &Sale) -> String {
    sale.fixture.path("/holds")
}

async fn hold(sale: &Sale, body: Value) -> Value {
    sale.fan.post(&holds(sale), &body).await.expect(201)
}

async fn reserve(sale: &Sale, hold: &Value) -> Value {
    let body = json!({"matchId": sale.fixture.id, "holdId": hold["holdId"]});
    sale.fan.post("/api/reservations", &body).await.expect(201)
}

async fn buy(sale: &Sale, reservation: &Value) -> Value {
    let payment = sale.fan.request_payment(reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    payment
}

/// Seat, type and price of each seat.
fn lines(view: &Value) -> Vec<(u64, String, i64)> {
    let seats = view["seats"].as_array().unwrap().iter();
    let line = |seat: &Value| {
        let ticket_type = seat["type"].as_str().unwrap_or("-").to_owned();
        (seat["seatId"].as_u64().unwrap(), ticket_type, seat["price"].as_i64().unwrap())
    };
    seats.map(line).collect()
}

fn line(seat: u64, ticket_type: &str, price: i64) -> (u64, String, i64) {
    (seat, ticket_type.to_owned(), price)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_with_types_is_paid_and_given_back_at_the_prices_it_was_held_at() {
    let (sale, admin) = start(&list()).await;
    let body = json!({"seats": [{"seatId": 1, "type": "CHILD"}, {"seatId": 2}, {"seatId": 21}]});
    let held = hold(&sale, body).await;
    let expected =
        vec![line(1, "CHILD", 15_000), line(2, "ADULT", 30_000), line(21, "ADULT", 50_000)];
    assert_eq!(lines(&held), expected);
    assert_eq!((&held["amount"], &held["serviceFee"]), (&json!(98_000), &json!(3_000)));
    assert_eq!(held["seats"][1]["typeName"], json!({"ko": "어른", "en": "Adult"}));
    // A new list touches no hold, no reservation and no sale.
    let changed = set_list(&sale, &admin, &list_at(900, 100)).await;
    assert_eq!(changed["version"], 2);
    let listed = sale.fan.get(&holds(&sale)).await.expect(200);
    assert_eq!(
        (lines(&listed["holds"][0]), &listed["holds"][0]["amount"]),
        (expected.clone(), &held["amount"])
    );
    let reservation = reserve(&sale, &held).await;
    assert_eq!((lines(&reservation), &reservation["amount"]), (expected.clone(), &held["amount"]));
    assert_eq!(reservation["serviceFee"], 3_000);
    assert_eq!(buy(&sale, &reservation).await["amount"], 98_000);
    let path = path_of(&reservation);
    let sold = sale.fan.get(&path).await.expect(200);
    assert_eq!((lines(&sold), &sold["status"]), (expected.clone(), &json!("CONFIRMED")));
    sale.node.wait_for_books().await;
    // A loss of Redis changes no price, either.
    let _: () = sale.node.raw().await.flushall(false).await.unwrap();
    let rebuilt = eventually("it is loaded again", || async {
        let found = sale.fan.get(&path).await;
        let is_there = found.status == 200 && sale.epoch().await.is_some();
        is_there.then(|| found.expect(200))
    });
    assert_eq!(lines(&rebuilt.await), expected);
    let part = sale.cancel(&reservation, &json!({"seatIds": [1]})).await.expect(200);
    assert_eq!((&part["payment"]["refunded"], &part["amount"]), (&json!(16_000), &json!(82_000)));
    assert_eq!((seats_of(&part), &part["serviceFee"]), (vec![2, 21], &json!(2_000)));
    let id = reservation["id"].as_str().unwrap();
    let organiser = format!("/api/admin/reservations/{id}");
    let seen = admin.get(&organiser).await.expect(200);
    assert_eq!(seen["organiserRefund"]["amount"], 82_000);
    let body = json!({"seatIds": [2]});
    let cancel = format!("{organiser}/cancel");
    let part = admin.post_with_key(&cancel, &body, "second").await.expect(200);
    assert_eq!((&part["payment"]["refunded"], &part["amount"]), (&json!(47_000), &json!(51_000)));
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    let rest = sale.cancel(&reservation, &Value::Null).await.expect(200);
    assert_eq!(
        (&rest["status"], &rest["payment"]["refunded"]),
        (&json!("CANCELLED"), &json!(98_000))
    );
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_forms_of_a_hold_get_the_first_type() {
    let (sale, admin) = start(&list()).await;
    let held = sale.fan.hold(&sale.fixture.id, &[1, 2]).await.expect(201);
    assert_eq!(lines(&held), [line(1, "ADULT", 30_000), line(2, "ADULT", 30_000)]);
    let path = sale.fixture.path("/allocation/seats/3/hold");
    let single = sale.fan.post(&path, &Value::Null).await.expect(200);
    assert_eq!(
        (lines(&single), &single["amount"]),
        (vec![line(3, "ADULT", 30_000)], &json!(31_000))
    );
    // Seats out of two holds, at the prices of their holds.
    set_list(&sale, &admin, &list_at(900, 100)).await;
    let later = hold(&sale, json!({"seats": [{"seatId": 4, "type": "CHILD"}]})).await;
    assert_eq!(later["amount"], 100);
    let body = json!({"matchId": sale.fixture.id, "seatIds": [4, 1]});
    let reservation = sale.fan.post("/api/reservations", &body).await.expect(201);
    assert_eq!(lines(&reservation), [line(4, "CHILD", 100), line(1, "ADULT", 30_000)]);
    assert_eq!(reservation["amount"], 31_100);
    // What is left of the hold.
    let release = sale.fixture.path("/allocation/seats/3/release");
    sale.fan.post(&release, &Value::Null).await.expect(204);
    let left = sale.fan.get(&holds(&sale)).await.expect(200);
    assert_eq!(left["holds"].as_array().unwrap().len(), 1);
    assert_eq!(
        (lines(&left["holds"][0]), &left["holds"][0]["amount"]),
        (vec![line(2, "ADULT", 30_000)], &json!(31_000))
    );
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_that_are_unknown_or_not_sold_or_above_their_limit_are_refused() {
    let (sale, _) = start(&list()).await;
    let refused = async |body: Value, status, code: &str| {
        sale.fan.post(&holds(&sale), &body).await.refused(status, code)
    };
    let field = |problem: &Value| problem["errors"][0]["field"].as_str().unwrap().to_owned();
    let unknown = json!({"seats": [{"seatId": 1}, {"seatId": 2, "type": "DOG"}]});
    assert_eq!(field(&refused(unknown, 400, "VALIDATION").await), "seats[1].type");
    let unsold = json!({"seats": [{"seatId": 21, "type": "CHILD"}]});
    assert_eq!(field(&refused(unsold, 400, "VALIDATION").await), "seats[0].type");
    let child = |seat| json!({"seatId": seat, "type": "CHILD"});
    let many = json!({"seats": [child(1), child(2), child(3)]});
    let problem = refused(many, 409, "TYPE_LIMIT").await;
    assert_eq!(problem["detail"], "At most 2 seats of the type CHILD can be held at once.");
    for (body, wrong) in [
        (json!({"seats": []}), "seats"),
        (json!({"seats": [{"seatId": 1}], "seatIds": [1]}), "seatIds"),
        (json!({"seats": [{"seatId": 1, "externalId": "A"}]}), "seats[0]"),
        (json!({"seats": [{"externalId": "A"}]}), "seats[0].externalId"),
        (json!({"areas": [{"areaId": 9, "quantity": 2}]}), "areas[0].areaId"),
    ] {
        assert_eq!(field(&refused(body, 400, "VALIDATION").await), wrong);
    }
    let other = sale.node.open_match().await;
    let typed = json!({"seats": [{"seatId": 1, "type": "ADULT"}]});
    let problem = sale.fan.post(&other.path("/holds"), &typed).await.refused(400, "VALIDATION");
    assert_eq!(field(&problem), "seats[0].type", "a match without a list");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_best_seats_are_found_for_a_family() {
    let (sale, _) = start(&list()).await;
    let best = |types: Value| json!({"bestAvailable": {"count": 3, "types": types}});
    let held = hold(&sale, best(json!({"ADULT": 1, "CHILD": 2}))).await;
    let kinds: Vec<String> = lines(&held).into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(
        (kinds, &held["amount"]),
        (vec!["ADULT".into(), "CHILD".into(), "CHILD".into()], &json!(63_000))
    );
    assert!(seats_of(&held).iter().all(|seat| *seat <= 20), "children are not sold in RED");
    for wrong in [json!({"ADULT": 2}), json!(["ADULT", "DOG", "ADULT"]), json!(["ADULT"])] {
        let problem = sale.fan.post(&holds(&sale), &best(wrong)).await.refused(400, "VALIDATION");
        assert_eq!(problem["errors"][0]["field"], "bestAvailable.types");
    }
    let many = best(json!(["CHILD", "CHILD", "CHILD"]));
    sale.fan.post(&holds(&sale), &many).await.refused(409, "TYPE_LIMIT");
    let red = json!({"bestAvailable": {"count": 1, "grade": "RED", "types": {"CHILD": 1}}});
    sale.fan.post(&holds(&sale), &red).await.refused(400, "VALIDATION");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alternatives_have_the_prices_of_the_types_that_were_wanted() {
    let (sale, _) = start(&list()).await;
    sale.node.user("other").await.hold(&sale.fixture.id, &[1]).await.expect(201);
    let body = json!({"seats": [{"seatId": 1, "type": "CHILD"}, {"seatId": 2}]});
    let problem = sale.fan.post(&holds(&sale), &body).await.refused(409, "SEAT_TAKEN");
    let offers = problem["alternatives"].as_array().unwrap();
    assert!(!offers.is_empty());
    assert!(offers.iter().all(|offer| offer["amount"] == 47_000), "{problem}");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_of_a_free_type_need_no_gateway() {
    let (sale, _) = start(&list_at(20_000, 0)).await;
    sale.node.fault(&json!({"kind": "dropBefore"})).await;
    let held = hold(&sale, json!({"seats": [{"seatId": 1, "type": "CHILD"}]})).await;
    let reservation = reserve(&sale, &held).await;
    let payment = sale.fan.request_payment(&reservation).await;
    assert_eq!((payment["amount"].as_i64(), &payment["checkoutUrl"]), (Some(0), &Value::Null));
    sale.fan.confirm(&payment, "free").await.expect(200);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_seat_among_others_is_given_back_for_nothing() {
    let (sale, _) = start(&list_at(20_000, 0)).await;
    let held = hold(&sale, json!({"seats": [{"seatId": 1, "type": "CHILD"}, {"seatId": 2}]})).await;
    let reservation = reserve(&sale, &held).await;
    assert_eq!(buy(&sale, &reservation).await["amount"], 20_000);
    let part = sale.cancel(&reservation, &json!({"seatIds": [1]})).await.expect(200);
    assert_eq!((&part["payment"]["refunded"], &part["amount"]), (&json!(0), &json!(20_000)));
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_list_is_checked_as_a_whole_and_shown_to_everybody() {
    let sale = Sale::with(|_| {}).start().await;
    let admin = sale.node.admin().await;
    let (shown, set) =
        (sale.fixture.path("/prices"), format!("/api/admin/matches/{}/prices", sale.fixture.id));
    let planned = sale.node.guest().get(&shown).await.expect(200);
    let prices = json!([{"grade": "BLUE", "type": null, "price": 10_000},
        {"grade": "RED", "type": null, "price": 20_000}]);
    assert_eq!(planned, json!({"version": 0, "types": [], "prices": prices, "serviceFee": 0}));
    let wrong = json!({"types": [{"code": "adult", "name": {"EN": "A"}}],
        "prices": [{"grade": "BLUE", "type": "ADULT", "price": 50}]});
    let problem = admin.put(&set, &wrong).await.refused(400, "VALIDATION");
    let fields = problem["errors"].as_array().unwrap().iter();
    let fields: Vec<&str> = fields.map(|error| error["field"].as_str().unwrap()).collect();
    let expected =
        ["/types/0/code", "/types/0/name/EN", "/prices/0/type", "/prices/0/price", "/prices"];
    assert_eq!(fields, expected);
    let stored = admin.put(&set, &list()).await.expect(200);
    assert_eq!((&stored["version"], &stored["serviceFee"]), (&json!(1), &json!(1_000)));
    assert_eq!(sale.node.guest().get(&shown).await.expect(200), stored);
    sale.finish().await;
}

/// Prices of the plan in the place of what was paid would be a wrong refund.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_whose_bill_or_terms_cannot_be_read_is_an_error() {
    let (sale, _) = start(&list()).await;
    let reservation = reserve(&sale, &hold(&sale, json!({"seats": [{"seatId": 1}]})).await).await;
    buy(&sale, &reservation).await;
    sale.node.wait_for_books().await;
    let id = reservation["id"].as_str().unwrap();
    let key = ReservationId(id.parse().unwrap());
    let user = sale.node.store().reservation(key).await.unwrap().unwrap().user;
    for column in ["bill", "refund_terms"] {
        let run = async |statement: String| {
            sql(&sale.node.settings.database_url, &statement).await;
        };
        run(format!("create table kept as select {column} as text from reservations")).await;
        run(format!("update reservations set {column} = '1:x'")).await;
        let error = sale.node.store().reservation(key).await.unwrap_err().to_string();
        assert!(error.contains(id) && error.contains(column), "{error}");
        assert!(
            sale.node
                .store()
                .reservations_of(user, (1 << 50, ReservationId(uuid::Uuid::max())), 9)
                .await
                .is_err()
        );
        assert!(sale.node.store().claimed_reservations(sale.partition()).await.is_err());
        run(format!("update reservations set {column} = (select text from kept)")).await;
        run("drop table kept".to_owned()).await;
    }
    sale.finish().await;
}

/// A hold without a list and a hold with one, reserved together.
#[tokio::test]
async fn a_seat_without_a_line_costs_what_the_caller_says() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[]).await;
    let (id, me, none) = (scene.id(), scene.me, Operation::default);
    bed.engine.hold(id, me, seats(&[1, 2]), 2 * PRICE, &[], none()).await.unwrap();
    let bill = Bill::parse("3:700:CHILD,4:31000:ADULT:1000").unwrap();
    let charge = Charge::from(bill.clone());
    bed.engine.hold(id, me, seats(&[3, 4]), charge, &[], none()).await.unwrap();
    let wanted = [(1, PRICE), (4, PRICE)].map(|(seat, price)| (SeatId(seat), price));
    let reserved = bed.engine.reserve(id, me, Source::Seats(wanted.to_vec(), None), none()).await;
    let (_, granted) = reserved.unwrap();
    assert_eq!(
        (granted.amount, granted.bill.text()),
        (PRICE + 31_000, "4:31000:ADULT:1000".into())
    );
    bed.engine.release_seat(id, me, SeatId(2), PRICE, None).await.unwrap();
    let left = bed.engine.claims_of(id.partition(), me).await.unwrap();
    let left: Vec<_> = left.iter().filter(|claim| claim.seats == [SeatId(3)]).collect();
    assert_eq!((left.len(), left[0].amount, &left[0].bill), (1, 700, &bill));
}
