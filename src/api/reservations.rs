//! Reservations: seats that a buyer pays for, or has bought.

use crate::api::Services;
use crate::api::auth::{Payer, User};
use crate::api::choice::{
    priced, refuse_companions_alone, refuse_parts_of_units, remains_of_claims, remains_of_holds,
    seat_ids, some_seat_ids,
};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{
    Accepted, Created, Envelope, IdempotencyKey, Input, Okay, OptionalInput, Path, Query,
};
use crate::api::idempotency::Repeatable;
use crate::api::page_query::{PageQuery, Size, number};
use crate::api::views::ReservationView;
use crate::domain::bill::Bill;
use crate::domain::claim::{Reservation, ReservationStatus};
use crate::domain::ids::{HoldId, MatchId, Partition, ReservationId, SeatId, UserId};
use crate::engine::cancellation::{Cancellation, Extent, Right};
use crate::engine::claims::Found;
use crate::engine::error::EngineError;
use crate::engine::operation::Operation;
use crate::engine::reservations::Source;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const PAGE_SIZE: Size = Size { usual: 200, most: 200 };
/// Later than all reservations, in ms: the year 9999.
const END_OF_TIME_MS: i64 = 253_402_300_799_000;

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
    /// The `cursor` of the next page, which is older; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
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
        ErrorCode::MatchNotOpen, ErrorCode::PriceChanged, ErrorCode::UnitIncomplete,
        ErrorCode::AccessibleOnly]))))]
