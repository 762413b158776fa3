//! The best seats that are left.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::choice::{SEATS_PER_CALL_MAX, refuse_unverified};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::one_of::{CHOICES_MAX, Want};
use crate::api::places::{area_full, is_without_seats};
use crate::api::ticket_types::{SeatTypes, TypesInput};
use crate::api::views::HoldView;
use crate::domain::best::Wish;
use crate::domain::ids::{AreaId, MatchId, SectionId};
use crate::engine::operation::Operation;
use crate::live::catalog::KnownSite;
use crate::live::match_feed::MatchFeed;
use serde::Deserialize;
use std::collections::HashSet;
use utoipa::ToSchema;

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
    /// Only in this area. In an area without seats, these are places.
    #[schema(nullable = false)]
    area_id: Option<AreaId>,
    /// Only of this grade.
    grade: Option<String>,
    /// Side by side in one row (default), or the nearest split.
    #[serde(default = "side_by_side")]
    adjacent: bool,
    /// So many of them are accessible, with seats for companions beside them. Without it, nobody is
    /// given an accessible or companion seat.
    #[serde(default)]
    #[schema(maximum = 100)]
    accessible: u32,
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
    let wish = types.narrowed(wish);
    let (count, none_left) = (wish.count, (wish.places, wish.area));
    let want = Want {
        services,
        user,
        id,
        fixture: fixture.clone(),
        site: site.clone(),
        count,
        named: vec![],
        operation,
    };
    let propose = |feed: &MatchFeed| {
        let proposed = feed.propose(&wish, CHOICES_MAX, true).into_iter();
        let priced = proposed
            .filter_map(|choice| Some((types.charge(&site, &choice)?, choice.seat_ids.clone())));
        Ok(priced.collect())
    };
    let refuse = |feed: &MatchFeed| match none_left {
        (true, Some(area)) => area_full((area, None), feed),
        _ => ErrorCode::SoldOut.into(),
    };
    want.hold(propose, refuse).await
}

fn checked(site: &KnownSite, best: BestInput) -> ApiResult<Wish> {
    if !(1..=SEATS_PER_CALL_MAX).contains(&best.count) {
        let message = format!("must be 1 to {SEATS_PER_CALL_MAX}");
        return Err(ApiError::field("bestAvailable.count", message));
    }
    if best.accessible as usize > best.count {
        return Err(ApiError::field("bestAvailable.accessible", "must not be more than count"));
    }
    let plan = &site.site.plan;
    if let Some(area) = best.area_id.filter(|id| plan.areas.iter().all(|area| area.id != *id)) {
        let message = format!("the site has no area {area}");
        return Err(ApiError::field("bestAvailable.areaId", message));
    }
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
    Ok(Wish {
        sections,
        grades: grade.transpose()?.into_iter().collect(),
        adjacent,
        area: best.area_id,
        accessible: best.accessible as usize,
        places: best.area_id.is_some_and(|area| is_without_seats(site, area)),
        ..Wish::seats(count)
    })
}
