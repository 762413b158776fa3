//! The seating plan of pretix: zones with rows of seats, and areas to look at. Positions are in
//! pixels, each relative to what it is in. `seating-plan.schema.json` of pretix has the form.

use super::colors::color;
use super::drawing::{
    Drawing, DrawnBlock, DrawnGrade, DrawnRow, DrawnSeat, DrawnShape, DrawnText, Faults, Form, Spot,
};
use super::foreign::{Position, Text, first_name, is_sound, is_stage, name, or_default, parse};
use super::geometry::{ellipse, rectangle, turned};
use crate::domain::plan::{ACCESSIBLE, COMPANION};
use serde::Deserialize;
use std::collections::HashMap;

/// Pixels of half a metre where no neighbours show it: seats have a radius of 10.
const HALF_METRE_PIXELS: f64 = 25.0;
/// The height of a text without a size, in pixels.
const TEXT_PIXELS: f64 = 16.0;
/// pretix has no attributes, so a category tells who its seats are for.
const WHEELCHAIR_WORDS: [&str; 5] = ["wheelchair", "rollstuhl", "accessible", "fauteuil", "휠체어"];
const COMPANION_WORDS: [&str; 3] = ["companion", "begleit", "동반"];

#[derive(Deserialize)]
struct Plan {
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    zones: Vec<Zone>,
    #[serde(default, deserialize_with = "or_default")]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Category {
    name: Text,
    #[serde(default)]
    color: Option<String>,
}

#[derive(Deserialize)]
struct Zone {
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(default, deserialize_with = "or_default")]
    position: Position,
    #[serde(default, deserialize_with = "or_default")]
    rows: Vec<Row>,
    #[serde(default, deserialize_with = "or_default")]
    areas: Vec<Area>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default, deserialize_with = "or_default")]
    row_number: Text,
    #[serde(default, deserialize_with = "or_default")]
    position: Position,
    #[serde(default, deserialize_with = "or_default")]
    seats: Vec<Seat>,
}

#[derive(Deserialize)]
struct Seat {
    #[serde(default, deserialize_with = "or_default")]
    seat_guid: Text,
    #[serde(default, deserialize_with = "or_default")]
    seat_number: Text,
    position: Position,
    #[serde(default, deserialize_with = "or_default")]
    category: Text,
}

#[derive(Deserialize)]
struct Area {
    #[serde(default)]
    color: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    rotation: f64,
    #[serde(default, deserialize_with = "or_default")]
    position: Position,
    #[serde(default, deserialize_with = "or_default")]
    shape: String,
    #[serde(default)]
    polygon: Option<Polygon>,
    #[serde(default)]
    rectangle: Option<Size>,
    #[serde(default)]
    ellipse: Option<Radii>,
    #[serde(default)]
    circle: Option<Radius>,
    #[serde(default)]
    text: Option<AreaText>,
}

#[derive(Deserialize)]
struct Polygon {
    points: Vec<Position>,
}

#[derive(Deserialize)]
struct Size {
    width: f64,
    height: f64,
}

#[derive(Deserialize)]
struct Radii {
    radius: Position,
}

#[derive(Deserialize)]
struct Radius {
    radius: f64,
}

#[derive(Deserialize)]
struct AreaText {
    #[serde(default, deserialize_with = "or_default")]
    text: Text,
    #[serde(default)]
    color: Option<String>,
    #[serde(default)]
    size: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    position: Position,
}

pub(super) fn read(text: &str, faults: &mut Faults) -> Option<Drawing> {
    let plan: Plan = parse(text, faults)?;
    let mut drawing = Drawing {
        name: first_name(&[&plan.name.0, "pretix"]),
        half_metre: Some(HALF_METRE_PIXELS),
        ..Drawing::default()
    };
    for category in &plan.categories {
        let name = category.name.0.clone();
        let color = category.color.clone();
        drawing.grades.push(DrawnGrade { key: name.clone(), name, color, price: None });
    }
    for (at, zone) in plan.zones.into_iter().enumerate() {
        let place = format!("/zones/{at}");
        for area in &zone.areas {
            draw(&mut drawing, area, zone.position.from([0.0; 2]));
        }
        let block = block(&mut drawing, &place, zone, faults);
        drawing.blocks.push(block);
    }
    Some(drawing)
}

