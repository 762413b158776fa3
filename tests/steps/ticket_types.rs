//! The price list of the match, and holds that name ticket types.

use crate::steps::World;
use crate::steps::words::{Seats, Won};
use cucumber::{given, when};
use serde_json::{Value, json};

#[given(expr = "{word} sells seats for {won} to adults and for {won} to children")]
#[when(expr = "{word} sells seats for {won} to adults and for {won} to children")]
async fn sell(world: &mut World, name: String, adult: Won, child: Won) {
    let grades = ["BLUE", "RED"];
    let price =
        |grade: &str, code: &str, price: i64| json!({"grade": grade, "type": code, "price": price});
    let prices =
        grades.map(|grade| [price(grade, "ADULT", adult.0), price(grade, "CHILD", child.0)]);
    let list = json!({
        "types": [{"code": "ADULT", "name": {"ko": "어른", "en": "Adult"}},
            {"code": "CHILD", "name": {"ko": "어린이", "en": "Child"}, "limit": 2}],
        "prices": prices.concat(),
    });
    let path = format!("/api/admin/matches/{}/prices", world.fixture().id);
    world.client(&name).put(&path, &list).await.expect(200);
}

async fn try_hold(world: &mut World, name: &str, seats: Vec<Value>) {
    let path = world.path("/holds");
    let answer = world.client(name).post(&path, &json!({"seats": seats})).await;
    world.note(name, answer);
}

#[given(expr = "{word} holds seat {int} for an adult and seat {int} for a child")]
#[when(expr = "{word} holds seat {int} for an adult and seat {int} for a child")]
async fn hold_both(world: &mut World, name: String, adult: u32, child: u32) {
    let seats = vec![json!({"seatId": adult}), json!({"seatId": child, "type": "CHILD"})];
    try_hold(world, &name, seats).await;
    let person = world.person_mut(&name);
    let hold = person.answer().clone().expect(201);
    person.holds.push(hold);
}

#[when(expr = "{word} tries to hold seat(s) {seats} for children")]
async fn try_hold_children(world: &mut World, name: String, seats: Seats) {
    let child = |seat: &u32| json!({"seatId": seat, "type": "CHILD"});
    try_hold(world, &name, seats.0.iter().map(child).collect()).await;
}
