//! The rules of a site plan. A plan is accepted or refused as a whole. A refusal names every fault,
//! so that its author can mend all of them at once (docs/SITE-PLAN.md lists the rules for people).

use super::alike::alike;
use super::fault::PlanFault;
use super::{Area, Block, Grade, Point, Row, Section, Shape, SitePlan};
use crate::domain::money::CHARGE_MIN;
use crate::domain::text::{canonical_name, is_invisible};
use std::collections::{HashMap, HashSet};
use unicode_segmentation::UnicodeSegmentation as _;

/// The most faults that one check lists.
const FAULTS_MAX: usize = 200;
const SEATS_MAX: u64 = 200_000;
const BLOCKS_MAX: usize = 5_000;
const SHAPES_MAX: usize = 1_000;
const GRADES_MAX: usize = 100;
const ROW_SEATS_MAX: u32 = 200;
const PRICE_MAX: i64 = 10_000_000;
const METRES_MAX: f32 = 10_000.0;
/// Ids stay below 2^31, so that they fit a signed 32-bit integer wherever they go.
const ID_MAX: u64 = (1 << 31) - 1;
/// The kinds of shapes that the map knows how to paint.
const SHAPE_KINDS: [&str; 5] = ["grass", "dirt", "line", "stage", "wall"];

impl SitePlan {
    /// Every fault of the plan, in its own order; none when the plan is good.
    /// At most 200 are listed; one more fault then says how many others there are.
    pub fn check(&self) -> Vec<PlanFault> {
        let mut check = Check::default();
        check.head(self);
        for (at, grade) in self.grades.iter().enumerate() {
            check.grade(&format!("/grades/{at}"), grade);
        }
        for (at, area) in self.areas.iter().enumerate() {
            check.area(&format!("/areas/{at}"), area);
        }
        check.totals();
        check.overlaps();
        if check.seats <= SEATS_MAX {
            check.alike(self);
        }
        check.into_faults()
    }
}

/// One row's range of seat ids, and where in the plan it is.
struct IdRange {
    first: u64,
    last: u64,
    pointer: String,
}

#[derive(Default)]
struct Check<'a> {
    faults: Vec<PlanFault>,
    unlisted: usize,
    /// Where each id and grade code was first seen; the kind keeps their spaces apart.
    seen: HashMap<(&'static str, String), String>,
    /// The grades of the plan, good or not, so that a wrong code is listed once and not at each
    /// use.
    grades: HashSet<&'a str>,
    ranges: Vec<IdRange>,
    blocks: usize,
    seats: u64,
}

impl<'a> Check<'a> {
    fn fault(&mut self, pointer: &str, message: impl Into<String>) {
        if self.faults.len() == FAULTS_MAX {
            self.unlisted += 1;
            return;
        }
        self.faults.push(PlanFault { pointer: pointer.to_owned(), message: message.into() });
    }

    fn into_faults(mut self) -> Vec<PlanFault> {
        if self.unlisted > 0 {
            let message = format!(
                "There are {} more faults; mend those above, then check again.",
                self.unlisted
            );
            self.faults.push(PlanFault { pointer: String::new(), message });
        }
        self.faults
    }

    fn head(&mut self, plan: &'a SitePlan) {
        self.text("/name", "The name of the site", &plan.name, 100);
        self.point("/focus", plan.focus);
        if plan.shapes.len() > SHAPES_MAX {
            self.fault("/shapes", format!("A plan has at most {SHAPES_MAX} shapes."));
        }
        for (at, shape) in plan.shapes.iter().enumerate() {
            self.shape(&format!("/shapes/{at}"), shape);
        }
        if plan.grades.is_empty() || plan.grades.len() > GRADES_MAX {
            self.fault("/grades", format!("A plan has 1 to {GRADES_MAX} grades with prices."));
        }
        self.grades = plan.grades.iter().map(|grade| grade.code.as_str()).collect();
        self.some("/areas", plan.areas.len(), "A plan needs at least one area.");
    }

    fn shape(&mut self, pointer: &str, shape: &Shape) {
        if !SHAPE_KINDS.contains(&shape.kind.as_str()) {
            let message = format!("The kind of a shape is one of {}.", SHAPE_KINDS.join(", "));
            self.fault(&format!("{pointer}/kind"), message);
        }
        self.outline(pointer, &shape.outline);
    }

