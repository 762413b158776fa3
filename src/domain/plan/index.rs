//! Finds each seat of a plan. It is built once from a checked plan, and every request uses it.
//! Seats are stored as rows (about one entry for 20 seats), so that a site of 25,000 seats takes
//! well under 200 KiB, and a look-up is a binary search over the rows.

use super::arc::{arc_point, share};
use super::{Block, LANGUAGES, Label, Language, Point, Row, SitePlan};
use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId};
use std::ops::Range;

/// A plan, ready for look-ups.
///
/// The **position** of a seat is its place in plan order (area, section, block, row, seat), from 0
/// and without gaps; so the seats of a row, and those of a block, are a range of positions.
#[derive(Debug, Clone)]
pub struct PlanIndex {
    focus: Point,
    seats: u32,
    /// In plan order, hence sorted by position.
    rows: Vec<RowEntry>,
    /// First seat id and number of each row, sorted by id.
    rows_by_id: Vec<(u32, u32)>,
    /// In plan order, hence sorted by position.
    blocks: Vec<BlockEntry>,
    /// Id and number of each block, sorted by id.
    blocks_by_id: Vec<(u32, u32)>,
    grades: Vec<(Box<str>, i64)>,
}

/// The row of a seat, and its place in the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSeat<'a> {
    /// Block of the row.
    pub block: BlockId,
    /// Place of the row within its block, from 0: the row nearest to the focus.
    pub row: u32,
    /// The name of the row on the ticket.
    pub label: &'a str,
    /// The name of the seat on the ticket.
    pub number: u32,
    /// Positions of all seats of the row; neighbours are side by side.
    pub positions: Range<u32>,
}

#[derive(Debug, Clone)]
struct RowEntry {
    first_seat_id: u32,
    first_position: u32,
    seats: u32,
    first_number: u32,
    number_step: u32,
    block: u32,
    grade: Option<u32>,
    from: Point,
    to: Point,
    bow: f32,
    label: Box<str>,
}

