//! The rules of a house: accessible seats and their companions, a table, and places without seats.

use super::fan::{FIRST, ROOMY, Reply, SECOND, Verdict, check, id_of, seats_of};
use super::hall::{Hall, eventually};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

/// Row W has the accessible seats 21 and 23, and a companion seat behind each. Row T is a table
/// for four. The lawn has some places.
const PLACES: u32 = 6;
/// The number of times that two calls of one person meet.
const RACES: u32 = 12;
/// The number of times that all want the same places, and the nodes that they ask.
const RUSHES: usize = 4;
const NODES: [usize; 3] = [FIRST, SECOND, ROOMY];

fn plan(grade: &str) -> Value {
    let outline = json!([[0, 0], [20, 0], [20, 20]]);
    json!({
        "name": "Club of the exam", "focus": [0, -5],
        "grades": [{"code": grade, "name": "All", "price": 10_000, "color": "#0072b2"}],
        "areas": [
            {"id": 1, "name": "Stalls", "sections": [{"id": 1, "name": "Left", "blocks": [
                {"id": 1, "name": "A", "grade": grade, "outline": outline,
                 "attributes": {"accessible": [21, 23], "companion": [22, 24]},
                 "rows": [
                    {"label": "1", "firstSeatId": 1, "seats": 6, "from": [0, 0], "to": [5, 0]},
                    {"label": "W", "firstSeatId": 21, "seats": 4, "from": [0, 1], "to": [3, 1]},
                    {"label": "T", "firstSeatId": 31, "seats": 4, "unitSeats": 4,
                     "points": [[0, 3], [1, 3], [1, 4], [0, 4]]}]}]}]},
            {"id": 9, "name": "Lawn", "sections": [{"id": 9, "name": "Lawn", "blocks": [
                {"id": 9, "name": "Lawn", "grade": grade, "outline": outline,
                 "places": {"firstSeatId": 1001, "count": PLACES}}]}]}]
    })
}

async fn site(hall: &Hall, grade: &str) -> Verdict<String> {
    let made = hall.admin.post(FIRST, "/api/admin/sites", plan(grade)).await.expect(201)?;
    Ok(id_of(&made).to_owned())
}

pub(super) async fn open(hall: &Hall) -> Verdict<String> {
    let id = hall.draft(&site(hall, "ALL").await?, json!({})).await?;
    hall.order(&id, "open").await?;
    hall.is_known(&id).await?;
    Ok(id)
}

pub(super) async fn give_seat(hall: &Hall, fan: usize, node: usize, id: &str, seat: u32) -> Reply {
    let path = format!("/api/matches/{id}/allocation/seats/{seat}/release");
    hall.fan(fan).post(node, &path, Value::Null).await
}

/// A companion belongs to an accessible seat, and each of these has one beside it or one elsewhere.
pub(super) async fn companions(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(0), open(hall).await?);
    let too_many: [&[u32]; 3] = [&[22], &[21, 22, 24], &[1, 24]];
    for seats in too_many {
        fan.take(ROOMY, &id, seats).await.refused("ACCESSIBLE_ONLY")?;
    }
    let right: [&[u32]; 3] = [&[22, 23, 24], &[21, 24], &[21, 22, 23, 24]];
    for seats in right {
        let hold = fan.take(ROOMY, &id, seats).await.expect(201)?;
        fan.release(FIRST, &id, &hold).await.expect(204)?;
    }
    let hold = fan.take(ROOMY, &id, &[21, 22]).await.expect(201)?;
    give_seat(hall, 0, SECOND, &id, 21).await.refused("ACCESSIBLE_ONLY")?;
    let part = json!({"matchId": id, "seatIds": [21]});
    fan.post(FIRST, "/api/reservations", part).await.refused("ACCESSIBLE_ONLY")?;
    let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
    fan.cancel(FIRST, &sold, json!({"seatIds": [21]})).await.refused("ACCESSIBLE_ONLY")?;
    fan.cancel(SECOND, &sold, Value::Null).await.expect(200)?;
    Ok(())
}

/// No companion seat stays alone, although each of two calls at once would leave it an accessible
/// seat.
pub(super) async fn companions_in_two_tabs(hall: &Hall) -> Verdict {
    let races = (1..=3).map(async |fan| {
        let id = open(hall).await?;
        for round in 0..RACES {
            race(hall, &id, fan, round % 2 == 0).await?;
        }
        Ok(())
    });
    join_all(races).await.into_iter().collect()
}

