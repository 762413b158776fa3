//! The best seats that are free: side by side in one row where possible, near the focus of the
//! site, and never so that a single seat is left alone when another choice exists. Pure: it
//! proposes from what a node knows; the script in Redis decides.

use crate::domain::ids::{SeatId, SectionId};
use crate::domain::plan::{PlanIndex, Point};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Seats that a split is searched among: the nearest free ones.
const SPLIT_SEATS: usize = 2_000;
/// Places that a split is tried around.
const SPLIT_PLACES: usize = 100;

/// What somebody would like.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Seats, 1 or more.
    pub count: usize,
    /// Only in these sections; empty: anywhere.
    pub sections: Vec<SectionId>,
    /// Only of this grade.
    pub grade: Option<String>,
    /// Side by side in one row, or not at all.
    pub adjacent: bool,
}

/// All seats of a site by how near they are to its focus.
#[derive(Debug, Clone)]
pub struct Ranking {
    points: Vec<Point>,
    /// Distance to the focus in metres, by position.
    distances: Vec<f32>,
    /// Rows, the one with the nearest seat first.
    rows: Vec<RankedRow>,
}

#[derive(Debug, Clone)]
struct RankedRow {
    positions: Range<u32>,
    section: SectionId,
    nearest: f32,
}

/// Seats side by side, with what speaks against them.
struct Window {
    orphan: bool,
    distance: f32,
    positions: Range<u32>,
}

impl Ranking {
    /// The ranking of a site.
    pub fn new(index: &PlanIndex) -> Self {
        let focus = index.focus();
        let point = |position| index.point(index.seat_at(position)).unwrap_or(focus);
        let points: Vec<Point> = (0..index.seat_count()).map(point).collect();
        let distances: Vec<f32> = points.iter().map(|point| between(*point, focus)).collect();
        let mut rows: Vec<RankedRow> = index
            .rows()
            .map(|(_, section, positions)| {
                let of_row = &distances[positions.start as usize..positions.end as usize];
                let nearest = of_row.iter().copied().fold(f32::INFINITY, f32::min);
                RankedRow { positions, section, nearest }
            })
            .collect();
        rows.sort_by(|one, other| one.nearest.total_cmp(&other.nearest));
        Self { points, distances, rows }
    }

    /// Up to `most` proposals, the best first; none overlaps another. `free` says whether the seat
    /// at a position can be had.
    pub fn propose(
        &self,
        index: &PlanIndex,
        wish: &Wish,
        most: usize,
        free: impl Fn(u32) -> bool,
    ) -> Vec<Vec<u32>> {
        let rows = self.rows.iter().filter(|row| wanted(index, wish, row));
        let windows = self.windows(rows, wish.count, most, &free);
        if !windows.is_empty() || wish.adjacent {
            return windows.into_iter().map(|window| window.positions.collect()).collect();
        }
        self.split(index, wish, &free).into_iter().collect()
    }

