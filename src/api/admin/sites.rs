//! Creates, replaces and deletes sites. A plan is accepted or refused as a whole.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Created, Envelope, IdempotencyKey, Input, NoContent, Okay, Path, Query};
use crate::api::idempotency::Repeatable;
use crate::api::if_match::IfMatch;
use crate::api::page_query::{PageQuery, Size};
use crate::api::staff::{Admin, Manager, Reader, Staff, has_site};
use crate::api::trail::site_state;
use crate::domain::catalog::{Match, MatchStatus, Site};
use crate::domain::ids::{Partition, SiteId};
use crate::domain::plan::{PlanIndex, SitePlan};
use crate::domain::trail::Act;
use crate::engine::operation::Operation;
use crate::live::catalog::KnownSite;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const PAGE_SIZE: Size = Size { usual: 50, most: 100 };

/// A site without its plan.
#[derive(Serialize, ToSchema)]
pub struct SiteSummary {
    #[schema(value_type = uuid::Uuid)]
    id: SiteId,
    version: u64,
    name: String,
    seats: u32,
}

/// A page of sites.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SitePage {
    sites: Vec<SiteSummary>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SiteQuery {
    /// The `nextCursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// 1 to 100, default 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
}

fn summary(known: &KnownSite) -> SiteSummary {
    SiteSummary {
        id: known.site.id,
        version: known.site.version,
        name: known.site.plan.name.clone(),
        seats: known.index.seat_count(),
    }
}

/// Creates a site from a plan (docs/SITE-PLAN.md).
#[utoipa::path(post, path = "/api/admin/sites",
    operation_id = "createSite", tag = "administration", request_body = SitePlan,
    params(("Idempotency-Key" = Option<String>, Header)), security(("admin" = [])),
    responses((status = 201, body = Envelope<SiteSummary>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(admin): Admin,
    key: IdempotencyKey,
    input: Input<SitePlan>,
) -> ApiResult<Repeatable<Created<SiteSummary>>> {
    check(&input.value).await?;
    let operation = key.operation(&admin.id.key(), "create site", &input);
    // The key decides the partition, so that a repeated call finds the result of the first.
    let partition = partition_for(&services, &operation.key);
    let site = Site { id: SiteId::new(partition), version: 1, plan: input.value };
    let entry = admin.act(Act::SiteCreated, site_target(site.id));
    let operation = operation.with_trail(entry.with(site_state(&site)));
    let id = services.engine.put_site(&site, operation).await?;
    let response = Created(changed(&services, id).await?);
    Ok(Repeatable { response, replayed: id != site.id })
}

/// The sites of the caller, in the order in which they were made.
#[utoipa::path(get, path = "/api/admin/sites",
    operation_id = "listSites", tag = "administration", params(SiteQuery),
    security(("reader" = [])), responses((status = 200, body = Envelope<SitePage>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    Reader(user): Reader,
    Query(query): Query<SiteQuery>,
) -> ApiResult<Okay<SitePage>> {
    let cursor = query.cursor.as_deref();
    let page = PageQuery::check(query.limit, cursor, &PAGE_SIZE, SiteId::from_key)?;
    let all = services.catalog.sites();
    let mut known: Vec<&Arc<KnownSite>> = all.iter().collect();
    known.retain(|known| has_site(&user, known.site.id));
    known.retain(|known| page.after.is_none_or(|after| after < known.site.id));
    known.sort_by_key(|known| known.site.id);
    let next_cursor = page.cut(&mut known, |last| last.site.id.key());
    let sites = known.into_iter().map(|known| summary(known)).collect();
    Ok(Okay(SitePage { sites, next_cursor }))
}

/// Replaces the plan of a site that no match on sale uses. It must have the seats that drafts have
/// blocked. With `If-Match`, the site must have the version that you have read.
#[utoipa::path(put, path = "/api/admin/sites/{site}",
    operation_id = "replaceSite", tag = "administration",
    params(("site" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = SitePlan, security(("manager" = [])),
    responses((status = 200, body = Envelope<SiteSummary>)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteInUse, ErrorCode::SeatsBlocked, ErrorCode::ChangedMeanwhile,
        ErrorCode::VersionMismatch]))))]
pub async fn replace(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    Path(id): Path<SiteId>,
    seen: IfMatch,
    key: IdempotencyKey,
    input: Input<SitePlan>,
) -> ApiResult<Okay<SiteSummary>> {
    check(&input.value).await?;
    // A sale may begin meanwhile, and then the plan must come back although the client is gone.
    let steps = replace_plan(services.clone(), user, id, (seen, key, input));
    services.steps.run(steps).await
}

