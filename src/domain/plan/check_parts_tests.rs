//! The rules of the second form of plans: runs, names, units, places, attributes, drawings. And the
//! examples of docs/SITE-PLAN.md.

use super::check_tests::good;
use super::{PlanFault, PlanIndex, SitePlan};
use crate::domain::ids::SeatId;
use serde_json::{Value, json};

const BLOCK: &str = "/areas/0/sections/0/blocks/0";

/// The good plan with another value at a pointer. A pointer to a field that is not there adds it.
fn changed(pointer: &str, value: Value) -> Vec<PlanFault> {
    let mut plan = serde_json::to_value(good()).unwrap();
    match (plan.pointer_mut(pointer), pointer.rsplit_once('/').unwrap()) {
        (Some(old), _) => *old = value,
        (None, (parent, field)) => plan.pointer_mut(parent).unwrap()[field] = value,
    }
    serde_json::from_value::<SitePlan>(plan).unwrap().check()
}

#[track_caller]
fn refused(pointer: &str, value: Value, at: &str, words: &str) {
    let faults = changed(pointer, value);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].pointer, at);
    assert!(faults[0].message.contains(words), "{}", faults[0].message);
}

/// The same with a value in the first row, whose fault is at a place below the row.
#[track_caller]
fn row_refused(field: &str, value: Value, at: &str, words: &str) {
    let row = format!("{BLOCK}/rows/0");
    refused(&format!("{row}/{field}"), value, &format!("{row}{at}"), words);
}

#[test]
fn lists_of_a_run_have_an_entry_for_each_seat() {
    row_refused("names", json!(["A", "B"]), "/names", "for each seat: 3, not 2");
    row_refused("externalIds", json!(["A"]), "/externalIds", "for each seat");
    assert_eq!(changed(&format!("{BLOCK}/rows/0/names"), json!(["A", "B", "C"])), vec![]);
}

#[test]
fn names_of_seats_are_short_and_different() {
    row_refused("names", json!(["A", "B", "12345678901"]), "/names/2", "1 to 10");
    row_refused("names", json!(["A", "B", "Ａ"]), "", "the name \"Ａ\"");
    let run = json!({"firstSeatId": 1, "seats": 2, "from": [0, 0], "to": [1, 0]});
    let mut next = run.clone();
    next["firstSeatId"] = json!(8);
    let twice = json!({"label": "1", "runs": [run, next]});
    refused(&format!("{BLOCK}/rows/0"), twice, &format!("{BLOCK}/rows/0"), "\"1\"");
}

#[test]
fn a_row_has_runs_or_is_one() {
    let both = json!({"label": "1", "seats": 3, "runs": [
        {"firstSeatId": 1, "seats": 2, "from": [0, 0], "to": [1, 0]}]});
    let mut plan = serde_json::to_value(good()).unwrap();
    *plan.pointer_mut(&format!("{BLOCK}/rows/0")).unwrap() = both;
    let error = serde_json::from_value::<SitePlan>(plan).unwrap_err();
    assert!(error.to_string().contains("either `runs`"), "{error}");
}

#[test]
fn external_ids_are_unique_in_the_site() {
    row_refused("externalIds", json!(["A", "", "A"]), "/externalIds/2", "used before");
    row_refused("externalIds", json!(["A", "", " "]), "/externalIds/2", "trim");
    assert_eq!(changed(&format!("{BLOCK}/rows/0/externalIds"), json!(["A", "", "B"])), vec![]);
}

#[test]
fn a_run_is_a_whole_number_of_units() {
    row_refused("unitSeats", json!(2), "/unitSeats", "whole number of units");
    row_refused("unitSeats", json!(0), "/unitSeats", "1 or more");
    assert_eq!(changed(&format!("{BLOCK}/rows/0/unitSeats"), json!(3)), vec![]);
}

