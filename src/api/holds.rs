//! Holds: claims on seats, with a deadline.

use crate::api::Services;
use crate::api::alternatives::alternatives;
use crate::api::auth::User;
use crate::api::best::{BestInput, hold_best};
use crate::api::choice::{
    checked_seats, hold_error, refuse_early, refuse_odd_choice, refuse_parts_of_units,
    refuse_unverified, remains_of_holds, seat_ids,
};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Created, Envelope, IdempotencyKey, Input, NoContent, Okay, Path};
use crate::api::idempotency::Repeatable;
use crate::api::places::{AreaChoice, OnlyAreas, SeatChoice, SeatsAndAreas, hold_places};
use crate::api::ticket_types::{TypedSeat, charge, priced_choices};
use crate::api::views::{HoldView, claimed, moment};
use crate::domain::catalog::MatchStatus;
use crate::domain::claim::ClaimState;
use crate::domain::ids::{HoldId, MatchId, SeatId};
use crate::domain::orphans::possible_orphans;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The seats to hold. It is read in the place of `HoldChoice`, so that an error names the field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldInput {
    seat_ids: Option<Vec<SeatId>>,
    seats: Option<Vec<SeatChoice>>,
    areas: Option<Vec<AreaChoice>>,
    best_available: Option<BestInput>,
}

/// The seats to hold.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum HoldChoice {
    These(TheseSeats),
    Seats(SeatsAndAreas),
    Areas(OnlyAreas),
    Best(BestSeats),
}

impl HoldInput {
    fn choice(self) -> ApiResult<HoldChoice> {
        let Self { seat_ids, seats, areas, best_available } = self;
        match (seat_ids, seats, areas, best_available) {
            (Some(seat_ids), None, None, None) => Ok(HoldChoice::These(TheseSeats { seat_ids })),
            (None, Some(seats), areas, None) => {
                let areas = areas.unwrap_or_default();
                Ok(HoldChoice::Seats(SeatsAndAreas { seats, areas }))
            }
            (None, None, Some(areas), None) => Ok(HoldChoice::Areas(OnlyAreas { areas })),
            (None, None, None, Some(best_available)) => {
                Ok(HoldChoice::Best(BestSeats { best_available }))
            }
            _ => {
                let message = "give either seatIds, or seats and areas, or bestAvailable";
                Err(ApiError::field("seatIds", message))
            }
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

/// My holds in a match.
#[derive(Serialize, ToSchema)]
pub struct HoldList {
    holds: Vec<HoldView>,
}

/// My holds in a match that have not expired, for a page that was reloaded and for another device.
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
    let (fixture, site) = services.fixture_with_site(id)?;
    let mut claims = services.engine.claims_of(id.partition(), user.id).await?;
    claims.retain(|claim| claim.match_id == id);
    // Read after the claims. A hold whose deadline has passed has ended, even if no sweep came yet.
    let now = services.engine.now_ms(id.partition()).await?;
    let mut holds = Vec::new();
    for claim in claims {
        // Holds end with the sale.
        let ended = claim.deadline <= now || fixture.status_at(now) != MatchStatus::Open;
        if claim.state != ClaimState::Hold || ended {
            continue;
        }
        holds.push(HoldView {
            hold_id: HoldId(claim.id.0),
            seats: claimed(&fixture, &site, &claim.seats, &claim.bill)?,
            service_fee: claim.bill.service_fee(&claim.seats),
            amount: claim.amount,
            expires_at: moment(claim.deadline)?,
            replayed: false,
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
        ErrorCode::MatchNotOpen, ErrorCode::OrphanSeat, ErrorCode::SoldOut,
        ErrorCode::CoolDown, ErrorCode::OneHoldOnly, ErrorCode::EmailNotVerified,
        ErrorCode::TypeLimit, ErrorCode::AreaFull, ErrorCode::UnitIncomplete,
        ErrorCode::AccessibleOnly]))))]
pub async fn hold(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<MatchId>,
    key: IdempotencyKey,
    input: Input<HoldInput>,
) -> ApiResult<Repeatable<Created<HoldView>>> {
    let operation = key.operation(&user.id.key(), &format!("hold {}", id.key()), &input);
    let choice = input.value.choice()?;
    let view = match hold_choice(&services, &user, id, choice, operation.clone()).await {
        Err(refused) if REFUSED_HERE.contains(&refused.code()) => {
            held_before(&services, &user, id, &operation).await?.ok_or(refused)?
        }
        done => done?,
    };
    let replayed = view.replayed;
    Ok(Repeatable { response: Created(view), replayed })
}

/// What this node refuses by its price list and its plan, without asking Redis.
const REFUSED_HERE: [ErrorCode; 6] = [
    ErrorCode::Validation,
    ErrorCode::SeatNotFound,
    ErrorCode::TypeLimit,
    ErrorCode::UnitIncomplete,
    ErrorCode::AccessibleOnly,
    ErrorCode::EmailNotVerified,
];

