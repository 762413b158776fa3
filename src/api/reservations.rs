//! Reservations: seats on their way to being bought, and bought.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::checkout;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Created, Envelope, IdempotencyKey, Input, Okay, OptionalInput, Path};
use crate::api::holds::{
    ClaimedSeat, checked_seats, claimed, deadline, moment, seat_ids, some_seat_ids,
};
use crate::api::payments::PaymentView;
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

/// Kept reservations that a list shows at the most.
const LISTED: i64 = 200;

/// What to reserve: `ReserveChoice` as it is read, so that an error names the field.
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

/// The seats of a hold.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveHold {
    #[schema(value_type = uuid::Uuid)]
    match_id: MatchId,
    #[schema(value_type = uuid::Uuid)]
    hold_id: HoldId,
}

/// Seats out of one's holds.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveSeats {
    #[schema(value_type = uuid::Uuid)]
    match_id: MatchId,
    #[schema(schema_with = seat_ids)]
    seat_ids: Vec<SeatId>,
}

/// A reservation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationView {
    #[schema(value_type = uuid::Uuid)]
    pub id: ReservationId,
    #[schema(value_type = uuid::Uuid)]
    pub match_id: MatchId,
    pub status: ReservationStatus,
    pub seats: Vec<ClaimedSeat>,
    /// In KRW.
    pub amount: i64,
    /// The end of the time to pay, while PENDING.
    #[schema(required)]
    pub expires_at: Option<jiff::Timestamp>,
    #[schema(required)]
    pub created_at: Option<jiff::Timestamp>,
    #[schema(required)]
    pub payment: Option<PaymentView>,
}

/// My reservations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationList {
    reservations: Vec<ReservationView>,
    /// False while what was bought earlier can't be read: only open reservations are listed then.
    history: bool,
    /// False while a part of Redis does not answer: open reservations in it are not listed then.
    open: bool,
}

impl ReservationView {
    /// A reservation with the labels of its seats.
    pub fn of(services: &Services, one: &Reservation) -> Self {
        let site = services.catalog.fixture_with_site(one.match_id).map(|(_, site)| site);
        let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).ok();
        Self {
            id: one.id,
            match_id: one.match_id,
            status: one.status,
            // Empty while this node does not know the plan: never seats at 0 KRW.
            seats: site.and_then(|site| claimed(&site, &one.seats).ok()).unwrap_or_default(),
            amount: one.amount,
            expires_at: one.expires_at.and_then(time),
            created_at: time(one.created_at),
            payment: one.payment.as_ref().map(|payment| PaymentView::of(services, one, payment)),
        }
    }
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
    services.limits.seat_call(user.id.0)?;
    let operation = key.operation(&user.id.key(), "reserve", &input);
    let (match_id, source) = match input.value.choice()? {
        ReserveChoice::Hold(one) => (one.match_id, Source::Hold(one.hold_id)),
        ReserveChoice::Seats(some) => {
            (some.match_id, Source::Seats(priced(&services, some.match_id, &some.seat_ids)?))
        }
    };
    let (_, site) = services.catalog.fixture_with_site(match_id).ok_or(ErrorCode::MatchNotFound)?;
    let (id, granted) = services.engine.reserve(match_id, user.id, source, operation).await?;
    Ok(Created(ReservationView {
        id,
        match_id,
        status: ReservationStatus::Pending,
        seats: claimed(&site, &granted.seats)?,
        amount: granted.amount,
        expires_at: Some(deadline(&granted)?),
        created_at: Some(moment(id.made_at())?),
        payment: None,
    }))
}

/// Seats of a match, each with its price in KRW.
fn priced(services: &Services, id: MatchId, seats: &[SeatId]) -> ApiResult<Vec<(SeatId, i64)>> {
    let (_, site) = services.catalog.fixture_with_site(id).ok_or(ErrorCode::MatchNotFound)?;
    checked_seats(&site, seats)?;
    Ok(claimed(&site, seats)?.iter().map(|seat| (seat.seat_id, seat.price)).collect())
}

/// My reservations: open ones first, then what was bought, newest first.
#[utoipa::path(get, path = "/api/reservations",
    operation_id = "listReservations", tag = "reservations", security(("token" = [])),
    responses((status = 200, body = Envelope<ReservationList>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    user: User,
) -> ApiResult<Okay<ReservationList>> {
    let asking = services.engine.partitions().map(async |one| {
        // Without the clock nothing is known to be late, and nothing is hidden.
        let now = services.engine.now_ms(one).await.unwrap_or_default();
        let claims = services.engine.claims_of(one, user.id).await?.into_iter();
        Ok::<_, EngineError>(claims.filter_map(move |one| Found::Live(one).reservation(now)))
    });
    let answers = futures::future::join_all(asking).await;
    let open = answers.iter().all(Result::is_ok);
    let mut found: Vec<Reservation> =
        answers.into_iter().filter_map(Result::ok).flatten().collect();
    found.retain(|one| one.status != ReservationStatus::Expired);
    let known: HashSet<ReservationId> = found.iter().map(|one| one.id).collect();
    let kept = services.store.reservations_of(user.id, LISTED).await;
    let history = kept.is_ok();
    found.extend(kept.unwrap_or_default().into_iter().filter(|one| !known.contains(&one.id)));
    found.sort_by_key(|one| std::cmp::Reverse((one.created_at, one.id)));
    let reservations = found.iter().map(|one| ReservationView::of(&services, one)).collect();
    Ok(Okay(ReservationList { reservations, history, open }))
}

/// One reservation of mine.
#[utoipa::path(get, path = "/api/reservations/{reservation}",
    operation_id = "getReservation", tag = "reservations",
    params(("reservation" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<ReservationView>)),
    extensions(("x-codes" = json!([ErrorCode::HistoryUnavailable]))))]
pub async fn one(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<ReservationId>,
) -> ApiResult<Okay<ReservationView>> {
    let one = find(&services, &user, id).await?;
    Ok(Okay(ReservationView::of(&services, &one)))
}

/// A reservation of the caller: in Redis while it is open, else in PostgreSQL. What belongs to
/// someone else is answered as if it did not exist.
pub async fn find(services: &Services, user: &User, id: ReservationId) -> ApiResult<Reservation> {
    let missing = || ErrorCode::ReservationNotFound.into();
    // An id of someone's own making may name a partition that does not exist.
    if id.partition().0 >= services.engine.partition_count() {
        return Err(missing());
    }
    let found = services.engine.claim(user.id, id).await?;
    let now = services.engine.now_ms(id.partition()).await?;
    let live = found.and_then(|found| found.reservation(now));
    let one = match live {
        Some(one) => one,
        None => services.store.reservation(id).await?.ok_or_else(missing)?,
    };
    if one.user == user.id { Ok(one) } else { Err(missing()) }
}

/// Which seats of a reservation to give back.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelInput {
    /// Some seats of a reservation that is paid; without it, all.
    #[schema(schema_with = some_seat_ids)]
    seat_ids: Option<Vec<SeatId>>,
}

/// Cancels a reservation of mine, or some seats of one that is paid; the money goes back first (202
/// while that is under way).
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
    let one = find(&services, &user, id).await?;
    let seats = match input.and_then(|input| input.seat_ids) {
        Some(seats) => priced(&services, one.match_id, &seats)?,
        None => vec![],
    };
    let done = checkout::cancel(&services, &user, &one, seats).await?;
    let one = find(&services, &user, id).await?;
    let view = ReservationView::of(&services, &one);
    Ok(if done {
        Okay(view).into_response()
    } else {
        crate::api::extract::Accepted(view).into_response()
    })
}
