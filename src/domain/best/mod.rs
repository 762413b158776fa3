//! The best free seats: side by side in one row where possible, and near the focus of the site. No
//! single seat is left alone when there is another choice. This only proposes, from the seat map of
//! a node; the script in Redis decides.

use crate::domain::free_seats::FreeSeats;
use crate::domain::ids::{AreaId, BlockId, SectionId};
use crate::domain::plan::{ACCESSIBLE, COMPANION, Group, PlanIndex, Point};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};
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
    /// Only in this area.
    pub area: Option<AreaId>,
    /// Only in this block.
    pub block: Option<BlockId>,
    /// Only in these sections; empty means anywhere.
    pub sections: Vec<SectionId>,
    /// Only of the grades with these numbers (`PlanIndex::grade_number`), in rising order, so that
    /// the same wish is the same value; empty means any.
    pub grades: Vec<u32>,
    /// Side by side in one row, or not at all.
    pub adjacent: bool,
    /// So many of them are accessible, with companions beside them. With 0, nobody is offered an
    /// accessible or companion seat.
    pub accessible: usize,
    /// Places without seats instead of seats.
    pub places: bool,
}

/// All seats of a site in the order of their distance to the focus.
#[derive(Debug, Clone)]
pub struct Ranking {
    points: Vec<Point>,
    /// Distance to the focus in metres, by position.
    distances: Vec<f32>,
    /// Groups of neighbours; the group with the nearest seat comes first.
    groups: Vec<RankedGroup>,
    /// Places without seats, by block.
    pub(super) places: Vec<Group>,
    pub(super) accessible: FreeSeats,
    pub(super) companions: FreeSeats,
    /// `PlanIndex::on_request`; none when the site has no such seats, which saves a copy.
    on_request: Option<FreeSeats>,
}

#[derive(Debug, Clone)]
pub(super) struct RankedGroup {
    pub(super) group: Group,
    nearest: f32,
}

/// Seats side by side in a run of free seats.
struct Window<'a> {
    /// Whether they leave a single seat of the run alone.
    orphan: bool,
    /// Of all seats together; a smaller distance is better.
    distance: f32,
    positions: Range<u32>,
    run: Range<u32>,
    group: &'a Group,
}

/// The nearest window is the greatest, because a heap returns the greatest first.
impl Ord for Window<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |window: &Self| window.positions.start;
        other.distance.total_cmp(&self.distance).then(place(other).cmp(&place(self)))
    }
}

impl PartialOrd for Window<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Window<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Window<'_> {}

impl Wish {
    /// Seats side by side, anywhere.
    pub fn seats(count: usize) -> Self {
        Self {
            count,
            area: None,
            block: None,
            sections: vec![],
            grades: vec![],
            adjacent: true,
            accessible: 0,
            places: false,
        }
    }

    pub(super) fn fits(&self, group: &Group) -> bool {
        let section = self.sections.is_empty() || self.sections.contains(&group.section);
        let area = self.area.is_none_or(|area| area == group.area);
        let block = self.block.is_none_or(|block| block == group.block);
        let has_grade = |grade| self.grades.binary_search(&grade).is_ok();
        area && block && section && (self.grades.is_empty() || group.grade.is_some_and(has_grade))
    }
}

impl Ranking {
    /// The ranking of a site.
    pub fn new(index: &PlanIndex) -> Self {
        let focus = index.focus();
        let point = |position| index.point(index.seat_at(position)).unwrap_or(focus);
        let points: Vec<Point> = (0..index.seat_count()).map(point).collect();
        let distances: Vec<f32> = points.iter().map(|point| between(*point, focus)).collect();
        let ranked = |group: Group| {
            let positions = group.positions.start as usize..group.positions.end as usize;
            let nearest = distances[positions].iter().copied().fold(f32::INFINITY, f32::min);
            RankedGroup { group, nearest }
        };
        let mut groups: Vec<RankedGroup> = index.groups().map(ranked).collect();
        groups.sort_by(|left, right| left.nearest.total_cmp(&right.nearest));
        let set = |name| index.with_attribute(name).cloned();
        let none = || FreeSeats::empty(index.seat_count());
        let on_request = index.on_request();
        Self {
            points,
            distances,
            groups,
            places: index.places().collect(),
            accessible: set(ACCESSIBLE).unwrap_or_else(none),
            companions: set(COMPANION).unwrap_or_else(none),
            on_request: (!on_request.is_empty()).then(|| on_request.clone()),
        }
    }

