//! Event streams (SSE): a snapshot, then changes with ids to resume from, and the match itself.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::auth::TokenUser;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::event_docs::SeatEvent;
use crate::api::extract::{Path, Query};
use crate::api::known_match::Viewer;
use crate::api::seats::checked_block;
use crate::domain::ids::{BlockId, MatchId};
use crate::domain::position::EventId;
use crate::live::frame::{Frame, Scope, Subject};
use crate::live::match_feed::Watching;
use crate::live::shard::{HEARTBEAT_FRAME, Watcher};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::Mutex;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

/// After this silence a heartbeat is sent. Longer: proxies cut the stream, and a browser notices
/// later that its stream is dead.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// A stream ends after this time, plus or minus a quarter so that clients reconnect one by one.
/// Shorter: more reconnections. Longer: a load balancer takes longer to spread the streams again.
const STREAM_TTL: Duration = Duration::from_secs(1800);

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// As the header `Last-Event-ID`, for clients that can't send it. The header counts first.
    last_event_id: Option<String>,
    /// Only these blocks of the match: at most 100 ids with commas between.
    #[param(pattern = "^[0-9]{1,9}(,[0-9]{1,9}){0,99}$")]
    blocks: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BlockStreamQuery {
    /// As the header `Last-Event-ID`, for clients that can't send it. The header counts first.
    last_event_id: Option<String>,
}

/// Live states of a block: `snapshot` {version, seats}, then `changes` {version, changes}.
///
/// After the snapshot, and whenever it changes, there is a `match`: the match without counts. While
/// there is a waiting room there is also `serving`, as on the stream of the queue. After 15 seconds
/// of silence there is a `heartbeat` {}. Only `snapshot` and `changes` have an id.
#[utoipa::path(get, path = "/api/matches/{match}/blocks/{block}/seats/events",
    operation_id = "watchBlock", tag = "seats",
    params(("match" = uuid::Uuid, Path), ("block" = u32, Path),
        ("Last-Event-ID" = Option<String>, Header), BlockStreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = Vec<SeatEvent>)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteNotFound, ErrorCode::MatchArchived, ErrorCode::TooManyStreams]))))]
pub async fn of_block(
    State(services): State<Arc<Services>>,
    caller: Caller,
    watcher: TokenUser,
    viewer: Viewer,
    headers: HeaderMap,
    Path((id, block)): Path<(MatchId, BlockId)>,
    Query(query): Query<BlockStreamQuery>,
) -> ApiResult<Response> {
    checked_block(&services, &viewer, id, block)?;
    let subject = Subject::Seats(Scope::Block(block));
    let last = last_event_id(&headers, query.last_event_id.as_deref());
    open(&services, (caller, watcher), id, subject, last).await
}

/// Live states of the whole match, or of `blocks`: the same events as for one block, with one
/// letter per seat in the snapshot.
#[utoipa::path(get, path = "/api/matches/{match}/seats/events",
    operation_id = "watchMatch", tag = "seats",
    params(("match" = uuid::Uuid, Path), ("Last-Event-ID" = Option<String>, Header),
        StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = Vec<SeatEvent>)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteNotFound, ErrorCode::BlockNotFound, ErrorCode::MatchArchived,
        ErrorCode::TooManyStreams]))))]
pub async fn of_match(
    State(services): State<Arc<Services>>,
    caller: Caller,
    watcher: TokenUser,
    viewer: Viewer,
    headers: HeaderMap,
    Path(id): Path<MatchId>,
    Query(query): Query<StreamQuery>,
) -> ApiResult<Response> {
    services.fixture_for(&viewer, id)?;
    let scope = match &query.blocks {
        None => Scope::Match,
        Some(text) => {
            let blocks = parse_blocks(text)?;
            for block in &blocks {
                checked_block(&services, &viewer, id, *block)?;
            }
            Scope::Blocks(blocks)
        }
    };
    let subject = Subject::Seats(scope);
    let last = last_event_id(&headers, query.last_event_id.as_deref());
    open(&services, (caller, watcher), id, subject, last).await
}

