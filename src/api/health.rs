//! Probes, metrics, the clock.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Nothing, Okay};
use crate::domain::ids::Partition;
use crate::engine::Engine;
use crate::live::hub::Hub;
use crate::store::Store;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// A look that takes longer found nobody.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How often a node looks at what it needs. Probes are answered from what it saw last, so that they
/// cost Redis and PostgreSQL nothing, however many come.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A node that has heard nothing from Redis for this time, which is that of three looks, is not
/// ready; nor is one that has heard nothing of the streams, which are read once a second.
const SILENCE: Duration = Duration::from_secs(3);

/// How a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Condition {
    #[serde(rename = "ok")]
    Serves,
    /// It waits for a worker.
    #[serde(rename = "not loaded")]
    NotLoaded,
    #[serde(rename = "no answer")]
    NoAnswer,
    /// It answers, but nothing is heard of its streams: maps stand still, and no payment is known
    /// to be in PostgreSQL.
    #[serde(rename = "not heard")]
    NotHeard,
    /// It serves, but for payments: PostgreSQL has lost what Redis knows.
    #[serde(rename = "payments stopped: PostgreSQL has lost sales, run grandstand restore")]
    Halted,
}

impl Condition {
    /// Whether people can see and hold seats.
    fn sells(self) -> bool {
        matches!(self, Self::Serves | Self::Halted)
    }

    /// Whether commands are answered.
    fn answers(self) -> bool {
        self.sells() || self == Self::NotHeard
    }
}

/// What a node knows of itself and of what it needs.
pub struct Health {
    seen: Mutex<Seen>,
    stopping: AtomicBool,
}

struct Seen {
    partitions: Vec<Condition>,
    /// When a part of Redis last answered.
    redis_at: Option<Instant>,
    database: bool,
}

/// A partition that does not serve, or not all, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartitionAway {
    partition: u16,
    state: Condition,
}

/// What a node needs, and whether it is there, as of about a second ago.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// This process can serve: it is not stopping, and at least one partition serves.
    ready: bool,
    stopping: bool,
    /// `ok`, or `no answer`.
    redis: String,
    /// Those that do not serve, or not all. Their matches answer 503, or their payments do; all
    /// others sell.
    partitions: Vec<PartitionAway>,
    /// `ok`, or `away`: then payments are paused, a worker writes nothing, and everything else
    /// goes on.
    database: String,
}

impl Health {
    /// Nothing is known yet.
    pub fn new(partitions: u16) -> Self {
        let partitions = vec![Condition::NoAnswer; usize::from(partitions)];
        let seen = Seen { partitions, redis_at: None, database: false };
        Self { seen: Mutex::new(seen), stopping: AtomicBool::new(false) }
    }

    /// The node is about to stop: from now on it is not ready, so that nobody sends it more.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether a partition answered commands when it was last looked at.
    pub fn answers(&self, partition: Partition) -> bool {
        let seen = self.seen.lock();
        seen.partitions.get(usize::from(partition.0)).is_some_and(|state| state.answers())
    }

    /// What a probe is told.
    fn ready(&self, now: Instant) -> Ready {
        let (seen, stopping) = (self.seen.lock(), self.stopping.load(Ordering::Acquire));
        let redis = seen.redis_at.is_some_and(|at| now.saturating_duration_since(at) < SILENCE);
        let some_serve = seen.partitions.iter().any(|state| state.sells());
        let away = (0..).zip(&seen.partitions).filter(|(_, state)| **state != Condition::Serves);
        Ready {
            ready: redis && some_serve && !stopping,
            stopping,
            redis: if redis { "ok" } else { "no answer" }.to_owned(),
            partitions: away
                .map(|(partition, state)| PartitionAway { partition, state: *state })
                .collect(),
            database: if seen.database { "ok" } else { "away" }.to_owned(),
        }
    }

    async fn look_at_partitions(&self, engine: &Engine, hub: &Hub) {
        let looks = engine.partitions().map(async |partition| {
            match tokio::time::timeout(PATIENCE, engine.partition_state(partition)).await {
                Ok(Ok(state)) if !state.open => Condition::NotLoaded,
                Ok(Ok(_)) if !hub.hears(partition, SILENCE) => Condition::NotHeard,
                Ok(Ok(state)) if state.halted.is_some() => Condition::Halted,
                Ok(Ok(_)) => Condition::Serves,
                Ok(Err(_)) | Err(_) => Condition::NoAnswer,
            }
        });
        let partitions = futures::future::join_all(looks).await;
        let mut seen = self.seen.lock();
        if partitions.iter().any(|state| *state != Condition::NoAnswer) {
            seen.redis_at = Some(Instant::now());
        }
        seen.partitions = partitions;
    }

