//! Seats in the place of those that somebody else got.

use crate::api::Services;
use crate::domain::best::Wish;
use crate::domain::ids::{MatchId, SeatId};
use crate::domain::plan::ACCESSIBLE;
use crate::live::proposals::Choice;
use std::sync::Arc;

/// The most alternatives of a refused choice.
const ALTERNATIVES_MAX: usize = 3;

/// Up to three choices as good as the seats that were lost: the same number, side by side, first in
/// the same section, then of the same grade.
pub async fn alternatives(services: &Services, id: MatchId, lost: &[SeatId]) -> Vec<Arc<Choice>> {
    let Ok(feed) = services.hub.feed(id).await else { return vec![] };
    let Some(first) = lost.first() else { return vec![] };
    let index = &feed.site().index;
    let sections = index.section_of(*first).into_iter().collect();
    let grades = index.grade_number_of(*first).into_iter().collect();
    let accessible = index.with_attribute(ACCESSIBLE).map_or(0, |set| {
        let positions = lost.iter().filter_map(|seat| index.position(*seat));
        positions.filter(|position| set.contains(*position)).count()
    });
    let near = Wish { sections, grades, accessible, ..Wish::seats(lost.len()) };
    let found = feed.propose(&near, ALTERNATIVES_MAX, false);
    if !found.is_empty() {
        return found;
    }
    feed.propose(&Wish { sections: vec![], ..near }, ALTERNATIVES_MAX, false)
}
