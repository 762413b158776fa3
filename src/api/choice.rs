//! The seats that a caller chooses: how many, of which site, and at which price.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::choosing::{companions_alone, missing_of_units};
use crate::domain::claim::{Claim, ClaimState};
use crate::domain::ids::{MatchId, SeatId};
use crate::domain::plan::ACCESSIBLE;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::engine::remains::Remains;
use crate::failpoint;
use crate::live::catalog::KnownSite;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};

/// The most seats of one call. More seats are refused before anything else is looked at.
pub const SEATS_PER_CALL_MAX: usize = 100;

/// The schema of the seats of one call: 1 to 100, none of them twice.
pub fn seat_ids() -> Array {
    ArrayBuilder::new()
        .description(Some("All of them or none."))
        .items(Ref::from_schema_name("SeatId"))
        .min_items(Some(1))
        .max_items(Some(SEATS_PER_CALL_MAX))
        .unique_items(true)
        .build()
}

/// The same, or null, which means the same as an absent field.
pub fn some_seat_ids() -> Schema {
    OneOfBuilder::new().item(seat_ids()).item(ObjectBuilder::new().schema_type(Type::Null)).into()
}

/// Refuses seats that are in the list twice, or that the site does not have. Returns their price
/// together, in KRW.
pub fn checked_seats(site: &KnownSite, seats: &[SeatId]) -> ApiResult<i64> {
    if seats.is_empty() || seats.len() > SEATS_PER_CALL_MAX {
        let message = format!("must name 1 to {SEATS_PER_CALL_MAX} seats");
        return Err(ApiError::field("seatIds", message));
    }
    let twice = seats.iter().enumerate().filter(|(index, seat)| seats[..*index].contains(seat));
    let errors: Vec<FieldError> = twice
        .map(|(index, seat)| FieldError {
            field: format!("seatIds[{index}]"),
            message: format!("seat {seat} is in the list twice"),
        })
        .collect();
    if !errors.is_empty() {
        return Err(ApiError::fields(errors));
    }
    let prices = seats.iter().map(|seat| site.index.price(*seat));
    let total: Option<i64> = prices.sum();
    total.ok_or_else(|| {
        let unknown = seats.iter().filter(|seat| site.index.price(**seat).is_none());
        ApiError::seats_not_found(unknown.copied().collect())
    })
}

/// Seats, each with its price in KRW. Refuses the same as `checked_seats`.
pub fn priced(site: &KnownSite, seats: &[SeatId]) -> ApiResult<Vec<(SeatId, i64)>> {
    checked_seats(site, seats)?;
    Ok(seats.iter().filter_map(|seat| Some((*seat, site.index.price(*seat)?))).collect())
}

/// Refuses a part of what is sold only as a whole.
pub fn refuse_parts_of_units(site: &KnownSite, seats: &[SeatId]) -> ApiResult<()> {
    match missing_of_units(&site.index, seats) {
        missing if missing.is_empty() => Ok(()),
        missing => Err(ApiError::with_seats(ErrorCode::UnitIncomplete, missing)),
    }
}

/// Refuses a choice by hand that the plan forbids: places that nobody chooses, parts of units, and
/// seats for companions without an accessible seat.
pub fn refuse_odd_choice(site: &KnownSite, seats: &[SeatId]) -> ApiResult<()> {
    if let Some(place) = seats.iter().find(|seat| site.index.is_place(**seat)) {
        let message = format!("{place} is a place without a seat; give areas with a quantity");
        return Err(ApiError::field("seatIds", message));
    }
    refuse_parts_of_units(site, seats)?;
    refuse_companions_alone(site, seats)
}

/// Refuses seats for companions without an accessible seat of their own.
pub fn refuse_companions_alone(site: &KnownSite, seats: &[SeatId]) -> ApiResult<()> {
    match companions_alone(&site.index, seats) {
        alone if alone.is_empty() => Ok(()),
        alone => Err(ApiError::with_seats(ErrorCode::AccessibleOnly, alone)),
    }
}

