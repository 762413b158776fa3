//! Reservations of buyers, for organisers: look at one, and give its money back at any time.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::choice::some_seat_ids;
use crate::api::error::{ApiResult, ErrorCode};
use crate::api::extract::{Accepted, Envelope, IdempotencyKey, Input, Okay, Path};
use crate::api::reservations::{FoundReservation, cancellation, find};
use crate::api::staff::{Manager, Reader, refuse_other_site};
use crate::api::views::{RefundView, ReservationView};
use crate::domain::ids::{ReservationId, SeatId, UserId};
use crate::domain::trail::Act;
use crate::engine::cancellation::Right;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

/// A reservation of a buyer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuyerReservation {
    #[serde(flatten)]
    reservation: ReservationView,
    /// The buyer.
    #[schema(value_type = uuid::Uuid)]
    user_id: UserId,
    /// What a cancellation by an organiser gives back now, unless the fee is waived; null when it
    /// is not paid, or not any more.
    #[schema(required)]
    organiser_refund: Option<RefundView>,
}

/// What an organiser cancels.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganiserCancelInput {
    /// Some seats. Without it, all of them.
    #[schema(schema_with = some_seat_ids)]
    seat_ids: Option<Vec<SeatId>>,
    /// Whether the buyer gets the whole price back; default false.
    #[serde(default)]
    waive_fee: bool,
}

/// A reservation of any buyer, once its payment has begun.
#[utoipa::path(get, path = "/api/admin/reservations/{reservation}",
    operation_id = "getBuyerReservation", tag = "administration",
    params(("reservation" = uuid::Uuid, Path)), security(("reader" = [])),
    responses((status = 200, body = Envelope<BuyerReservation>)),
    extensions(("x-codes" = json!([ErrorCode::HistoryUnavailable]))))]
pub async fn get(
    State(services): State<Arc<Services>>,
    Reader(reader): Reader,
    Path(id): Path<ReservationId>,
) -> ApiResult<Okay<BuyerReservation>> {
    let found = find_any(&services, &reader, id).await?;
    let entry = reader.act(Act::ReservationRead, format!("reservation/{id}"));
    services.note(id.partition(), &entry).await?;
    Ok(Okay(BuyerReservation::of(&services, &found)))
}

/// Cancels a paid reservation of any buyer, or some of its seats, at any time. Behind the end of
/// refunds the last fee goes on. The money goes back first (202 while that is under way).
#[utoipa::path(post, path = "/api/admin/reservations/{reservation}/cancel",
    operation_id = "cancelBuyerReservation", tag = "administration",
    params(("reservation" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = OrganiserCancelInput, security(("manager" = [])),
    responses((status = 200, body = Envelope<BuyerReservation>),
        (status = 202, body = Envelope<BuyerReservation>)),
    extensions(("x-codes" = json!([
        ErrorCode::MatchNotFound, ErrorCode::SeatNotFound, ErrorCode::NotCancellable,
        ErrorCode::NotYours, ErrorCode::RefundUnderWay, ErrorCode::RefundRefused,
        ErrorCode::PriceChanged, ErrorCode::MatchArchived, ErrorCode::HistoryUnavailable]))))]
pub async fn cancel(
    State(services): State<Arc<Services>>,
    Manager(manager): Manager,
    Path(id): Path<ReservationId>,
    key: IdempotencyKey,
    input: Input<OrganiserCancelInput>,
) -> ApiResult<Response> {
    let route = format!("cancel {}", id.key());
    let operation = key.operation(&manager.id.key(), &route, &input);
    let reservation = find_any(&services, &manager, id).await?.reservation;
    let OrganiserCancelInput { seat_ids, waive_fee } = input.value;
    let named = seat_ids.clone();
    let right = if waive_fee { Right::Waived } else { Right::Organiser };
    let cancellation = cancellation(&services, &reservation, seat_ids, right)?;
    let entry = manager.act(Act::ReservationCancelled, format!("reservation/{id}"));
    let mut entry = entry.with(json!({"seatIds": named, "waiveFee": waive_fee}));
    // A call that is repeated under its key has the same entry again, which PostgreSQL knows then.
    entry.id = operation.id().unwrap_or(entry.id);
    services.note(id.partition(), &entry).await?;
    let done = services.checkout.cancel(reservation, cancellation, operation).await?;
    let view = BuyerReservation::of(&services, &find_any(&services, &manager, id).await?);
    Ok(if done { Okay(view).into_response() } else { Accepted(view).into_response() })
}

/// A reservation of any buyer. PostgreSQL knows whose it is; a reservation whose payment has not
/// begun is only known to its buyer.
async fn find_any(
    services: &Services,
    staff: &User,
    id: ReservationId,
) -> ApiResult<FoundReservation> {
    let kept = services.store.reservation(id).await?.ok_or(ErrorCode::ReservationNotFound)?;
    if staff.role.is_of_sites() {
        let fixture = services.catalog.fixture(kept.match_id).ok_or(ErrorCode::Forbidden)?;
        refuse_other_site(staff, fixture.site_id)?;
    }
    find(services, kept.user, id).await
}

impl BuyerReservation {
    fn of(services: &Services, found: &FoundReservation) -> Self {
        let FoundReservation { reservation, now_ms } = found;
        let view = found.view(services);
        let fixture = services.catalog.fixture(reservation.match_id);
        let organiser_refund = fixture.and_then(|fixture| {
            RefundView::of_organiser(*now_ms, reservation, &fixture.refund_terms(), &view.seats)
        });
        Self { reservation: view, user_id: reservation.user, organiser_refund }
    }
}
