//! The rules of a choice by hand that only the plan knows: what is sold together, and which seats
//! are kept for somebody.

use crate::domain::ids::SeatId;
use crate::domain::plan::{ACCESSIBLE, COMPANION, PlanIndex};
use std::collections::HashSet;

/// The seats that are missing to whole units, in the order of the plan. Empty for a good choice.
pub fn missing_of_units(index: &PlanIndex, seats: &[SeatId]) -> Vec<SeatId> {
    let chosen: HashSet<u32> = seats.iter().filter_map(|seat| index.position(*seat)).collect();
    let units = seats.iter().filter_map(|seat| index.unit_of(*seat)).filter(|unit| unit.len() > 1);
    let mut missing: Vec<u32> = units.flatten().filter(|seat| !chosen.contains(seat)).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.into_iter().map(|position| index.seat_at(position)).collect()
}

/// The chosen companion seats, when no accessible seat is chosen with them.
pub fn companions_alone(index: &PlanIndex, seats: &[SeatId]) -> Vec<SeatId> {
    let has = |seat: &SeatId, name: &str| {
        let set = index.with_attribute(name);
        set.zip(index.position(*seat)).is_some_and(|(set, position)| set.contains(position))
    };
    if seats.iter().any(|seat| has(seat, ACCESSIBLE)) {
        return vec![];
    }
    seats.iter().filter(|seat| has(seat, COMPANION)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn index() -> PlanIndex {
        let plan = json!({
            "name": "Club", "focus": [0, 0],
            "grades": [{"code": "A", "name": "A", "price": 1000, "color": "#000000"}],
            "areas": [{"id": 1, "name": "A", "sections": [{"id": 1, "name": "A", "blocks": [
                {"id": 1, "name": "A", "grade": "A", "outline": [[0, 0], [9, 0], [9, 9]],
                 "attributes": {"accessible": [1], "companion": [2]},
                 "rows": [
                    {"label": "1", "firstSeatId": 1, "seats": 4, "from": [0, 1], "to": [4, 1]},
                    {"label": "T", "firstSeatId": 11, "seats": 4, "from": [0, 2], "to": [4, 2],
                     "unitSeats": 2}]}]}]}]
        });
        PlanIndex::new(&serde_json::from_value(plan).unwrap())
    }

    #[test]
    fn a_part_of_a_unit_lacks_the_other_seats() {
        let ids = |ids: &[u32]| ids.iter().copied().map(SeatId).collect::<Vec<SeatId>>();
        for (chosen, missing) in [
            (&[3, 4][..], &[][..]),
            (&[11], &[12]),
            (&[12, 13], &[11, 14]),
            (&[11, 12, 3], &[]),
            (&[99], &[]),
        ] {
            assert_eq!(missing_of_units(&index(), &ids(chosen)), ids(missing));
        }
    }

    #[test]
    fn a_companion_comes_with_an_accessible_seat() {
        assert_eq!(companions_alone(&index(), &[SeatId(2), SeatId(3)]), [SeatId(2)]);
        assert_eq!(companions_alone(&index(), &[SeatId(2), SeatId(1)]), []);
        assert_eq!(companions_alone(&index(), &[SeatId(3)]), []);
    }
}
