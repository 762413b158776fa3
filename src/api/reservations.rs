//! Reservations: seats that a buyer pays for, or has bought.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::choice::{priced, seat_ids, some_seat_ids};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{
    Accepted, Created, Envelope, IdempotencyKey, Input, Okay, OptionalInput, Path,
};
use crate::api::views::{ReservationView, claimed, moment};
use crate::domain::claim::{Reservation, ReservationStatus};
use crate::domain::ids::{HoldId, MatchId, ReservationId, SeatId};
use crate::engine::claims::Found;
use crate::engine::error::EngineError;
use crate::engine::reservations::Source;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// The most reservations of PostgreSQL in a list.
const LISTED_MAX: i64 = 200;

/// What to reserve. It is read in the place of `ReserveChoice`, so that an error names the field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveInput {
    match_id: MatchId,
    hold_id: Option<HoldId>,
    seat_ids: Option<Vec<SeatId>>,
}

/// What to reserve.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ReserveChoice {
    Hold(ReserveHold),
    Seats(ReserveSeats),
}

impl ReserveInput {
    fn choice(self) -> ApiResult<ReserveChoice> {
        let match_id = self.match_id;
        match (self.hold_id, self.seat_ids) {
            (Some(hold_id), None) => Ok(ReserveChoice::Hold(ReserveHold { match_id, hold_id })),
            (None, Some(seat_ids)) => Ok(ReserveChoice::Seats(ReserveSeats { match_id, seat_ids })),
            _ => Err(ApiError::field("holdId", "give either holdId or seatIds")),
        }
    }
}

impl ReserveChoice {
    fn match_id(&self) -> MatchId {
        match self {
            Self::Hold(hold) => hold.match_id,
            Self::Seats(seats) => seats.match_id,
        }
    }
}

/// The seats of a hold.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveHold {
    #[schema(value_type = uuid::Uuid)]
    match_id: MatchId,
    #[schema(value_type = uuid::Uuid)]
    hold_id: HoldId,
}

/// Seats out of any of my holds.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveSeats {
    #[schema(value_type = uuid::Uuid)]
    match_id: MatchId,
    #[schema(schema_with = seat_ids)]
    seat_ids: Vec<SeatId>,
}

/// My reservations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationList {
    reservations: Vec<ReservationView>,
    /// False while PostgreSQL is away: then only open reservations are listed.
    history: bool,
    /// False while a part of Redis does not reply: then its open reservations are not listed.
    open: bool,
}

/// Reserves held seats: the time to pay begins.
#[utoipa::path(post, path = "/api/reservations",
    operation_id = "reserve", tag = "reservations",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = ReserveChoice,
    security(("token" = [])),
    responses((status = 201, body = Envelope<ReservationView>)),
    extensions(("x-codes" = json!([
        ErrorCode::NotYours, ErrorCode::MatchNotFound, ErrorCode::SeatNotFound,
        ErrorCode::HoldNotFound, ErrorCode::HoldExpired, ErrorCode::AlreadyReserved,
        ErrorCode::PriceChanged]))))]
pub async fn create(
    State(services): State<Arc<Services>>,
    user: User,
    key: IdempotencyKey,
    input: Input<ReserveInput>,
) -> ApiResult<Created<ReservationView>> {
    let operation = key.operation(&user.id.key(), "reserve", &input);
    let choice = input.value.choice()?;
    let match_id = choice.match_id();
    let (_, site) = services.fixture_with_site(match_id)?;
    let source = match choice {
        ReserveChoice::Hold(hold) => Source::Hold(hold.hold_id),
        ReserveChoice::Seats(seats) => Source::Seats(priced(&site, &seats.seat_ids)?),
    };
    let (id, granted) = services.engine.reserve(match_id, user.id, source, operation).await?;
    Ok(Created(ReservationView {
        id,
        match_id,
        status: ReservationStatus::Pending,
        seats: claimed(&site, &granted.seats)?,
        amount: granted.amount,
        expires_at: Some(moment(granted.deadline)?),
        created_at: Some(moment(id.made_at())?),
        payment: None,
    }))
}

