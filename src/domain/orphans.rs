//! Seats that a choice leaves alone. An organiser may refuse such a choice.

use crate::domain::ids::SeatId;
use crate::domain::plan::PlanIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A seat that a choice could leave alone. It is alone when it is free and `near` is not. Another
/// choice of as many of these free seats would leave no seat alone, unless this seat is the last
/// free one here: then no seat `beyond` is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub seat: SeatId,
    /// The neighbour that is not chosen; none when the row ends there, or both are chosen.
    pub near: Option<SeatId>,
    /// The first seats behind the chosen ones beside it: one or two.
    pub beyond: Vec<SeatId>,
}

/// The seats beside the chosen ones that could be left alone. Each is listed once, in the order of
/// the plan.
pub fn possible_orphans(index: &PlanIndex, chosen: &[SeatId]) -> Vec<Orphan> {
    let chosen: BTreeSet<u32> = chosen.iter().filter_map(|seat| index.position(*seat)).collect();
    let mut beside: BTreeMap<u32, Range<u32>> = BTreeMap::new();
    for &place in &chosen {
        let Some(group) = index.group_of(index.seat_at(place)) else { continue };
        if group.unit_seats > 1 {
            continue;
        }
        let sides = [place.checked_sub(1), place.checked_add(1)].into_iter().flatten();
        for side in sides.filter(|side| group.positions.contains(side) && !chosen.contains(side)) {
            beside.insert(side, group.positions.clone());
        }
    }
    let orphan = |(place, row): (u32, Range<u32>)| {
        let is_chosen = |place: &u32| chosen.contains(place);
        let left = (row.start..place).rev().find(|place| !is_chosen(place));
        let right = (place + 1..row.end).find(|place| !is_chosen(place));
        let sides = [(left, place.checked_sub(1)), (right, place.checked_add(1))];
        let seats = |near: bool| {
            let wanted = sides.iter().filter(move |(found, next)| (found == next) == near);
            wanted.filter_map(|(found, _)| *found).map(|place| index.seat_at(place))
        };
        let (near, beyond) = (seats(true).next(), seats(false).collect::<Vec<SeatId>>());
        (!beyond.is_empty()).then(|| Orphan { seat: index.seat_at(place), near, beyond })
    };
    beside.into_iter().filter_map(orphan).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_orphans_are_the_seats_beside_the_choice() {
        let plan = serde_json::from_value(grandstand_demo::stadium()).unwrap();
        let index = PlanIndex::new(&plan);
        let row = index.group_of(index.seat_at(0)).unwrap().positions;
        let seat = |offset: u32| index.seat_at(row.start + offset);
        let orphan = |at: u32, near: Option<u32>, beyond: &[u32]| Orphan {
            seat: seat(at),
            near: near.map(seat),
            beyond: beyond.iter().copied().map(seat).collect(),
        };
        let table: &[(&[u32], Vec<Orphan>)] = &[
            (&[1, 2], vec![orphan(0, None, &[3]), orphan(3, Some(4), &[0])]),
            // The seat between two chosen ones is listed once.
            (
                &[2, 4],
                vec![orphan(1, Some(0), &[3]), orphan(3, None, &[1, 5]), orphan(5, Some(6), &[3])],
            ),
            // At the end of the row there is no seat beyond.
            (&[0], vec![]),
        ];
        for (chosen, expected) in table {
            let chosen: Vec<SeatId> = chosen.iter().copied().map(seat).collect();
            assert_eq!(possible_orphans(&index, &chosen), *expected);
        }
    }
}
