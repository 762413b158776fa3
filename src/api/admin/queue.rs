//! The waiting room of a match, for its organiser.

use crate::api::Services;
use crate::api::admin::matches::read;
use crate::api::admin::sale::change;
use crate::api::auth::Admin;
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::api::extract::{Envelope, Input, Okay, Path};
use crate::api::matches::MatchView;
use crate::domain::ids::MatchId;
use crate::domain::queue::QueueSettings;
use axum::extract::State;
use std::sync::Arc;

/// Sets the waiting room. A field that is left out gets its default.
#[utoipa::path(put, path = "/api/admin/matches/{match}/queue",
    operation_id = "setQueue", tag = "administration",
    params(("match" = uuid::Uuid, Path)), request_body = QueueSettings, security(("token" = [])),
    responses((status = 200, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([ErrorCode::ChangedMeanwhile]))))]
pub async fn set_queue(
    State(services): State<Arc<Services>>,
    _: Admin,
    Path(id): Path<MatchId>,
    input: Input<QueueSettings>,
) -> ApiResult<Okay<MatchView>> {
    let queue = input.value;
    check(&queue)?;
    let fixture = read(&services, id).await?;
    change(&services, fixture, |fixture| fixture.queue = queue).await
}

fn check(queue: &QueueSettings) -> ApiResult<()> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: &str| {
        errors.push(FieldError { field: field.to_owned(), message: message.to_owned() });
    };
    if !(1..=1_000_000).contains(&queue.admit_per_minute) {
        wrong("admitPerMinute", "must be 1 to 1,000,000 people");
    }
    if !(1..=1_000_000).contains(&queue.max_active) {
        wrong("maxActive", "must be 1 to 1,000,000 people");
    }
    if !(10_000..=3_600_000).contains(&queue.pass_ttl_ms) {
        wrong("passTtlMs", "must be 10,000 to 3,600,000 milliseconds");
    }
    if !(10_000..=3_600_000).contains(&queue.admission_ttl_ms) {
        wrong("admissionTtlMs", "must be 10,000 to 3,600,000 milliseconds");
    }
    if !(0.1..=10.0).contains(&queue.buyers_per_free_seat) {
        wrong("buyersPerFreeSeat", "must be 0.1 to 10");
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::fields(errors)) }
}
