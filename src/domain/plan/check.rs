//! The rules of a site plan. A plan is accepted or refused as a whole. A refusal names every fault,
//! so that its author can mend all of them at once (docs/SITE-PLAN.md lists the rules for people).

use super::alike::alike;
use super::fault::PlanFault;
use super::{Area, Block, Grade, PLAN_BYTES_MAX, Point, Section, SitePlan};
use crate::domain::money::CHARGE_MIN;
use crate::domain::text::is_invisible;
use std::collections::{HashMap, HashSet};
use unicode_segmentation::UnicodeSegmentation as _;

/// The most faults that one check lists.
const FAULTS_MAX: usize = 200;
pub(super) const SEATS_MAX: u64 = 200_000;
const BLOCKS_MAX: usize = 5_000;
const GRADES_MAX: usize = 100;
const PRICE_MAX: i64 = 10_000_000;
pub(super) const METRES_MAX: f32 = 10_000.0;
/// Ids stay below 2^31, so that they fit a signed 32-bit integer wherever they go.
pub(super) const ID_MAX: u64 = (1 << 31) - 1;
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
        check.size(self);
        check.overlaps();
        if check.seats <= SEATS_MAX {
            check.alike(self);
        }
        check.into_faults()
    }
}

/// One row's range of seat ids, and where in the plan it is.
pub(super) struct IdRange {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) pointer: String,
    /// The field of the first id.
    pub(super) field: &'static str,
}

#[derive(Default)]
pub(super) struct Check<'a> {
    faults: Vec<PlanFault>,
    unlisted: usize,
    /// Where each id and grade code was first seen; the kind keeps their spaces apart.
    seen: HashMap<(&'static str, String), String>,
    /// The grades of the plan, good or not, so that a wrong code is listed once and not at each
    /// use.
    grades: HashSet<&'a str>,
    pub(super) ranges: Vec<IdRange>,
    blocks: usize,
    pub(super) seats: u64,
    pub(super) floors: HashSet<u32>,
    pub(super) attributes: HashSet<&'a str>,
    pub(super) external_ids: HashMap<&'a str, String>,
}

impl<'a> Check<'a> {
    pub(super) fn fault(&mut self, pointer: &str, message: impl Into<String>) {
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
        self.drawing(plan);
        if plan.grades.is_empty() || plan.grades.len() > GRADES_MAX {
            self.fault("/grades", format!("A plan has 1 to {GRADES_MAX} grades with prices."));
        }
        self.grades = plan.grades.iter().map(|grade| grade.code.as_str()).collect();
        self.some("/areas", plan.areas.len(), "A plan needs at least one area.");
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
        self.color(pointer, Some(&grade.color));
    }

    fn area(&mut self, pointer: &str, area: &'a Area) {
        self.id(pointer, "Area id", area.id.0);
        self.text(&format!("{pointer}/name"), "An area's name", &area.name, 100);
        let list = format!("{pointer}/sections");
        self.some(&list, area.sections.len(), "An area needs at least one section.");
        for (at, section) in area.sections.iter().enumerate() {
            self.section(&format!("{list}/{at}"), section);
        }
    }

    fn section(&mut self, pointer: &str, section: &'a Section) {
        self.id(pointer, "Section id", section.id.0);
        self.text(&format!("{pointer}/name"), "A section's name", &section.name, 100);
        let list = format!("{pointer}/blocks");
        self.some(&list, section.blocks.len(), "A section needs at least one block.");
        for (at, block) in section.blocks.iter().enumerate() {
            self.block(&format!("{list}/{at}"), block);
        }
    }

    fn block(&mut self, pointer: &str, block: &'a Block) {
        self.blocks += 1;
        self.id(pointer, "Block id", block.id.0);
        self.text(&format!("{pointer}/name"), "A block's name", &block.name, 100);
        self.grade_exists(pointer, &block.grade);
        self.floor_exists(pointer, block.floor);
        self.outline(&format!("{pointer}/outline"), &block.outline);
        self.outlines(&format!("{pointer}/moreOutlines"), &block.more_outlines);
        match &block.places {
            None => self.rows(&format!("{pointer}/rows"), block),
            Some(places) => self.places(pointer, block, places),
        }
        self.attributes(pointer, block);
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

    /// A larger plan is not taken by the API.
    fn size(&mut self, plan: &SitePlan) {
        let bytes = serde_json::to_vec(plan).map_or(0, |text| text.len());
        if bytes > PLAN_BYTES_MAX {
            let message = format!(
                "A plan has at most {PLAN_BYTES_MAX} bytes as JSON without spaces, not {bytes}. \
                 Give lines instead of points, round coordinates, and make images smaller."
            );
            self.fault("", message);
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
                self.fault(&format!("{}/{}", range.pointer, range.field), message);
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

    pub(super) fn some(&mut self, pointer: &str, count: usize, message: &str) {
        if count == 0 {
            self.fault(pointer, message);
        }
    }

    pub(super) fn id(&mut self, pointer: &str, what: &'static str, id: u32) {
        if id < 1 || u64::from(id) > ID_MAX {
            self.fault(&format!("{pointer}/id"), format!("{what}s are 1 to {ID_MAX}."));
        }
        self.unique(pointer, "id", what, id.to_string());
    }

    pub(super) fn unique(&mut self, pointer: &str, field: &str, what: &'static str, value: String) {
        let shown = shorten(&value);
        if let Some(first) = self.seen.get(&(what, value.clone())) {
            let message = format!("{what} {shown} is used before, at {first}; give it another.");
            self.fault(&format!("{pointer}/{field}"), message);
        } else {
            self.seen.insert((what, value), pointer.to_owned());
        }
    }

    pub(super) fn grade_exists(&mut self, pointer: &str, code: &str) {
        if !self.grades.contains(code) {
            let message = format!(
                "There is no grade {}; add it to the grades, or use one of theirs.",
                shorten(code)
            );
            self.fault(&format!("{pointer}/grade"), message);
        }
    }

    pub(super) fn text(&mut self, pointer: &str, what: &str, text: &str, most: usize) {
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

    pub(super) fn point(&mut self, pointer: &str, point: Point) -> bool {
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