    fn grade(&mut self, pointer: &str, grade: &Grade) {
        let code = &grade.code;
        let letter = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
        if !(1..=20).contains(&code.len()) || !code.bytes().all(letter) {
            let message = "A grade's code is 1 to 20 of A-Z, 0-9 and _.";
            self.fault(&format!("{pointer}/code"), message);
        }
        self.unique(pointer, "code", "Grade code", code.clone());
        self.text(&format!("{pointer}/name"), "A grade's name", &grade.name, 100);
        if grade.price != 0 && !(CHARGE_MIN..=PRICE_MAX).contains(&grade.price) {
            let message = format!(
                "A price is 0, or {CHARGE_MIN} to {PRICE_MAX} won, not {}: the payment gateway \
                 takes no less.",
                grade.price
            );
            self.fault(&format!("{pointer}/price"), message);
        }
        let digits = grade.color.strip_prefix('#').unwrap_or_default();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let message = "A colour is # and six hexadecimal digits, such as #1f77b4.";
            self.fault(&format!("{pointer}/color"), message);
        }
    }

    fn area(&mut self, pointer: &str, area: &Area) {
        self.id(pointer, "Area id", area.id.0);
        self.text(&format!("{pointer}/name"), "An area's name", &area.name, 100);
        let list = format!("{pointer}/sections");
        self.some(&list, area.sections.len(), "An area needs at least one section.");
        for (at, section) in area.sections.iter().enumerate() {
            self.section(&format!("{list}/{at}"), section);
        }
    }

    fn section(&mut self, pointer: &str, section: &Section) {
        self.id(pointer, "Section id", section.id.0);
        self.text(&format!("{pointer}/name"), "A section's name", &section.name, 100);
        let list = format!("{pointer}/blocks");
        self.some(&list, section.blocks.len(), "A section needs at least one block.");
        for (at, block) in section.blocks.iter().enumerate() {
            self.block(&format!("{list}/{at}"), block);
        }
    }

    fn block(&mut self, pointer: &str, block: &Block) {
        self.blocks += 1;
        self.id(pointer, "Block id", block.id.0);
        self.text(&format!("{pointer}/name"), "A block's name", &block.name, 100);
        self.grade_exists(pointer, &block.grade);
        self.outline(pointer, &block.outline);
        let list = format!("{pointer}/rows");
        self.some(&list, block.rows.len(), "A block needs at least one row.");
        let mut labels = HashSet::new();
        for (at, row) in block.rows.iter().enumerate() {
            let place = format!("{list}/{at}");
            if !labels.insert(canonical_name(&row.label)) {
                let message = "Another row of this block has the same label, or one that looks \
                    the same; a ticket needs one row, so give each its own.";
                self.fault(&format!("{place}/label"), message);
            }
            self.row(&place, row);
        }
    }

    fn row(&mut self, pointer: &str, row: &Row) {
        self.text(&format!("{pointer}/label"), "A row's label", &row.label, 10);
        if let Some(grade) = &row.grade {
            self.grade_exists(pointer, grade);
        }
        self.row_numbers(pointer, row);
        let sound = self.point(&format!("{pointer}/from"), row.from)
            & self.point(&format!("{pointer}/to"), row.to);
        let chord = (row.to[0] - row.from[0]).hypot(row.to[1] - row.from[1]);
        if !sound {
            return;
        }
        if row.seats > 1 && chord == 0.0 {
            let message = "The first and the last seat stand on the same point; move one.";
            self.fault(&format!("{pointer}/to"), message);
        } else if !row.bow.is_finite() || row.bow.abs() > chord / 2.0 {
            let message = "A bow is at most half the distance between the first and the last \
                seat (that is half a circle); use 0 for a straight row.";
            self.fault(&format!("{pointer}/bow"), message);
        }
    }

    fn row_numbers(&mut self, pointer: &str, row: &Row) {
        self.seats += u64::from(row.seats);
        if !(1..=ROW_SEATS_MAX).contains(&row.seats) {
            let message = format!("A row has 1 to {ROW_SEATS_MAX} seats, not {}.", row.seats);
            self.fault(&format!("{pointer}/seats"), message);
        }
        let steps = u64::from(row.seats.saturating_sub(1));
        let first = u64::from(row.first_seat_id.0);
        let last = first + steps;
        if first < 1 || last > ID_MAX {
            let message = format!("Seat ids are 1 to {ID_MAX}; this row has {first} to {last}.");
            self.fault(&format!("{pointer}/firstSeatId"), message);
        }
        self.ranges.push(IdRange { first, last, pointer: pointer.to_owned() });
        if row.number_step < 1 {
            let message = "The step from seat number to seat number is at least 1.";
            self.fault(&format!("{pointer}/numberStep"), message);
        }
        let reach = u64::from(row.first_number) + steps * u64::from(row.number_step);
        if reach > u64::from(u32::MAX) {
            let message = format!("The last seat would have number {reach}; that is too large.");
            self.fault(&format!("{pointer}/firstNumber"), message);
        }
    }

    fn totals(&mut self) {
        if self.blocks > BLOCKS_MAX {
            let message = format!("A site has at most {BLOCKS_MAX} blocks, not {}.", self.blocks);
            self.fault("/areas", message);
        }
        if self.seats > SEATS_MAX {
            let message = format!("A site has at most {SEATS_MAX} seats, not {}.", self.seats);
            self.fault("/areas", message);
        }
    }

    /// Rows must not share a seat id, because then one seat would be sold as two, or two as one.
    fn overlaps(&mut self) {
        let mut ranges = std::mem::take(&mut self.ranges);
        // A stable sort: of two rows that start together, the earlier in the plan comes first.
        ranges.sort_by_key(|range| range.first);
        let mut reach: Option<&IdRange> = None;
        for range in &ranges {
            if let Some(other) = reach.filter(|other| other.last >= range.first) {
                let message = format!(
                    "Seat ids {} to {} are also those of {}; every seat needs its own id.",
                    range.first,
                    other.last.min(range.last),
                    other.pointer
                );
                self.fault(&format!("{}/firstSeatId", range.pointer), message);
            }
            if reach.is_none_or(|other| other.last < range.last) {
                reach = Some(range);
            }
        }
    }

    fn alike(&mut self, plan: &SitePlan) {
        for fault in alike(plan) {
            self.fault(&fault.pointer, fault.message);
        }
    }

    fn some(&mut self, pointer: &str, count: usize, message: &str) {
        if count == 0 {
            self.fault(pointer, message);
        }
    }

    fn id(&mut self, pointer: &str, what: &'static str, id: u32) {
        if id < 1 || u64::from(id) > ID_MAX {
            self.fault(&format!("{pointer}/id"), format!("{what}s are 1 to {ID_MAX}."));
        }
        self.unique(pointer, "id", what, id.to_string());
    }

    fn unique(&mut self, pointer: &str, field: &str, what: &'static str, value: String) {
        let shown = shorten(&value);
        if let Some(first) = self.seen.get(&(what, value.clone())) {
            let message = format!("{what} {shown} is used before, at {first}; give it another.");
            self.fault(&format!("{pointer}/{field}"), message);
        } else {
            self.seen.insert((what, value), pointer.to_owned());
        }
    }

    fn grade_exists(&mut self, pointer: &str, code: &str) {
        if !self.grades.contains(code) {
            let message = format!(
                "There is no grade {}; add it to the grades, or use one of theirs.",
                shorten(code)
            );
            self.fault(&format!("{pointer}/grade"), message);
        }
    }

    fn text(&mut self, pointer: &str, what: &str, text: &str, most: usize) {
        if !(1..=most).contains(&text.chars().count()) {
            self.fault(pointer, format!("{what} has 1 to {most} characters."));
        } else if text.trim() != text
            || text.chars().any(|letter| letter.is_control() || is_invisible(letter))
        {
            let message = format!(
                "{what} has no space at either end, no control characters and none that can't be \
                 seen; trim it."
            );
            self.fault(pointer, message);
        }
    }

    fn outline(&mut self, pointer: &str, outline: &[Point]) {
        let list = format!("{pointer}/outline");
        if !(3..=200).contains(&outline.len()) {
            let message = format!("An outline has 3 to 200 points, not {}.", outline.len());
            self.fault(&list, message);
        }
        for (at, point) in outline.iter().enumerate() {
            self.point(&format!("{list}/{at}"), *point);
        }
    }

    fn point(&mut self, pointer: &str, point: Point) -> bool {
        let sound = point.iter().all(|metres| metres.abs() <= METRES_MAX);
        if !sound {
            let message = format!("Coordinates are metres from -{METRES_MAX} to {METRES_MAX}.");
            self.fault(pointer, message);
        }
        sound
    }
}

/// A text of the plan, quoted and short enough for a message.
fn shorten(text: &str) -> String {
    match text.grapheme_indices(true).nth(30) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
