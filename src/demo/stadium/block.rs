//! One block of a stand: a piece of a ring, filled with as many seats as fit each of its rows.

use super::ring::{Ring, centimetres};
use crate::domain::ids::{BlockId, SeatId};
use crate::domain::plan::{Block, Row};

/// Half the width of the aisle between two blocks, in metres.
const HALF_AISLE: f64 = 0.4;
/// From the outline of a block to the centre of its outermost seats: half a seat, at least.
const MARGIN: f64 = 0.4;

/// A piece of a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) ring: Ring,
    /// Where it begins and ends, in degrees; the first is the smaller one.
    pub(super) from: f64,
    pub(super) to: f64,
    /// Depth of the first row.
    pub(super) depth: f64,
    pub(super) rows: u32,
    /// From row to row, and from seat to seat, in metres.
    pub(super) row_step: f64,
    pub(super) seat_step: f64,
    /// By how many metres each row gives way at either end (a slanted side).
    pub(super) slant: [f64; 2],
    pub(super) grade: &'static str,
}

impl Piece {
    /// The same piece on the other side of the field.
    pub(super) fn mirrored(self) -> Self {
        let [from, to] = self.slant;
        Self {
            ring: self.ring.mirrored(),
            from: -self.to,
            to: -self.from,
            slant: [to, from],
            ..self
        }
    }

    /// The block with its rows. The number of a block is its name and its id; the id of a seat
    /// reads as block, row, seat (1010312 is seat 12 in row 3 of block 101), so that it stays
    /// what it is when another row gains or loses a seat.
    pub(super) fn block(self, number: u32) -> Block {
        let rows = (1..=self.rows)
            .filter_map(|row| self.row(row, number * 10_000 + row * 100 + 1))
            .collect();
        Block {
            id: BlockId(number),
            name: number.to_string(),
            grade: self.grade.to_owned(),
            outline: self.outline().into_iter().map(centimetres).collect(),
            rows,
        }
    }

    fn row_depth(self, row: u32) -> f64 {
        self.depth + self.row_step * f64::from(row - 1)
    }

    /// Where the sides of the block are, at a depth; an aisle lies beyond them.
    fn sides(self, depth: f64) -> (f64, f64) {
        let [from, to] = self.slant.map(|slant| {
            let rows = (depth - self.depth) / self.row_step;
            self.ring.degrees(HALF_AISLE + slant * rows.max(0.0), depth)
        });
        (self.from + from, self.to - to)
    }

    fn row(self, row: u32, first_seat_id: u32) -> Option<Row> {
        let depth = self.row_depth(row);
        let (from, to) = self.sides(depth);
        let radius = self.ring.front + depth;
        let room = (to - from).to_radians() * radius - 2.0 * MARGIN;
        let steps = (room / self.seat_step).floor();
        if steps < 1.0 {
            return None;
        }
        let half = self.ring.degrees(self.seat_step * steps, depth) / 2.0;
        let middle = f64::midpoint(from, to);
        let bow = radius * (1.0 - half.to_radians().cos());
        Some(Row {
            label: row.to_string(),
            first_seat_id: SeatId(first_seat_id),
            seats: steps as u32 + 1,
            first_number: 1,
            number_step: 1,
            grade: None,
            from: centimetres(self.ring.at(middle - half, depth)),
            to: centimetres(self.ring.at(middle + half, depth)),
            bow: ((bow * 1000.0).round() / 1000.0) as f32,
        })
    }

    fn outline(self) -> Vec<[f64; 2]> {
        let front = self.depth - 0.5;
        let back = self.row_depth(self.rows) + 0.5;
        let (front_from, front_to) = self.sides(front);
        let (back_from, back_to) = self.sides(back);
        let mut outline = self.ring.arc(front_from, front_to, front);
        outline.extend(self.ring.arc(back_to, back_from, back));
        outline
    }
}
