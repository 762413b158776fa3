//! The best free seats: side by side in one row where possible, and near the focus of the site. No
//! single seat is left alone when there is another choice. This only proposes, from the seat map of
//! a node; the script in Redis decides.

use crate::domain::free_seats::FreeSeats;
use crate::domain::ids::{SeatId, SectionId};
use crate::domain::plan::{PlanIndex, Point};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Range;

/// When the seats cannot be side by side, they are searched among this many nearest free seats.
const SPLIT_SEATS: usize = 2_000;
/// Around this many of these seats a group is tried.
const SPLIT_PLACES: usize = 100;

/// The wish of a buyer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wish {
    /// Seats, 1 or more.
    pub count: usize,
    /// Only in these sections; empty means anywhere.
    pub sections: Vec<SectionId>,
    /// Only of the grade with this number (`PlanIndex::grade_number`).
    pub grade: Option<u32>,
    /// Side by side in one row, or not at all.
    pub adjacent: bool,
}

/// All seats of a site in the order of their distance to the focus.
#[derive(Debug, Clone)]
pub struct Ranking {
    points: Vec<Point>,
    /// Distance to the focus in metres, by position.
    distances: Vec<f32>,
    /// Rows; the row with the nearest seat comes first.
    rows: Vec<RankedRow>,
}

#[derive(Debug, Clone)]
struct RankedRow {
    positions: Range<u32>,
    section: SectionId,
    grade: Option<u32>,
    nearest: f32,
}

/// Seats side by side in a run of free seats.
struct Window {
    /// Whether they leave a single seat of the run alone.
    orphan: bool,
    /// Of all seats together; a smaller distance is better.
    distance: f32,
    positions: Range<u32>,
    run: Range<u32>,
}

/// The nearest window is the greatest, because a heap returns the greatest first.
impl Ord for Window {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |window: &Self| window.positions.start;
        other.distance.total_cmp(&self.distance).then(place(other).cmp(&place(self)))
    }
}

impl PartialOrd for Window {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Window {}

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
                let grade = index.grade_number_of(index.seat_at(positions.start));
                RankedRow { positions, section, grade, nearest }
            })
            .collect();
        rows.sort_by(|left, right| left.nearest.total_cmp(&right.nearest));
        Self { points, distances, rows }
    }

    /// Up to `most` proposals, the best first. They do not overlap.
    pub fn propose(&self, wish: &Wish, most: usize, free: &FreeSeats) -> Vec<Vec<u32>> {
        let windows = self.windows(wish, most, free);
        if !windows.is_empty() || wish.adjacent {
            return windows.into_iter().map(|window| window.positions.collect()).collect();
        }
        self.split(wish, most, free)
    }

    fn rows_for<'a>(&'a self, wish: &'a Wish) -> impl Iterator<Item = &'a RankedRow> {
        let fits = |row: &&RankedRow| {
            let section = wish.sections.is_empty() || wish.sections.contains(&row.section);
            section && (wish.grade.is_none() || wish.grade == row.grade)
        };
        self.rows.iter().filter(fits)
    }

    /// The nearest windows. The rest of a run beside a window that was taken is a run again.
    fn windows(&self, wish: &Wish, most: usize, free: &FreeSeats) -> Vec<Window> {
        let (mut found, mut candidates) = (Vec::new(), BinaryHeap::new());
        let mut orphans: Vec<Window> = Vec::new();
        let mut add = |run: Range<u32>, candidates: &mut BinaryHeap<Window>| match self
            .best_window(run, wish.count)
        {
            Some(window) if window.orphan => orphans.push(window),
            window => candidates.extend(window),
        };
        let mut rows = self.rows_for(wish).peekable();
        while found.len() < most {
            // Rows come in the order of their nearest seat, so the other rows cannot be better than
            // the nearest candidate.
            while let Some(row) = rows.next_if(|row| {
                let bound = row.nearest * wish.count as f32;
                candidates.peek().is_none_or(|nearest: &Window| bound < nearest.distance)
            }) {
                free.runs(row.positions.clone()).for_each(|run| add(run, &mut candidates));
            }
            let Some(window) = candidates.pop() else { break };
            let (left, right) =
                (window.run.start..window.positions.start, window.positions.end..window.run.end);
            add(left, &mut candidates);
            add(right, &mut candidates);
            found.push(window);
        }
        orphans.sort_by(|left, right| right.cmp(left));
        found.extend(orphans);
        found.truncate(most);
        found
    }

    /// The nearest window of a run of free seats. A window that leaves a single seat alone is taken
    /// only when there is no other.
    fn best_window(&self, run: Range<u32>, count: usize) -> Option<Window> {
        let spare = (run.len()).checked_sub(count)?;
        let windows = (0..=spare).map(|left| {
            let start = run.start + left as u32;
            let positions = start..start + count as u32;
            let of_window = &self.distances[start as usize..start as usize + count];
            let orphan = left == 1 || spare - left == 1;
            Window { orphan, distance: of_window.iter().sum(), positions, run: run.clone() }
        });
        windows.min_by(|left, right| {
            left.orphan.cmp(&right.orphan).then(left.distance.total_cmp(&right.distance))
        })
    }

    /// Groups of seats as near to each other as can be found, when no row has them side by side.
    fn split(&self, wish: &Wish, most: usize, free: &FreeSeats) -> Vec<Vec<u32>> {
        let positions = |row: &RankedRow| free.runs(row.positions.clone()).flatten();
        let mut seats: Vec<u32> = self.rows_for(wish).flat_map(positions).collect();
        let distance = |seat: &u32| self.distances[*seat as usize];
        seats.sort_by(|left, right| distance(left).total_cmp(&distance(right)));
        seats.truncate(SPLIT_SEATS);
        if seats.len() < wish.count {
            return vec![];
        }
        let step = (seats.len() / SPLIT_PLACES).max(1);
        let around = |middle: &u32| {
            let middle = self.points[*middle as usize];
            let mut near: Vec<(f32, u32)> = seats
                .iter()
                .map(|seat| (between(self.points[*seat as usize], middle), *seat))
                .collect();
            let last = wish.count - 1;
            near.select_nth_unstable_by(last, |left, right| left.0.total_cmp(&right.0));
            near.truncate(wish.count);
            let spread: f32 = near.iter().map(|(apart, _)| apart).sum();
            let mut group: Vec<u32> = near.into_iter().map(|(_, seat)| seat).collect();
            group.sort_unstable();
            (spread, group)
        };
        let mut groups: Vec<(f32, Vec<u32>)> = seats.iter().step_by(step).map(around).collect();
        groups.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mut used = BTreeSet::new();
        let apart = |group: &Vec<u32>| {
            let is_apart = group.iter().all(|seat| !used.contains(seat));
            if is_apart {
                used.extend(group.iter().copied());
            }
            is_apart
        };
        groups.into_iter().map(|(_, group)| group).filter(apart).take(most).collect()
    }
}

