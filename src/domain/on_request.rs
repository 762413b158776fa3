//! What people get only when they ask for it: accessible seats with their companions, and places
//! without seats.

use crate::domain::best::{Ranking, Wish};
use crate::domain::choosing::alone;
use crate::domain::free_seats::FreeSeats;
use std::collections::BTreeSet;
use std::ops::Range;

impl Ranking {
    /// Places without seats, in the order of the plan.
    pub(super) fn free_places(&self, wish: &Wish, most: usize, free: &FreeSeats) -> Vec<Vec<u32>> {
        let blocks = self.places.iter().filter(|block| wish.fits(block));
        let mut places = blocks.flat_map(|block| free.runs(block.positions.clone()).flatten());
        let choices = std::iter::from_fn(|| {
            let choice: Vec<u32> = places.by_ref().take(wish.count).collect();
            (choice.len() == wish.count).then_some(choice)
        });
        choices.take(most).collect()
    }

    /// Whether each companion seat of a window belongs to an accessible seat there.
    fn has_company(&self, window: &Range<u32>) -> bool {
        let having = |set: &FreeSeats| -> Vec<u32> {
            window.clone().filter(|seat| set.contains(*seat)).collect()
        };
        let are_beside = |seat: u32, other: u32| seat.abs_diff(other) == 1;
        alone(&having(&self.accessible), &having(&self.companions), are_beside).is_empty()
    }

    /// How many free accessible seats beside a window lose the last seat for a companion to it.
    fn robbed(&self, window: &Range<u32>, run: &Range<u32>) -> usize {
        let is_of = |set: &FreeSeats, seat: Option<u32>| {
            seat.is_some_and(|seat| run.contains(&seat) && set.contains(seat))
        };
        let (first, last) = (window.start, window.end - 1);
        let left = [Some(first), first.checked_sub(1), first.checked_sub(2)];
        let ends = [left, [Some(last), Some(last + 1), Some(last + 2)]];
        let robs = |[end, beside, behind]: &[Option<u32>; 3]| {
            let takes = is_of(&self.companions, *end) && is_of(&self.accessible, *beside);
            takes && !is_of(&self.companions, *behind)
        };
        ends.iter().filter(|end| robs(end)).count()
    }

