//! What must remain of claims that lose seats.

use super::{ClaimNumber, Model, Remains, State, UserNumber};
use crate::domain::ids::SeatId;

impl Model {
    /// What remains of the holds of a user without these seats.
    pub fn remains_of_holds(&self, user: UserNumber, seats: &[SeatId]) -> Remains {
        let mut holds: Vec<ClaimNumber> = vec![];
        for number in seats.iter().filter_map(|seat| self.owner(*seat)) {
            let claim = &self.claims[number];
            if claim.user == user && claim.state == State::Hold && !holds.contains(&number) {
                holds.push(number);
            }
        }
        holds.iter().map(|number| without(&self.claims[*number].seats, seats)).collect()
    }

    /// What remains of a claim without these seats.
    pub fn remains_of(&self, claim: ClaimNumber, seats: &[SeatId]) -> Remains {
        vec![without(&self.claims[claim].seats, seats)]
    }
}

pub(super) fn without(seats: &[SeatId], gone: &[SeatId]) -> Vec<SeatId> {
    seats.iter().filter(|seat| !gone.contains(seat)).copied().collect()
}

/// Whether something else remains than what must. Nothing of one claim is the same as no claim.
pub(super) fn differs(wanted: Option<&Remains>, found: Remains) -> bool {
    let plain = |remains: Remains| if remains.is_empty() { vec![vec![]] } else { remains };
    wanted.is_some_and(|wanted| plain(wanted.clone()) != plain(found))
}
