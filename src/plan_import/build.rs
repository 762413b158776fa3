//! Makes a site plan of a drawing: scales it, puts blocks into sections and areas, gives ids.

use super::drawing::{Drawing, DrawnBlock, DrawnSeat, Faults, Form, GRADES_MAX, Spot};
use super::geometry::{Bounds, bounds};
use super::grades::grades;
use super::outlines::around;
use super::{ImportOptions, ImportedPlan, rows};
use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId};
use crate::domain::plan::{
    Area, Block, Circle, Floor, Grade, MapText, Places, Point, Row, Section, Shape, SitePlan,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The distance of neighbours in metres, for forms whose units are not metres.
const SEAT_SPACING: f64 = 0.5;
/// Without a stage, people look at a point in front of the seats, this many metres away.
const FOCUS_METRES: f64 = 2.0;
/// The height of the letters of a text, in metres.
const TEXT_METRES: std::ops::RangeInclusive<f64> = 0.1..=100.0;
/// The most seats and places of a plan. Larger files are refused before they are built.
const SEATS_MAX: usize = 200_000;
const BLOCKS_MAX: usize = 5_000;
const FLOORS_MAX: usize = 20;

pub(super) fn build(
    mut drawing: Drawing,
    options: &ImportOptions,
    faults: &mut Faults,
) -> Option<ImportedPlan> {
    drawing.blocks.retain(|block| block.places.is_some() || !block.rows.is_empty());
    let seats: usize =
        drawing.blocks.iter().flat_map(|block| &block.rows).map(|row| row.seats.len()).sum();
    if drawing.blocks.is_empty() {
        faults.add("", "The file has no seats and no places.");
    } else if seats > SEATS_MAX {
        faults.add("", format!("A site has at most {SEATS_MAX} seats, not {seats}."));
    }
    // The steps below compare blocks, floors and grades with each other.
    for (count, most, what) in [
        (drawing.blocks.len(), BLOCKS_MAX, "blocks"),
        (drawing.grades.len(), GRADES_MAX, "grades"),
        (floor_count(&drawing), FLOORS_MAX, "floors"),
    ] {
        if count > most {
            faults.add("", format!("A site has at most {most} {what}, not {count}."));
        }
    }
    if !faults.is_empty() {
        return None;
    }
    drawing.blocks.iter_mut().flat_map(|block| &mut block.rows).for_each(rows::order);
    let spacing = scale(&mut drawing, options.spacing);
    let nests = nest(&mut drawing);
    give_ids(&mut drawing.blocks);
    sort_grades(&mut drawing);
    let grades = grades(&drawing.grades, options, faults);
    let codes: Vec<String> = grades.iter().map(|grade| grade.code.clone()).collect();
    let floors = floors(&drawing.blocks);
    let mut places = SourcePlaces::default();
    let mut areas = Vec::new();
    let mut sections = 0;
    let mut blocks = drawing.blocks.iter().enumerate();
    for (area_at, (area, inside)) in nests.iter().enumerate() {
        let mut list = Vec::new();
        for (section_at, (section, count)) in inside.iter().enumerate() {
            let mut members = Vec::new();
            for (at, block) in blocks.by_ref().take(*count) {
                let pointer =
                    format!("/areas/{area_at}/sections/{section_at}/blocks/{}", members.len());
                places.put(&pointer, block);
                let floor = floors.iter().find(|floor| floor.name == block.floor);
                let floor = floor.map(|floor| floor.id);
                let mut made = finish(block, spacing, &codes, faults);
                (made.id, made.floor) = (BlockId(at as u32 + 1), floor);
                members.push(made);
            }
            sections += 1;
            let id = SectionId(sections);
            list.push(Section { id, name: section.clone(), blocks: members });
        }
        let id = AreaId(area_at as u32 + 1);
        areas.push(Area { id, name: area.clone(), sections: list });
    }
    let imported = assemble(drawing, options, grades, floors, areas);
    for fault in imported.plan.check() {
        faults.add(places.of(&fault.pointer), fault.message);
    }
    Some(imported)
}

/// Puts everything that is not in areas around them.
fn assemble(
    mut drawing: Drawing,
    options: &ImportOptions,
    grades: Vec<Grade>,
    floors: Vec<Floor>,
    areas: Vec<Area>,
) -> ImportedPlan {
    let floor = |name: &str| floors.iter().find(|floor| floor.name == name).map(|floor| floor.id);
    let focus = drawing.focus.or_else(|| stage(&drawing)).unwrap_or_else(|| {
        let note = "The file does not say where people look. The focus is in front of the seats, \
            at the upper edge of the plan; mend /focus if the stage is elsewhere.";
        drawing.notes.push(note.to_owned());
        let outlines = areas.iter().flat_map(|area| &area.sections);
        let outlines = outlines
            .flat_map(|section| &section.blocks)
            .flat_map(|block| block.outline.iter().chain(block.more_outlines.iter().flatten()));
        let bounds = bounds(outlines.map(|point| point.map(f64::from)));
        bounds.map_or([0.0; 2], |bounds| [bounds.middle()[0], bounds.least[1] - FOCUS_METRES])
    });
    let shapes = drawing.shapes.iter().map(|shape| {
        let (outline, circle) = match &shape.form {
            Form::Outline(outline) => (outline.iter().copied().map(point).collect(), None),
            Form::Circle { center, radius } => {
                let radius = rounded(*radius) as f32;
                (vec![], Some(Circle { center: point(*center), radius }))
            }
        };
        let (kind, color) = (shape.kind.to_owned(), shape.color.clone());
        Shape { kind, outline, circle, color, floor: floor(&shape.floor) }
    });
    let texts = drawing.texts.iter().map(|text| MapText {
        text: text.text.clone(),
        at: point(text.at),
        size: rounded(text.size.clamp(*TEXT_METRES.start(), *TEXT_METRES.end())) as f32,
        angle: (text.angle % 360.0) as f32,
        color: text.color.clone(),
        floor: floor(&text.floor),
    });
    let (shapes, texts) = (shapes.collect(), texts.collect());
    let name = options.name.clone().unwrap_or(drawing.name);
    let focus = rounded_point(focus);
    let images = vec![];
    let plan = SitePlan { name, focus, shapes, floors, texts, images, grades, areas };
    ImportedPlan { plan, notes: drawing.notes }
}

/// The middle of the stage, if one is drawn.
fn stage(drawing: &Drawing) -> Option<Spot> {
    let shape = drawing.shapes.iter().find(|shape| shape.kind == "stage")?;
    match &shape.form {
        Form::Outline(outline) => bounds(outline.iter().copied()).map(Bounds::middle),
        Form::Circle { center, .. } => Some(*center),
    }
}

fn seats(block: &DrawnBlock) -> impl Iterator<Item = &DrawnSeat> {
    block.rows.iter().flat_map(|row| &row.seats)
}

/// Changes the units of the drawing to metres, rounded to a centimetre. Returns the usual distance
/// of neighbours in metres.
fn scale(drawing: &mut Drawing, spacing: Option<f64>) -> f64 {
    let rows = || drawing.blocks.iter().flat_map(|block| &block.rows);
    let gap = rows::usual_gap(rows()).or(drawing.half_metre);
    let metres = match (spacing, drawing.half_metre, gap) {
        (Some(spacing), _, Some(gap)) => spacing / gap,
        (None, Some(_), Some(gap)) => SEAT_SPACING / gap,
        _ => 1.0,
    };
    let change = |spot: &mut Spot| *spot = spot.map(|units| rounded(units * metres));
    for block in &mut drawing.blocks {
        block.outline.iter_mut().for_each(change);
        block.rows.iter_mut().flat_map(|row| &mut row.seats).for_each(|seat| change(&mut seat.at));
    }
    for shape in &mut drawing.shapes {
        match &mut shape.form {
            Form::Outline(outline) => outline.iter_mut().for_each(change),
            Form::Circle { center, radius } => {
                change(center);
                *radius *= metres;
            }
        }
    }
    for text in &mut drawing.texts {
        change(&mut text.at);
        text.size *= metres;
    }
    drawing.focus.iter_mut().for_each(change);
    gap.map_or(f64::INFINITY, |gap| gap * metres)
}

/// Rounds metres to a centimetre.
fn rounded(metres: f64) -> f64 {
    (metres * 100.0).round() / 100.0
}

fn rounded_point(spot: Spot) -> Point {
    point(spot.map(rounded))
}

fn point(spot: Spot) -> Point {
    spot.map(|metres| metres as f32)
}

/// An area or section by name, and what is in it.
type Nest<T> = Vec<(String, T)>;

/// Sorts the blocks by area and section, in the order in which these are first named. Returns the
/// areas with their sections, and how many blocks each section has.
fn nest(drawing: &mut Drawing) -> Nest<Nest<usize>> {
    let mut areas: Nest<Nest<usize>> = Vec::new();
    let mut area_at: HashMap<String, usize> = HashMap::new();
    let mut section_at: HashMap<(usize, String), usize> = HashMap::new();
    let mut keyed = Vec::new();
    for block in std::mem::take(&mut drawing.blocks) {
        let area = *area_at.entry(block.area.clone()).or_insert_with(|| {
            areas.push((block.area.clone(), Vec::new()));
            areas.len() - 1
        });
        let sections = &mut areas[area].1;
        let section = *section_at.entry((area, block.section.clone())).or_insert_with(|| {
            sections.push((block.section.clone(), 0));
            sections.len() - 1
        });
        sections[section].1 += 1;
        keyed.push(((area, section), block));
    }
    keyed.sort_by_key(|(key, _)| *key);
    drawing.blocks = keyed.into_iter().map(|(_, block)| block).collect();
    areas
}

/// Gives ids to all seats and places without one: from 1, or behind the largest id of the file.
fn give_ids(blocks: &mut [DrawnBlock]) {
    let mut next = 1;
    for block in blocks.iter() {
        let places = block.places.as_ref();
        let last = places.and_then(|places| Some(places.first_id?.saturating_add(places.count)));
        let ids = seats(block).filter_map(|seat| seat.id?.checked_add(1));
        next = ids.chain(last).fold(next, u32::max);
    }
    let mut take = |id: &mut Option<u32>, count: u32| {
        if id.is_none() {
            *id = Some(next);
            next = next.saturating_add(count);
        }
    };
    for block in blocks {
        for seat in block.rows.iter_mut().flat_map(|row| &mut row.seats) {
            take(&mut seat.id, 1);
        }
        if let Some(places) = &mut block.places {
            take(&mut places.first_id, places.count);
        }
    }
}

fn floor_count(drawing: &Drawing) -> usize {
    drawing.blocks.iter().map(|block| block.floor.as_str()).collect::<HashSet<&str>>().len()
}

/// Puts the grades into the order in which the plan uses them, and leaves out those without seats.
fn sort_grades(drawing: &mut Drawing) {
    let mut order: Vec<Option<usize>> = vec![None; drawing.grades.len()];
    let mut grades = Vec::new();
    for block in &mut drawing.blocks {
        let places = block.places.iter_mut().map(|places| &mut places.grade);
        let seats = block.rows.iter_mut().flat_map(|row| &mut row.seats);
        for grade in places.chain(seats.map(|seat| &mut seat.grade)) {
            let old = *grade;
            *grade = *order[old].get_or_insert_with(|| {
                grades.push(drawing.grades[old].clone());
                grades.len() - 1
            });
        }
    }
    for (grade, used) in drawing.grades.iter().zip(order) {
        if used.is_none() {
            let note = format!("The category {:?} has no seats and was left out.", grade.name);
            drawing.notes.push(note);
        }
    }
    drawing.grades = grades;
}

fn floors(blocks: &[DrawnBlock]) -> Vec<Floor> {
    let mut floors: Vec<Floor> = Vec::new();
    for name in blocks.iter().map(|block| &block.floor) {
        if !name.is_empty() && floors.iter().all(|floor| floor.name != *name) {
            floors.push(Floor { id: floors.len() as u32 + 1, name: name.clone() });
        }
    }
    floors
}

/// The block of the plan, without its own id and floor.
fn finish(drawn: &DrawnBlock, spacing: f64, codes: &[String], faults: &mut Faults) -> Block {
    let mut rows: Vec<Row> =
        drawn.rows.iter().map(|row| rows::row(row, spacing, codes, faults)).collect();
    let grade = match &drawn.places {
        Some(places) => codes[places.grade].clone(),
        None => codes[usual_grade(drawn)].clone(),
    };
    for row in &mut rows {
        row.grade.take_if(|own| *own == grade);
        for run in &mut row.runs {
            run.grade.take_if(|own| *own == grade);
        }
    }
    let mut attributes: BTreeMap<String, Vec<SeatId>> = BTreeMap::new();
    for seat in seats(drawn) {
        for attribute in &seat.attributes {
            attributes.entry(attribute.clone()).or_default().extend(seat.id.map(SeatId));
        }
    }
    let mut outlines = match drawn.outline.is_empty() {
        true => around(&rows),
        false => vec![drawn.outline.clone()],
    };
    let mut outlines =
        outlines.drain(..).map(|outline| outline.into_iter().map(rounded_point).collect());
    Block {
        id: BlockId(0),
        name: drawn.name.clone(),
        grade,
        outline: outlines.next().unwrap_or_default(),
        more_outlines: outlines.collect(),
        floor: None,
        rows,
        places: drawn.places.as_ref().map(|places| Places {
            first_seat_id: SeatId(places.first_id.unwrap_or_default()),
            count: places.count,
        }),
        attributes,
    }
}

/// The grade of most seats of a block; of two, the one that comes first.
fn usual_grade(block: &DrawnBlock) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for seat in seats(block) {
        *counts.entry(seat.grade).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|(grade, count)| (**count, std::cmp::Reverse(**grade)));
    most.map_or(0, |(grade, _)| *grade)
}

/// Where the blocks and rows of the plan are in the file.
#[derive(Default)]
struct SourcePlaces(HashMap<String, String>);

impl SourcePlaces {
    fn put(&mut self, pointer: &str, block: &DrawnBlock) {
        self.0.insert(pointer.to_owned(), block.place.clone());
        for (at, row) in block.rows.iter().enumerate() {
            self.0.insert(format!("{pointer}/rows/{at}"), row.place.clone());
        }
    }

    /// The place in the file, or else the pointer into the plan.
    fn of<'a>(&'a self, pointer: &'a str) -> &'a str {
        let mut prefix = pointer;
        loop {
            if let Some(place) = self.0.get(prefix) {
                return place;
            }
            match prefix.rsplit_once('/') {
                Some((shorter, _)) => prefix = shorter,
                None => return pointer,
            }
        }
    }
}
