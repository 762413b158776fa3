//! Sets the price list of a match.

use crate::api::Services;
use crate::api::admin::matches::read;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, Okay, Path};
use crate::api::if_match::IfMatch;
use crate::api::prices::PricesView;
use crate::api::staff::Manager;
use crate::api::trail::match_state;
use crate::domain::catalog::Match;
use crate::domain::ids::MatchId;
use crate::domain::prices::{PriceList, TicketType, TypePrice};
use crate::domain::trail::{Act, match_target};
use crate::engine::operation::Operation;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A price list as an organiser gives it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PricesInput {
    /// The first type is that of seats which name none.
    #[schema(min_items = 1, max_items = 20)]
    types: Vec<TicketType>,
    /// Every grade of the plan needs a price for at least one type. A type without a price for a
    /// grade is not sold there.
    #[schema(min_items = 1, max_items = 2000)]
    prices: Vec<TypePrice>,
    /// What each place costs besides its price, in KRW: 0 (default), or 100 to 10,000,000.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10_000_000)]
    service_fee: i64,
}

/// Sets the price list of a match. Later holds cost what it says. What is held, reserved or sold
/// keeps its price. With `If-Match`, the match must have the version that you have read.
#[utoipa::path(put, path = "/api/admin/matches/{match}/prices",
    operation_id = "replacePrices", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body = PricesInput, security(("manager" = [])),
    responses((status = 200, body = Envelope<PricesView>)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteNotFound, ErrorCode::ChangedMeanwhile, ErrorCode::MatchArchived,
        ErrorCode::VersionMismatch]))))]
pub async fn replace(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    Path(id): Path<MatchId>,
    seen: IfMatch,
    input: Input<PricesInput>,
) -> ApiResult<Okay<PricesView>> {
    let old = read(&services, id).await?;
    seen.check(old.version)?;
    if old.archived {
        return Err(ErrorCode::MatchArchived.into());
    }
    let PricesInput { types, prices, service_fee } = input.value;
    let version = old.prices.as_ref().map_or(0, |list| list.version) + 1;
    let list = PriceList { version, types, prices, service_fee };
    let site = services.engine.site(old.site_id).await?.ok_or(ErrorCode::SiteNotFound)?;
    let faults = list.faults(&site.plan.grades);
    if !faults.is_empty() {
        return Err(ApiError::plan(faults));
    }
    let before = match_state(&old);
    let fixture = Match { version: old.version + 1, prices: Some(list), ..old };
    let entry = user.act(Act::MatchChanged, match_target(id));
    let entry = entry.changing(before, match_state(&fixture));
    services.engine.put_match(&fixture, Operation::default().with_trail(entry)).await?;
    services.catalog.refresh_match(id).await?;
    Ok(Okay(PricesView::of(&services, &fixture)))
}