async fn hold_choice(
    services: &Services,
    user: &User,
    id: MatchId,
    choice: HoldChoice,
    operation: Operation,
) -> ApiResult<HoldView> {
    match choice {
        HoldChoice::These(TheseSeats { seat_ids }) => {
            let seats = seat_ids.into_iter().map(|seat| (seat, None)).collect();
            hold_seats(services, user, id, seats, operation).await
        }
        HoldChoice::Seats(choice) => {
            let (_, site) = services.fixture_with_site(id)?;
            let seats = choice.named_seats(&site)?;
            match choice.areas.as_slice() {
                [] => hold_seats(services, user, id, seats, operation).await,
                areas => hold_places(services, user, id, (seats, areas), operation).await,
            }
        }
        HoldChoice::Areas(OnlyAreas { areas }) => {
            hold_places(services, user, id, (vec![], &areas), operation).await
        }
        HoldChoice::Best(BestSeats { best_available }) => {
            hold_best(services, user, id, best_available, operation).await
        }
    }
}

/// The hold of an earlier call under the same key. The prices or the rules of the match may have
/// changed since, so that this node would refuse now what it has granted then.
async fn held_before(
    services: &Services,
    user: &User,
    id: MatchId,
    operation: &Operation,
) -> ApiResult<Option<HoldView>> {
    let (fixture, site) = services.fixture_with_site(id)?;
    let held = match services.engine.held_before(id, user.id, operation).await {
        Ok(held) => held,
        Err(error @ EngineError::Refused(_)) => return Err(hold_error(&fixture, error)),
        // Redis is away, and this node knows a better answer.
        Err(_) => return Ok(None),
    };
    held.map(|(hold, granted)| HoldView::granted(&fixture, &site, hold, &granted)).transpose()
}

/// Holds one seat.
#[utoipa::path(post, path = "/api/matches/{match}/allocation/seats/{seat}/hold",
    operation_id = "holdSeat", tag = "holds",
    params(("match" = uuid::Uuid, Path), ("seat" = u32, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<HoldView>)),
    extensions(("x-codes" = json!([
        ErrorCode::PassRequired, ErrorCode::SeatTaken, ErrorCode::AlreadyHeld,
        ErrorCode::AlreadyReserved, ErrorCode::SeatLimit, ErrorCode::MatchNotOpen,
        ErrorCode::OrphanSeat, ErrorCode::CoolDown,
        ErrorCode::OneHoldOnly, ErrorCode::EmailNotVerified, ErrorCode::TypeLimit,
        ErrorCode::UnitIncomplete, ErrorCode::AccessibleOnly]))))]
pub async fn hold_seat(
    State(services): State<Arc<Services>>,
    user: User,
    Path((id, seat)): Path<(MatchId, SeatId)>,
) -> ApiResult<Okay<HoldView>> {
    Ok(Okay(hold_seats(&services, &user, id, vec![(seat, None)], Operation::default()).await?))
}

async fn hold_seats(
    services: &Services,
    user: &User,
    id: MatchId,
    typed: Vec<TypedSeat>,
    operation: Operation,
) -> ApiResult<HoldView> {
    let (fixture, site) = services.fixture_with_site(id)?;
    refuse_unverified(services, user, &fixture)?;
    let charge = charge(&fixture, &site, &typed)?;
    let seats: Vec<SeatId> = typed.iter().map(|(seat, _)| *seat).collect();
    refuse_odd_choice(&site, &seats)?;
    refuse_early(services, id, seats.len(), &operation).await?;
    let orphans = if fixture.orphan_rule { possible_orphans(&site.index, &seats) } else { vec![] };
    let wanted = seats.clone();
    let held = services.engine.hold(id, user.id, seats, charge, &orphans, operation).await;
    let (hold_id, granted) = match held {
        Err(EngineError::Refused(Refusal::Taken(lost))) => {
            let alternatives = alternatives(services, id, &wanted).await;
            let alternatives = priced_choices(&fixture, &site, alternatives, &typed);
            return Err(ApiError::seat_taken(lost).with_alternatives(alternatives));
        }
        other => other.map_err(|error| hold_error(&fixture, error))?,
    };
    HoldView::granted(&fixture, &site, hold_id, &granted)
}

/// Releases the seats of a hold.
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
    services.fixture(id)?;
    services.engine.release(id, user.id, hold).await?;
    Ok(NoContent)
}

/// Releases one held seat.
#[utoipa::path(post, path = "/api/matches/{match}/allocation/seats/{seat}/release",
    operation_id = "releaseSeat", tag = "holds",
    params(("match" = uuid::Uuid, Path), ("seat" = u32, Path)), security(("token" = [])),
    responses((status = 204)),
    extensions(("x-codes" = json!([
        ErrorCode::NotYours, ErrorCode::HoldNotFound, ErrorCode::AlreadyReserved,
        ErrorCode::PriceChanged, ErrorCode::UnitIncomplete, ErrorCode::AccessibleOnly]))))]
pub async fn release_seat(
    State(services): State<Arc<Services>>,
    user: User,
    Path((id, seat)): Path<(MatchId, SeatId)>,
) -> ApiResult<NoContent> {
    let (_, site) = services.fixture_with_site(id)?;
    let price = checked_seats(&site, &[seat])?;
    refuse_parts_of_units(&site, &[seat])?;
    let remains = remains_of_holds(&services, &user, &site, id, &[seat]).await?;
    services.engine.release_seat(id, user.id, seat, price, remains).await?;
    Ok(NoContent)
}