    /// Up to `most` proposals, the best first. They do not overlap.
    pub fn propose(&self, wish: &Wish, most: usize, free: &FreeSeats) -> Vec<Vec<u32>> {
        if wish.places {
            return self.free_places(wish, most, free);
        }
        if wish.accessible > 0 {
            return self.with_accessible(wish, most, free);
        }
        let free = match &self.on_request {
            None => Cow::Borrowed(free),
            Some(on_request) => {
                let mut others = free.clone();
                others.remove_all(on_request);
                Cow::Owned(others)
            }
        };
        let windows = self.windows(wish, most, &free);
        if !windows.is_empty() || wish.adjacent {
            return windows.into_iter().map(|window| window.positions.collect()).collect();
        }
        self.split(wish, most, &free)
    }

    pub(super) fn groups_for<'a>(
        &'a self,
        wish: &'a Wish,
    ) -> impl Iterator<Item = &'a RankedGroup> {
        self.groups.iter().filter(|ranked| {
            let units = wish.count.is_multiple_of(ranked.group.unit_seats as usize);
            units && wish.fits(&ranked.group)
        })
    }

    pub(super) fn distance(&self, window: &Range<u32>) -> f32 {
        self.distances[window.start as usize..window.end as usize].iter().sum()
    }

    /// The nearest windows. The rest of a run beside a window that was taken is a run again.
    fn windows<'a>(&'a self, wish: &'a Wish, most: usize, free: &FreeSeats) -> Vec<Window<'a>> {
        let (mut found, mut candidates) = (Vec::new(), BinaryHeap::new());
        let mut orphans: Vec<Window<'a>> = Vec::new();
        let mut add =
            |run: Range<u32>, group: &'a Group, candidates: &mut BinaryHeap<Window<'a>>| match self
                .best_window(run, group, wish.count)
            {
                Some(window) if window.orphan => orphans.push(window),
                window => candidates.extend(window),
            };
        let mut groups = self.groups_for(wish).peekable();
        while found.len() < most {
            // Groups come in the order of their nearest seat, so the other groups cannot be better
            // than the nearest candidate.
            while let Some(ranked) = groups.next_if(|ranked| {
                let bound = ranked.nearest * wish.count as f32;
                candidates.peek().is_none_or(|nearest: &Window<'_>| bound < nearest.distance)
            }) {
                let group = &ranked.group;
                free.runs(group.positions.clone()).for_each(|run| add(run, group, &mut candidates));
            }
            let Some(window) = candidates.pop() else { break };
            let (left, right) =
                (window.run.start..window.positions.start, window.positions.end..window.run.end);
            add(left, window.group, &mut candidates);
            add(right, window.group, &mut candidates);
            found.push(window);
        }
        orphans.sort_by(|left, right| right.cmp(left));
        found.extend(orphans);
        found.truncate(most);
        found
    }

    /// The nearest window of a run of free seats. A window that leaves a single seat alone is taken
    /// only when there is no other.
    fn best_window<'a>(
        &self,
        run: Range<u32>,
        group: &'a Group,
        count: usize,
    ) -> Option<Window<'a>> {
        let spare = (run.len()).checked_sub(count)?;
        let windows = (0..=spare).filter_map(|left| {
            let start = run.start + left as u32;
            let positions = start..start + count as u32;
            if !group.has_whole_units(&positions) {
                return None;
            }
            // A unit is never left alone, because it is sold alone.
            let orphan = group.unit_seats == 1 && (left == 1 || spare - left == 1);
            let distance = self.distance(&positions);
            Some(Window { orphan, distance, positions, run: run.clone(), group })
        });
        windows.min_by(|left, right| {
            left.orphan.cmp(&right.orphan).then(left.distance.total_cmp(&right.distance))
        })
    }

    /// Groups of seats as near to each other as can be found, when no row has them side by side.
    fn split(&self, wish: &Wish, most: usize, free: &FreeSeats) -> Vec<Vec<u32>> {
        let positions = |ranked: &RankedGroup| free.runs(ranked.group.positions.clone()).flatten();
        // Units are whole or not at all, so they are no part of a split.
        let groups = self.groups_for(wish).filter(|ranked| ranked.group.unit_seats == 1);
        let mut seats: Vec<u32> = groups.flat_map(positions).collect();
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

#[cfg(test)]
mod tests;
