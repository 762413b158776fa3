//! Holds: a claim on seats with a deadline.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::best::{BestInput, alternatives, hold_best};
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::api::extract::{Created, Envelope, IdempotencyKey, Input, NoContent, Okay, Path};
use crate::domain::best::possible_orphans;
use crate::domain::catalog::MatchStatus;
use crate::domain::claim::ClaimState;
use crate::domain::ids::{HoldId, MatchId, SeatId};
use crate::domain::plan::Label;
use crate::engine::batch::Operation;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::reply::Granted;
use crate::live::catalog::KnownSite;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};

/// More seats than this are refused before anything else is looked at.
pub const SEATS_PER_CALL: usize = 100;

/// The seats to hold: `HoldChoice` as it is read, so that an error names the field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldInput {
    seat_ids: Option<Vec<SeatId>>,
    best_available: Option<BestInput>,
}

/// The seats to hold.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum HoldChoice {
    These(TheseSeats),
    Best(BestSeats),
}

/// The same, or null, which counts as not there.
pub fn some_seat_ids() -> Schema {
    OneOfBuilder::new().item(seat_ids()).item(ObjectBuilder::new().schema_type(Type::Null)).into()
}

impl HoldInput {
    fn choice(self) -> ApiResult<HoldChoice> {
        match (self.seat_ids, self.best_available) {
            (Some(seat_ids), None) => Ok(HoldChoice::These(TheseSeats { seat_ids })),
            (None, Some(best_available)) => Ok(HoldChoice::Best(BestSeats { best_available })),
            _ => Err(ApiError::field("seatIds", "give either seatIds or bestAvailable")),
        }
    }
}

/// These seats, all of them or none.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TheseSeats {
    #[schema(schema_with = seat_ids)]
    seat_ids: Vec<SeatId>,
}

/// The best seats that are left.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BestSeats {
    best_available: BestInput,
}

/// Seats of one call: 1 to 100, none of them twice.
pub fn seat_ids() -> Array {
    ArrayBuilder::new()
        .description(Some("All of them or none."))
        .items(Ref::from_schema_name("SeatId"))
        .min_items(Some(1))
        .max_items(Some(SEATS_PER_CALL))
        .unique_items(true)
        .build()
}

/// A seat that someone has, with what the ticket says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedSeat {
    pub seat_id: SeatId,
    /// In English; unique in the site.
    pub label: String,
    /// In Korean; unique in the site.
    pub label_ko: String,
    /// In KRW.
    pub price: i64,
}

/// A hold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldView {
    #[schema(value_type = uuid::Uuid)]
    hold_id: HoldId,
    seats: Vec<ClaimedSeat>,
    /// In KRW.
    amount: i64,
    expires_at: jiff::Timestamp,
}

/// My holds in a match.
#[derive(Serialize, ToSchema)]
pub struct HoldList {
    holds: Vec<HoldView>,
}

/// My holds in a match that are in time: for a page that was loaded again, and for another device.
#[utoipa::path(get, path = "/api/matches/{match}/holds",
    operation_id = "listHolds", tag = "holds",
    params(("match" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<HoldList>)),
    extensions(("x-codes" = json!([ErrorCode::SeatNotFound]))))]
pub async fn mine(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<MatchId>,
) -> ApiResult<Okay<HoldList>> {
    let (_, site) = services.catalog.fixture_with_site(id).ok_or(ErrorCode::MatchNotFound)?;
    let mut claims = services.engine.claims_of(id.partition(), user.id).await?;
    claims.retain(|claim| claim.match_id == id);
    // Read after the claims: what is late by then has ended, swept or not.
    let now = services.engine.now_ms(id.partition()).await?;
    let mut holds = Vec::new();
    for claim in claims {
        if claim.state != ClaimState::Hold || claim.deadline <= now {
            continue;
        }
        holds.push(HoldView {
            hold_id: HoldId(claim.id.0),
            seats: claimed(&site, &claim.seats)?,
            amount: claim.amount,
            expires_at: moment(claim.deadline)?,
        });
    }
    Ok(Okay(HoldList { holds }))
}

