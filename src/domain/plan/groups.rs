//! Who sits side by side, and what is sold only together.

use super::index::{PlanIndex, RunEntry};
use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId};
use std::ops::Range;

/// Seats side by side, of one grade: a row, or a part of it between two aisles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub area: AreaId,
    pub section: SectionId,
    pub block: BlockId,
    /// The number of the grade in the plan.
    pub grade: Option<u32>,
    /// Neighbours are side by side.
    pub positions: Range<u32>,
    /// The seats are sold only in units of so many, from the first position on; 1: each alone.
    pub unit_seats: u32,
}

impl Group {
    /// Whether seats side by side in the group are whole units.
    pub fn has_whole_units(&self, window: &Range<u32>) -> bool {
        let before = window.start - self.positions.start;
        before.is_multiple_of(self.unit_seats)
            && (window.len() as u32).is_multiple_of(self.unit_seats)
    }
}

impl PlanIndex {
    /// All groups of neighbours, in plan order. A walk over all seats needs no look-up per seat in
    /// this way. Places without seats are in no group.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        let mut runs = self.runs.iter().filter(|run| run.seats().is_some()).peekable();
        std::iter::from_fn(move || {
            let first = runs.next()?;
            let mut positions = first.positions();
            while let Some(next) = runs.next_if(|next| next.joined) {
                positions.end = next.positions().end;
            }
            Some(self.group(first, positions))
        })
    }

    /// Places without seats, by block, in plan order. They are in the form of a group, although
    /// nobody there has neighbours.
    pub fn places(&self) -> impl Iterator<Item = Group> + '_ {
        let places = self.runs.iter().filter(|run| run.seats().is_none());
        places.map(|run| self.group(run, run.positions()))
    }

    /// The neighbours of a seat, with itself; `None` for a place without a seat.
    pub fn group_of(&self, seat: SeatId) -> Option<Group> {
        let (run, _) = self.find(seat)?;
        run.seats()?;
        let at = self.runs.partition_point(|other| other.first_position < run.first_position);
        let first = (0..=at).rev().find(|at| !self.runs[*at].joined)?;
        let joined = self.runs[first + 1..].iter().take_while(|run| run.joined);
        let last = joined.last().unwrap_or(&self.runs[first]);
        let positions = self.runs[first].first_position..last.positions().end;
        Some(self.group(&self.runs[first], positions))
    }

    fn group(&self, run: &RunEntry, positions: Range<u32>) -> Group {
        let block = &self.blocks[run.block as usize];
        Group {
            area: block.area,
            section: block.section,
            block: block.id,
            grade: run.grade,
            positions,
            unit_seats: run.unit_seats,
        }
    }

    /// The positions of the unit of a seat; only its own for a seat that is sold alone.
    pub fn unit_of(&self, seat: SeatId) -> Option<Range<u32>> {
        let (run, offset) = self.find(seat)?;
        let first = run.first_position + offset / run.unit_seats * run.unit_seats;
        Some(first..first + run.unit_seats)
    }
}