fn between(from: Point, to: Point) -> f32 {
    (from[0] - to[0]).hypot(from[1] - to[1])
}

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
        let Some(row) = index.row_of(index.seat_at(place)) else { continue };
        let sides = [place.checked_sub(1), place.checked_add(1)].into_iter().flatten();
        for side in sides.filter(|side| row.positions.contains(side) && !chosen.contains(side)) {
            beside.insert(side, row.positions.clone());
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

    fn wish(count: usize) -> Wish {
        Wish { count, sections: vec![], grade: None, adjacent: true }
    }

    fn all(index: &PlanIndex) -> FreeSeats {
        FreeSeats::new(index.seat_count(), |_| true)
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
        let found = ranking.propose(&wish(4), 16, &all(&index));
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
        // No seat of the site is nearer than the first proposal.
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
        let set = |free: &dyn Fn(u32) -> bool| FreeSeats::new(index.seat_count(), free);
        let free = set(&|seat| (row.start..row.start + 3).contains(&seat) || next.contains(&seat));
        let found = ranking.propose(&wish(2), 1, &free);
        assert_eq!(found, vec![next.clone().collect::<Vec<u32>>()]);
        // When there are only the three, a pair is proposed all the same.
        let only = set(&|seat| (row.start..row.start + 3).contains(&seat));
        assert_eq!(ranking.propose(&wish(2), 1, &only)[0].len(), 2);
    }

    #[test]
    fn a_split_is_given_only_when_it_is_wanted_and_stays_together() {
        let (index, ranking) = site();
        // Every second seat of the site is free: no two are side by side.
        let free = FreeSeats::new(index.seat_count(), |seat| seat.is_multiple_of(2));
        let apart = Wish { adjacent: false, ..wish(3) };
        assert!(ranking.propose(&wish(3), 4, &free).is_empty());
        let found = ranking.propose(&apart, 4, &free);
        assert_eq!(found.len(), 4);
        let mut seen = std::collections::HashSet::new();
        assert!(found.iter().flatten().all(|seat| free.contains(*seat) && seen.insert(*seat)));
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
        let found = ranking.propose(&wish, 8, &all(&index));
        assert!(
            found
                .iter()
                .flatten()
                .all(|seat| index.section_of(index.seat_at(*seat)) == Some(section))
        );
        let wish = Wish { grade: index.grade_number("NAVY"), ..self::wish(2) };
        let found = ranking.propose(&wish, 8, &all(&index));
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
