//! The parts that all benches share: a private Redis that syncs to disk before each reply, an
//! engine on it, and an open match. The timed sections contain none of this set-up.
#![allow(dead_code, unreachable_pub)] // Each bench includes this module and uses a part of it.

pub mod servers;

use criterion::Criterion;
use grandstand::domain::catalog::{Match, MatchStatus, Site};
use grandstand::domain::ids::{MatchId, Partition, SeatId, SiteId, UserId};
use grandstand::domain::plan::{PlanIndex, SitePlan};
use grandstand::domain::queue::QueueSettings;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::limits::Limits;
use grandstand::engine::load::Load;
use grandstand::engine::operation::Operation;
use grandstand::engine::{Engine, EngineSettings};
use grandstand_embedded::{PrivateRedis, RedisSettings};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The only partition. All tasks meet in one batcher, as in the rush for a match.
pub const PARTITION: Partition = Partition(0);

/// An engine with an open match in the stadium of the demo (about 25,000 seats).
pub struct Bench {
    pub runtime: Runtime,
    pub engine: Arc<Engine>,
    pub match_id: MatchId,
    pub seats: Vec<SeatId>,
    redis: PrivateRedis,
    _dir: TempDir,
}

impl Bench {
    /// Starts the server and opens the match. Holds last `hold_ttl_ms`.
    pub fn start(hold_ttl_ms: u64) -> Self {
        let runtime = runtime();
        let dir = TempDir::new().expect("a directory");
        let redis = runtime.block_on(PrivateRedis::start(dir.path(), RedisSettings::default()));
        let redis = redis.expect("a private Redis");
        let limits = Limits {
            hold_ttl_ms,
            payment_ttl_ms: 600_000,
            seats_per_user: 100,
            holds_per_ten_minutes: 0,
            cool_down_after: 0,
        };
        let settings = EngineSettings { redis_url: redis.url(), partitions: 1, limits };
        let engine = runtime.block_on(Engine::connect(settings)).expect("an engine");
        let fixture = open_match();
        let plan = stadium();
        let index = PlanIndex::new(&plan);
        let seats = (0..index.seat_count()).map(|at| index.seat_at(at)).collect();
        let id = fixture.id;
        runtime.block_on(async {
            load(&engine, fixture).await;
        });
        Self { runtime, engine: Arc::new(engine), match_id: id, seats, redis, _dir: dir }
    }

    /// Returns the address of Redis, for reading it beside the engine.
    pub fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// Holds seats for a new user. Returns whether they were free.
    pub async fn hold(engine: &Engine, id: MatchId, seats: Vec<SeatId>) -> bool {
        let user = UserId::new(PARTITION);
        match engine.hold(id, user, seats, 0, &[], Operation::default()).await {
            Ok(_) => true,
            Err(EngineError::Refused(Refusal::Taken(_))) => false,
            Err(error) => panic!("neither held nor taken: {error}"),
        }
    }

    /// Deletes all data of the match and opens it again.
    pub async fn reopen(engine: &Engine, id: MatchId) {
        load(engine, Match { id, ..open_match() }).await;
    }
}

/// Replaces the contents of the partition by this match.
async fn load(engine: &Engine, fixture: Match) {
    engine.close_partition(PARTITION).await.expect("a reply");
    let lease = engine.take_lease(PARTITION, "bench", 60_000).await.expect("a reply");
    let lease = lease.expect("a partition that nobody owns");
    let load = only(fixture);
    engine
        .clear_partition(&lease, &load.matches, &load.accounts)
        .await
        .expect("an empty partition");
    engine.write_partition(&lease, load).await.expect("a partition");
    engine.open_partition(&lease, 1).await.expect("an open partition");
    engine.end_lease(&lease).await.expect("a reply");
}

/// Whether this is the smoke test of `cargo test`: each bench runs once, with tiny sizes, and its
/// numbers mean nothing. `cargo bench` passes `--bench`.
pub fn is_smoke_test() -> bool {
    !std::env::args().any(|argument| argument == "--bench")
}

/// Whether the command line chooses this bench: `cargo test hold` runs what has "hold" in its name.
pub fn is_chosen(name: &str) -> bool {
    let mut filters = std::env::args().skip(1).filter(|text| !text.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(&filter))
}

/// Returns the size of a bench, or that of its smoke test.
pub fn size<T>(full: T, smoke: T) -> T {
    if is_smoke_test() { smoke } else { full }
}

/// Returns settings with which all benches together take less than a quarter of an hour.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
}

/// Returns a runtime with two threads, because the bench shares the machine with the servers, as a
/// node does.
pub fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
}

/// Returns a load with this match only.
fn only(fixture: Match) -> Load {
    Load {
        accounts: vec![],
        sites: vec![],
        matches: vec![fixture],
        reservations: vec![],
        blocked: vec![],
        check_ins: vec![],
    }
}

/// Returns the plan of the demo stadium.
fn stadium() -> SitePlan {
    serde_json::from_value(grandstand_demo::stadium()).expect("a plan")
}

/// Returns a match in the stadium of the demo, on sale.
pub fn open_match() -> Match {
    let site = Site { id: SiteId::new(PARTITION), version: 1, plan: stadium() };
    Match {
        id: MatchId::new(PARTITION),
        version: 1,
        site_id: site.id,
        stadium: site.plan.name,
        home_team: "Home".to_owned(),
        away_team: "Away".to_owned(),
        starts_at: jiff::Timestamp::UNIX_EPOCH,
        status: MatchStatus::Open,
        queue: QueueSettings::default(),
        sale_opens_at: None,
        sale_closes_at: None,
        draw_seed: None,
        drawn: None,
        orphan_rule: false,
        moved: false,
        refundable_until: None,
        refund_fees: vec![],
        one_hold_per_user: false,
        holds_need_verified_email: false,
        prices: None,
        archived: false,
    }
}
