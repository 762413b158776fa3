//! The best seats that are left. This node proposes several choices, and the script takes the first
//! choice whose seats are all free, so that nobody loses a race between the look and the hold.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::choice::{SEATS_PER_CALL_MAX, not_open, refuse_early, total};
use crate::api::error::{Alternative, ApiError, ApiResult, ErrorCode};
use crate::api::views::{HoldView, claimed};
use crate::domain::best::Wish;
use crate::domain::ids::{MatchId, SeatId, SectionId};
use crate::engine::batch::Operation;
use crate::live::catalog::KnownSite;
use serde::Deserialize;
use std::collections::HashSet;
use std::time::Duration;
use utoipa::ToSchema;

/// The most choices of one call. Fewer: in a crowd all of them are taken. More: too many seats for
/// one batch.
const CHOICES_MAX: usize = 12;
/// The most rounds against a crowd. More: the buyer waits longer before being told to try again.
const ROUNDS_MAX: usize = 8;
/// How long a round waits for the map of this node to catch up with Redis.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(500);
/// The most alternatives of a refused choice.
const ALTERNATIVES_MAX: usize = 3;

/// A wish for seats.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BestInput {
    /// 1 to 100, and not more seats than one person may have.
    #[schema(minimum = 1, maximum = 100)]
    count: usize,
    /// Only in these sections.
    #[serde(default)]
    section_ids: Vec<SectionId>,
    /// Only of this grade.
    grade: Option<String>,
    /// Side by side in one row (default), or the nearest split.
    #[serde(default = "side_by_side")]
    adjacent: bool,
}

fn side_by_side() -> bool {
    true
}

/// Finds and holds in one atomic step.
pub async fn hold_best(
    services: &Services,
    user: &User,
    id: MatchId,
    best: BestInput,
    operation: Operation,
) -> ApiResult<HoldView> {
    services.limits.seat_call(user.id.0)?;
    let (_, site) = services.fixture_with_site(id)?;
    let wish = checked(&site, best)?;
    if !refuse_early(services, id, wish.count, &operation).await? {
        // Only an earlier call under the same key can have got seats.
        let held = services.engine.hold_best(id, user.id, wish.count, &[], operation).await?;
        let (hold_id, granted) = held.map_err(|_| not_open(services, id))?;
        return HoldView::granted(&site, hold_id, &granted);
    }
    let feed = services.hub.feed(id).await?;
    for _ in 0..ROUNDS_MAX {
        // Read before the look, so that the map is at least as new.
        let known = feed.version();
        let proposed = feed.propose(&wish, CHOICES_MAX);
        let none_left = proposed.is_empty();
        // The map may be of another plan for a moment, so a proposal is checked as well.
        let priced = proposed.into_iter().map(|seats| Ok((total(&site, &seats)?, seats)));
        let choices = priced.collect::<ApiResult<Vec<(i64, Vec<SeatId>)>>>()?;
        let held =
            services.engine.hold_best(id, user.id, wish.count, &choices, operation.clone()).await?;
        let version = match held {
            Ok((hold_id, granted)) => return HoldView::granted(&site, hold_id, &granted),
            Err(version) => version,
        };
        // Redis has not changed since the map had no such seats, so there are none.
        if none_left && known >= version {
            return Err(ErrorCode::SoldOut.into());
        }
        feed.wait_for_version(version, CATCH_UP_TIMEOUT).await;
    }
    Err(ErrorCode::Overloaded.into())
}

fn checked(site: &KnownSite, best: BestInput) -> ApiResult<Wish> {
    if !(1..=SEATS_PER_CALL_MAX).contains(&best.count) {
        let message = format!("must be 1 to {SEATS_PER_CALL_MAX}");
        return Err(ApiError::field("bestAvailable.count", message));
    }
    let plan = &site.site.plan;
    let sections: HashSet<SectionId> =
        plan.areas.iter().flat_map(|area| &area.sections).map(|section| section.id).collect();
    if let Some(unknown) = best.section_ids.iter().find(|id| !sections.contains(id)) {
        let message = format!("the site has no section {unknown}");
        return Err(ApiError::field("bestAvailable.sectionIds", message));
    }
    if let Some(grade) = &best.grade
        && !plan.grades.iter().any(|known| known.code == *grade)
    {
        let message = format!("the site has no grade {grade}");
        return Err(ApiError::field("bestAvailable.grade", message));
    }
    Ok(Wish {
        count: best.count,
        sections: best.section_ids,
        grade: best.grade,
        adjacent: best.adjacent,
    })
}

/// Up to three choices as good as the seats that were lost: the same number, side by side, first in
/// the same section, then of the same grade.
pub async fn alternatives(
    services: &Services,
    id: MatchId,
    site: &KnownSite,
    lost: &[SeatId],
) -> Vec<Alternative> {
    let Ok(feed) = services.hub.feed(id).await else { return vec![] };
    let Some(first) = lost.first() else { return vec![] };
    let section = site.index.section_of(*first);
    let grade = site.index.grade(*first).map(str::to_owned);
    let near =
        Wish { count: lost.len(), sections: section.into_iter().collect(), grade, adjacent: true };
    let mut found = feed.propose(&near, ALTERNATIVES_MAX);
    if found.is_empty() {
        found = feed.propose(&Wish { sections: vec![], ..near }, ALTERNATIVES_MAX);
    }
    let alternative = |seats: &Vec<SeatId>| {
        // Seats of another plan are no alternative.
        let seats = claimed(site, seats).ok()?;
        Some(Alternative {
            amount: seats.iter().map(|seat| seat.price).sum(),
            seat_ids: seats.iter().map(|seat| seat.seat_id).collect(),
            labels: seats.iter().map(|seat| seat.label.clone()).collect(),
            labels_ko: seats.into_iter().map(|seat| seat.label_ko).collect(),
        })
    };
    found.iter().filter_map(alternative).collect()
}