    fn windows<'a>(
        &self,
        rows: impl Iterator<Item = &'a RankedRow>,
        count: usize,
        most: usize,
        free: &impl Fn(u32) -> bool,
    ) -> Vec<Window> {
        let mut found: Vec<Window> = Vec::new();
        let mut orphans: Vec<Window> = Vec::new();
        for row in rows {
            // Rows come by their nearest seat: what follows can't be better than what is kept.
            let bound = row.nearest * count as f32;
            if found.len() >= most && found[most - 1].distance <= bound {
                break;
            }
            for run in runs(row.positions.clone(), free) {
                let Some(window) = self.best_window(run, count) else { continue };
                let list = if window.orphan { &mut orphans } else { &mut found };
                let place = list.partition_point(|other| other.distance <= window.distance);
                list.insert(place, window);
                list.truncate(most);
            }
        }
        found.extend(orphans);
        found.truncate(most);
        found
    }

    /// The nearest window of a run of free seats; one that leaves a single seat alone only when
    /// there is no other.
    fn best_window(&self, run: Range<u32>, count: usize) -> Option<Window> {
        let spare = (run.len()).checked_sub(count)?;
        let windows = (0..=spare).map(|left| {
            let start = run.start + left as u32;
            let positions = start..start + count as u32;
            let of_window = &self.distances[start as usize..start as usize + count];
            let orphan = left == 1 || spare - left == 1;
            Window { orphan, distance: of_window.iter().sum(), positions }
        });
        windows.min_by(|one, other| {
            one.orphan.cmp(&other.orphan).then(one.distance.total_cmp(&other.distance))
        })
    }

    /// Seats as near to each other as can be found, when no row has them side by side.
    fn split(
        &self,
        index: &PlanIndex,
        wish: &Wish,
        free: &impl Fn(u32) -> bool,
    ) -> Option<Vec<u32>> {
        let rows = self.rows.iter().filter(|row| wanted(index, wish, row));
        let mut seats: Vec<u32> =
            rows.flat_map(|row| row.positions.clone()).filter(|seat| free(*seat)).collect();
        let distance = |seat: &u32| self.distances[*seat as usize];
        seats.sort_by(|one, other| distance(one).total_cmp(&distance(other)));
        seats.truncate(SPLIT_SEATS);
        if seats.len() < wish.count {
            return None;
        }
        let step = (seats.len() / SPLIT_PLACES).max(1);
        let around = |middle: &u32| {
            let middle = self.points[*middle as usize];
            let mut near: Vec<(f32, u32)> = seats
                .iter()
                .map(|seat| (between(self.points[*seat as usize], middle), *seat))
                .collect();
            let last = wish.count - 1;
            near.select_nth_unstable_by(last, |one, other| one.0.total_cmp(&other.0));
            near.truncate(wish.count);
            let spread: f32 = near.iter().map(|(apart, _)| apart).sum();
            (spread, near.into_iter().map(|(_, seat)| seat).collect::<Vec<u32>>())
        };
        let groups = seats.iter().step_by(step).map(around);
        let nearest = groups.min_by(|one, other| one.0.total_cmp(&other.0));
        nearest.map(|(_, mut seats)| {
            seats.sort_unstable();
            seats
        })
    }
}

fn wanted(index: &PlanIndex, wish: &Wish, row: &RankedRow) -> bool {
    let section = wish.sections.is_empty() || wish.sections.contains(&row.section);
    let grade = |code: &String| {
        index.grade(index.seat_at(row.positions.start)).is_some_and(|grade| grade == code)
    };
    section && wish.grade.as_ref().is_none_or(grade)
}

/// Runs of free seats of a row.
fn runs(row: Range<u32>, free: &impl Fn(u32) -> bool) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for seat in row.filter(|seat| free(*seat)) {
        match runs.last_mut() {
            Some(run) if run.end == seat => run.end += 1,
            _ => runs.push(seat..seat + 1),
        }
    }
    runs
}

fn between(one: Point, other: Point) -> f32 {
    (one[0] - other[0]).hypot(one[1] - other[1])
}

/// A seat that a choice could leave alone. It is alone when it is free and `near` is not. Another
/// choice of as many of the free seats side by side here leaves nobody alone, unless it is the last
/// of them: then nothing `beyond` is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub seat: SeatId,
    /// Its neighbour that is not chosen; none where the row ends, or both are chosen.
    pub near: Option<SeatId>,
    /// The first seats behind the chosen ones that it lies at: one or two.
    pub beyond: Vec<SeatId>,
}

