//! The states of seats now.

use crate::api::Services;
use crate::api::error::{ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Okay, Path};
use crate::api::known_match::{KnownMatch, Viewer};
use crate::api::shared::shared;
use crate::domain::ids::{BlockId, MatchId};
use crate::live::frame::{Scope, States};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;

/// The states of a block, seat by seat.
#[utoipa::path(get, path = "/api/matches/{match}/blocks/{block}/seats",
    operation_id = "getBlockStates", tag = "seats",
    params(("match" = uuid::Uuid, Path), ("block" = u32, Path)),
    responses((status = 200, body = Envelope<States>)),
    extensions(("x-codes" = json!([ErrorCode::SiteNotFound, ErrorCode::MatchArchived]))))]
pub async fn of_block(
    State(services): State<Arc<Services>>,
    viewer: Viewer,
    Path((id, block)): Path<(MatchId, BlockId)>,
) -> ApiResult<Okay<States>> {
    checked_block(&services, &viewer, id, block)?;
    Ok(Okay(services.hub.feed(id).await?.states(&Scope::Block(block))))
}

/// The states of the whole match: one letter per seat in plan order, block by block. The ETag is
/// the id of an event, and `seats/events?lastEventId=` continues from there.
#[utoipa::path(get, path = "/api/matches/{match}/seats",
    operation_id = "getMatchStates", tag = "seats",
    params(("match" = uuid::Uuid, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Envelope<States>),
        (status = 304)),
    extensions(("x-codes" = json!([ErrorCode::MatchArchived]))))]
pub async fn of_match(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Response> {
    let feed = services.hub.feed(fixture.id).await?;
    let body = feed.body(&Scope::Match, |data| {
        serde_json::to_vec(&Envelope { status: 200, data }).unwrap_or_default()
    });
    Ok(shared(&headers, &body.packed, &body.id.to_string(), "no-cache"))
}

/// Refuses a match or a block that does not exist for the caller.
pub fn checked_block(
    services: &Services,
    viewer: &Viewer,
    id: MatchId,
    block: BlockId,
) -> ApiResult<()> {
    services.fixture_for(viewer, id)?;
    let (_, site) = services.catalog.fixture_with_site(id).ok_or(ErrorCode::SiteNotFound)?;
    site.index.block_range(block).map(|_| ()).ok_or_else(|| ErrorCode::BlockNotFound.into())
}