/// What remains of claims without these seats. Refuses companions who would lose their accessible
/// seat. `None` when no such seat goes, because then nothing can be wrong.
pub fn remains_of_claims(
    site: &KnownSite,
    claims: &[&Vec<SeatId>],
    gone: &[SeatId],
) -> ApiResult<Option<Remains>> {
    let accessible = site.index.with_attribute(ACCESSIBLE);
    let is_accessible = |seat: &SeatId| {
        accessible.zip(site.index.position(*seat)).is_some_and(|(set, at)| set.contains(at))
    };
    if !gone.iter().any(is_accessible) {
        return Ok(None);
    }
    let mut remains = Vec::new();
    for seats in claims {
        let rest: Vec<SeatId> = seats.iter().filter(|seat| !gone.contains(seat)).copied().collect();
        // Those of a sale under an earlier rule may be alone already, and lose nothing.
        let before = companions_alone(&site.index, seats);
        let mut alone = companions_alone(&site.index, &rest);
        alone.retain(|seat| !before.contains(seat));
        match alone {
            alone if alone.is_empty() => remains.push(rest),
            alone => {
                let detail = "Companions would stay without the accessible place that they came \
                    with. Give their seats back too.";
                let refused = ApiError::with_seats(ErrorCode::AccessibleOnly, alone);
                return Err(refused.with_detail(detail));
            }
        }
    }
    // What it says may be out of date by the time at which the script compares it.
    failpoint::reached_if("remains.after", || !claims.is_empty());
    Ok(Some(Remains(remains)))
}

/// The same for the holds of a user that have these seats. A site without accessible seats costs no
/// look at Redis.
pub async fn remains_of_holds(
    services: &Services,
    user: &User,
    site: &KnownSite,
    id: MatchId,
    gone: &[SeatId],
) -> ApiResult<Option<Remains>> {
    // Without holds it only says whether an accessible seat goes.
    if remains_of_claims(site, &[], gone)?.is_none() {
        return Ok(None);
    }
    let claims = services.engine.claims_of(id.partition(), user.id).await?;
    let mut holds: Vec<&Vec<SeatId>> = Vec::new();
    for seat in gone {
        let has_it = |claim: &&Claim| claim.state == ClaimState::Hold && claim.seats.contains(seat);
        let of_match = claims.iter().filter(|claim| claim.match_id == id);
        let hold = of_match.clone().find(has_it).map(|claim| &claim.seats);
        holds.extend(hold.filter(|hold| !holds.contains(hold)));
    }
    remains_of_claims(site, &holds, gone)
}

impl Services {
    /// Whether only users whose e-mail is verified may hold seats of a match.
    pub fn needs_verified_email(&self, fixture: &Match) -> bool {
        self.holds_need_verified_email || fixture.holds_need_verified_email
    }
}

/// Refuses a user whose e-mail is not verified where a match sells only to the others.
pub fn refuse_unverified(services: &Services, user: &User, fixture: &Match) -> ApiResult<()> {
    if services.needs_verified_email(fixture) && !user.email_verified {
        return Err(ErrorCode::EmailNotVerified.into());
    }
    Ok(())
}

/// Refuses what the script would refuse too, before anything is searched or sent: more seats than
/// one person may have, and a match that is not on sale. Returns `false` when only the script knows
/// whether the match is on sale: its sale may open at this moment by the clock of Redis, or an
/// earlier call under the same Idempotency-Key may have got its seats.
pub async fn refuse_early(
    services: &Services,
    id: MatchId,
    count: usize,
    operation: &Operation,
) -> ApiResult<bool> {
    if count > services.engine.limits().seats_per_user as usize {
        return Err(Refusal::SeatLimit.into());
    }
    let known = services.fixture(id)?;
    let opens_by_itself = |fixture: &Match| {
        fixture.status == MatchStatus::Announced && fixture.sale_opens_at.is_some()
    };
    if known.status == MatchStatus::Open || opens_by_itself(&known) {
        return Ok(known.status == MatchStatus::Open);
    }
    // It may have been opened a moment ago, and this node has not read the notice yet.
    // In a box, because otherwise every hold would carry the large future of a call of Redis.
    Box::pin(services.catalog.refresh_match(id)).await?;
    let known = services.fixture(id)?;
    if known.status == MatchStatus::Open {
        return Ok(true);
    }
    if operation.key.is_empty() && !opens_by_itself(&known) {
        return Err(not_open(&known, known.status == MatchStatus::Closed));
    }
    Ok(false)
}

/// The error of a hold. A match that is not on sale says since when, or from when on it will be.
pub fn hold_error(fixture: &Match, error: EngineError) -> ApiError {
    match error {
        EngineError::Refused(Refusal::NotOpen { ended }) => not_open(fixture, ended),
        other => other.into(),
    }
}

fn not_open(fixture: &Match, ended: bool) -> ApiError {
    let detail = match (ended, fixture.sale_opens_at) {
        (false, Some(opens_at)) => format!("The sale of this match opens at {opens_at}."),
        (false, None) | (true, _) => return Refusal::NotOpen { ended }.into(),
    };
    ApiError::new(ErrorCode::MatchNotOpen, detail)
}