    async fn look_at_database(&self, store: &Store) {
        let answer = tokio::time::timeout(PATIENCE, store.ping()).await;
        self.seen.lock().database = matches!(answer, Ok(Ok(())));
    }

    /// Looks once at everything.
    pub async fn look(&self, services: &Services) {
        tokio::join!(
            self.look_at_partitions(&services.engine, &services.hub),
            self.look_at_database(&services.store),
            services.tokens.clock.read(&services.engine),
        );
    }
}

/// Keeps what a node knows of its health up to date until `stop`. Redis and PostgreSQL are looked
/// at independently: the silence of one must not make the other look old.
pub async fn watch(services: Arc<Services>, stop: CancellationToken) {
    let partitions = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            services.health.look_at_partitions(&services.engine, &services.hub).await;
        }
    };
    let database = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            services.health.look_at_database(&services.store).await;
        }
    };
    let clock = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            services.tokens.clock.read(&services.engine).await;
        }
    };
    tokio::select! {
        () = partitions => {}
        () = clock => {}
        () = database => {}
        () = stop.cancelled() => {}
    }
}

/// The time by which deadlines are decided.
#[derive(Serialize, ToSchema)]
pub struct Time {
    now: jiff::Timestamp,
}

/// The process is alive.
#[utoipa::path(get, path = "/health/live",
    operation_id = "isAlive", tag = "operation",
    responses((status = 200, body = Envelope<Nothing>)))]
pub async fn live() -> Okay<Nothing> {
    Okay(Nothing)
}

/// This process can serve, as far as it knows from the last second; the details say what is
/// missing. 503: no partition serves, nothing is heard from Redis, or the process is stopping.
#[utoipa::path(get, path = "/health/ready",
    operation_id = "isReady", tag = "operation",
    responses((status = 200, body = Envelope<Ready>)),
    extensions(("x-codes" = json!([ErrorCode::NotReady]))))]
pub async fn ready(State(services): State<Arc<Services>>) -> Response {
    let view = services.health.ready(Instant::now());
    if view.ready { Okay(view).into_response() } else { ApiError::not_ready(&view).into_response() }
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics",
    operation_id = "getMetrics", tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn metrics() -> Response {
    let handle = crate::telemetry::metrics();
    handle.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response()
}

/// The server's clock: the one that decides deadlines, as the first partition has it.
#[utoipa::path(get, path = "/api/time",
    operation_id = "getTime", tag = "operation",
    responses((status = 200, body = Envelope<Time>)))]
pub async fn time(State(services): State<Arc<Services>>) -> ApiResult<Okay<Time>> {
    let now = jiff::Timestamp::from_millisecond(services.engine.now_ms(Partition(0)).await?);
    Ok(Okay(Time { now: now.map_err(ApiError::internal)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(partitions: &[Condition]) -> Health {
        let health = Health::new(partitions.len() as u16);
        let mut seen = health.seen.lock();
        seen.partitions = partitions.to_vec();
        seen.redis_at = Some(Instant::now());
        drop(seen);
        health
    }

    #[test]
    fn a_node_is_ready_while_one_partition_serves() {
        use Condition::{NoAnswer, NotLoaded, Serves};
        let health = health(&[NoAnswer, Serves, NotLoaded]);
        let view = health.ready(Instant::now());
        assert!(view.ready, "{view:?}");
        let away = |partition, state| PartitionAway { partition, state };
        assert_eq!(view.partitions, [away(0, NoAnswer), away(2, NotLoaded)]);
        assert!(!self::health(&[NoAnswer, NotLoaded]).ready(Instant::now()).ready);
    }

    #[test]
    fn a_node_that_stops_or_hears_nothing_of_redis_is_not_ready() {
        let health = health(&[Condition::Serves]);
        let silent = health.ready(Instant::now() + SILENCE);
        assert!(!silent.ready && silent.redis == "no answer", "{silent:?}");
        assert!(health.ready(Instant::now()).ready);
        health.stopping();
        let view = health.ready(Instant::now());
        assert!(!view.ready && view.stopping && view.redis == "ok", "{view:?}");
        assert!(!Health::new(1).ready(Instant::now()).ready, "nothing is known at the start");
    }
}