/// The seats beside the chosen ones that could be left alone, each once, in the order of the plan.
pub fn possible_orphans(index: &PlanIndex, chosen: &[SeatId]) -> Vec<Orphan> {
    let chosen: BTreeSet<u32> = chosen.iter().filter_map(|seat| index.position(*seat)).collect();
    let mut beside: BTreeMap<u32, Range<u32>> = BTreeMap::new();
    for &place in &chosen {
        let Some(row) = index.row_of(index.seat_at(place)) else { continue };
        let sides = [place.checked_sub(1), place.checked_add(1)].into_iter().flatten();
        for side in sides.filter(|side| row.positions.contains(side) && !chosen.contains(side)) {
            beside.insert(side, row.positions.clone());
        }
    }
    let one = |(place, row): (u32, Range<u32>)| {
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
    beside.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(count: usize) -> Wish {
        Wish { count, sections: vec![], grade: None, adjacent: true }
    }

    fn site() -> (PlanIndex, Ranking) {
        let plan = serde_json::from_value(grandstand_demo::stadium()).unwrap();
        let index = PlanIndex::new(&plan);
        let ranking = Ranking::new(&index);
        (index, ranking)
    }

    #[test]
    fn proposals_are_side_by_side_do_not_overlap_and_come_nearest_first() {
        let (index, ranking) = site();
        let found = ranking.propose(&index, &wish(4), 16, |_| true);
        assert_eq!(found.len(), 16);
        let mut seen = std::collections::HashSet::new();
        let mut before = 0.0;
        for group in &found {
            assert!(group.windows(2).all(|pair| pair[1] == pair[0] + 1), "{group:?}");
            let row = index.row_of(index.seat_at(group[0])).unwrap().positions;
            assert!(group.iter().all(|seat| row.contains(seat) && seen.insert(*seat)));
            let distance: f32 = group.iter().map(|seat| ranking.distances[*seat as usize]).sum();
            assert!(distance >= before);
            before = distance;
        }
        // Nothing in the whole site is nearer than the first one.
        let least = index
            .rows()
            .filter_map(|(_, _, row)| ranking.best_window(row, 4))
            .map(|window| if window.orphan { f32::INFINITY } else { window.distance });
        let first: f32 = found[0].iter().map(|seat| ranking.distances[*seat as usize]).sum();
        assert!((least.fold(f32::INFINITY, f32::min) - first).abs() < 0.01);
    }

    #[test]
    fn no_seat_is_left_alone_while_another_choice_exists() {
        let (index, ranking) = site();
        let row = index.row_of(index.seat_at(0)).unwrap().positions;
        // Three free seats in one row, two in the next: a pair belongs into the two.
        let next = row.end..row.end + 2;
        let free = |seat: u32| (row.start..row.start + 3).contains(&seat) || next.contains(&seat);
        let found = ranking.propose(&index, &wish(2), 1, free);
        assert_eq!(found, vec![next.clone().collect::<Vec<u32>>()]);
        // With the three alone, a pair is given all the same.
        let only = |seat: u32| (row.start..row.start + 3).contains(&seat);
        assert_eq!(ranking.propose(&index, &wish(2), 1, only)[0].len(), 2);
    }

    #[test]
    fn a_split_is_given_only_when_it_is_wanted_and_stays_together() {
        let (index, ranking) = site();
        // Every second seat of the site is free: no two are side by side.
        let free = |seat: u32| seat.is_multiple_of(2);
        let apart = Wish { adjacent: false, ..wish(3) };
        assert!(ranking.propose(&index, &wish(3), 4, free).is_empty());
        let found = ranking.propose(&index, &apart, 4, free);
        let points: Vec<Point> =
            found[0].iter().map(|seat| ranking.points[*seat as usize]).collect();
        assert_eq!(points.len(), 3);
        assert!(points.iter().all(|point| between(*point, points[0]) < 5.0), "{points:?}");
    }

    #[test]
    fn wishes_for_section_and_grade_are_kept() {
        let (index, ranking) = site();
        let section = index.rows().nth(600).unwrap().1;
        let wish = Wish { sections: vec![section], ..wish(2) };
        let found = ranking.propose(&index, &wish, 8, |_| true);
        assert!(
            found
                .iter()
                .flatten()
                .all(|seat| index.section_of(index.seat_at(*seat)) == Some(section))
        );
        let wish = Wish { grade: Some("NAVY".to_owned()), ..self::wish(2) };
        let found = ranking.propose(&index, &wish, 8, |_| true);
        assert_eq!(found.len(), 8);
        assert!(
            found.iter().flatten().all(|seat| index.grade(index.seat_at(*seat)) == Some("NAVY"))
        );
    }

    #[test]
    fn possible_orphans_are_the_seats_beside_the_choice() {
        let (index, _) = site();
        let row = index.row_of(index.seat_at(0)).unwrap().positions;
        let seat = |offset: u32| index.seat_at(row.start + offset);
        let orphan = |at: u32, near: Option<u32>, beyond: &[u32]| Orphan {
            seat: seat(at),
            near: near.map(seat),
            beyond: beyond.iter().copied().map(seat).collect(),
        };
        let table: &[(&[u32], Vec<Orphan>)] = &[
            (&[1, 2], vec![orphan(0, None, &[3]), orphan(3, Some(4), &[0])]),
            // The one between two chosen ones is told once.
            (
                &[2, 4],
                vec![orphan(1, Some(0), &[3]), orphan(3, None, &[1, 5]), orphan(5, Some(6), &[3])],
            ),
            // At the end of the row there is nothing beyond.
            (&[0], vec![]),
        ];
        for (chosen, expected) in table {
            let chosen: Vec<SeatId> = chosen.iter().copied().map(seat).collect();
            assert_eq!(possible_orphans(&index, &chosen), *expected);
        }
    }
}