#[test]
fn seats_have_a_line_or_points() {
    let points = json!([[0, 0], [1, 0], [2, 0]]);
    row_refused("points", points, "/points", "not both");
    let row = |row: Value| (format!("{BLOCK}/rows/0"), row);
    let (pointer, without) = row(json!({"label": "1", "firstSeatId": 1, "seats": 3}));
    refused(&pointer, without, &format!("{pointer}/from"), "need a line");
    let far = json!({"label": "1", "firstSeatId": 1, "seats": 1, "points": [[0, 1e6]]});
    refused(&pointer, far, &format!("{pointer}/points/0"), "metres");
}

#[test]
fn a_block_has_rows_or_places() {
    let places = |first: u32, count: u32| json!({"firstSeatId": first, "count": count});
    let pointer = format!("{BLOCK}/places");
    refused(&pointer, places(100, 5), &pointer, "not both");
    let block = |places: Value| {
        json!({"id": 1, "name": "Lawn", "grade": "A_1", "outline": [[0, 0], [1, 0], [1, 1]],
            "places": places})
    };
    assert_eq!(changed(BLOCK, block(places(1, 200_000))), vec![]);
    refused(BLOCK, block(places(1, 0)), &format!("{pointer}/count"), "1 to 200000");
    let first = format!("{pointer}/firstSeatId");
    refused(BLOCK, block(places(0, 5)), &first, "Seat ids are 1 to");
    let many = changed(BLOCK, block(places(1, u32::MAX)));
    assert!(many.len() >= 2, "{many:?}");
}

#[test]
fn attributes_are_of_seats_of_the_block() {
    let pointer = format!("{BLOCK}/attributes");
    let place = format!("{pointer}/accessible/1");
    refused(&pointer, json!({"accessible": [1, 99]}), &place, "no seat 99");
    let both = json!({"accessible": [1], "companion": [1]});
    refused(&pointer, both, &format!("{pointer}/companion/0"), "not both");
    refused(&pointer, json!({"a/b": [1]}), &pointer, "a-z");
    assert_eq!(changed(&pointer, json!({"aisle": [1], "accessible": [1]})), vec![]);
}

#[test]
fn a_site_has_at_most_50_attributes() {
    let pointer = format!("{BLOCK}/attributes");
    let names = |count: usize| -> Value {
        (0..count).map(|number| (format!("a{number}"), json!([1]))).collect()
    };
    assert_eq!(changed(&pointer, names(50)), vec![]);
    refused(&pointer, names(51), &pointer, "at most 50 attributes");
    // Those of all blocks count together.
    let mut plan = serde_json::to_value(good()).unwrap();
    let section = plan.pointer_mut("/areas/0/sections/0/blocks").unwrap().as_array_mut().unwrap();
    let lawn = json!({"id": 99, "name": "Z", "grade": "A_1", "attributes": {"other": [9000]},
        "outline": [[0, 0], [1, 0], [1, 1]],
        "rows": [{"label": "1", "firstSeatId": 9000, "seats": 1, "points": [[0, 0]]}]});
    section.push(lawn);
    let last = format!("/areas/0/sections/0/blocks/{}/attributes", section.len() - 1);
    plan.pointer_mut(BLOCK).unwrap()["attributes"] = names(49);
    let check = |plan: &Value| serde_json::from_value::<SitePlan>(plan.clone()).unwrap().check();
    assert_eq!(check(&plan), vec![]);
    plan.pointer_mut(BLOCK).unwrap()["attributes"] = names(50);
    let faults = check(&plan);
    assert_eq!(faults.iter().map(|fault| &fault.pointer).collect::<Vec<_>>(), [&last]);
}

#[test]
fn a_plan_is_not_larger_than_what_the_api_takes() {
    let row = |at: u32| {
        let ids: Vec<String> = (0..200).map(|seat| format!("{at:0>25}{seat:0>25}")).collect();
        json!({"label": at.to_string(), "firstSeatId": at * 200 + 1, "seats": 200,
            "from": [0, at], "to": [200, at], "externalIds": ids})
    };
    let rows = |count| (0..count).map(row).collect::<Vec<Value>>();
    // A row has 10,687 bytes or a few more.
    let pointer = format!("{BLOCK}/rows");
    assert_eq!(changed(&pointer, Value::Array(rows(380))), vec![]);
    refused(&pointer, Value::Array(rows(400)), "", "at most 4194304 bytes");
}

