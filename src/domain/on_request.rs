//! What people get only when they ask for it: accessible seats with their companions, and places
//! without seats.

use crate::domain::best::{Ranking, Wish};
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

    /// Accessible seats with their companions side by side. A window with seats for companions goes
    /// before a window with other seats, because companions sit where they belong.
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
                    if accessible == wish.accessible {
                        let others = wish.count - accessible - count(&self.companions, &window);
                        found.push((others, self.distance(&window), window));
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
