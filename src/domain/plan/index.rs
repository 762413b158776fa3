//! Finds each seat of a plan. It is built once from a checked plan, and every request uses it.
//! Seats are stored as runs (about one entry for 20 seats), so that a site of 25,000 seats takes
//! well under 200 KiB, and a look-up is a binary search over the runs.

use super::{
    ACCESSIBLE, Area, Block, COMPANION, LANGUAGES, Label, Language, Places, Point, Row, Run,
    Section, SitePlan,
};
use crate::domain::free_seats::FreeSeats;
use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// A plan, ready for look-ups.
///
/// The **position** of a seat is its place in plan order (area, section, block, row, seat), from 0
/// and without gaps; so the seats of a row, and those of a block, are a range of positions. A place
/// without a seat has a position too.
#[derive(Debug, Clone)]
pub struct PlanIndex {
    focus: Point,
    seats: u32,
    /// In plan order, hence sorted by position.
    pub(super) runs: Vec<RunEntry>,
    /// First seat id and number of each run, sorted by id.
    runs_by_id: Vec<(u32, u32)>,
    /// In plan order, hence sorted by position.
    pub(super) blocks: Vec<BlockEntry>,
    /// Id and number of each block, sorted by id.
    blocks_by_id: Vec<(u32, u32)>,
    grades: Vec<(Box<str>, i64)>,
    /// Positions of the seats that have an external id, sorted by it.
    by_external_id: Vec<u32>,
    /// The positions of each attribute.
    attributes: BTreeMap<Box<str>, FreeSeats>,
    /// Accessible and companion seats, and places without seats: nobody gets them unasked.
    on_request: FreeSeats,
}

#[derive(Debug, Clone)]
pub(super) struct RunEntry {
    first_seat_id: u32,
    pub(super) first_position: u32,
    seats: u32,
    pub(super) block: u32,
    pub(super) grade: Option<u32>,
    pub(super) unit_seats: u32,
    /// It continues the group of the run before it.
    pub(super) joined: bool,
    kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Seats(Box<SeatRun>),
    Places,
}

#[derive(Debug, Clone)]
pub(super) struct SeatRun {
    /// Without its grade.
    run: Run,
    label: Box<str>,
}

#[derive(Debug, Clone)]
pub(super) struct BlockEntry {
    pub(super) id: BlockId,
    pub(super) section: SectionId,
    pub(super) area: AreaId,
    positions: Range<u32>,
    /// How a ticket begins in each language: the names of area, section and block.
    texts: [Box<str>; LANGUAGES.len()],
}

impl PlanIndex {
    /// The index of a plan in which `check` found no fault. For any other plan it is wrong.
    pub fn new(plan: &SitePlan) -> Self {
        let mut index = Self {
            focus: plan.focus,
            seats: 0,
            runs: Vec::new(),
            runs_by_id: Vec::new(),
            blocks: Vec::new(),
            blocks_by_id: Vec::new(),
            grades: plan.grades.iter().map(|g| (g.code.as_str().into(), g.price)).collect(),
            by_external_id: Vec::new(),
            attributes: BTreeMap::new(),
            on_request: FreeSeats::empty(0),
        };
        for (area, section, block) in plan.blocks() {
            let text = |language: Language| language.block_text(area, section, block);
            let texts = LANGUAGES.map(|language| text(language).into_boxed_str());
            index.add_block(block, (area, section), texts);
        }
        index.runs.shrink_to_fit();
        index.runs_by_id = sorted(index.runs.iter().map(|run| run.first_seat_id));
        index.blocks_by_id = sorted(index.blocks.iter().map(|block| block.id.0));
        index.add_attributes(plan);
        let with_id = (0..index.seats).filter(|position| index.external_id_at(*position).is_some());
        let mut by_external_id: Vec<u32> = with_id.collect();
        by_external_id.sort_by_key(|position| index.external_id_at(*position));
        index.by_external_id = by_external_id;
        index
    }

    fn add_block(
        &mut self,
        block: &Block,
        (area, section): (&Area, &Section),
        texts: [Box<str>; LANGUAGES.len()],
    ) {
        let first_position = self.seats;
        for row in &block.rows {
            self.add_row(row, block);
        }
        if let Some(Places { first_seat_id, count }) = block.places {
            let grade = self.grade_number(&block.grade);
            self.add_run(first_seat_id, count, grade, (1, false), Kind::Places);
        }
        self.blocks.push(BlockEntry {
            id: block.id,
            section: section.id,
            area: area.id,
            positions: first_position..self.seats,
            texts,
        });
    }