fn parse_blocks(text: &str) -> ApiResult<Vec<BlockId>> {
    let blocks: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
    let mut blocks = blocks.unwrap_or_default();
    blocks.sort_unstable();
    blocks.dedup();
    if blocks.is_empty() || blocks.len() > 100 {
        let message = "must be 1 to 100 block ids joined by commas, such as 101,102";
        return Err(ApiError::field("blocks", message));
    }
    Ok(blocks.into_iter().map(BlockId).collect())
}

/// An accepted stream. The response has no body yet: `api::serve` either takes the connection over
/// or asks for `body`.
#[derive(Clone)]
pub struct EventStream(Arc<Mutex<Option<Watcher>>>);

impl EventStream {
    /// The watcher; `None` when it was taken before.
    pub fn take(&self) -> Option<Watcher> {
        self.0.lock().take()
    }
}

/// Accepts a stream: takes a place among the streams of the user or of the address, finds the map,
/// and makes the head of the response.
pub async fn open(
    services: &Services,
    (caller, user): (Caller, TokenUser),
    id: MatchId,
    subject: Subject,
    last: Option<EventId>,
) -> ApiResult<Response> {
    let place = services.limits.stream(caller.0, user.0)?;
    let mut watching = Watching::new(services.hub.feed(id).await?);
    let subject = watching.subject(subject);
    let ends_at = Instant::now() + jittered(STREAM_TTL);
    let watcher =
        Watcher { watching, subject, last, stream_slot: place, connection_slot: None, ends_at };
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(EventStream(Arc::new(Mutex::new(Some(watcher)))));
    let set = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The last event that the client has seen. With a text that is not an id of an event the client
/// gets a snapshot, as without one.
pub fn last_event_id(headers: &HeaderMap, query: Option<&str>) -> Option<EventId> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    header.or(query)?.parse().ok()
}

/// The first field of a stream: how long a client waits before it reconnects. 1 to 4 s at random,
/// because clients that lost the server together should not return together.
pub fn retry() -> Frame {
    Frame::new(&format!("retry: {}\n\n", 1000 + random() % 3000))
}

/// A stream as a body, where the connection can't be taken over: HTTP/2, because the connection has
/// other streams as well, and HTTP/1.0. It reads the map itself, so the changes that a slow reader
/// misses are merged.
pub fn body(watcher: Watcher, stop: CancellationToken) -> Body {
    let state = (watcher, stop, None);
    Body::from_stream(
        futures::stream::unfold(state, |(watcher, stop, cursor)| async move {
            let Some(mut cursor) = cursor else {
                let mut cursor = watcher.watching.cursor();
                let newcomers = [watcher.last];
                let update = watcher.watching.advance(&watcher.subject, &mut cursor, &newcomers);
                let first = update.for_newcomers.into_iter().map(|frame| frame.text());
                let all: Vec<Bytes> = std::iter::once(retry().text()).chain(first).collect();
                return Some((all.concat().into(), (watcher, stop, Some(cursor))));
            };
            let next = next(&watcher, &mut cursor);
            let next = tokio::select! {
                next = tokio::time::timeout(HEARTBEAT_INTERVAL, next) => next,
                () = stop.cancelled() => return None,
                () = tokio::time::sleep_until(watcher.ends_at.into()) => return None,
            };
            let frame = next.unwrap_or_else(|_| Some(HEARTBEAT_FRAME.clone()))?;
            Some((frame.text(), (watcher, stop, Some(cursor))))
        })
        .map(Ok::<Bytes, Infallible>),
    )
}

/// The next frame of a subject; `None` when the match is gone.
async fn next(watcher: &Watcher, cursor: &mut u64) -> Option<Frame> {
    loop {
        watcher.watching.wait_for_flush(*cursor).await;
        if watcher.watching.is_over() {
            return None;
        }
        let update = watcher.watching.advance(&watcher.subject, cursor, &[]);
        if update.for_watchers.is_some() {
            return update.for_watchers;
        }
    }
}

/// A time plus or minus a quarter.
fn jittered(time: Duration) -> Duration {
    let share = (random() % 1000) as f64 / 1000.0;
    time.mul_f64(0.75 + share / 2.0)
}

fn random() -> u64 {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    random
}