pub async fn create(
    State(services): State<Arc<Services>>,
    user: User,
    key: IdempotencyKey,
    input: Input<ReserveInput>,
) -> ApiResult<Repeatable<Created<ReservationView>>> {
    let operation = key.operation(&user.id.key(), "reserve", &input);
    let choice = input.value.choice()?;
    let match_id = choice.match_id();
    let (_, site) = services.fixture_with_site(match_id)?;
    let source = match choice {
        ReserveChoice::Hold(hold) => Source::Hold(hold.hold_id),
        ReserveChoice::Seats(ReserveSeats { seat_ids, .. }) => {
            let priced = priced(&site, &seat_ids)?;
            refuse_parts_of_units(&site, &seat_ids)?;
            refuse_companions_alone(&site, &seat_ids)?;
            let remains = remains_of_holds(&services, &user, &site, match_id, &seat_ids).await?;
            Source::Seats(priced, remains)
        }
    };
    let (id, granted) = services.engine.reserve(match_id, user.id, source, operation).await?;
    let replayed = granted.replayed;
    let reservation = Reservation {
        id,
        match_id,
        user: user.id,
        status: ReservationStatus::Pending,
        seats: granted.seats,
        amount: granted.amount,
        expires_at: Some(granted.deadline),
        created_at: id.made_at(),
        payment: None,
        refund_terms: granted.refund_terms,
        bill: granted.bill,
        refunding: false,
    };
    let now_ms = granted.deadline - services.engine.limits().payment_ttl_ms as i64;
    let response = Created(ReservationView::at(now_ms, &services, &reservation));
    Ok(Repeatable { response, replayed })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReservationQuery {
    /// The `nextCursor` of the page before.
    #[param(pattern = "^[0-9]{1,15}_[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// 1 to 200, default 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// What a page is older than: a time in ms, and for equal times an id.
type Before = (i64, ReservationId);

fn parse_cursor(text: &str) -> Option<Before> {
    let (ms, id) = text.split_once('_')?;
    Some((number(ms, 15)?, ReservationId::from_key(id)?))
}

/// My reservations, open and bought, the newest first.
#[utoipa::path(get, path = "/api/reservations",
    operation_id = "listReservations", tag = "reservations", params(ReservationQuery),
    security(("token" = [])), responses((status = 200, body = Envelope<ReservationList>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    user: User,
    Query(query): Query<ReservationQuery>,
) -> ApiResult<Okay<ReservationList>> {
    let cursor = query.cursor.as_deref();
    let page = PageQuery::check(query.limit, cursor, &PAGE_SIZE, parse_cursor)?;
    let before = page.after.unwrap_or((END_OF_TIME_MS, ReservationId(uuid::Uuid::max())));
    let reads = services.engine.partitions().map(async |partition| {
        // Without the clock no reservation is known to be late, so none is hidden.
        let now = services.engine.now_ms(partition).await.ok();
        let claims = services.engine.claims_of(partition, user.id).await?.into_iter();
        let late = now.unwrap_or_default();
        let claims = claims.filter_map(|claim| Found::Live(claim).reservation(late));
        Ok::<_, EngineError>((partition, now, claims.collect::<Vec<Reservation>>()))
    });
    let reads = futures::future::join_all(reads).await;
    let open = reads.iter().all(Result::is_ok);
    let (mut found, mut clocks): (Vec<Reservation>, HashMap<Partition, i64>) = Default::default();
    for (partition, now, claims) in reads.into_iter().flatten() {
        clocks.extend(now.map(|now| (partition, now)));
        found.extend(claims);
    }
    let place = |reservation: &Reservation| (reservation.created_at, reservation.id);
    found.retain(|reservation| reservation.status != ReservationStatus::Expired);
    found.retain(|reservation| place(reservation) < before);
    let known: HashSet<ReservationId> = found.iter().map(|reservation| reservation.id).collect();
    let kept = services.store.reservations_of(user.id, before, page.rows().into()).await;
    let history = kept.is_ok();
    if let Err(error) = &kept {
        tracing::warn!(user = %user.id, %error, "the history of a user can't be read");
    }
    found.extend(kept.unwrap_or_default().into_iter().filter(|kept| !known.contains(&kept.id)));
    found.sort_by_key(|reservation| std::cmp::Reverse(place(reservation)));
    let next_cursor = page.cut(&mut found, |last| {
        let (ms, id) = place(last);
        format!("{ms}_{}", id.key())
    });
    let view = |reservation: &Reservation| {
        // Without the clock nothing is said about a refund.
        let now_ms = clocks.get(&reservation.id.partition()).copied().unwrap_or(i64::MAX);
        ReservationView::at(now_ms, &services, reservation)
    };
    let reservations = found.iter().map(view).collect();
    Ok(Okay(ReservationList { reservations, next_cursor, history, open }))
}

/// One reservation of mine, with what its seats are entered with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MyReservation {
    #[serde(flatten)]
    reservation: ReservationView,
    /// One for each seat of a CONFIRMED reservation that is not being given back, for a gate to
    /// scan. Anybody who shows a code may enter.
    check_in_codes: Vec<CheckInCode>,
}

/// What a seat is entered with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckInCode {
    seat_id: SeatId,
    code: String,
}

/// One reservation of mine.
#[utoipa::path(get, path = "/api/reservations/{reservation}",
    operation_id = "getReservation", tag = "reservations",
    params(("reservation" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<MyReservation>)),
    extensions(("x-codes" = json!([ErrorCode::HistoryUnavailable]))))]
pub async fn get(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<ReservationId>,
) -> ApiResult<Okay<MyReservation>> {
    let found = find(&services, user.id, id).await?;
    let mut check_in_codes = Vec::new();
    for seat_id in found.reservation.valid_seats() {
        let code = services.check_in_codes.code(found.reservation.match_id, id, seat_id)?;
        check_in_codes.push(CheckInCode { seat_id, code });
    }
    Ok(Okay(MyReservation { reservation: found.view(&services), check_in_codes }))
}

/// A reservation, and the time of its partition at which it was read.
pub struct FoundReservation {
    pub reservation: Reservation,
    /// In ms.
    pub now_ms: i64,
}

impl FoundReservation {
    /// As the API shows it.
    pub fn view(&self, services: &Services) -> ReservationView {
        ReservationView::at(self.now_ms, services, &self.reservation)
    }
}

