//! The waiting room of a match.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::auth::User;
use crate::api::error::{ApiResult, ErrorCode};
use crate::api::events::{last_event_id, open};
use crate::api::extract::{Created, Envelope, NoContent, Okay, Path};
use crate::api::known_match::KnownMatch;
use crate::domain::catalog::MatchStatus;
use crate::domain::ids::MatchId;
use crate::engine::error::Refusal;
use crate::engine::queue::Place;
use crate::live::frame::Subject;
use crate::live::line::{Eta, LineView};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Whether a user waits or may hold seats.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PlaceState {
    Waiting,
    Admitted,
}

/// My place in the queue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceView {
    state: PlaceState,
    /// My number; null once I am admitted.
    #[schema(required)]
    number: Option<u64>,
    /// The number up to which people are admitted.
    serving: u64,
    /// People in front of me.
    ahead: u64,
    /// How long I wait, as a range from the pace of the last minute; null while the pace is not
    /// known.
    #[schema(required)]
    eta: Option<Eta>,
    #[schema(required)]
    pass_expires_at: Option<jiff::Timestamp>,
}

/// Joins the queue. A user who has joined before keeps their number.
#[utoipa::path(post, path = "/api/matches/{match}/queue",
    operation_id = "joinQueue", tag = "queue",
    params(("match" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 201, body = Envelope<PlaceView>)),
    extensions(("x-codes" = json!([ErrorCode::QueueOff]))))]
pub async fn join(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<MatchId>,
) -> ApiResult<Created<PlaceView>> {
    services.limits.seat_call(user.id.0)?;
    services.fixture(id)?;
    let place = services.engine.join_queue(id, user.id).await?;
    Ok(Created(view(&services, id, place).await?))
}

/// My place.
#[utoipa::path(get, path = "/api/matches/{match}/queue",
    operation_id = "getPlace", tag = "queue",
    params(("match" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<PlaceView>)),
    extensions(("x-codes" = json!([ErrorCode::NotInQueue, ErrorCode::QueueOff]))))]
pub async fn place(
    State(services): State<Arc<Services>>,
    user: User,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Okay<PlaceView>> {
    let place = services.engine.queue_place(fixture.id, user.id).await?;
    let place = place.ok_or(ErrorCode::NotInQueue)?;
    Ok(Okay(view(&services, fixture.id, place).await?))
}

/// Leaves the queue, or returns the pass.
#[utoipa::path(delete, path = "/api/matches/{match}/queue",
    operation_id = "leaveQueue", tag = "queue",
    params(("match" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::NotInQueue]))))]
pub async fn leave(
    State(services): State<Arc<Services>>,
    user: User,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<NoContent> {
    match services.engine.leave_queue(fixture.id, user.id).await? {
        true => Ok(NoContent),
        false => Err(ErrorCode::NotInQueue.into()),
    }
}

async fn view(services: &Services, id: MatchId, place: Place) -> ApiResult<PlaceView> {
    Ok(match place {
        Place::Waiting { number, serving, ahead } => {
            let feed = services.hub.feed(id).await?;
            let eta = feed.eta(ahead);
            PlaceView {
                state: PlaceState::Waiting,
                number: Some(number),
                serving,
                ahead,
                eta,
                pass_expires_at: None,
            }
        }
        Place::Admitted { pass_expires_at, serving } => PlaceView {
            state: PlaceState::Admitted,
            number: None,
            serving,
            ahead: 0,
            eta: None,
            pass_expires_at: jiff::Timestamp::from_millisecond(pass_expires_at).ok(),
        },
    })
}

/// The queue, live: event `serving`. It has a time to wait only while people are admitted.
///
/// After the first `serving`, and whenever it changes, there is a `match`: the match without
/// counts, which says when the sale or the waiting room has ended. After 15 seconds of silence
/// there is a `heartbeat` {}.
#[utoipa::path(get, path = "/api/matches/{match}/queue/events",
    operation_id = "watchQueue", tag = "queue",
    params(("match" = uuid::Uuid, Path)),
    responses((status = 200, content_type = "text/event-stream", body = LineView)),
    extensions(("x-codes" = json!([ErrorCode::QueueOff, ErrorCode::TooManyStreams]))))]
pub async fn events(
    State(services): State<Arc<Services>>,
    caller: Caller,
    headers: HeaderMap,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Response> {
    if !fixture.queue.enabled {
        let ended = fixture.status == MatchStatus::Closed;
        return Err(Refusal::QueueOff { ended }.into());
    }
    let last = last_event_id(&headers, None);
    open(&services, caller, fixture.id, Subject::Line, last).await
}
