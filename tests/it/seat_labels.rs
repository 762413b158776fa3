//! The text of a seat on its ticket is the same wherever the seat is named, in the language of the
//! reader.

use crate::support::node::{TestNode, plan};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Two areas with the same sections, and each section with the same blocks: eleven seats, of which
/// only the whole path tells one from another.
fn stadium() -> Value {
    let mut next = 0;
    let mut block = |name: &str, seats: u32| {
        next += 100;
        json!({"id": next, "name": name, "grade": "BLUE",
            "outline": [[-1.0, 1.0], [10.0, 1.0], [10.0, 4.0]],
            "rows": [{"label": "1", "firstSeatId": next, "seats": seats, "from": [0.0, 2.0],
                "to": [f64::from(seats), 2.0]}]})
    };
    let (first, two, three) = (block("101", 2), block("101", 2), block("101 (A)", 2));
    let (four, five, six) = (block("101", 2), block("101", 2), block("102", 1));
    let sections = |id: u32, first: Value, second: Value| {
        json!([{"id": id, "name": "응원석 (1)", "blocks": [first]},
            {"id": id + 1, "name": "응원석 (2)", "blocks": [second]}])
    };
    let mut plan = plan();
    plan["areas"] = json!([
        {"id": 1, "name": "1루 (First base)", "sections": sections(1, first, two)},
        {"id": 2, "name": "3루 (Third base)", "sections": sections(3, four, five)},
        {"id": 3, "name": "외야 (Outfield)", "sections": [
            {"id": 5, "name": "그린석 (Green seats)", "blocks": [three, six]}]},
    ]);
    plan
}

const SEATS: [u32; 11] = [100, 101, 200, 201, 300, 301, 400, 401, 500, 501, 600];

fn texts(seats: &Value, field: &str) -> Vec<String> {
    let seats = seats.as_array().unwrap().iter();
    seats.map(|seat| seat[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// In Korean and in English.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eleven_seats_have_eleven_texts_in_each_language() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 20).await;
    let fixture = node.open_match_at(&stadium()).await;
    let fan = node.user("fan").await;
    let hold = fan.hold(&fixture.id, &SEATS).await.expect(201);
    let (english, korean) = (texts(&hold["seats"], "label"), texts(&hold["seats"], "labelKo"));
    for list in [&english, &korean] {
        assert_eq!(list.iter().collect::<HashSet<_>>().len(), SEATS.len(), "{list:?}");
    }
    assert_eq!(english[3], "First base 응원석 (2) 101, row 1, seat 2");
    assert_eq!(korean[3], "1루 응원석 (2) 101 블록 1열 2번");
    assert_eq!(korean[10], "외야 그린석 102 블록 1열 1번");

    // The reservation and the payment say the same.
    let body = json!({"matchId": fixture.id, "holdId": hold["holdId"]});
    let reservation = fan.post("/api/reservations", &body).await.expect(201);
    assert_eq!(reservation["seats"], hold["seats"]);
    let mine = fan.get("/api/reservations").await.expect(200);
    assert_eq!(mine["reservations"][0]["seats"], hold["seats"]);
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_map_and_the_offers_name_a_seat_as_its_ticket_does() {
    let node = TestNode::start().await;
    let fixture = node.open_match_at(&stadium()).await;
    let (fan, other) = (node.user("fan").await, node.user("other").await);
    let held = fan.hold(&fixture.id, &[200]).await.expect(201);
    let refused = other.hold(&fixture.id, &[200]).await.refused(409, "SEAT_TAKEN");
    let offer = &refused["alternatives"][0];
    let seat = u32::try_from(offer["seatIds"][0].as_u64().unwrap()).unwrap();
    let other_held = other.hold(&fixture.id, &[seat]).await.expect(201);
    assert_eq!(offer["labels"][0], other_held["seats"][0]["label"]);
    assert_eq!(offer["labelsKo"][0], other_held["seats"][0]["labelKo"]);

    let site = node.guest().get(&format!("/api/sites/{}", fixture.site_id)).await.expect(200);
    for (language, field) in [("en", "label"), ("ko", "labelKo")] {
        let words = &site["labels"][language];
        let part = |name: &str| words[name].as_str().unwrap_or_default();
        // Block 200 is the second of the plan.
        let block = words["blocks"][1].as_str().unwrap_or_default();
        let text = format!("{block}{}1{}1{}", part("row"), part("seat"), part("end"));
        assert_eq!(held["seats"][0][field], text, "{language}");
    }
    let path = format!("/api/sites/{}/blocks/200/seats", fixture.site_id);
    let seats = node.guest().get(&path).await.expect(200);
    assert_eq!(seats["seats"][0]["label"], held["seats"][0]["label"]);
    assert_eq!(seats["seats"][0]["labelKo"], held["seats"][0]["labelKo"]);
    node.finish().await;
}

/// Two tickets would read alike. The pointer leads to the second seat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_with_two_seats_of_one_text_is_refused_with_a_pointer() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let mut alike = stadium();
    alike["areas"][1]["name"] = json!("1루 (Third base)");
    let problem = admin.post("/api/admin/sites", &alike).await.refused(400, "VALIDATION");
    let places: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    let row = "/areas/1/sections/0/blocks/0/rows/0";
    assert_eq!(places, [row, "/areas/1/sections/1/blocks/0/rows/0"], "{problem}");
    let said = problem["errors"][0]["message"].as_str().unwrap();
    assert!(said.contains("1루 응원석 (1) 101 블록 1열 1번"), "{said}");

    // Seats that count on, in another block of that name, are others.
    alike["areas"][1]["sections"][0]["blocks"][0]["rows"][0]["firstNumber"] = json!(3);
    alike["areas"][1]["sections"][1]["blocks"][0]["rows"][0]["firstNumber"] = json!(3);
    admin.post("/api/admin/sites", &alike).await.expect(201);
    node.finish().await;
}
