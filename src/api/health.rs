//! Probes and the clock.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Nothing, Okay};
use crate::domain::ids::Partition;
use crate::engine::Engine;
use crate::live::hub::Hub;
use crate::store::Store;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// How long a look may take. A server that needs longer counts as away.
const LOOK_TIMEOUT: Duration = Duration::from_millis(1500);
/// The interval at which a node looks at Redis and PostgreSQL. Probes get the result of the last
/// look, so that they cost Redis and PostgreSQL nothing, however many come.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A node without a reply of Redis for this time is not ready, and neither is a node without news
/// of the streams, which are read once a second. Three looks: fewer make a node not ready for one
/// lost reply.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(3);
/// A process that only works in the background is not ready when it has written nothing to
/// PostgreSQL for this time. A shorter one notices a restart of PostgreSQL; with a longer one, a
/// new release whose role has too few rights replaces more workers before somebody notices.
const WRITES_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a partition serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Condition {
    #[serde(rename = "ok")]
    Serves,
    /// It waits for a worker.
    #[serde(rename = "not loaded")]
    NotLoaded,
    #[serde(rename = "no answer")]
    NoAnswer,
    /// It replies, but nothing comes from its streams: maps stand still, and no payment is known to
    /// be in PostgreSQL.
    #[serde(rename = "not heard")]
    NotHeard,
    /// It serves except for payments, because PostgreSQL has lost what Redis knows.
    #[serde(rename = "payments stopped: PostgreSQL has lost sales, run grandstand restore")]
    Halted,
}

impl Condition {
    /// Whether people can see and hold seats.
    fn sells(self) -> bool {
        matches!(self, Self::Serves | Self::Halted)
    }

    /// Whether commands get a reply.
    fn replies(self) -> bool {
        self.sells() || self == Self::NotHeard
    }
}

/// What a node knows of itself, of Redis and of PostgreSQL.
pub struct Health {
    seen: Mutex<Seen>,
    stopping: AtomicBool,
    /// Whether this process takes facts to PostgreSQL.
    works: AtomicBool,
    /// Whether it does nothing else, so that no request needs it to be ready.
    only_works: AtomicBool,
}

struct Seen {
    partitions: Vec<Condition>,
    /// When a part of Redis last replied.
    redis_at: Option<Instant>,
    database: bool,
    /// For how long write-behind has failed, and why.
    writes: Option<(Duration, String)>,
}

/// A partition that does not serve everything, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionAway {
    partition: u16,
    state: Condition,
}

/// Whether a node can serve.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    /// It is not stopping, and at least one partition serves.
    ready: bool,
}

/// Whether a node can serve, and what is missing, as of about a second ago: for its operators.
#[derive(Debug, Serialize)]
pub struct Details {
    /// This process can serve: it is not stopping, and at least one partition serves.
    ready: bool,
    stopping: bool,
    /// `ok`, or `no answer`.
    redis: RedisState,
    /// The partitions that do not serve everything. Their matches, or only their payments, respond
    /// with 503. All other partitions sell.
    partitions: Vec<PartitionAway>,
    /// `ok`, or `away`: then payments are paused, workers write nothing, and everything else
    /// continues.
    database: DatabaseState,
    /// Only while the worker of this process can't take facts to PostgreSQL.
    #[serde(skip_serializing_if = "Option::is_none", rename = "writesFail")]
    writes_fail: Option<WritesFail>,
}

/// For how long facts were not taken to PostgreSQL, and why.
#[derive(Debug, Clone, Serialize)]
struct WritesFail {
    seconds: u64,
    why: String,
}

/// Whether Redis has replied lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum RedisState {
    #[serde(rename = "ok")]
    Replies,
    #[serde(rename = "no answer")]
    Silent,
}

/// Whether PostgreSQL replied at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum DatabaseState {
    #[serde(rename = "ok")]
    Replies,
    #[serde(rename = "away")]
    Away,
}

impl Health {
    /// Before the first look.
    pub fn new(partitions: u16) -> Self {
        let partitions = vec![Condition::NoAnswer; usize::from(partitions)];
        let seen = Seen { partitions, redis_at: None, database: false, writes: None };
        let [stopping, works, only_works] = [false; 3].map(AtomicBool::new);
        Self { seen: Mutex::new(seen), stopping, works, only_works }
    }

    /// This process takes facts to PostgreSQL; with `only`, it does nothing else.
    pub fn works(&self, only: bool) {
        self.works.store(true, Ordering::Release);
        self.only_works.store(only, Ordering::Release);
    }

    /// Makes a node that is about to stop not ready, so that no load balancer sends it more
    /// requests.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether a partition replied to commands at the last look.
    pub fn replies(&self, partition: Partition) -> bool {
        let seen = self.seen.lock();
        seen.partitions.get(usize::from(partition.0)).is_some_and(|state| state.replies())
    }

    /// The details of a probe.
    fn details(&self, now: Instant) -> Details {
        let (seen, stopping) = (self.seen.lock(), self.stopping.load(Ordering::Acquire));
        let redis =
            seen.redis_at.is_some_and(|at| now.saturating_duration_since(at) < SILENCE_TIMEOUT);
        let some_serve = seen.partitions.iter().any(|state| state.sells());
        let away = (0..).zip(&seen.partitions).filter(|(_, state)| **state != Condition::Serves);
        let stuck = seen.writes.as_ref().is_some_and(|(time, _)| *time >= WRITES_TIMEOUT)
            && self.only_works.load(Ordering::Acquire);
        let writes_fail = |(time, why): &(Duration, String)| WritesFail {
            seconds: time.as_secs(),
            why: why.clone(),
        };
        Details {
            ready: redis && some_serve && !stopping && !stuck,
            stopping,
            redis: if redis { RedisState::Replies } else { RedisState::Silent },
            partitions: away
                .map(|(partition, state)| PartitionAway { partition, state: *state })
                .collect(),
            database: if seen.database { DatabaseState::Replies } else { DatabaseState::Away },
            writes_fail: seen.writes.as_ref().map(writes_fail),
        }
    }