/// A zone is a block of a section of its own. Rows of one number are one row with an aisle.
fn block(drawing: &mut Drawing, place: &str, zone: Zone, faults: &mut Faults) -> DrawnBlock {
    let name = first_name(&[&zone.name.0, &drawing.name]);
    let mut rows: Vec<DrawnRow> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let offset = zone.position.from([0.0; 2]);
    for (at, row) in zone.rows.into_iter().enumerate() {
        let place = format!("{place}/rows/{at}");
        let label = row.row_number.0.trim().to_owned();
        let offset = row.position.from(offset);
        let mut seats = Vec::new();
        for (at, seat) in row.seats.into_iter().enumerate() {
            seats.extend(read_seat(drawing, &format!("{place}/seats/{at}"), seat, offset, faults));
        }
        if seats.is_empty() {
            continue;
        }
        match known.get(&label).filter(|_| !label.is_empty()) {
            Some(before) => rows[*before].seats.extend(seats),
            None => {
                known.insert(label.clone(), rows.len());
                rows.push(DrawnRow { place, label, is_table: false, seats });
            }
        }
    }
    let (place, section) = (place.to_owned(), name.clone());
    DrawnBlock { place, area: name.clone(), section, name, rows, ..DrawnBlock::default() }
}

fn read_seat(
    drawing: &mut Drawing,
    place: &str,
    seat: Seat,
    offset: Spot,
    faults: &mut Faults,
) -> Option<DrawnSeat> {
    let at = seat.position.from(offset);
    if !is_sound(at) {
        faults.add(&format!("{place}/position"), "This position is too far away for a plan.");
        return None;
    }
    let category = seat.category.0;
    if drawing.grades.iter().all(|grade| grade.key != category) {
        let message = format!("There is no category {category:?} in /categories.");
        faults.add(&format!("{place}/category"), message);
        return None;
    }
    let small = category.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| small.contains(word));
    let attributes = if has(&COMPANION_WORDS) {
        vec![COMPANION.to_owned()]
    } else if has(&WHEELCHAIR_WORDS) {
        vec![ACCESSIBLE.to_owned()]
    } else {
        vec![]
    };
    Some(DrawnSeat {
        name: seat.seat_number.0.trim().to_owned(),
        at,
        grade: drawing.grade(&category),
        attributes,
        external_id: seat.seat_guid.0.trim().to_owned(),
        ..DrawnSeat::default()
    })
}

/// An area becomes a shape, a text, or both.
fn draw(drawing: &mut Drawing, area: &Area, offset: Spot) {
    let at = area.position.from(offset);
    let text = area.text.as_ref().map(|text| name(&text.text.0)).unwrap_or_default();
    let is_stage = is_stage(&text);
    let turn = |spot: Spot| turned(spot, at, area.rotation);
    let mut outline = None;
    if let Some(polygon) = &area.polygon
        && area.shape == "polygon"
    {
        let points = polygon.points.iter().map(|point| turn(point.from(at)));
        outline = Some(Form::Outline(points.collect()));
    } else if let Some(size) = &area.rectangle
        && area.shape == "rectangle"
    {
        let size = [size.width, size.height];
        outline = Some(Form::Outline(rectangle(at, size, at, area.rotation)));
    } else if let Some(Radii { radius }) = &area.ellipse
        && area.shape == "ellipse"
    {
        outline = Some(Form::Outline(ellipse(at, [radius.x, radius.y], area.rotation)));
    } else if let Some(Radius { radius }) = &area.circle
        && area.shape == "circle"
    {
        outline = Some(Form::Circle { center: at, radius: *radius });
    }
    if let Some(form) = outline {
        let kind = if is_stage { "stage" } else { "area" };
        let color = area.color.as_deref().and_then(color);
        drawing.shapes.push(DrawnShape { kind, form, color, floor: String::new() });
    }
    let Some(found) = area.text.as_ref().filter(|_| !text.is_empty()) else { return };
    let at = turn(found.position.from(at));
    if is_stage && area.shape == "text" && drawing.focus.is_none() {
        drawing.focus = Some(at);
    }
    drawing.texts.push(DrawnText {
        text,
        at,
        size: found.size.unwrap_or(TEXT_PIXELS),
        angle: area.rotation,
        color: found.color.as_deref().and_then(color),
        floor: String::new(),
    });
}
