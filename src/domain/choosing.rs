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

/// The chosen companion seats that belong to no accessible seat of the same choice. A companion
/// seat belongs to the accessible seats beside it. An accessible seat that has none beside it may
/// have one companion elsewhere.
pub fn companions_alone(index: &PlanIndex, seats: &[SeatId]) -> Vec<SeatId> {
    let having = |name: &str| -> Vec<u32> {
        let Some(set) = index.with_attribute(name) else { return vec![] };
        let positions = seats.iter().filter_map(|seat| index.position(*seat));
        positions.filter(|position| set.contains(*position)).collect()
    };
    let companions = having(COMPANION);
    if companions.is_empty() {
        return vec![];
    }
    let are_beside = |seat: u32, other: u32| {
        let group = index.group_of(index.seat_at(seat));
        seat.abs_diff(other) == 1 && group.is_some_and(|group| group.positions.contains(&other))
    };
    let alone = alone(&having(ACCESSIBLE), &companions, are_beside);
    alone.into_iter().map(|position| index.seat_at(position)).collect()
}

/// The same for positions of seats.
pub(super) fn alone(
    accessible: &[u32],
    companions: &[u32],
    are_beside: impl Fn(u32, u32) -> bool,
) -> Vec<u32> {
    let is_accompanied =
        |place: &&u32| companions.iter().any(|companion| are_beside(*companion, **place));
    let spare = accessible.iter().filter(|place| !is_accompanied(place)).count();
    let is_elsewhere =
        |companion: &&u32| !accessible.iter().any(|place| are_beside(**companion, *place));
    companions.iter().filter(is_elsewhere).skip(spare).copied().collect()
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

    /// Seats 1 to 8 in a row: companion, accessible, companion, companion, other, companion,
    /// accessible, accessible. Seat 21 is a companion seat of another row.
    fn accessible_row() -> PlanIndex {
        let plan = json!({
            "name": "Club", "focus": [0, 0],
            "grades": [{"code": "A", "name": "A", "price": 1000, "color": "#000000"}],
            "areas": [{"id": 1, "name": "A", "sections": [{"id": 1, "name": "A", "blocks": [
                {"id": 1, "name": "A", "grade": "A", "outline": [[0, 0], [9, 0], [9, 9]],
                 "attributes": {"accessible": [2, 7, 8], "companion": [1, 3, 4, 6, 21]},
                 "rows": [
                    {"label": "1", "firstSeatId": 1, "seats": 8, "from": [0, 1], "to": [8, 1]},
                    {"label": "2", "firstSeatId": 21, "seats": 2, "from": [0, 2],
                     "to": [1, 2]}]}]}]}]
        });
        PlanIndex::new(&serde_json::from_value(plan).unwrap())
    }

    #[test]
    fn companions_belong_to_the_accessible_seats_of_their_choice() {
        let ids = |ids: &[u32]| ids.iter().copied().map(SeatId).collect::<Vec<SeatId>>();
        for (chosen, alone) in [
            (&[5][..], &[][..]),
            (&[1, 5], &[1]),
            // Both are beside the accessible seat, and a third one is not.
            (&[1, 2, 3], &[]),
            (&[1, 2, 3, 4], &[4]),
            // One companion sits elsewhere, a second one does not.
            (&[2, 4], &[]),
            (&[2, 21], &[]),
            (&[2, 21, 4], &[4]),
            // Each accessible seat has one of its own.
            (&[7, 8, 6, 21], &[]),
            (&[7, 8, 6, 21, 4], &[4]),
            (&[7, 8, 4, 21], &[]),
            // Seat 21 follows seat 8 in the plan, but is in another row.
            (&[8, 6, 21], &[21]),
        ] {
            assert_eq!(companions_alone(&accessible_row(), &ids(chosen)), ids(alone), "{chosen:?}");
        }
    }
}