#[derive(Debug, Clone)]
struct BlockEntry {
    id: BlockId,
    section: SectionId,
    area: AreaId,
    first_row: u32,
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
            rows: Vec::new(),
            rows_by_id: Vec::new(),
            blocks: Vec::new(),
            blocks_by_id: Vec::new(),
            grades: plan.grades.iter().map(|g| (g.code.as_str().into(), g.price)).collect(),
        };
        for area in &plan.areas {
            for section in &area.sections {
                for block in &section.blocks {
                    let text = |language: Language| language.block_text(area, section, block);
                    let texts = LANGUAGES.map(|language| text(language).into_boxed_str());
                    index.add_block(block, (area.id, section.id), texts);
                }
            }
        }
        index.rows.shrink_to_fit();
        index.rows_by_id = sorted(index.rows.iter().map(|row| row.first_seat_id));
        index.blocks_by_id = sorted(index.blocks.iter().map(|block| block.id.0));
        index
    }

    fn add_block(
        &mut self,
        block: &Block,
        (area, section): (AreaId, SectionId),
        texts: [Box<str>; LANGUAGES.len()],
    ) {
        let (first_row, first_position) = (self.rows.len() as u32, self.seats);
        for row in &block.rows {
            self.add_row(row, row.grade.as_ref().unwrap_or(&block.grade));
        }
        let positions = first_position..self.seats;
        self.blocks.push(BlockEntry { id: block.id, section, area, first_row, positions, texts });
    }

    fn add_row(&mut self, row: &Row, grade: &str) {
        let grade = self.grade_number(grade);
        self.rows.push(RowEntry {
            first_seat_id: row.first_seat_id.0,
            first_position: self.seats,
            seats: row.seats,
            first_number: row.first_number,
            number_step: row.number_step,
            block: self.blocks.len() as u32,
            grade,
            from: row.from,
            to: row.to,
            bow: row.bow,
            label: row.label.as_str().into(),
        });
        self.seats = self.seats.saturating_add(row.seats);
    }

    /// How many seats the site has; positions are `0..seat_count()`.
    pub fn seat_count(&self) -> u32 {
        self.seats
    }

    /// The point where everybody looks. "Best" is measured from here.
    pub fn focus(&self) -> Point {
        self.focus
    }

    /// The position of a seat; `None` when the site has no such seat.
    pub fn position(&self, seat: SeatId) -> Option<u32> {
        self.find(seat).map(|(row, offset)| row.first_position + offset)
    }

    /// The seat at a position.
    ///
    /// # Panics
    /// When the position is not below `seat_count()`, because positions come from this index.
    pub fn seat_at(&self, position: u32) -> SeatId {
        assert!(position < self.seats, "position {position} of {} seats", self.seats);
        let row = &self.rows[self.rows.partition_point(|row| row.first_position <= position) - 1];
        SeatId(row.first_seat_id + (position - row.first_position))
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

    /// All rows with their block, their section and the positions of their seats, in plan order. A
    /// walk over all seats needs no look-up per seat in this way.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (BlockId, SectionId, Range<u32>)> + '_ {
        self.rows.iter().map(|row| {
            let block = &self.blocks[row.block as usize];
            (block.id, block.section, row.positions())
        })
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

    /// The label on the ticket in each language: `Infield Home 101, row 3, seat 12`.
    pub fn label(&self, seat: SeatId) -> Option<Label> {
        let (row, offset) = self.find(seat)?;
        let texts = &self.blocks[row.block as usize].texts;
        let label = |language: Language| {
            language.label(&texts[language as usize], &row.label, row.number(offset))
        };
        Some(Label { english: label(Language::English), korean: label(Language::Korean) })
    }

    /// The beginnings of the labels of each block, in plan order.
    pub fn block_texts(&self, language: Language) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(move |block| &*block.texts[language as usize])
    }

    /// The row of a seat, and its place in the row.
    pub fn row_of(&self, seat: SeatId) -> Option<RowSeat<'_>> {
        let (row, offset) = self.find(seat)?;
        let block = &self.blocks[row.block as usize];
        let at = self.rows.partition_point(|other| other.first_position < row.first_position);
        Some(RowSeat {
            block: block.id,
            row: at as u32 - block.first_row,
            label: &row.label,
            number: row.number(offset),
            positions: row.positions(),
        })
    }

    /// The point of a seat, on the line or the arc of its row (`arc.rs` has the formula).
    pub fn point(&self, seat: SeatId) -> Option<Point> {
        let (row, offset) = self.find(seat)?;
        Some(arc_point(row.from, row.to, row.bow, share(offset, row.seats)))
    }

    /// The row of a seat, and how many seats of the row stand before it.
    fn find(&self, seat: SeatId) -> Option<(&RowEntry, u32)> {
        let next = self.rows_by_id.partition_point(|(first, _)| *first <= seat.0);
        let (first, row) = *self.rows_by_id.get(next.checked_sub(1)?)?;
        let (row, offset) = (&self.rows[row as usize], seat.0 - first);
        (offset < row.seats).then_some((row, offset))
    }

    fn find_block(&self, seat: SeatId) -> Option<&BlockEntry> {
        self.find(seat).map(|(row, _)| &self.blocks[row.block as usize])
    }

    fn find_grade(&self, seat: SeatId) -> Option<&(Box<str>, i64)> {
        let (row, _) = self.find(seat)?;
        self.grades.get(row.grade? as usize)
    }
}

impl RowEntry {
    fn number(&self, offset: u32) -> u32 {
        self.first_number.saturating_add(offset.saturating_mul(self.number_step))
    }

    fn positions(&self) -> Range<u32> {
        self.first_position..self.first_position.saturating_add(self.seats)
    }
}

/// Each id with its place in the list, sorted by id.
fn sorted(ids: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut list: Vec<(u32, u32)> = ids.zip(0..).collect();
    list.sort_unstable();
    list
}
