//! Event streams (SSE): a snapshot, then changes, with ids to resume from.

use crate::api::App;
use crate::api::error::{ApiError, ApiResult, Problem};
use crate::api::extract::{Path, Query};
use crate::api::limits::StreamPlace;
use crate::api::seats::checked_block;
use crate::api::serve::PeerAddress;
use crate::domain::ids::{BlockId, MatchId};
use crate::domain::position::Position;
use crate::live::feed::{Feed, Next};
use crate::live::frame::Scope;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use serde::Deserialize;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// A comment in so long a silence keeps proxies from cutting the stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream ends after so long, give or take a quarter, so that clients come back one by one.
const LIFE: Duration = Duration::from_secs(1800);

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// The id of the last event seen, as the header `Last-Event-ID`.
    last_event_id: Option<String>,
    /// Block ids by comma: only these blocks of the match.
    blocks: Option<String>,
}

/// Live states of a block: `snapshot` {version, seats}, then `changes` {version, changes}.
#[utoipa::path(get, path = "/api/matches/{match}/blocks/{block}/seats/events", tag = "seats",
    params(("match" = uuid::Uuid, Path), ("block" = u32, Path), StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = 404, body = Problem),
        (status = 429, description = "TOO_MANY_STREAMS", body = Problem)))]
pub async fn of_block(
    State(app): State<Arc<App>>,
    peer: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    Path((id, block)): Path<(MatchId, BlockId)>,
    Query(query): Query<StreamQuery>,
) -> ApiResult<Response> {
    checked_block(&app, id, block)?;
    open(&app, peer, &headers, id, Scope::Block(block), &query).await
}

/// Live states of the whole match, or of `blocks`: as above, with one letter per seat in the
/// snapshot.
#[utoipa::path(get, path = "/api/matches/{match}/seats/events", tag = "seats",
    params(("match" = uuid::Uuid, Path), StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = 404, body = Problem),
        (status = 429, description = "TOO_MANY_STREAMS", body = Problem)))]
pub async fn of_match(
    State(app): State<Arc<App>>,
    peer: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    Path(id): Path<MatchId>,
    Query(query): Query<StreamQuery>,
) -> ApiResult<Response> {
    app.catalog.event(id).ok_or_else(|| ApiError::not_found("match"))?;
    let scope = match &query.blocks {
        None => Scope::Match,
        Some(text) => {
            let blocks = parse_blocks(text)?;
            for block in &blocks {
                checked_block(&app, id, *block)?;
            }
            Scope::Blocks(blocks)
        }
    };
    open(&app, peer, &headers, id, scope, &query).await
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

async fn open(
    app: &Arc<App>,
    peer: Option<Extension<PeerAddress>>,
    headers: &HeaderMap,
    id: MatchId,
    scope: Scope,
    query: &StreamQuery,
) -> ApiResult<Response> {
    let place = place(app, peer)?;
    let feed = app.hub.feed(id).await?;
    let last = last_event_id(headers, query.last_event_id.as_deref());
    Ok(response(seat_events(app.clone(), feed, scope, last, place)))
}

/// A place among the streams of the caller's address.
pub fn place(app: &App, peer: Option<Extension<PeerAddress>>) -> ApiResult<StreamPlace> {
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Extension(peer)| peer.0);
    app.limits.stream(address)
}

/// Where the client stands; a text that is no position counts as none: it gets a snapshot.
fn last_event_id(headers: &HeaderMap, query: Option<&str>) -> Option<Position> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    header.or(query)?.parse().ok()
}

fn seat_events(
    app: Arc<App>,
    feed: Arc<Feed>,
    scope: Scope,
    last: Option<Position>,
    place: StreamPlace,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let (next, watcher) = feed.watch(&scope, last);
    let ends_at = tokio::time::Instant::now() + jittered(LIFE);
    let first = Bytes::from(format!("retry: {}\n\n{}", retry_ms(), joined(next)));
    let state = (app, feed, scope, watcher, place, Some(first));
    futures::stream::unfold(state, move |mut state| async move {
        if let Some(first) = state.5.take() {
            return Some((Ok(first), state));
        }
        let (app, feed, scope, watcher, _, _) = &mut state;
        loop {
            let next = tokio::select! {
                next = tokio::time::timeout(HEARTBEAT, watcher.next(feed, scope)) => next,
                () = app.stop.cancelled() => return None,
                () = tokio::time::sleep_until(ends_at) => return None,
            };
            let text = match next {
                Err(_) => ": still here\n\n".to_owned(),
                Ok(next) => joined(next?),
            };
            if !text.is_empty() {
                return Some((Ok(Bytes::from(text)), state));
            }
        }
    })
}

fn joined(next: Next) -> String {
    let frames = match next {
        Next::Snapshot(frame) => vec![frame],
        Next::Frames(frames) => frames,
    };
    frames.iter().map(|frame| String::from_utf8_lossy(frame)).collect()
}

/// An event stream as a response.
pub fn response(
    stream: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    let set = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in set {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// 1 to 4 s: clients that lost the server together do not all return together.
pub fn retry_ms() -> u64 {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    1000 + random % 3000
}

/// A time give or take a quarter.
fn jittered(time: Duration) -> Duration {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    let share = (random % 1000) as f64 / 1000.0;
    time.mul_f64(0.75 + share / 2.0)
}
