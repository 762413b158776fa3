//! The best seats that are left. This node proposes several choices, and the script takes the first
//! choice whose seats are all free, so that nobody loses a race between the look and the hold.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::choice::{SEATS_PER_CALL_MAX, hold_error, refuse_early, refuse_unverified};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::ticket_types::{SeatTypes, TypesInput};
use crate::api::views::HoldView;
use crate::domain::best::Wish;
use crate::domain::bill::Charge;
use crate::domain::ids::{MatchId, SeatId, SectionId};
use crate::engine::operation::Operation;
use crate::live::catalog::KnownSite;
use crate::live::proposals::Choice;
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::Arc;
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
    /// Ticket types of the match's price list, together as many as `count`; default: all of the
    /// first type.
    #[schema(nullable = false)]
    types: Option<TypesInput>,
}

fn side_by_side() -> bool {
    true
}

/// Finds and holds in one atomic step.
pub async fn hold_best(
    services: &Services,
    user: &User,
    id: MatchId,
    mut best: BestInput,
    operation: Operation,
) -> ApiResult<HoldView> {
    let (fixture, site) = services.fixture_with_site(id)?;
    refuse_unverified(services, user, &fixture)?;
    let (types, grade) = (best.types.take(), best.grade.clone());
    let wish = checked(&site, best)?;
    let types = SeatTypes::of(&fixture, &site, (wish.count, grade.as_deref()), types)?;
    let hold = async |choices: &[(Charge, Vec<SeatId>)]| {
        let key = operation.clone();
        let held = services.engine.hold_best(id, user.id, wish.count, choices, key).await;
        held.map_err(|error| hold_error(&fixture, error))
    };
    // Without a choice the script only says whether the match is on sale, and returns the seats of
    // an earlier call under the same key.
    if !refuse_early(services, id, wish.count, &operation).await?
        && let Ok((hold_id, granted)) = hold(&[]).await?
    {
        return HoldView::granted(&fixture, &site, hold_id, &granted);
    }
    let feed = services.hub.feed(id).await?;
    // The wish was checked with the plan of the catalogue. Numbers of grades are of one plan.
    if feed.site().site.version != site.site.version {
        return Err(ErrorCode::Overloaded.into());
    }
    for _ in 0..ROUNDS_MAX {
        // Read before the look, so that the map is at least as new.
        let known = feed.version();
        let wishes = types.wishes(&wish);
        let proposed = wishes.iter().flat_map(|wish| feed.propose(wish, CHOICES_MAX, true));
        let choices: Vec<(Charge, Vec<SeatId>)> = proposed
            .filter_map(|choice| Some((types.charge(&site, &choice)?, choice.seat_ids.clone())))
            .take(CHOICES_MAX)
            .collect();
        let none_left = choices.is_empty();
        let version = match hold(&choices).await? {
            Ok((hold_id, granted)) => {
                return HoldView::granted(&fixture, &site, hold_id, &granted);
            }
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
    let grade = best.grade.map(|grade| {
        site.index.grade_number(&grade).ok_or_else(|| {
            let message = format!("the site has no grade {grade}");
            ApiError::field("bestAvailable.grade", message)
        })
    });
    // In one order and each once, so that people with the same wish share a search.
    let mut sections = best.section_ids;
    sections.sort_unstable();
    sections.dedup();
    let (count, adjacent) = (best.count, best.adjacent);
    Ok(Wish { sections, grade: grade.transpose()?, adjacent, ..Wish::seats(count) })
}

/// Up to three choices as good as the seats that were lost: the same number, side by side, first in
/// the same section, then of the same grade.
pub async fn alternatives(services: &Services, id: MatchId, lost: &[SeatId]) -> Vec<Arc<Choice>> {
    let Ok(feed) = services.hub.feed(id).await else { return vec![] };
    let Some(first) = lost.first() else { return vec![] };
    let index = &feed.site().index;
    let sections = index.section_of(*first).into_iter().collect();
    let grade = index.grade_number_of(*first);
    let near = Wish { sections, grade, ..Wish::seats(lost.len()) };
    let found = feed.propose(&near, ALTERNATIVES_MAX, false);
    if !found.is_empty() {
        return found;
    }
    feed.propose(&Wish { sections: vec![], ..near }, ALTERNATIVES_MAX, false)
}