    fn add_row(&mut self, row: &Row, block: &Block) {
        let mut before: Option<(Option<u32>, u32)> = None;
        for run in &row.runs {
            let grade = self.grade_number(block.grade_of(row, run));
            // A unit has no neighbours, and seats of two grades are not sold together.
            let joined = run.joined && run.unit_seats == 1 && before == Some((grade, 1));
            before = Some((grade, run.unit_seats));
            let seats = SeatRun {
                run: Run { grade: None, ..run.clone() },
                label: row.label.as_str().into(),
            };
            let kind = Kind::Seats(Box::new(seats));
            self.add_run(run.first_seat_id, run.seats, grade, (run.unit_seats, joined), kind);
        }
    }

    fn add_run(
        &mut self,
        first_seat_id: SeatId,
        seats: u32,
        grade: Option<u32>,
        (unit_seats, joined): (u32, bool),
        kind: Kind,
    ) {
        self.runs.push(RunEntry {
            first_seat_id: first_seat_id.0,
            first_position: self.seats,
            seats,
            block: self.blocks.len() as u32,
            grade,
            unit_seats: unit_seats.max(1),
            joined,
            kind,
        });
        self.seats = self.seats.saturating_add(seats);
    }

    fn add_attributes(&mut self, plan: &SitePlan) {
        let mut positions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (_, _, block) in plan.blocks() {
            for (name, seats) in &block.attributes {
                let found = seats.iter().filter_map(|seat| self.position(*seat));
                positions.entry(name).or_default().extend(found);
            }
        }
        let mut on_request = FreeSeats::empty(self.seats);
        for (name, positions) in positions {
            let mut set = FreeSeats::empty(self.seats);
            for position in positions {
                set.insert(position);
                if name == ACCESSIBLE || name == COMPANION {
                    on_request.insert(position);
                }
            }
            self.attributes.insert(name.into(), set);
        }
        for run in self.runs.iter().filter(|run| matches!(run.kind, Kind::Places)) {
            run.positions().for_each(|position| on_request.insert(position));
        }
        self.on_request = on_request;
    }

    /// How many seats and places the site has; positions are `0..seat_count()`.
    pub fn seat_count(&self) -> u32 {
        self.seats
    }

    /// The point where everybody looks. "Best" is measured from here.
    pub fn focus(&self) -> Point {
        self.focus
    }

    /// The position of a seat; `None` when the site has no such seat.
    pub fn position(&self, seat: SeatId) -> Option<u32> {
        self.find(seat).map(|(run, offset)| run.first_position + offset)
    }

    /// The seat at a position.
    ///
    /// # Panics
    /// When the position is not below `seat_count()`, because positions come from this index.
    pub fn seat_at(&self, position: u32) -> SeatId {
        let (run, offset) = self.run_at(position);
        SeatId(run.first_seat_id + offset)
    }

    /// The seat with an external id.
    pub fn seat_by_external_id(&self, id: &str) -> Option<SeatId> {
        let found = self
            .by_external_id
            .binary_search_by(|position| self.external_id_at(*position).cmp(&Some(id)))
            .ok()?;
        Some(self.seat_at(self.by_external_id[found]))
    }

    /// The organiser's own id of a seat.
    pub fn external_id(&self, seat: SeatId) -> Option<&str> {
        let (run, offset) = self.find(seat)?;
        run.seats()?.run.external_id(offset)
    }

    fn external_id_at(&self, position: u32) -> Option<&str> {
        let (run, offset) = self.run_at(position);
        run.seats()?.run.external_id(offset)
    }

    /// The block of a seat.
    pub fn block_of(&self, seat: SeatId) -> Option<BlockId> {
        self.find_block(seat).map(|block| block.id)
    }

    /// The section of a seat.
    pub fn section_of(&self, seat: SeatId) -> Option<SectionId> {
        self.find_block(seat).map(|block| block.section)
    }

    /// The area of a seat.
    pub fn area_of(&self, seat: SeatId) -> Option<AreaId> {
        self.find_block(seat).map(|block| block.area)
    }

    /// The positions of the seats of a block; `None` when the site has no such block.
    pub fn block_range(&self, block: BlockId) -> Option<Range<u32>> {
        let at = self.blocks_by_id.binary_search_by_key(&block.0, |(id, _)| *id).ok()?;
        let (_, number) = self.blocks_by_id[at];
        Some(self.blocks[number as usize].positions.clone())
    }

