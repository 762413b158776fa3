//! The states of seats now.

use crate::api::App;
use crate::api::error::{ApiError, ApiResult, Problem};
use crate::api::extract::{Envelope, Okay, Path};
use crate::domain::ids::{BlockId, MatchId};
use crate::live::frame::{Scope, States};
use axum::extract::State;
use std::sync::Arc;

/// The states of a block, seat by seat.
#[utoipa::path(get, path = "/api/matches/{match}/blocks/{block}/seats", tag = "seats",
    params(("match" = uuid::Uuid, Path), ("block" = u32, Path)),
    responses((status = 200, body = Envelope<States>), (status = 404, body = Problem)))]
pub async fn of_block(
    State(app): State<Arc<App>>,
    Path((id, block)): Path<(MatchId, BlockId)>,
) -> ApiResult<Okay<States>> {
    checked_block(&app, id, block)?;
    Ok(Okay(app.hub.feed(id).await?.states(&Scope::Block(block))))
}

/// The states of the whole match: one letter per seat in plan order, block by block.
#[utoipa::path(get, path = "/api/matches/{match}/seats", tag = "seats",
    params(("match" = uuid::Uuid, Path)),
    responses((status = 200, body = Envelope<States>), (status = 404, body = Problem)))]
pub async fn of_match(
    State(app): State<Arc<App>>,
    Path(id): Path<MatchId>,
) -> ApiResult<Okay<States>> {
    app.catalog.event(id).ok_or_else(|| ApiError::not_found("match"))?;
    Ok(Okay(app.hub.feed(id).await?.states(&Scope::Match)))
}

/// Refuses a match or a block that does not exist.
pub fn checked_block(app: &App, id: MatchId, block: BlockId) -> ApiResult<()> {
    app.catalog.event(id).ok_or_else(|| ApiError::not_found("match"))?;
    let (_, site) = app.catalog.event_with_site(id).ok_or_else(|| ApiError::not_found("site"))?;
    site.index.block_range(block).map(|_| ()).ok_or_else(|| ApiError::not_found("block"))
}
