//! The waiting room of a match.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::auth::{TokenUser, User};
use crate::api::challenge::Solution;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::event_docs::QueueEvent;
use crate::api::events::{last_event_id, open};
use crate::api::extract::{Created, Envelope, NoContent, Okay, OptionalInput};
use crate::api::known_match::KnownMatch;
use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::draw::seed_hash;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::queue::{Place, PlaceVerb};
use crate::live::frame::Subject;
use crate::live::line::LineView;
use crate::live::match_feed::MatchFeed;
use crate::live::pace::Eta;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Somebody who has a pass, or is far back in the line, need not ask before this time.
const POLL_AFTER_MS_MAX: u64 = 30_000;

/// Whether a user waits or may hold seats.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PlaceState {
    Waiting,
    Admitted,
}

/// A place in the queue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceView {
    state: PlaceState,
    /// The number in the order of joining; null once the user is admitted.
    #[schema(required)]
    ticket: Option<u64>,
    /// The number in the line. Null before the draw, and once the user is admitted.
    #[schema(required)]
    number: Option<u64>,
    /// The number up to which people are admitted.
    serving: u64,
    /// People in front; null before the draw.
    #[schema(required)]
    ahead: Option<u64>,
    /// How long the user waits, as a range from the measured pace. Null while the pace is not
    /// known, and while nobody is let in.
    #[schema(required)]
    eta: Option<Eta>,
    #[schema(required)]
    pass_expires_at: Option<jiff::Timestamp>,
    /// It rises when Redis has lost its data. Then all places are lost, and people must join again.
    epoch: u64,
    /// A client without an event stream asks again after this time, in milliseconds.
    poll_after_ms: u64,
}

/// The draw of a waiting room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawView {
    /// The SHA-256 of the text of the seed, in hexadecimal digits.
    seed_hash: String,
    /// The seed, once all have their numbers and this is safely stored; null before.
    #[schema(required)]
    seed: Option<String>,
    /// How many people were drawn; null before.
    #[schema(required)]
    drawn: Option<u64>,
}

/// What a waiting room with a challenge wants. Other waiting rooms need no body.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinInput {
    challenge: Solution,
}

/// Joins the queue. A user who has joined before keeps the place.
#[utoipa::path(post, path = "/api/matches/{match}/queue",
    operation_id = "joinQueue", tag = "queue",
    params(("match" = uuid::Uuid, Path)), request_body = Option<JoinInput>,
    security(("token" = [])),
    responses((status = 201, body = Envelope<PlaceView>)),
    extensions(("x-codes" = json!([
        ErrorCode::ChallengeRequired, ErrorCode::QueueOff, ErrorCode::MatchNotOpen,
        ErrorCode::SoldOut]))))]
pub async fn join(
    State(services): State<Arc<Services>>,
    user: User,
    KnownMatch(fixture): KnownMatch,
    OptionalInput(input): OptionalInput<JoinInput>,
) -> ApiResult<Created<PlaceView>> {
    has_queue(&fixture)?;
    // First, because nobody may solve a challenge or get a place and hear of a failure.
    let feed = services.hub.feed(fixture.id).await?;
    if services.challenges.are_on(fixture.queue.challenge) {
        // The response of the call that has joined may be lost, and a widget is solved once.
        let place = services.engine.queue_place(fixture.id, user.id, PlaceVerb::Look).await?;
        if let Some(place) = place {
            return Ok(Created(view(&fixture, &feed, place)));
        }
        let (now_s, about) = (services.tokens.clock.now_s(), (fixture.id, user.id));
        let solution = input.map(|input| input.challenge);
        services.challenges.check(now_s, about, solution).await?;
    }
    let seats = services.catalog.site(fixture.site_id).map(|site| site.index.seat_count());
    match services.engine.join_queue(fixture.id, user.id, seats).await {
        Ok(place) => Ok(Created(view(&fixture, &feed, place))),
        Err(EngineError::Refused(Refusal::SoldOut)) => Err(sold_out(feed.line().seats_may_return)),
        Err(error) => Err(error.into()),
    }
}

fn sold_out(may_return: bool) -> ApiError {
    let detail = match may_return {
        true => {
            "All seats are taken. Some of them are not paid for yet and may come back: try again \
             in a few minutes."
        }
        false => "All seats are sold.",
    };
    ApiError::new(ErrorCode::SoldOut, detail)
}

/// My place. Once I am admitted, this call picks the admission up, and my pass begins.
#[utoipa::path(get, path = "/api/matches/{match}/queue",
    operation_id = "getPlace", tag = "queue",
    params(("match" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<PlaceView>)),
    extensions(("x-codes" = json!([
        ErrorCode::NotInQueue, ErrorCode::QueueOff, ErrorCode::MatchNotOpen]))))]