/// A reservation of a user: from Redis while it is open, else from PostgreSQL. The reservation of
/// somebody else is refused as if it did not exist.
pub async fn find(
    services: &Services,
    user: UserId,
    id: ReservationId,
) -> ApiResult<FoundReservation> {
    let missing = || ErrorCode::ReservationNotFound.into();
    // A made-up id may name a partition that does not exist.
    if id.partition().0 >= services.engine.partition_count() {
        return Err(missing());
    }
    let (found, is_loaded) = match services.engine.claim(user, id).await {
        Err(EngineError::NotLoaded) => (None, false),
        found => (found?, true),
    };
    let now_ms = services.engine.now_ms(id.partition()).await?;
    let live = found.and_then(|found| found.reservation(now_ms));
    let reservation = match live {
        Some(reservation) => reservation,
        None => match services.store.reservation(id).await? {
            Some(reservation) => reservation,
            None if is_loaded => return Err(missing()),
            // PostgreSQL has none without a payment.
            None => return Err(EngineError::NotLoaded.into()),
        },
    };
    let is_own = reservation.user == user;
    if is_own { Ok(FoundReservation { reservation, now_ms }) } else { Err(missing()) }
}

/// Which seats of a reservation to cancel.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelInput {
    /// Some seats of a paid reservation. Without it, all of them.
    #[schema(schema_with = some_seat_ids)]
    seat_ids: Option<Vec<SeatId>>,
}

/// Cancels a reservation of mine, or some seats of a paid reservation, until the time and with the
/// fee that `refund` of the reservation names. The money goes back first (202 while that is under
/// way). A repeated call has the same response, however late it is by then.
#[utoipa::path(post, path = "/api/reservations/{reservation}/cancel",
    operation_id = "cancelReservation", tag = "reservations",
    params(("reservation" = uuid::Uuid, Path)), request_body = Option<CancelInput>,
    security(("token" = [])),
    responses((status = 200, body = Envelope<ReservationView>),
        (status = 202, body = Envelope<ReservationView>)),
    extensions(("x-codes" = json!([
        ErrorCode::MatchNotFound, ErrorCode::SeatNotFound, ErrorCode::NotCancellable,
        ErrorCode::NotYours, ErrorCode::RefundUnderWay, ErrorCode::RefundRefused,
        ErrorCode::PriceChanged, ErrorCode::RefundClosed, ErrorCode::UnitIncomplete,
        ErrorCode::AccessibleOnly,
        ErrorCode::MatchArchived, ErrorCode::HistoryUnavailable]))))]
pub async fn cancel(
    State(services): State<Arc<Services>>,
    Payer(user): Payer,
    Path(id): Path<ReservationId>,
    OptionalInput(input): OptionalInput<CancelInput>,
) -> ApiResult<Response> {
    let reservation = find(&services, user.id, id).await?.reservation;
    let seat_ids = input.and_then(|input| input.seat_ids);
    let cancellation = cancellation(&services, &reservation, seat_ids, Right::Fan)?;
    let done = services.checkout.cancel(reservation, cancellation, Operation::default()).await?;
    let view = find(&services, user.id, id).await?.view(&services);
    Ok(if done { Okay(view).into_response() } else { Accepted(view).into_response() })
}

/// The cancellation of these seats of a reservation, or of all of them, with their prices.
pub fn cancellation(
    services: &Services,
    reservation: &Reservation,
    seat_ids: Option<Vec<SeatId>>,
    right: Right,
) -> ApiResult<Cancellation> {
    let site = services.fixture_with_site(reservation.match_id).map(|(_, site)| site);
    if let Some(seat_ids) = seat_ids {
        let site = site?;
        let seats = costs(&reservation.bill, priced(&site, &seat_ids)?);
        refuse_parts_of_units(&site, &seat_ids)?;
        let remains = match right {
            Right::Fan => remains_of_claims(&site, &[&reservation.seats], &seat_ids)?,
            // An organiser may leave a companion the seat.
            Right::Organiser | Right::Waived => None,
        };
        return Ok(Cancellation { extent: Extent::These, seats, right, remains });
    }
    // Without a fee the script needs no prices.
    let planned = site.and_then(|site| priced(&site, &reservation.seats)).unwrap_or_default();
    let seats = costs(&reservation.bill, planned);
    Ok(Cancellation { extent: Extent::All, seats, right, remains: None })
}

/// Seats with their prices in the plan, each with what it has cost in this sale instead.
fn costs(bill: &Bill, planned: Vec<(SeatId, i64)>) -> Vec<(SeatId, i64)> {
    let cost = |(seat, price)| (seat, bill.line(seat).map_or(price, |line| line.cost));
    planned.into_iter().map(cost).collect()
}
