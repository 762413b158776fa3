//! Reads the audit trail. `api/trail.rs` makes its entries.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult};
use crate::api::extract::{Envelope, Okay, Query};
use crate::api::page_query::{PageQuery, Size, number};
use crate::api::staff::Admin;
use crate::domain::trail::Act;
use crate::store::trail::{TrailFilter, TrailRow};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

const PAGE_SIZE: Size = Size { usual: 100, most: 500 };

/// An act.
#[derive(Serialize, ToSchema)]
pub struct TrailView {
    id: Uuid,
    #[schema(value_type = jiff::Timestamp)]
    at: jiff::Timestamp,
    /// Who did it; null for somebody who has not logged in.
    #[schema(required)]
    actor: Option<Uuid>,
    /// The role of the actor at that time.
    #[schema(required)]
    role: Option<String>,
    /// The address of the caller, or of the network of the caller.
    address: String,
    act: String,
    /// What it was done to, such as `match/UUID`.
    target: String,
    /// What was changed, as it was before and after. Null for an act that changes nothing.
    #[schema(required)]
    before: Option<Value>,
    #[schema(required)]
    after: Option<Value>,
}

impl TrailView {
    fn of(row: TrailRow) -> Self {
        let TrailRow { id, at, actor, role, address, act, target, before, after, .. } = row;
        Self { id, at, actor, role, address, act, target, before, after }
    }
}

/// A page of the trail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrailPage {
    entries: Vec<TrailView>,
    /// The `cursor` of the next page, which is older; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TrailQuery {
    /// Only acts of this user.
    actor: Option<Uuid>,
    /// Only acts on this target, such as `match/UUID`.
    #[param(max_length = 100)]
    target: Option<String>,
    /// Only acts of this kind.
    #[param(inline)]
    act: Option<Act>,
    /// The `nextCursor` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
    /// 1 to 500, default 100.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// What people with a role did, failed log-ins, and sessions that were ended; the newest first.
///
/// An entry is here once PostgreSQL has it, some milliseconds after the act. Reading the trail is
/// an act, too. Entries cannot be changed or deleted.
#[utoipa::path(get, path = "/api/admin/audit",
    operation_id = "listAuditTrail", tag = "administration", params(TrailQuery),
    security(("admin" = [])), responses((status = 200, body = Envelope<TrailPage>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    Admin(admin): Admin,
    Query(query): Query<TrailQuery>,
) -> ApiResult<Okay<TrailPage>> {
    let cursor = query.cursor.as_deref();
    let page = PageQuery::check(query.limit, cursor, &PAGE_SIZE, |text| number(text, 18))?;
    if query.target.as_ref().is_some_and(|target| target.len() > 100 || target.contains('\0')) {
        return Err(ApiError::field("target", "must be a target of at most 100 characters"));
    }
    let entry = admin.act(Act::TrailRead, "trail".to_owned());
    services.note(admin.id.partition(), &entry).await?;
    let filter = TrailFilter {
        before: page.after,
        actor: query.actor,
        target: query.target,
        act: query.act.map(Act::word),
    };
    let mut rows = services.store.trail(&filter, page.rows().into()).await?;
    let next_cursor = page.cut(&mut rows, |last| last.number.to_string());
    let entries = rows.into_iter().map(TrailView::of).collect();
    Ok(Okay(TrailPage { entries, next_cursor }))
}