pub async fn place(
    State(services): State<Arc<Services>>,
    user: User,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Okay<PlaceView>> {
    // First, because looking picks an admission up.
    let feed = services.hub.feed(fixture.id).await?;
    let place = services.engine.queue_place(fixture.id, user.id, PlaceVerb::Look).await?;
    Ok(Okay(view(&fixture, &feed, place.ok_or(ErrorCode::NotInQueue)?)))
}

/// Leaves the queue, or returns the pass. Who joins again is at the end of the line.
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

/// A place as the API shows it.
pub fn view(fixture: &Match, feed: &MatchFeed, place: Place) -> PlaceView {
    let (epoch, poll_after_ms) = (feed.epoch(), feed.line().poll_after_ms);
    match place {
        Place::Waiting { ticket, number, serving, ahead } => {
            let eta = ahead.and_then(|ahead| feed.eta(ahead));
            // An admission must not end between two polls.
            let longest = (fixture.queue.admission_ttl_ms / 3).min(POLL_AFTER_MS_MAX);
            let far = eta.map_or(0, |eta| (eta.p50_seconds * 100).min(longest));
            PlaceView {
                state: PlaceState::Waiting,
                ticket: Some(ticket),
                number,
                serving,
                ahead,
                eta,
                pass_expires_at: None,
                epoch,
                poll_after_ms: poll_after_ms.max(far),
            }
        }
        Place::Admitted { pass_expires_at, serving } => PlaceView {
            state: PlaceState::Admitted,
            ticket: None,
            number: None,
            serving,
            ahead: Some(0),
            eta: None,
            pass_expires_at: jiff::Timestamp::from_millisecond(pass_expires_at).ok(),
            epoch,
            poll_after_ms: POLL_AFTER_MS_MAX,
        },
    }
}

/// The queue now, for clients without event streams. The response is the same for everybody, and
/// caches may keep it for the time that `Cache-Control` says.
#[utoipa::path(get, path = "/api/matches/{match}/queue/serving",
    operation_id = "getServing", tag = "queue",
    params(("match" = uuid::Uuid, Path)),
    responses((status = 200, body = Envelope<LineView>)),
    extensions(("x-codes" = json!([ErrorCode::QueueOff, ErrorCode::MatchNotOpen]))))]
pub async fn serving(
    State(services): State<Arc<Services>>,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Response> {
    has_queue(&fixture)?;
    let line = services.hub.feed(fixture.id).await?.line();
    // Half of the interval, so that nobody sees numbers that are older than two of their polls.
    let age_max = (line.poll_after_ms / 2_000).max(1);
    let mut response = Okay(line).into_response();
    // Only administrators see a draft.
    if fixture.status == MatchStatus::Draft {
        return Ok(response);
    }
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={age_max}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    Ok(response)
}

/// The draw. With the seed anybody can repeat it: the tickets from 1 to `drawn`, sorted by the
/// first 16 hexadecimal digits of the SHA-256 of `SEED:TICKET`, are the line.
#[utoipa::path(get, path = "/api/matches/{match}/queue/draw",
    operation_id = "getDraw", tag = "queue",
    params(("match" = uuid::Uuid, Path)),
    responses((status = 200, body = Envelope<DrawView>)),
    extensions(("x-codes" = json!([ErrorCode::NoDraw]))))]
pub async fn draw(
    State(services): State<Arc<Services>>,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Okay<DrawView>> {
    let seed = fixture.draw_seed.clone().ok_or(ErrorCode::NoDraw)?;
    let drawn = match fixture.archived {
        true => fixture.drawn.map(u64::from),
        false => services.hub.feed(fixture.id).await?.line().drawn,
    };
    // The draw was turned off again before the sale opened.
    if drawn.is_none() && !fixture.queue.random_pre_queue {
        return Err(ErrorCode::NoDraw.into());
    }
    let seed_hash = seed_hash(&seed);
    Ok(Okay(DrawView { seed_hash, seed: drawn.map(|_| seed), drawn }))
}

/// The queue, live: event `serving`. It has a time to wait only while people are admitted.
///
/// After the first `serving`, and whenever it changes, there is a `match`: the match without
/// counts, which says when the sale or the waiting room has ended. After 15 seconds of silence
/// there is a `heartbeat` {}.
#[utoipa::path(get, path = "/api/matches/{match}/queue/events",
    operation_id = "watchQueue", tag = "queue",
    params(("match" = uuid::Uuid, Path)),
    responses((status = 200, content_type = "text/event-stream", body = Vec<QueueEvent>)),
    extensions(("x-codes" = json!([
        ErrorCode::QueueOff, ErrorCode::MatchNotOpen, ErrorCode::TooManyStreams]))))]
pub async fn events(
    State(services): State<Arc<Services>>,
    caller: Caller,
    watcher: TokenUser,
    headers: HeaderMap,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Response> {
    has_queue(&fixture)?;
    let last = last_event_id(&headers, None);
    open(&services, (caller, watcher), fixture.id, Subject::Line, last).await
}

/// Refuses a match whose waiting room is off, or has ended.
fn has_queue(fixture: &Match) -> ApiResult<()> {
    if fixture.status == MatchStatus::Closed {
        return Err(Refusal::NotOpen { ended: true }.into());
    }
    if !fixture.queue.enabled {
        return Err(Refusal::QueueOff.into());
    }
    Ok(())
}
