//! Matches as everybody sees them.

use crate::api::Services;
use crate::api::error::ApiResult;
use crate::api::extract::{Envelope, Query};
use crate::api::known_match::{KnownMatch, Viewer};
use crate::api::page_query::{PageQuery, Size, number};
use crate::api::shared::tagged;
use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::ids::MatchId;
use crate::live::match_now::MatchNow;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const PAGE_SIZE: Size = Size { usual: 50, most: 100 };

/// A match.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchView {
    #[serde(flatten)]
    now: MatchNow,
    /// The seats of the site; null while the site is not known.
    #[schema(required)]
    seats: Option<u32>,
    /// The seats that are free, at most two seconds ago; null for a draft, for an archived match,
    /// and while Redis does not reply.
    #[schema(required)]
    seats_left: Option<u32>,
    /// Seats that one person may have in the match, held and bought together.
    max_seats_per_user: u32,
    /// Whether only users whose e-mail is verified may hold seats.
    holds_need_verified_email: bool,
    /// How long a hold lasts, in milliseconds.
    hold_ttl_ms: u64,
}

impl MatchView {
    /// A match with what the node knows of its site.
    pub async fn of(services: &Services, fixture: &Match) -> Self {
        let counts = services.counts.read(services).await;
        Self::with(services, fixture, counts.taken.get(&fixture.id).copied())
    }

    /// Many matches, and whether the seats of all of them could be counted.
    pub async fn list(
        services: &Services,
        fixtures: impl Iterator<Item = &Arc<Match>>,
    ) -> (Vec<Self>, bool) {
        let counts = services.counts.read(services).await;
        let view = |fixture: &Arc<Match>| {
            Self::with(services, fixture, counts.taken.get(&fixture.id).copied())
        };
        (fixtures.map(view).collect(), counts.whole)
    }

    fn with(services: &Services, fixture: &Match, taken: Option<u32>) -> Self {
        let site = services.catalog.site(fixture.site_id);
        let seats = site.as_ref().map(|site| site.index.seat_count());
        let limits = services.engine.limits();
        // The count may be older than the archiving.
        let taken = taken.filter(|_| !fixture.archived);
        Self {
            now: MatchNow::of(fixture, site.as_deref()),
            seats,
            seats_left: seats.zip(taken).map(|(seats, taken)| seats.saturating_sub(taken)),
            holds_need_verified_email: services.needs_verified_email(fixture),
            max_seats_per_user: limits.seats_per_user,
            hold_ttl_ms: limits.hold_ttl_ms,
        }
    }
}

/// A page of matches.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchPage {
    matches: Vec<MatchView>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// False while a part of Redis does not reply: its matches are listed without `seatsLeft`.
    counted: bool,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    status: Option<MatchStatus>,
    /// Only matches that start then or later.
    from: Option<jiff::Timestamp>,
    /// Only matches that start before.
    to: Option<jiff::Timestamp>,
    /// The `nextCursor` of the page before.
    #[param(pattern = "^-?[0-9]{1,21}_[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// 1 to 100, default 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
}

/// All matches in the order in which they start. Only administrators see DRAFT matches.
#[utoipa::path(get, path = "/api/matches",
    operation_id = "listMatches", tag = "matches",
    params(ListQuery, ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Envelope<MatchPage>), (status = 304)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    viewer: Viewer,
    headers: HeaderMap,
    Query(query): Query<ListQuery>,
) -> ApiResult<Response> {
    let page = page(&services, query, |fixture| viewer.sees(fixture)).await?;
    Ok(tagged(&headers, page, !viewer.is_staff()))
}

/// A page of the matches that a caller may see.
pub async fn page(
    services: &Services,
    query: ListQuery,
    sees: impl Fn(&Match) -> bool,
) -> ApiResult<MatchPage> {
    let cursor = query.cursor.as_deref();
    let page = PageQuery::check(query.limit, cursor, &PAGE_SIZE, parse_cursor)?;
    let list = services.catalog.matches();
    let found = list.iter().filter(|fixture| {
        sees(fixture)
            && query.status.is_none_or(|status| status == fixture.status)
            && query.from.is_none_or(|from| from <= fixture.starts_at)
            && query.to.is_none_or(|to| fixture.starts_at < to)
            && page.after.is_none_or(|after| after < order(fixture))
    });
    let mut found: Vec<&Arc<Match>> = found.take(page.rows() as usize).collect();
    let next_cursor = page.cut(&mut found, |last| {
        let (at, id) = order(last);
        format!("{at}_{}", id.key())
    });
    let (matches, counted) = MatchView::list(services, found.into_iter()).await;
    Ok(MatchPage { matches, next_cursor, counted })
}

/// The key of a match in the order of the list. It is as exact as the order of the catalogue: a
/// coarser key would skip matches that start a moment apart.
fn order(fixture: &Match) -> (i128, MatchId) {
    (fixture.starts_at.as_nanosecond(), fixture.id)
}

fn parse_cursor(text: &str) -> Option<(i128, MatchId)> {
    let (at, id) = text.split_once('_')?;
    // Before 1970.
    let (sign, at) = at.strip_prefix('-').map_or((1, at), |at| (-1, at));
    Some((sign * number::<i128>(at, 21)?, MatchId::from_key(id)?))
}

/// One match.
#[utoipa::path(get, path = "/api/matches/{match}",
    operation_id = "getMatch", tag = "matches",
    params(("match" = uuid::Uuid, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Envelope<MatchView>), (status = 304)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Response> {
    let for_all = fixture.status != MatchStatus::Draft;
    Ok(tagged(&headers, MatchView::of(&services, &fixture).await, for_all))
}