async fn replace_plan(
    services: Arc<Services>,
    user: Staff,
    id: SiteId,
    (seen, key, input): (IfMatch, IdempotencyKey, Input<SitePlan>),
) -> ApiResult<Okay<SiteSummary>> {
    let old = services.engine.site(id).await?.ok_or(ErrorCode::SiteNotFound)?;
    if let Err(error) = seen.check(old.version) {
        // The change was made already, and its response was lost.
        let is_made = old.version > 1 && seen.check(old.version - 1).is_ok();
        if !is_made || old.plan != input.value {
            return Err(error);
        }
        return changed(&services, id).await.map(Okay);
    }
    let operation = key.operation(&user.id.key(), &format!("replace site {id}"), &input);
    let site = Site { id, version: old.version + 1, plan: input.value };
    refuse_plan(&services, &site).await?;
    let (before, after) = (site_state(&old), site_state(&site));
    let entry = user.act(Act::SiteReplaced, site_target(id)).changing(before, after);
    services.engine.put_site(&site, operation.with_trail(entry)).await?;
    // A match may have been opened since the first look, and a sale must keep the plan that it
    // began with. A seat may have been blocked. Whichever came first, one of the two looks sees it.
    if let Err(refused) = refuse_plan(&services, &site).await {
        let back = Site { version: site.version + 1, ..old };
        let (before, after) = (site_state(&site), site_state(&back));
        let entry = user.act(Act::SiteReplaced, site_target(id)).changing(before, after);
        services.engine.put_site(&back, Operation::default().with_trail(entry)).await?;
        services.catalog.refresh_site(id).await?;
        return Err(refused);
    }
    changed(&services, id).await.map(Okay)
}

/// Deletes a site that no match uses.
#[utoipa::path(delete, path = "/api/admin/sites/{site}",
    operation_id = "deleteSite", tag = "administration",
    params(("site" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    security(("admin" = [])), responses((status = 204)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteInUse, ErrorCode::ChangedMeanwhile, ErrorCode::VersionMismatch]))))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(admin): Admin,
    Path(id): Path<SiteId>,
    seen: IfMatch,
) -> ApiResult<NoContent> {
    let site = services.engine.site(id).await?.ok_or(ErrorCode::SiteNotFound)?;
    seen.check(site.version)?;
    refuse_in_use(matches_at(&services, id).await?.len())?;
    let entry = admin.act(Act::SiteDeleted, site_target(id));
    let operation = Operation::default();
    let operation = operation.with_trail(entry.changing(site_state(&site), Value::Null));
    services.engine.delete_site(&site, operation).await?;
    services.catalog.refresh_site(id).await?;
    Ok(NoContent)
}

fn site_target(id: SiteId) -> String {
    format!("site/{id}")
}

/// A large plan takes longer than a task may keep its thread.
async fn check(plan: &SitePlan) -> ApiResult<()> {
    let plan = plan.clone();
    let checked = tokio::task::spawn_blocking(move || plan.check()).await;
    let faults = checked.map_err(ApiError::internal)?;
    if faults.is_empty() { Ok(()) } else { Err(ApiError::plan(faults)) }
}

/// The partition of a new document: by its Idempotency-Key if there is one, else at random.
pub fn partition_for(services: &Services, key: &str) -> Partition {
    let count = services.engine.partition_count();
    if key.is_empty() { Partition::random(count) } else { Partition::of_email(key, count) }
}

/// Refuses to give a site another plan while a match that is no draft uses it, and a plan without
/// seats that a draft has blocked: nobody could unblock them.
async fn refuse_plan(services: &Services, site: &Site) -> ApiResult<()> {
    let matches = matches_at(services, site.id).await?;
    refuse_in_use(matches.iter().filter(|fixture| fixture.status != MatchStatus::Draft).count())?;
    let mut index = None;
    for fixture in matches {
        let mut blocked = services.engine.blocked(fixture.id).await?;
        if !blocked.is_empty() {
            let index = index.get_or_insert_with(|| PlanIndex::new(&site.plan));
            blocked.retain(|seat| index.position(*seat).is_none());
        }
        if !blocked.is_empty() {
            return Err(ApiError::seats_blocked(fixture.id, blocked));
        }
    }
    Ok(())
}

/// The matches at a site. Not from the cache, because another node may have opened a match a moment
/// ago.
async fn matches_at(services: &Services, id: SiteId) -> ApiResult<Vec<Match>> {
    let mut matches = services.catalog.matches_now().await?;
    matches.retain(|fixture| fixture.site_id == id);
    Ok(matches)
}

fn refuse_in_use(users: usize) -> ApiResult<()> {
    if users == 0 {
        return Ok(());
    }
    let matches = if users == 1 { "A match uses" } else { "Matches use" };
    Err(ApiError::new(
        ErrorCode::SiteInUse,
        format!("{matches} this site: it can't change under the buyers. Make a new site."),
    ))
}

async fn changed(services: &Services, id: SiteId) -> ApiResult<SiteSummary> {
    services.catalog.refresh_site(id).await?;
    let known = services.catalog.site(id).ok_or(ErrorCode::SiteNotFound)?;
    Ok(summary(&known))
}