#[test]
fn what_is_drawn_is_bounded_and_on_a_floor_of_the_house() {
    refused(&format!("{BLOCK}/floor"), json!(2), &format!("{BLOCK}/floor"), "no floor 2");
    refused("/floors", json!([{"id": 0, "name": "A"}]), "/floors/0/id", "1 to");
    let outlines = json!([[[0, 0], [1, 1]]]);
    let pointer = format!("{BLOCK}/moreOutlines");
    refused(&pointer, outlines, &format!("{pointer}/0"), "3 to 200");
    let text = |size: f32| json!([{"text": "Bar", "at": [0, 0], "size": size}]);
    refused("/texts", text(0.01), "/texts/0/size", "0.1 to 100");
    let circle = json!({"kind": "pillar", "circle": {"center": [0, 0], "radius": 0}});
    refused("/shapes/0", circle, "/shapes/0/circle/radius", "more than 0");
    let colored =
        json!({"kind": "table", "circle": {"center": [0, 0], "radius": 1}, "color": "red"});
    refused("/shapes/0", colored, "/shapes/0/color", "hexadecimal");
    let image = |href: &str| json!([{"href": href, "at": [0, 0], "width": 1, "height": 1}]);
    assert_eq!(changed("/images", image("data:image/png;base64,iVBORw0KGgo=")), vec![]);
    for href in
        ["https://example.com/a.png", "data:image/svg+xml;base64,AAAA", "data:image/png;base64,"]
    {
        refused("/images", image(href), "/images/0/href", "data:image/png");
    }
}

/// The complete plans of the page for administrators.
fn examples() -> Vec<SitePlan> {
    let page = include_str!("../../../docs/SITE-PLAN.md");
    let blocks = page.split("```json\n").skip(1);
    let blocks = blocks.map(|rest| rest.split_once("```").expect("the example ends").0);
    blocks.map(|block| serde_json::from_str(block).expect("the example is a plan")).collect()
}

#[test]
fn the_examples_of_the_page_for_administrators_are_good() {
    let examples = examples();
    for example in &examples {
        assert_eq!(example.check(), vec![]);
        let again = serde_json::to_value(example).unwrap();
        assert_eq!(serde_json::from_value::<SitePlan>(again).unwrap(), *example);
    }
    let [stadium, house] = examples.as_slice() else { panic!("the page has two plans") };
    let index = PlanIndex::new(stadium);
    assert_eq!(index.seat_count(), 13);
    let label = index.label(SeatId(1_020_103)).unwrap();
    assert_eq!(label.english, "Infield Away 102, row A, seat 5");
    assert_eq!(label.korean, "Infield Away 102 블록 A열 5번");

    let index = PlanIndex::new(house);
    let label = |seat: u32| index.label(SeatId(seat)).unwrap();
    assert_eq!(label(3).english, "Hall A, row 1, seat 1");
    assert_eq!(label(8).english, "Hall A, row 1, seat N1");
    assert_eq!(label(41).english, "Hall Gallery");
    assert_eq!(label(10_001).korean, "Lawn");
    assert_eq!(index.seat_by_external_id("A-1-3"), Some(SeatId(2)));
    // The numbers turn behind seat 3, a pillar is before seat 7, and an aisle behind it.
    let group = index.group_of(SeatId(3)).unwrap();
    let seats: Vec<u32> = group.positions.map(|position| index.seat_at(position).0).collect();
    assert_eq!(seats, [1, 2, 3, 4, 5, 6, 7]);
    let unit = index.unit_of(SeatId(14)).unwrap();
    let unit: Vec<u32> = unit.map(|position| index.seat_at(position).0).collect();
    assert_eq!(unit, [13, 14]);
    assert_eq!(index.attributes_of(SeatId(7)).collect::<Vec<_>>(), ["restrictedView"]);
}