/// Holds seats, all or none.
#[utoipa::path(post, path = "/api/matches/{match}/holds",
    operation_id = "hold", tag = "holds",
    params(("match" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = HoldChoice, security(("token" = [])),
    responses((status = 201, body = Envelope<HoldView>)),
    extensions(("x-codes" = json!([
        ErrorCode::PassRequired, ErrorCode::SeatNotFound, ErrorCode::SeatTaken,
        ErrorCode::AlreadyHeld, ErrorCode::AlreadyReserved, ErrorCode::SeatLimit,
        ErrorCode::MatchNotOpen, ErrorCode::OrphanSeat, ErrorCode::SoldOut]))))]
pub async fn hold(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<MatchId>,
    key: IdempotencyKey,
    input: Input<HoldInput>,
) -> ApiResult<Created<HoldView>> {
    let operation = key.operation(&user.id.key(), &format!("hold {}", id.key()), &input);
    let view = match input.value.choice()? {
        HoldChoice::These(TheseSeats { seat_ids }) => {
            hold_seats(&services, &user, id, seat_ids, operation).await?
        }
        HoldChoice::Best(BestSeats { best_available }) => {
            hold_best(&services, &user, id, best_available, operation).await?
        }
    };
    Ok(Created(view))
}

/// Holds one seat.
#[utoipa::path(post, path = "/api/matches/{match}/allocation/seats/{seat}/hold",
    operation_id = "holdSeat", tag = "holds",
    params(("match" = uuid::Uuid, Path), ("seat" = u32, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<HoldView>)),
    extensions(("x-codes" = json!([
        ErrorCode::PassRequired, ErrorCode::SeatTaken, ErrorCode::SeatLimit,
        ErrorCode::MatchNotOpen, ErrorCode::OrphanSeat]))))]
pub async fn hold_one(
    State(services): State<Arc<Services>>,
    user: User,
    Path((id, seat)): Path<(MatchId, SeatId)>,
) -> ApiResult<Okay<HoldView>> {
    Ok(Okay(hold_seats(&services, &user, id, vec![seat], Operation::default()).await?))
}

/// Refuses what the script would refuse too, before anything is searched or sent: more seats than
/// one person may have, and a match that is not on sale. `false`: it is not on sale, but the call
/// has an Idempotency-Key and may have been answered before.
pub async fn refuse_early(
    services: &Services,
    id: MatchId,
    count: usize,
    operation: &Operation,
) -> ApiResult<bool> {
    if count > services.engine.limits().seats_per_user as usize {
        return Err(Refusal::SeatLimit.into());
    }
    let is_open = || status(services, id) == Some(MatchStatus::Open);
    if !is_open() {
        // It may have been opened a moment ago, and the notice be on its way.
        services.catalog.refresh_match(id).await?;
    }
    match is_open() {
        false if operation.key.is_empty() => Err(not_open(services, id)),
        open => Ok(open),
    }
}

fn status(services: &Services, id: MatchId) -> Option<MatchStatus> {
    services.catalog.fixture(id).map(|fixture| fixture.status)
}

/// Why a match is not on sale.
pub fn not_open(services: &Services, id: MatchId) -> ApiError {
    Refusal::NotOpen { ended: status(services, id) != Some(MatchStatus::Draft) }.into()
}

async fn hold_seats(
    services: &Services,
    user: &User,
    id: MatchId,
    seats: Vec<SeatId>,
    operation: Operation,
) -> ApiResult<HoldView> {
    services.limits.seat_call(user.id.0)?;
    let (fixture, site) = services.catalog.fixture_with_site(id).ok_or(ErrorCode::MatchNotFound)?;
    let amount = checked_seats(&site, &seats)?;
    refuse_early(services, id, seats.len(), &operation).await?;
    let orphans = if fixture.orphan_rule { possible_orphans(&site.index, &seats) } else { vec![] };
    let wanted = seats.clone();
    let held = services.engine.hold(id, user.id, seats, amount, &orphans, operation).await;
    let (hold_id, granted) = match held {
        Err(EngineError::Refused(Refusal::Taken(lost))) => {
            let alternatives = alternatives(services, id, &site, &wanted).await;
            return Err(ApiError::seat_taken(lost).with_alternatives(alternatives));
        }
        other => other?,
    };
    hold_view(&site, hold_id, &granted)
}

