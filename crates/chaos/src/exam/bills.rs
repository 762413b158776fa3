//! Ticket types: what each seat of a bill costs stays with it, on every path.

use super::fan::{Broken, FIRST, ROOMY, SECOND, Verdict, check, id_of, key, seats_of};
use super::hall::Hall;
use super::partition::Partition;
use crate::database::connect;
use crate::fixture::{PRICE, refund_fees};
use crate::world::World;
use reqwest::Method;
use serde_json::{Value, json};

const ADULT: i64 = 20_001;
const CHILD: i64 = 5_003;
const FEE: i64 = 333;

fn prices() -> Value {
    json!({"types": [{"code": "ADULT", "name": "Adult"}, {"code": "CHILD", "name": "Child"}],
        "prices": [{"grade": "ALL", "type": "ADULT", "price": ADULT},
            {"grade": "ALL", "type": "CHILD", "price": CHILD}], "serviceFee": FEE})
}

/// A seat with a type.
fn typed(seat: u32, code: &str) -> Value {
    json!({"seats": [{"seatId": seat, "type": code}]})
}

/// Each seat of a reservation has its type and its price.
fn is_billed(reservation: &Value, when: &str) -> Verdict {
    let seats = reservation["seats"].as_array().into_iter().flatten();
    for seat in seats.clone() {
        let child = seat["seatId"] == 1;
        let (code, price) = if child { ("CHILD", CHILD) } else { ("ADULT", ADULT) };
        let right = seat["type"] == code && seat["price"] == price;
        check(right, format!("{when} seat {seat} is not {code}"))?;
    }
    let cost: i64 = seats.filter_map(|seat| Some(seat["price"].as_i64()? + FEE)).sum();
    let amount = &reservation["amount"];
    check(*amount == cost, format!("{when} {amount} for seats of {cost}"))
}

/// Seats out of two holds, of which one has lost a seat, keep their bill to the end.
pub(super) async fn bills(hall: &Hall) -> Verdict {
    let fan = hall.fan(2);
    let id = hall.on_sale(json!({})).await?;
    hall.put(&id, "prices", prices()).await?;
    fan.hold(ROOMY, &id, typed(1, "CHILD")).await.expect(201)?;
    let two = json!({"seats": [{"seatId": 2, "type": "ADULT"}, {"seatId": 3, "type": "CHILD"}]});
    fan.hold(ROOMY, &id, two).await.expect(201)?;
    let path = format!("/api/matches/{id}/allocation/seats/3/release");
    fan.post(FIRST, &path, Value::Null).await.expect(204)?;
    let holds = fan.get(SECOND, &format!("/api/matches/{id}/holds")).await.expect(200)?;
    let amounts = holds["holds"].as_array().into_iter().flatten();
    let amount: i64 = amounts.filter_map(|hold| hold["amount"].as_i64()).sum();
    check(amount == ADULT + CHILD + 2 * FEE, format!("{amount} for an adult and a child"))?;
    let body = json!({"matchId": id, "seatIds": [2, 1]});
    let reservation = fan.post(ROOMY, "/api/reservations", body).await.expect(201)?;
    is_billed(&reservation, "when it is reserved")?;
    let sold = hall.buy_reserved(fan, FIRST, &reservation).await?;
    is_billed(&sold, "when it is paid")?;
    is_billed(&fan.read(SECOND, &sold).await?, "when it is read")?;
    fan.cancel(FIRST, &sold, json!({"seatIds": [1]})).await.expect(200)?;
    let rest = fan.read(SECOND, &sold).await?;
    is_billed(&rest, "after a refund")?;
    let back = &rest["payment"]["refunded"];
    check(*back == CHILD + FEE, format!("{back} went back for a child"))?;
    let rest: Vec<u32> = seats_of(&rest).collect();
    check(rest == [2], format!("{rest:?} are left of seats 1 and 2"))
}

/// A call that is repeated has its first response, although the prices have changed in between.
pub(super) async fn repeated_after_new_prices(hall: &Hall) -> Verdict {
    let (fan, key) = (hall.fan(3), key());
    let id = hall.on_sale(json!({})).await?;
    hall.put(&id, "prices", prices()).await?;
    let path = format!("/api/matches/{id}/holds");
    let body = typed(1, "CHILD");
    let first = fan.ask(FIRST, Method::POST, &path, &body, &key).await.expect(201)?;
    let mut without = prices();
    without["types"] = json!([{"code": "ADULT", "name": "Adult"}]);
    without["prices"] = json!([{"grade": "ALL", "type": "ADULT", "price": ADULT}]);
    hall.put(&id, "prices", without).await?;
    let again = fan.ask(FIRST, Method::POST, &path, &body, &key).await.expect(201)?;
    check(first["holdId"] == again["holdId"], "another hold under the same key")?;
    fan.release(FIRST, &id, &first).await.expect(204)?;
    Ok(())
}

/// A bill in PostgreSQL that nobody can read is an error, and not the prices of the plan: a list of
/// reservations says that their history is missing.
pub(super) async fn damaged_bill(hall: &Hall, world: &World) -> Verdict {
    let (fan, id) = (hall.fan(14), hall.on_sale(json!({})).await?);
    hall.put(&id, "prices", prices()).await?;
    let hold = fan.hold(ROOMY, &id, typed(1, "CHILD")).await.expect(201)?;
    let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
    fan.cancel(FIRST, &sold, Value::Null).await.expect(200)?;
    let database = connect(&world.postgres.url()).await;
    let database = database.map_err(|error| Broken(format!("PostgreSQL: {error:#}")))?;
    let wrong = |error| Broken(format!("a bill: {error}"));
    let bill = "select bill from reservations where id::text = $1";
    let bill: String = database.query_one(bill, &[&id_of(&sold)]).await.map_err(wrong)?.get(0);
    let write = "update reservations set bill = $2 where id::text = $1";
    database.execute(write, &[&id_of(&sold), &"1:x"]).await.map_err(wrong)?;
    let all = fan.once(FIRST, Method::GET, "/api/reservations", &Value::Null, "").await;
    database.execute(write, &[&id_of(&sold), &bill]).await.map_err(wrong)?;
    let history = &all.body["data"]["history"];
    check(all.status == 200 && *history == false, "a bill that nobody can read is in a history")?;
    let all = fan.get(FIRST, "/api/reservations").await.expect(200)?;
    check(all["history"] == true, "a person has no history")
}

/// The prices of the plan are not those of a sale that has no bill, so there is no fee of them. The
/// same happens at a node that has an old plan.
pub(super) async fn other_prices(hall: &Hall, world: &World) -> Verdict {
    let fan = hall.fan(4);
    let id = hall.on_sale(json!({"refundFees": refund_fees()})).await?;
    let hold = fan.take(ROOMY, &id, &[1, 2]).await.expect(201)?;
    let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
    let partition = Partition::of(world, &id).await?;
    let record = partition.record(id_of(&sold)).await?;
    let amount = format!("|{}|", 2 * PRICE);
    let other = record.line.replace(&amount, &format!("|{}|", 2 * PRICE + 1));
    partition.replace(&record, &other).await?;
    let path = format!("/api/reservations/{}/cancel", id_of(&sold));
    let reply = fan.once(FIRST, Method::POST, &path, &Value::Null, "").await;
    if reply.status >= 400 {
        partition.replace(&partition.record(id_of(&sold)).await?, &record.line).await?;
    }
    reply.refused("PRICE_CHANGED")?;
    fan.cancel(SECOND, &sold, Value::Null).await.expect(200)?;
    Ok(())
}