    /// Accessible seats with their companions side by side. A window with seats for companions goes
    /// before a window with other seats, and before one that takes the companion of a free
    /// accessible seat beside it.
    pub(super) fn with_accessible(
        &self,
        wish: &Wish,
        most: usize,
        free: &FreeSeats,
    ) -> Vec<Vec<u32>> {
        let count = |set: &FreeSeats, window: &Range<u32>| {
            window.clone().filter(|position| set.contains(*position)).count()
        };
        let size = wish.count as u32;
        let mut found: Vec<(usize, f32, Range<u32>)> = Vec::new();
        for ranked in self.groups_for(wish) {
            for run in free.runs(ranked.group.positions.clone()) {
                let starts = run.start..=run.end.saturating_sub(size);
                let windows = starts.filter(|_| run.len() >= wish.count);
                let windows = windows.map(|start| start..start + size);
                for window in windows.filter(|window| ranked.group.has_whole_units(window)) {
                    let accessible = count(&self.accessible, &window);
                    if accessible == wish.accessible && self.has_company(&window) {
                        let others = wish.count - accessible - count(&self.companions, &window);
                        let robbed = self.robbed(&window, &run);
                        found.push((others + robbed, self.distance(&window), window));
                    }
                }
            }
        }
        found.sort_by(|left, right| left.0.cmp(&right.0).then(left.1.total_cmp(&right.1)));
        let mut used = BTreeSet::new();
        let windows = found.into_iter().map(|(_, _, window)| window);
        let apart = windows.filter(|window| {
            let is_apart = !window.clone().any(|seat| used.contains(&seat));
            if is_apart {
                used.extend(window.clone());
            }
            is_apart
        });
        apart.take(most).map(Iterator::collect).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::choosing::{companions_alone, missing_of_units};
    use crate::domain::ids::{AreaId, SeatId};
    use crate::domain::plan::{ACCESSIBLE, Group, PlanIndex, SitePlan};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const PLACES: u32 = 20;
    const GRADES: [&str; 3] = ["A", "B", "C"];

    /// Rows of runs of (units, seats of a unit, joined), in three grades. Each sixth seat of a run
    /// without units is accessible, and the two seats behind it are for companions. Area 2 has
    /// places.
    fn house(rows: &[Vec<(u32, u32, bool)>]) -> SitePlan {
        let (mut next, mut accessible, mut companion) = (1, vec![], vec![]);
        let mut row = |(at, runs): (usize, &Vec<(u32, u32, bool)>)| -> Value {
            let run = |(run, (units, unit, joined)): (usize, &(u32, u32, bool))| {
                let (first, seats) = (next, units * unit);
                next += seats + 1;
                if *unit == 1 {
                    accessible.extend((first..first + seats).filter(|seat| seat % 6 == 0));
                    companion
                        .extend((first..first + seats).filter(|seat| matches!(seat % 6, 1 | 2)));
                }
                json!({"firstSeatId": first, "seats": seats, "unitSeats": unit, "joined": joined,
                    "grade": GRADES[(at + run) % GRADES.len()],
                    "firstNumber": first, "from": [run * 30, at], "to": [run * 30 + 20, at]})
            };
            let runs: Vec<Value> = runs.iter().enumerate().map(run).collect();
            json!({"label": at.to_string(), "runs": runs})
        };
        let rows: Vec<Value> = rows.iter().enumerate().map(&mut row).collect();
        let outline = json!([[0, 0], [1, 0], [1, 1]]);
        let area = |id: u32, block: Value| {
            json!({"id": id, "name": id.to_string(), "sections": [
                {"id": id, "name": "S", "blocks": [block]}]})
        };
        let seats = json!({"id": 1, "name": "A", "grade": "A", "outline": outline, "rows": rows,
            "attributes": {"accessible": accessible, "companion": companion}});
        let lawn = json!({"id": 2, "name": "L", "grade": "A", "outline": outline,
            "places": {"firstSeatId": 10_000, "count": PLACES}});
        let plan = json!({"name": "H", "focus": [0, -5],
            "grades": GRADES.map(|code| {
                json!({"code": code, "name": code, "price": 1000, "color": "#000000"})
            }),
            "areas": [area(1, seats), area(2, lawn)]});
        serde_json::from_value(plan).unwrap()
    }

    /// Whether the wish can be had side by side: every window of every group is tried.
    fn can_be_had(index: &PlanIndex, wish: &Wish, free: &FreeSeats) -> bool {
        let accessible = index.with_attribute(ACCESSIBLE);
        let of_grade = |group: &Group| {
            wish.grades.is_empty() || wish.grades.iter().any(|grade| group.grade == Some(*grade))
        };
        index.groups().filter(of_grade).any(|group| {
            let spare = (group.positions.len() + 1).saturating_sub(wish.count) as u32;
            (0..spare).any(|at| {
                let start = group.positions.start + at;
                let window = start..start + wish.count as u32;
                let is_accessible = |seat: &u32| accessible.is_some_and(|set| set.contains(*seat));
                let asked = window.clone().filter(is_accessible).count() == wish.accessible;
                let on_request = window.clone().any(|seat| index.on_request().contains(seat));
                let seats: Vec<SeatId> = window.clone().map(|seat| index.seat_at(seat)).collect();
                window.clone().all(|seat| free.contains(seat))
                    && asked
                    && (wish.accessible > 0 || !on_request)
                    && missing_of_units(index, &seats).is_empty()
                    && companions_alone(index, &seats).is_empty()
            })
        })
    }

    #[test]
    fn no_free_accessible_seat_loses_its_companion() {
        let mut plan = serde_json::to_value(house(&[vec![(4, 1, false)]])).unwrap();
        let row =
            json!({"label": "W", "firstSeatId": 1, "seats": 4, "from": [-2, 0], "to": [2, 0]});
        let block = plan.pointer_mut("/areas/0/sections/0/blocks/0").unwrap();
        block["rows"] = json!([row]);
        block["attributes"] = json!({"accessible": [1, 3], "companion": [2, 4]});
        let index = PlanIndex::new(&serde_json::from_value(plan).unwrap());
        let free = FreeSeats::new(index.seat_count(), |_| true);
        let wish = Wish { accessible: 1, ..Wish::seats(2) };
        let mut found = Ranking::new(&index).propose(&wish, 2, &free);
        // Both are equally far from the focus.
        found.sort_unstable();
        assert_eq!(found, [[0, 1], [2, 3]]);
    }

    proptest! {
        #[test]
        fn what_is_proposed_may_be_held_and_whatever_may_be_held_is_found(
            rows in prop::collection::vec(prop::collection::vec(
                (1_u32..8, prop_oneof![3 => Just(1_u32), 1 => Just(2), 1 => Just(4)],
                    any::<bool>()),
                1..4), 1..5),
            taken in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
            (count, accessible) in (1_usize..6, 0_usize..3),
            adjacent in any::<bool>(),
            grades in prop::sample::subsequence(vec![0_u32, 1, 2], 0..=3),
        ) {
            let plan = house(&rows);
            prop_assert_eq!(plan.check(), vec![]);
            let (index, ranking) = (PlanIndex::new(&plan), Ranking::new(&PlanIndex::new(&plan)));
            let mut free = FreeSeats::new(index.seat_count(), |_| true);
            taken.iter().for_each(|at| free.remove(at.index(index.seat_count() as usize) as u32));
            let accessible = accessible.min(count);
            let wish = Wish { accessible, adjacent, grades: grades.clone(), ..Wish::seats(count) };
            let found = ranking.propose(&wish, 8, &free);
            let mut seen = BTreeSet::new();
            for choice in &found {
                prop_assert_eq!(choice.len(), count);
                prop_assert!(choice.iter().all(|seat| free.contains(*seat) && seen.insert(*seat)));
                let seats: Vec<SeatId> = choice.iter().map(|seat| index.seat_at(*seat)).collect();
                prop_assert_eq!(missing_of_units(&index, &seats), vec![]);
                let is_wanted = |seat: &SeatId| {
                    let grade = index.grade_number_of(*seat).unwrap();
                    grades.is_empty() || grades.contains(&grade)
                };
                prop_assert!(seats.iter().all(is_wanted));
                prop_assert!(seats.iter().all(|seat| !index.is_place(*seat)));
                if accessible == 0 {
                    prop_assert!(choice.iter().all(|seat| !index.on_request().contains(*seat)));
                }
                prop_assert_eq!(companions_alone(&index, &seats), vec![]);
                if adjacent {
                    let group = index.group_of(seats[0]).unwrap().positions;
                    prop_assert!(choice.windows(2).all(|pair| pair[1] == pair[0] + 1));
                    prop_assert!(choice.iter().all(|seat| group.contains(seat)));
                }
            }
            if found.is_empty() {
                prop_assert!(!can_be_had(&index, &wish, &free), "a choice was missed");
            }
            let area = Some(AreaId(2));
            let lawn = Wish { area, places: true, ..Wish::seats(count) };
            let found = ranking.propose(&lawn, 100, &free);
            let left = (0..index.seat_count())
                .filter(|seat| free.contains(*seat) && index.is_place(index.seat_at(*seat)))
                .count();
            prop_assert_eq!(found.len(), left / count);
            let mut seen = BTreeSet::new();
            let is_free_place = found.iter().flatten().all(|seat| {
                free.contains(*seat) && index.is_place(index.seat_at(*seat)) && seen.insert(*seat)
            });
            prop_assert!(is_free_place);
        }
    }
}
