//! Probes, metrics, the clock.

use crate::api::App;
use crate::api::error::{ApiResult, Problem};
use crate::api::extract::{Envelope, Okay};
use crate::domain::ids::Partition;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

const PATIENCE: Duration = Duration::from_millis(1500);

/// What a node needs, and whether it is there.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    ready: bool,
    /// `ok`, or what is wrong.
    redis: String,
    /// `ok`, or which partitions are not loaded.
    partitions: String,
    /// `ok`, or `away`: then payments are paused, and everything else goes on.
    database: String,
}

/// The time by which deadlines are decided.
#[derive(Serialize, ToSchema)]
pub struct Time {
    now: jiff::Timestamp,
}

/// The process is alive.
#[utoipa::path(get, path = "/health/live", tag = "operation", responses((status = 200)))]
pub async fn live() -> Okay<()> {
    Okay(())
}

/// The node can sell: 503 says what is missing.
#[utoipa::path(get, path = "/health/ready", tag = "operation",
    responses((status = 200, body = Envelope<Ready>), (status = 503, body = Problem)))]
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let redis = match tokio::time::timeout(PATIENCE, app.engine.ping()).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    let partitions = if redis == "ok" { partitions(&app).await } else { "unknown".to_owned() };
    let database = match tokio::time::timeout(PATIENCE, app.store.ping()).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(_)) | Err(_) => "away".to_owned(),
    };
    let ready = redis == "ok" && partitions == "ok";
    let view = Ready { ready, redis, partitions, database };
    if ready { Okay(view).into_response() } else { not_ready(&view).into_response() }
}

fn not_ready(view: &Ready) -> crate::api::error::ApiError {
    crate::api::error::ApiError::not_ready(format!(
        "redis: {}; partitions: {}; database: {}",
        view.redis, view.partitions, view.database
    ))
}

async fn partitions(app: &App) -> String {
    let asking = app.engine.partitions().map(|partition| app.engine.epoch(partition));
    let epochs = futures::future::join_all(asking).await;
    let missing = epochs.iter().filter(|epoch| !matches!(epoch, Ok(Some(_)))).count();
    match missing {
        0 => "ok".to_owned(),
        _ => format!("{missing} of {} not loaded: is a worker running?", epochs.len()),
    }
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn metrics() -> Response {
    let handle = crate::telemetry::metrics();
    handle.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response()
}

/// The server's clock: the one that decides deadlines, as the first partition has it.
#[utoipa::path(get, path = "/api/time", tag = "operation",
    responses((status = 200, body = Envelope<Time>)))]
pub async fn time(State(app): State<Arc<App>>) -> ApiResult<Okay<Time>> {
    let now = jiff::Timestamp::from_millisecond(app.engine.now_ms(Partition(0)).await?);
    Ok(Okay(Time { now: now.map_err(crate::api::error::ApiError::internal)? }))
}
