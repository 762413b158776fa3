//! What the claims of the model cost.

use super::{Bill, ClaimNumber, Model};
use crate::domain::ids::SeatId;

impl Model {
    /// The amount that was charged for a claim, in KRW. Refunds do not change it.
    pub fn charged(&self, claim: ClaimNumber) -> i64 {
        self.claims[claim].amount + self.cost(claim, &self.claims[claim].back)
    }

    /// What some seats of a claim have cost, in KRW.
    pub fn cost(&self, claim: ClaimNumber, seats: &[SeatId]) -> i64 {
        self.cost_under(&self.claims[claim].bill, seats)
    }

    /// What some seats cost: as the bill says, or else as the plan says.
    pub(super) fn cost_under(&self, bill: &Bill, seats: &[SeatId]) -> i64 {
        seats.iter().map(|seat| bill.get(seat).unwrap_or(&self.prices[seat])).sum()
    }

    /// The lines that the holds of these seats have for them.
    pub(super) fn lines(&self, seats: &[SeatId]) -> Bill {
        let line = |seat: &SeatId| Some((*seat, *self.claims[self.owner(*seat)?].bill.get(seat)?));
        seats.iter().filter_map(line).collect()
    }
}
