//! Check-ins at the gate: each sold seat is entered once.

use crate::api::Services;
use crate::api::error::{ApiResult, ErrorCode};
use crate::api::extract::{Envelope, IdempotencyKey, Input, Okay, Path};
use crate::api::idempotency::Repeatable;
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

/// Checks in the holder of a sold seat, once. A gate makes an `Idempotency-Key` for each scan,
/// never from the code, and repeats a call whose response was lost: it gets the response of the
/// first. Another scan of the same code is 409 `CHECKED_IN_BEFORE` with the time of the first.
#[utoipa::path(post, path = "/api/admin/matches/{match}/check-ins",
    operation_id = "checkIn", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CheckInInput, security(("seller" = [])),
    responses((status = 200, body = Envelope<CheckInView>)),
    extensions(("x-codes" = json!([
        ErrorCode::MatchNotFound, ErrorCode::CodeNotFound, ErrorCode::NotConfirmed,
        ErrorCode::CheckedInBefore, ErrorCode::MatchArchived]))))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Seller(seller): Seller,
    Path(id): Path<MatchId>,
    key: IdempotencyKey,
    input: Input<CheckInInput>,
) -> ApiResult<Repeatable<Okay<CheckInView>>> {
    let (fixture, site) = services.fixture_with_site(id)?;
    let code = services.check_in_codes.read(id, input.value.code.trim());
    // Before anybody enters: this node may not know the plan of the match yet.
    let known = code.filter(|(_, seat_id)| site.index.label(*seat_id).is_some());
    let (reservation_id, seat_id) = known.ok_or(ErrorCode::CodeNotFound)?;
    let entry = seller.act(Act::CheckedIn, match_target(id));
    let entry = entry.with(trail_state(seat_id, reservation_id));
    let operation = key.operation(&seller.id.key(), &format!("check in {id}"), &input);
    let operation = operation.with_trail(entry);
    let entered = services.engine.check_in(id, seat_id, reservation_id, &operation).await?;
    let mut seats = claimed(&fixture, &site, &[seat_id], &entered.bill)?;
    let seat = seats.remove(0);
    let checked_in_at = moment(entered.at_ms)?;
    let response = Okay(CheckInView { seat, reservation_id, checked_in_at });
    Ok(Repeatable { response, replayed: entered.replayed })
}
