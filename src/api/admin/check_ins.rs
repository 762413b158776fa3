//! Check-ins at the gate: each sold seat is entered once.

use crate::api::Services;
use crate::api::error::{ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, Okay, Path};
use crate::api::staff::Seller;
use crate::api::views::{ClaimedSeat, claimed, moment};
use crate::domain::check_in::trail_state;
use crate::domain::ids::{MatchId, ReservationId};
use crate::domain::trail::{Act, match_target};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What a gate has scanned.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckInInput {
    /// The code of a seat (`checkInCodes` of a reservation).
    #[schema(max_length = 100)]
    code: String,
}

/// Somebody who has entered now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckInView {
    seat: ClaimedSeat,
    #[schema(value_type = uuid::Uuid)]
    reservation_id: ReservationId,
    checked_in_at: jiff::Timestamp,
}

/// Checks in the holder of a sold seat, once. A call that is repeated because its response
/// was lost is 409 `CHECKED_IN_BEFORE` with the time of the first.
#[utoipa::path(post, path = "/api/admin/matches/{match}/check-ins",
    operation_id = "checkIn", tag = "administration",
    params(("match" = uuid::Uuid, Path)), request_body = CheckInInput, security(("seller" = [])),
    responses((status = 200, body = Envelope<CheckInView>)),
    extensions(("x-codes" = json!([
        ErrorCode::MatchNotFound, ErrorCode::CodeNotFound, ErrorCode::NotConfirmed,
        ErrorCode::CheckedInBefore, ErrorCode::MatchArchived]))))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Seller(seller): Seller,
    Path(id): Path<MatchId>,
    input: Input<CheckInInput>,
) -> ApiResult<Okay<CheckInView>> {
    let (fixture, site) = services.fixture_with_site(id)?;
    let code = services.check_in_codes.read(id, input.value.code.trim());
    // Before anybody enters: this node may not know the plan of the match yet.
    let known = code.filter(|(_, seat_id)| site.index.label(*seat_id).is_some());
    let (reservation_id, seat_id) = known.ok_or(ErrorCode::CodeNotFound)?;
    let entry = seller.act(Act::CheckedIn, match_target(id));
    let entry = entry.with(trail_state(seat_id, reservation_id));
    let entered = services.engine.check_in(id, seat_id, reservation_id, &entry).await?;
    let mut seats = claimed(&fixture, &site, &[seat_id], &entered.bill)?;
    let seat = seats.remove(0);
    Ok(Okay(CheckInView { seat, reservation_id, checked_in_at: moment(entered.at_ms)? }))
}