    /// All blocks with the positions of their seats, in plan order.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = (BlockId, Range<u32>)> + '_ {
        self.blocks.iter().map(|block| (block.id, block.positions.clone()))
    }

    /// Whether an id is that of a place without a seat, which nobody chooses.
    pub fn is_place(&self, seat: SeatId) -> bool {
        self.find(seat).is_some_and(|(run, _)| run.seats().is_none())
    }

    /// The positions that have an attribute; `None` when no seat of the site has it.
    pub fn with_attribute(&self, name: &str) -> Option<&FreeSeats> {
        self.attributes.get(name)
    }

    /// The attributes of a seat.
    pub fn attributes_of(&self, seat: SeatId) -> impl Iterator<Item = &str> {
        let position = self.position(seat);
        let has = move |set: &FreeSeats| position.is_some_and(|position| set.contains(position));
        self.attributes.iter().filter(move |(_, set)| has(set)).map(|(name, _)| &**name)
    }

    /// The positions that nobody gets unasked: accessible and companion seats, and places without
    /// seats.
    pub fn on_request(&self) -> &FreeSeats {
        &self.on_request
    }

    /// The price of a seat in KRW.
    pub fn price(&self, seat: SeatId) -> Option<i64> {
        self.find_grade(seat).map(|(_, price)| *price)
    }

    /// The code of the grade of a seat.
    pub fn grade(&self, seat: SeatId) -> Option<&str> {
        self.find_grade(seat).map(|(code, _)| &**code)
    }

    /// The number of a grade in the plan, from 0.
    pub fn grade_number(&self, code: &str) -> Option<u32> {
        let at = self.grades.iter().position(|(known, _)| **known == *code)?;
        Some(at as u32)
    }

    /// The number of the grade of a seat.
    pub fn grade_number_of(&self, seat: SeatId) -> Option<u32> {
        self.find(seat)?.0.grade
    }

    /// The label on the ticket in each language: `Infield Home 101, row 3, seat 12`. A place
    /// without a seat has that of its block.
    pub fn label(&self, seat: SeatId) -> Option<Label> {
        let (run, offset) = self.find(seat)?;
        let texts = &self.blocks[run.block as usize].texts;
        let (row, name) = match run.seats() {
            Some(seats) => (&*seats.label, seats.run.name(offset)),
            None => ("", Cow::Borrowed("")),
        };
        let label = |language: Language| language.label(&texts[language as usize], row, &name);
        Some(Label { english: label(Language::English), korean: label(Language::Korean) })
    }

    /// The beginnings of the labels of each block, in plan order.
    pub fn block_texts(&self, language: Language) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(move |block| &*block.texts[language as usize])
    }

    /// The point of a seat, on the line or the arc of its run (`arc.rs` has the formula); `None`
    /// for a place without a seat.
    pub fn point(&self, seat: SeatId) -> Option<Point> {
        let (run, offset) = self.find(seat)?;
        Some(run.seats()?.run.point(offset))
    }

    /// The run of a seat, and how many seats of the run stand before it.
    pub(super) fn find(&self, seat: SeatId) -> Option<(&RunEntry, u32)> {
        let next = self.runs_by_id.partition_point(|(first, _)| *first <= seat.0);
        let (first, run) = *self.runs_by_id.get(next.checked_sub(1)?)?;
        let (run, offset) = (&self.runs[run as usize], seat.0 - first);
        (offset < run.seats).then_some((run, offset))
    }

    fn run_at(&self, position: u32) -> (&RunEntry, u32) {
        assert!(position < self.seats, "position {position} of {} seats", self.seats);
        let run = &self.runs[self.runs.partition_point(|run| run.first_position <= position) - 1];
        (run, position - run.first_position)
    }

    fn find_block(&self, seat: SeatId) -> Option<&BlockEntry> {
        self.find(seat).map(|(run, _)| &self.blocks[run.block as usize])
    }

    fn find_grade(&self, seat: SeatId) -> Option<&(Box<str>, i64)> {
        let (run, _) = self.find(seat)?;
        self.grades.get(run.grade? as usize)
    }
}

impl RunEntry {
    pub(super) fn positions(&self) -> Range<u32> {
        self.first_position..self.first_position.saturating_add(self.seats)
    }

    pub(super) fn seats(&self) -> Option<&SeatRun> {
        match &self.kind {
            Kind::Seats(seats) => Some(seats),
            Kind::Places => None,
        }
    }
}

/// Each id with its place in the list, sorted by id.
fn sorted(ids: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut list: Vec<(u32, u32)> = ids.zip(0..).collect();
    list.sort_unstable();
    list
}