/// My reservations, open and bought, the newest first.
#[utoipa::path(get, path = "/api/reservations",
    operation_id = "listReservations", tag = "reservations", security(("token" = [])),
    responses((status = 200, body = Envelope<ReservationList>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    user: User,
) -> ApiResult<Okay<ReservationList>> {
    let reads = services.engine.partitions().map(async |partition| {
        // Without the clock no reservation is known to be late, so none is hidden.
        let now = services.engine.now_ms(partition).await.unwrap_or_default();
        let claims = services.engine.claims_of(partition, user.id).await?.into_iter();
        Ok::<_, EngineError>(claims.filter_map(move |claim| Found::Live(claim).reservation(now)))
    });
    let reads = futures::future::join_all(reads).await;
    let open = reads.iter().all(Result::is_ok);
    let mut found: Vec<Reservation> = reads.into_iter().filter_map(Result::ok).flatten().collect();
    found.retain(|reservation| reservation.status != ReservationStatus::Expired);
    let known: HashSet<ReservationId> = found.iter().map(|reservation| reservation.id).collect();
    let kept = services.store.reservations_of(user.id, LISTED_MAX).await;
    let history = kept.is_ok();
    found.extend(kept.unwrap_or_default().into_iter().filter(|kept| !known.contains(&kept.id)));
    found.sort_by_key(|reservation| std::cmp::Reverse((reservation.created_at, reservation.id)));
    let view = |reservation| ReservationView::of(&services, reservation);
    let reservations = found.iter().map(view).collect();
    Ok(Okay(ReservationList { reservations, history, open }))
}

/// One reservation of mine.
#[utoipa::path(get, path = "/api/reservations/{reservation}",
    operation_id = "getReservation", tag = "reservations",
    params(("reservation" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<ReservationView>)),
    extensions(("x-codes" = json!([ErrorCode::HistoryUnavailable]))))]
pub async fn get(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<ReservationId>,
) -> ApiResult<Okay<ReservationView>> {
    let reservation = find(&services, &user, id).await?;
    Ok(Okay(ReservationView::of(&services, &reservation)))
}

/// A reservation of the caller: from Redis while it is open, else from PostgreSQL. The reservation
/// of somebody else is refused as if it did not exist.
pub async fn find(services: &Services, user: &User, id: ReservationId) -> ApiResult<Reservation> {
    let missing = || ErrorCode::ReservationNotFound.into();
    // A made-up id may name a partition that does not exist.
    if id.partition().0 >= services.engine.partition_count() {
        return Err(missing());
    }
    let found = services.engine.claim(user.id, id).await?;
    let now = services.engine.now_ms(id.partition()).await?;
    let live = found.and_then(|found| found.reservation(now));
    let reservation = match live {
        Some(reservation) => reservation,
        None => services.store.reservation(id).await?.ok_or_else(missing)?,
    };
    if reservation.user == user.id { Ok(reservation) } else { Err(missing()) }
}

/// Which seats of a reservation to cancel.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelInput {
    /// Some seats of a paid reservation. Without it, all of them.
    #[schema(schema_with = some_seat_ids)]
    seat_ids: Option<Vec<SeatId>>,
}

/// Cancels a reservation of mine, or some seats of a paid reservation. The money goes back first
/// (202 while that is under way).
#[utoipa::path(post, path = "/api/reservations/{reservation}/cancel",
    operation_id = "cancelReservation", tag = "reservations",
    params(("reservation" = uuid::Uuid, Path)), request_body = Option<CancelInput>,
    security(("token" = [])),
    responses((status = 200, body = Envelope<ReservationView>),
        (status = 202, body = Envelope<ReservationView>)),
    extensions(("x-codes" = json!([
        ErrorCode::MatchNotFound, ErrorCode::SeatNotFound, ErrorCode::NotCancellable,
        ErrorCode::NotYours, ErrorCode::RefundUnderWay, ErrorCode::RefundRefused,
        ErrorCode::PriceChanged, ErrorCode::MatchArchived, ErrorCode::HistoryUnavailable]))))]
pub async fn cancel(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<ReservationId>,
    OptionalInput(input): OptionalInput<CancelInput>,
) -> ApiResult<Response> {
    let reservation = find(&services, &user, id).await?;
    let seats = match input.and_then(|input| input.seat_ids) {
        Some(seats) => {
            let (_, site) = services.fixture_with_site(reservation.match_id)?;
            priced(&site, &seats)?
        }
        None => vec![],
    };
    let done = services.checkout.cancel(reservation, seats).await?;
    let reservation = find(&services, &user, id).await?;
    let view = ReservationView::of(&services, &reservation);
    Ok(if done { Okay(view).into_response() } else { Accepted(view).into_response() })
}