    async fn look_at_partitions(&self, engine: &Engine, hub: &Hub) {
        let looks = engine.partitions().map(async |partition| {
            match tokio::time::timeout(LOOK_TIMEOUT, engine.partition_state(partition)).await {
                Ok(Ok(state)) if !state.open => Condition::NotLoaded,
                Ok(Ok(_)) if !hub.hears(partition, SILENCE_TIMEOUT) => Condition::NotHeard,
                Ok(Ok(state)) if state.halted.is_some() => Condition::Halted,
                Ok(Ok(_)) => Condition::Serves,
                Ok(Err(_)) | Err(_) => Condition::NoAnswer,
            }
        });
        let partitions = futures::future::join_all(looks).await;
        let away = partitions.iter().filter(|state| **state != Condition::Serves).count();
        metrics::gauge!("grandstand_partitions_away").set(away as f64);
        metrics::gauge!("grandstand_reader_silence_seconds").set(hub.silence().as_secs_f64());
        let mut seen = self.seen.lock();
        if partitions.iter().any(|state| *state != Condition::NoAnswer) {
            seen.redis_at = Some(Instant::now());
        }
        seen.partitions = partitions;
    }

    async fn look_at_database(&self, store: &Store) {
        store.measure_pool();
        let reply = tokio::time::timeout(LOOK_TIMEOUT, store.ping()).await;
        let replies = matches!(reply, Ok(Ok(())));
        metrics::gauge!("grandstand_database_away").set(if replies { 0.0 } else { 1.0 });
        if replies && self.works.load(Ordering::Acquire) {
            self.try_write(store).await;
        }
        let writes = store.writes().longest(Instant::now());
        let failing_s = writes.as_ref().map_or(0.0, |(time, _)| time.as_secs_f64());
        metrics::gauge!("grandstand_write_behind_failing_seconds").set(failing_s);
        let mut seen = self.seen.lock();
        (seen.database, seen.writes) = (replies, writes);
    }

    /// A worker without facts to write would find out with the first sale that it can't write.
    async fn try_write(&self, store: &Store) {
        match tokio::time::timeout(LOOK_TIMEOUT, store.try_write()).await {
            Ok(Ok(())) => store.writes().ended(None),
            Ok(Err(error)) => store.writes().failed(None, error.to_string()),
            Err(_) => store.writes().failed(None, "no reply to a write in time".to_owned()),
        }
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

/// Keeps the health of a node up to date until `stop`. The looks at Redis and PostgreSQL are
/// independent, because the silence of one must not make the other look old.
pub async fn watch(services: Arc<Services>, stop: CancellationToken) {
    let partitions = async {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            services.health.look_at_partitions(&services.engine, &services.hub).await;
        }
    };
    let database = async {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            services.health.look_at_database(&services.store).await;
        }
    };
    let clock = async {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
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

/// The time that decides deadlines.
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

/// Whether this process can serve, as of the last second. 503: no partition serves, Redis does not
/// reply, or the process is stopping. The operations listener says which.
#[utoipa::path(get, path = "/health/ready",
    operation_id = "isReady", tag = "operation",
    responses((status = 200, body = Envelope<Ready>)),
    extensions(("x-codes" = json!([ErrorCode::NotReady]))))]
pub async fn ready(State(services): State<Arc<Services>>) -> Response {
    match services.health.details(Instant::now()).ready {
        true => Okay(Ready { ready: true }).into_response(),
        false => ErrorCode::NotReady.into_response(),
    }
}

/// The same on the operations listener, with what is missing.
pub async fn details(State(services): State<Arc<Services>>) -> Response {
    let view = services.health.details(Instant::now());
    if view.ready { Okay(view).into_response() } else { ApiError::not_ready(&view).into_response() }
}

/// The clock of the first partition. Clocks of partitions decide deadlines.
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
        let view = health.details(Instant::now());
        assert!(view.ready, "{view:?}");
        let away = |partition, state| PartitionAway { partition, state };
        assert_eq!(view.partitions, [away(0, NoAnswer), away(2, NotLoaded)]);
        assert!(!self::health(&[NoAnswer, NotLoaded]).details(Instant::now()).ready);
    }

    #[test]
    fn a_node_that_stops_or_has_no_reply_of_redis_is_not_ready() {
        let health = health(&[Condition::Serves]);
        let silent = health.details(Instant::now() + SILENCE_TIMEOUT);
        assert!(!silent.ready && silent.redis == RedisState::Silent, "{silent:?}");
        assert!(health.details(Instant::now()).ready);
        health.stopping();
        let view = health.details(Instant::now());
        assert!(!view.ready && view.stopping && view.redis == RedisState::Replies, "{view:?}");
        assert!(!Health::new(1).details(Instant::now()).ready, "nothing is known at the start");
    }

    #[test]
    fn only_a_process_without_requests_is_not_ready_because_it_cannot_write() {
        let health = health(&[Condition::Serves]);
        let failing = |time| Some((time, "the disk is full".to_owned()));
        for (works_only, time, ready) in [
            (false, WRITES_TIMEOUT, true),
            (true, WRITES_TIMEOUT / 2, true),
            (true, WRITES_TIMEOUT, false),
        ] {
            health.works(works_only);
            health.seen.lock().writes = failing(time);
            let view = health.details(Instant::now());
            assert_eq!((view.ready, view.writes_fail.is_some()), (ready, true), "{view:?}");
        }
    }
}