async fn race(hall: &Hall, id: &str, number: usize, release: bool) -> Verdict {
    let fan = hall.fan(number);
    fan.take(ROOMY, id, &[21, 23, 24]).await.expect(201)?;
    let body = |seat: u32| json!({"matchId": id, "seatIds": [seat]});
    let (left, right) = if release {
        tokio::join!(
            give_seat(hall, number, FIRST, id, 21),
            give_seat(hall, number, SECOND, id, 23)
        )
    } else {
        tokio::join!(
            fan.post(FIRST, "/api/reservations", body(21)),
            fan.post(SECOND, "/api/reservations", body(23))
        )
    };
    let holds = fan.get(ROOMY, &format!("/api/matches/{id}/holds")).await.expect(200)?;
    for hold in holds["holds"].as_array().into_iter().flatten() {
        let seats: Vec<u32> = seats_of(hold).collect();
        let text = format!("only {seats:?} stay after {left} and {right}");
        check(seats != [24], text)?;
        fan.release(ROOMY, id, hold).await.expect(204)?;
    }
    for reply in [left, right] {
        if reply.status == 201 {
            fan.cancel(ROOMY, &reply.expect(201)?, Value::Null).await.expect(200)?;
        } else {
            let known = reply.status == 204 || reply.is_refused("ACCESSIBLE_ONLY");
            check(known, format!("two tabs: {reply}"))?;
        }
    }
    Ok(())
}

/// A table is sold as a whole. Of places there are no more than there are, and a call that is
/// repeated names the own hold.
pub(super) async fn tables_and_places(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(4), open(hall).await?);
    fan.take(ROOMY, &id, &[31, 33]).await.refused("UNIT_INCOMPLETE")?;
    let table = fan.take(ROOMY, &id, &[31, 32, 33, 34]).await.expect(201)?;
    give_seat(hall, 4, FIRST, &id, 31).await.refused("UNIT_INCOMPLETE")?;
    fan.release(FIRST, &id, &table).await.expect(204)?;
    let wish = json!({"seats": [{"seatId": 1}], "areas": [{"areaId": 9, "quantity": 2}]});
    let hold = fan.hold(ROOMY, &id, wish.clone()).await.expect(201)?;
    let problem = fan.hold(ROOMY, &id, wish.clone()).await.refused("ALREADY_HELD")?;
    check(problem["holdId"] == hold["holdId"], "the own hold is not named")?;
    let rest = json!({"areas": [{"areaId": 9, "quantity": PLACES - 1}]});
    let problem = hall.fan(5).hold(ROOMY, &id, rest).await.refused("AREA_FULL")?;
    check(problem["left"] == PLACES - 2, format!("{} places are left", problem["left"]))?;
    // Now the area is full, so that Redis is not asked for the seat.
    let rest = json!({"areas": [{"areaId": 9, "quantity": PLACES - 2}]});
    hall.fan(5).hold(ROOMY, &id, rest).await.expect(201)?;
    eventually("the map of a node shows that an area is full", async || {
        let place = json!({"areas": [{"areaId": 9, "quantity": 1}]});
        let problem = hall.fan(6).hold(ROOMY, &id, place).await.refused("AREA_FULL")?;
        Ok((problem["left"] == 0).then_some(()))
    })
    .await?;
    let problem = fan.hold(ROOMY, &id, wish).await.refused("ALREADY_HELD")?;
    check(problem["holdId"] == hold["holdId"], "the own hold is not named")?;
    let offered = problem.get("alternatives");
    check(offered.is_none(), "other seats are offered in the place of the own ones")?;
    fan.release(SECOND, &id, &hold).await.expect(204)?;
    Ok(())
}

/// People who want a seat and a place each, all at once, get both: nobody is refused for a place
/// that only the node has chosen.
pub(super) async fn rush_for_places(hall: &Hall) -> Verdict {
    let id = open(hall).await?;
    for _ in 0..RUSHES {
        let all = (1..=PLACES).map(async |number| {
            let wish = json!({"seats": [{"seatId": number}],
                "areas": [{"areaId": 9, "quantity": 1}]});
            let (person, node) = (number as usize, NODES[number as usize % NODES.len()]);
            hall.fan(person).hold(node, &id, wish).await.expect(201).map(|hold| (person, hold))
        });
        for (person, hold) in join_all(all).await.into_iter().collect::<Verdict<Vec<_>>>()? {
            hall.fan(person).release(FIRST, &id, &hold).await.expect(204)?;
        }
    }
    Ok(())
}

/// A price list that does not fit the plan is not sold.
pub(super) async fn list_of_another_plan(hall: &Hall) -> Verdict {
    let house = site(hall, "ALL").await?;
    let id = hall.draft(&house, json!({})).await?;
    let list = json!({"types": [{"code": "ADULT", "name": "Adult"}],
        "prices": [{"grade": "ALL", "type": "ADULT", "price": 9_000}], "serviceFee": 0});
    hall.put(&id, "prices", list).await?;
    let path = format!("/api/admin/sites/{house}");
    hall.admin.ask(FIRST, Method::PUT, &path, &plan("OTHER"), "").await.expect(200)?;
    let path = format!("/api/admin/matches/{id}/open");
    hall.admin.post(SECOND, &path, Value::Null).await.refused("VALIDATION")?;
    Ok(())
}
