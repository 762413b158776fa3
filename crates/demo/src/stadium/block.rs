//! A block of a stand: a piece of a ring. Each row has as many seats as fit into it.

use crate::stadium::ring::{Ring, centimetres};
use serde_json::{Value, json};

/// Half the width of the aisle between two blocks, in metres.
const AISLE_HALF_M: f64 = 0.4;
/// Distance from the outline of a block to the centre of its outermost seats, in metres: at least
/// half a seat.
const SEAT_MARGIN_M: f64 = 0.4;

/// A piece of a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) ring: Ring,
    /// Where the piece begins and ends, in degrees. `from` is smaller than `to`.
    pub(super) from: f64,
    pub(super) to: f64,
    /// Depth of the first row, in metres.
    pub(super) depth: f64,
    pub(super) rows: u32,
    /// Distance between rows, and between seats, in metres.
    pub(super) row_step: f64,
    pub(super) seat_step: f64,
    /// How many metres each row ends before the row in front of it, at either end: a slanted side.
    pub(super) slant: [f64; 2],
    pub(super) grade: &'static str,
}

impl Piece {
    /// Returns the same piece on the other side of the field.
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

    /// Returns the block with its rows. The number of a block is its name and its id. The id of a
    /// seat consists of block, row and seat (1010312 is seat 12 in row 3 of block 101), so that it
    /// does not change when another row gains or loses a seat.
    pub(super) fn block(self, number: u32) -> Value {
        let rows = (1..=self.rows).filter_map(|row| self.row(row, number * 10_000 + row * 100 + 1));
        json!({
            "id": number,
            "name": number.to_string(),
            "grade": self.grade,
            "outline": self.outline().into_iter().map(centimetres).collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    fn row_depth(self, row: u32) -> f64 {
        self.depth + self.row_step * f64::from(row - 1)
    }

    /// Returns the angles of both sides at this depth. An aisle lies beyond each side.
    fn sides(self, depth: f64) -> (f64, f64) {
        let [from, to] = self.slant.map(|slant| {
            let rows = (depth - self.depth) / self.row_step;
            self.ring.degrees(AISLE_HALF_M + slant * rows.max(0.0), depth)
        });
        (self.from + from, self.to - to)
    }

    fn row(self, row: u32, first_seat_id: u32) -> Option<Value> {
        let depth = self.row_depth(row);
        let (from, to) = self.sides(depth);
        let radius = self.ring.front + depth;
        let room = (to - from).to_radians() * radius - 2.0 * SEAT_MARGIN_M;
        let steps = (room / self.seat_step).floor();
        if steps < 1.0 {
            return None;
        }
        let half = self.ring.degrees(self.seat_step * steps, depth) / 2.0;
        let middle = f64::midpoint(from, to);
        let bow = radius * (1.0 - half.to_radians().cos());
        Some(json!({
            "label": row.to_string(),
            "firstSeatId": first_seat_id,
            "seats": steps as u32 + 1,
            "from": centimetres(self.ring.at(middle - half, depth)),
            "to": centimetres(self.ring.at(middle + half, depth)),
            "bow": (bow * 1000.0).round() / 1000.0,
        }))
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