/// A hold as it is answered.
pub fn hold_view(site: &KnownSite, hold_id: HoldId, granted: &Granted) -> ApiResult<HoldView> {
    metrics::counter!("grandstand_seats_held_total").increment(granted.seats.len() as u64);
    Ok(HoldView {
        hold_id,
        seats: claimed(site, &granted.seats)?,
        amount: granted.amount,
        expires_at: deadline(granted)?,
    })
}

/// Refuses seats that are twice in the list or not of this site; answers their price in KRW.
pub fn checked_seats(site: &KnownSite, seats: &[SeatId]) -> ApiResult<i64> {
    if seats.is_empty() || seats.len() > SEATS_PER_CALL {
        let message = format!("must name 1 to {SEATS_PER_CALL} seats");
        return Err(ApiError::field("seatIds", message));
    }
    let twice = seats.iter().enumerate().filter(|(place, seat)| seats[..*place].contains(seat));
    let errors: Vec<FieldError> = twice
        .map(|(place, seat)| FieldError {
            field: format!("seatIds[{place}]"),
            message: format!("seat {seat} is in the list twice"),
        })
        .collect();
    if !errors.is_empty() {
        return Err(ApiError::fields(errors));
    }
    total(site, seats)
}

/// What seats cost together, in KRW; refuses seats that the site does not have.
pub fn total(site: &KnownSite, seats: &[SeatId]) -> ApiResult<i64> {
    Ok(claimed(site, seats)?.iter().map(|seat| seat.price).sum())
}

/// Seats with label and price; refuses seats that the site does not have.
pub fn claimed(site: &KnownSite, seats: &[SeatId]) -> ApiResult<Vec<ClaimedSeat>> {
    let (mut known, mut unknown) = (Vec::with_capacity(seats.len()), Vec::new());
    for seat in seats {
        match (site.index.label(*seat), site.index.price(*seat)) {
            (Some(Label { english: label, korean: label_ko }), Some(price)) => {
                known.push(ClaimedSeat { seat_id: *seat, label, label_ko, price });
            }
            _ => unknown.push(*seat),
        }
    }
    if unknown.is_empty() { Ok(known) } else { Err(ApiError::seats_not_found(unknown)) }
}

/// The deadline of a grant as a time.
pub fn deadline(granted: &Granted) -> ApiResult<jiff::Timestamp> {
    moment(granted.deadline)
}

/// Milliseconds of Redis as a time.
pub fn moment(ms: i64) -> ApiResult<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(ms).map_err(ApiError::internal)
}

/// Gives the seats of a hold back.
#[utoipa::path(delete, path = "/api/matches/{match}/holds/{hold}",
    operation_id = "releaseHold", tag = "holds",
    params(("match" = uuid::Uuid, Path), ("hold" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::NotYours, ErrorCode::AlreadyReserved]))))]
pub async fn release(
    State(services): State<Arc<Services>>,
    user: User,
    Path((id, hold)): Path<(MatchId, HoldId)>,
) -> ApiResult<NoContent> {
    services.limits.seat_call(user.id.0)?;
    services.catalog.fixture(id).ok_or(ErrorCode::MatchNotFound)?;
    services.engine.release(id, user.id, hold).await?;
    Ok(NoContent)
}

/// Gives one held seat back.
#[utoipa::path(post, path = "/api/matches/{match}/allocation/seats/{seat}/release",
    operation_id = "releaseSeat", tag = "holds",
    params(("match" = uuid::Uuid, Path), ("seat" = u32, Path)), security(("token" = [])),
    responses((status = 204)),
    extensions(("x-codes" = json!([
        ErrorCode::NotYours, ErrorCode::HoldNotFound, ErrorCode::AlreadyReserved,
        ErrorCode::AmountMismatch]))))]
pub async fn release_one(
    State(services): State<Arc<Services>>,
    user: User,
    Path((id, seat)): Path<(MatchId, SeatId)>,
) -> ApiResult<NoContent> {
    services.limits.seat_call(user.id.0)?;
    let (_, site) = services.catalog.fixture_with_site(id).ok_or(ErrorCode::MatchNotFound)?;
    let price = checked_seats(&site, &[seat])?;
    services.engine.release_seat(id, user.id, seat, price).await?;
    Ok(NoContent)
}
