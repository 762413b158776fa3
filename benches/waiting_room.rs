//! A million people wait for one match: what each of their steps costs Redis, how long the draw
//! takes, and what a calm sale of another match in the same partition notices. Times of functions
//! are Redis's own (`INFO commandstats`), so it does not matter how this program was built.

mod harness;

use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use futures::StreamExt as _;
use grandstand::domain::catalog::{Match, MatchStatus};
use grandstand::domain::draw;
use grandstand::domain::ids::{MatchId, SeatId, UserId};
use grandstand::domain::queue::QueueSettings;
use grandstand::engine::Engine;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::queue::PlaceVerb;
use grandstand::gateway::client::TossSettings;
use grandstand::gateway::toss::Toss;
use grandstand::live::catalog::Catalog;
use grandstand::redis::keys::MatchKeys;
use grandstand::store::Store;
use grandstand::workers::Workers;
use harness::{Bench, PARTITION, open_match, size};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PEOPLE: u32 = 1_000_000;
const SMOKE_PEOPLE: u32 = 5_000;
/// People who join or look at the same time: enough for full calls of 128.
const PARALLEL_PEOPLE: usize = 2_000;
/// People who join or look one after the other.
const LONE_PEOPLE: usize = 2_000;
const SMOKE_LONE_PEOPLE: usize = 50;
/// How long the calm sale is watched in each state of the room.
const WATCH_TIME: Duration = Duration::from_secs(5);
const SMOKE_WATCH_TIME: Duration = Duration::from_millis(100);
/// Buyers of the calm sale. Each holds a seat and gives it back, again and again.
const BUYERS: usize = 4;
const ADMIT_PER_MINUTE: u32 = 60_000;
const STEP_INTERVAL: Duration = Duration::from_millis(250);
const SEED: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn main() {
    if !harness::is_chosen("waiting_room") {
        return;
    }
    let bench = Bench::start(3_600_000);
    bench.runtime.block_on(run(&bench));
}

async fn run(bench: &Bench) {
    let raw = grandstand::redis::connect(&bench.redis_url()).await.expect("a client");
    let mut room = Room { bench, raw, fixture: early(), calm: None };
    room.put().await;
    room.watch("no room", async {
        tokio::time::sleep(size(WATCH_TIME, SMOKE_WATCH_TIME)).await;
    })
    .await;
    let count = size(PEOPLE, SMOKE_PEOPLE) as usize;
    let people: Vec<UserId> = (0..count).map(|_| UserId::new(PARTITION)).collect();
    room.join(&people).await;
    room.memory(count).await;
    room.watch("all of them wait", async {
        tokio::time::sleep(size(WATCH_TIME, SMOKE_WATCH_TIME)).await;
    })
    .await;
    room.draw(count as u32).await;
    room.look(&people).await;
    room.admit().await;
    room.close().await;
}

/// An announced match that people may join.
fn early() -> Match {
    let queue = QueueSettings {
        enabled: true,
        opens_at: "2020-01-01T00:00:00Z".parse().ok(),
        admit_per_minute: ADMIT_PER_MINUTE,
        max_active: 1_000_000,
        random_pre_queue: true,
        ..QueueSettings::default()
    };
    let (status, draw_seed) = (MatchStatus::Announced, Some(SEED.to_owned()));
    Match { version: 0, status, draw_seed, queue, ..open_match() }
}

struct Room<'a> {
    bench: &'a Bench,
    raw: grandstand::redis::Link,
    fixture: Match,
    /// The calm sale without a room.
    calm: Option<Calm>,
}

#[derive(Clone, Copy)]
struct Calm {
    p50_ms: f64,
    p99_ms: f64,
    /// What a hold and its release cost Redis, in µs.
    hold_us: f64,
}

/// What happened while the calm sale was watched.
struct Watched<T> {
    done: T,
    /// The time that Redis spent in functions, without those of the calm sale, in µs. Redis does
    /// not count them apart, so this takes the holds of the calm sale at their price without a
    /// room.
    cost_us: f64,
    took: Duration,
}

impl Room<'_> {
    async fn put(&mut self) {
        put(&self.bench.engine, &mut self.fixture).await;
    }

    /// Runs the calm sale of the other match while `work` runs, and prints what its buyers notice.
    async fn watch<T>(&mut self, when: &str, work: impl Future<Output = T>) -> Watched<T> {
        let (before, begun) = (self.functions().await, Instant::now());
        let over = Arc::new(AtomicBool::new(false));
        let seats = self.bench.seats.chunks(self.bench.seats.len() / BUYERS).take(BUYERS);
        let buyers: Vec<_> = seats
            .map(|seats| {
                let (engine, id) = (self.bench.engine.clone(), self.bench.match_id);
                tokio::spawn(buy(engine, id, seats.to_vec(), over.clone()))
            })
            .collect();
        let done = work.await;
        over.store(true, Ordering::Relaxed);
        let mut seen = histogram();
        for buyer in buyers {
            seen.add(buyer.await.expect("a buyer")).expect("the same bounds");
        }
        let ms = |share| seen.value_at_quantile(share) as f64 / 1000.0;
        let (p50, p99, holds) = (ms(0.5), ms(0.99), seen.len().max(1) as f64);
        let (cost_us, took) = (self.functions().await - before, begun.elapsed());
        let calm = Calm { p50_ms: p50, p99_ms: p99, hold_us: cost_us / holds };
        let calm = *self.calm.get_or_insert(calm);
        println!(
            "a hold of another match, {when:<32} p50 {p50:>7.2} ms ({:.2}×), p99 {p99:>7.2} ms \
             ({:.2}×), longest {:.1} ms, {} holds",
            p50 / calm.p50_ms,
            p99 / calm.p99_ms,
            seen.max() as f64 / 1000.0,
            seen.len()
        );
        Watched { done, cost_us: cost_us - holds * calm.hold_us, took }
    }

    /// Some join one after the other, and the rest as fast as they can.
    async fn join(&mut self, people: &[UserId]) {
        let (engine, id) = (self.bench.engine.clone(), self.fixture.id);
        let (lone, crowd) = people.split_at(size(LONE_PEOPLE, SMOKE_LONE_PEOPLE));
        let (cost, took) = self
            .cost(async {
                for person in lone {
                    engine.join_queue(id, *person, None).await.expect("a place");
                }
            })
            .await;
        said("a join, alone", cost, took, lone.len());
        let joined = async {
            let joins = crowd.iter().map(|person| engine.join_queue(id, *person, None));
            let mut joins = futures::stream::iter(joins).buffer_unordered(PARALLEL_PEOPLE);
            while let Some(place) = joins.next().await {
                place.expect("a place");
            }
        };
        let seen = self.watch("while they join", joined).await;
        said("a join, in a crowd", seen.cost_us, seen.took, crowd.len());
    }

    async fn look(&mut self, people: &[UserId]) {
        let (engine, id) = (self.bench.engine.clone(), self.fixture.id);
        let peek = |person: &UserId| engine.queue_place(id, *person, PlaceVerb::Peek);
        let lone: Vec<&UserId> = people.iter().rev().take(size(LONE_PEOPLE, 50)).collect();
        let mut seen = histogram();
        let (cost, took) = self
            .cost(async {
                for person in &lone {
                    let begun = Instant::now();
                    peek(person).await.expect("a place");
                    seen.saturating_record(begun.elapsed().as_micros() as u64);
                }
            })
            .await;
        said("a look, alone", cost, took, lone.len());
        println!("  p99 {:.2} ms", seen.value_at_quantile(0.99) as f64 / 1000.0);
        let crowd = &people[..people.len() / 10];
        let looks = async {
            let mut looks =
                futures::stream::iter(crowd.iter().map(peek)).buffer_unordered(PARALLEL_PEOPLE);
            while let Some(place) = looks.next().await {
                place.expect("a place");
            }
        };
        let (cost, took) = self.cost(looks).await;
        said("a look, in a crowd", cost, took, crowd.len());
    }

    async fn memory(&self, people: usize) {
        let key = MatchKeys(self.fixture.id).queue();
        let usage = CustomCommand::new_static("MEMORY", key.as_str(), false);
        let arguments = vec!["USAGE", key.as_str()];
        let bytes: u64 = self.raw.custom(usage, arguments).await.expect("a size");
        println!("memory of a person who waits: {:.0} bytes", bytes as f64 / people as f64);
    }

    /// The match opens, and the worker gives the numbers.
    async fn draw(&mut self, count: u32) {
        let (workers, begun) = (self.workers().await, Instant::now());
        assert_eq!(draw::order(SEED, count).len(), count as usize);
        println!("the order itself takes {:.2?} in this build", begun.elapsed());
        self.fixture.status = MatchStatus::Open;
        self.fixture.queue.paused = true;
        self.put().await;
        workers.catalog.reload(PARTITION).await.expect("a catalog");
        let (raw, key) = (self.raw.clone(), MatchKeys(self.fixture.id).meta());
        let numbered = async {
            let begun = Instant::now();
            let (mut first, mut next_step) = (None, begun);
            loop {
                if Instant::now() >= next_step {
                    workers.admit_once(PARTITION).await.expect("a step");
                    next_step = Instant::now() + STEP_INTERVAL;
                }
                let drawn: Option<u32> = raw.hget(&key, "queue_drawn").await.expect("a reply");
                let drawn = drawn.unwrap_or(0);
                if drawn > 0 && first.is_none() {
                    first = Some(begun.elapsed());
                }
                if drawn == count {
                    return (first.expect("the first"), begun.elapsed());
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let seen = self.watch("while they are drawn", numbered).await;
        let (first, last) = seen.done;
        println!("the first number after {first:.2?}, the last after {last:.2?}");
        said("a number of the draw", seen.cost_us, last, count as usize);
    }

    /// Four steps a second at the set rate.
    async fn admit(&mut self) {
        self.fixture.queue.paused = false;
        self.put().await;
        let (engine, id) = (self.bench.engine.clone(), self.fixture.id);
        let steps = size(20, 4);
        let work = async {
            let mut people = 0;
            for _ in 0..steps {
                people += engine.admit(id, Some(1_000_000)).await.expect("a step").people;
                tokio::time::sleep(STEP_INTERVAL).await;
            }
            people
        };
        let Watched { done: people, cost_us, took } =
            self.watch("while they are let in", work).await;
        said("a person let in", cost_us, took, people as usize);
        let share = 100.0 * cost_us / took.as_micros() as f64;
        println!("  {:.0} µs a step, {share:.2} % of a core", cost_us / f64::from(steps));
    }

    /// All who wait are gone.
    async fn close(&mut self) {
        let mut closed = Match { status: MatchStatus::Closed, ..self.fixture.clone() };
        let engine = self.bench.engine.clone();
        let work = async {
            let begun = Instant::now();
            put(&engine, &mut closed).await;
            let took = begun.elapsed();
            tokio::time::sleep(size(WATCH_TIME, SMOKE_WATCH_TIME) / 4).await;
            took
        };
        let took = self.watch("while the room is closed", work).await.done;
        println!("the call that closes the room takes {took:.2?}");
    }

    /// Returns how long functions took in Redis meanwhile, in µs, and the time.
    async fn cost(&self, work: impl Future<Output = ()>) -> (f64, Duration) {
        let (before, begun) = (self.functions().await, Instant::now());
        work.await;
        let took = begun.elapsed();
        (self.functions().await - before, took)
    }

    /// The time that Redis has spent in functions, in µs.
    async fn functions(&self) -> f64 {
        let info = CustomCommand::new_static("INFO", ClusterHash::Random, false);
        let text: String = self.raw.custom(info, vec!["commandstats"]).await.expect("a reply");
        let line = text.lines().find_map(|line| line.strip_prefix("cmdstat_fcall:"));
        let parts = line.into_iter().flat_map(|line| line.split(','));
        let time = parts.filter_map(|part| part.strip_prefix("usec=")).next();
        time.map_or(0.0, |time| time.parse().expect("a number"))
    }

    /// Workers without a loop. They need PostgreSQL for other steps only.
    async fn workers(&self) -> Arc<Workers> {
        let toss = TossSettings {
            base_url: "http://127.0.0.1:1".to_owned(),
            secret_key: "none".to_owned(),
            timeout_ms: 1000,
        };
        let engine = self.bench.engine.clone();
        Arc::new(Workers {
            charges_every: Duration::from_secs(86_400),
            catalog: Arc::new(Catalog::new(engine.clone())),
            engine,
            store: Store::new("postgres://127.0.0.1:1/none", 1).expect("a store"),
            toss: Toss::new(toss).expect("a client"),
            reconcile_after_ms: 30_000,
            allow_unsafe_database: false,
            name: Workers::new_name(),
            owned: Default::default(),
            drawing: Default::default(),
            drawn: Default::default(),
            clocks: Default::default(),
            keep_match_ms: 604_800_000,
            retired: Default::default(),
            halted: Default::default(),
        })
    }
}

/// Stores the match. The worker writes the number of drawn people into it, so this repeats until
/// nobody else has changed it meanwhile.
async fn put(engine: &Engine, fixture: &mut Match) {
    loop {
        if let Some(stored) = engine.fixture(fixture.id).await.expect("a reply") {
            (fixture.version, fixture.drawn) = (stored.version, stored.drawn);
        }
        fixture.version += 1;
        match engine.put_match(fixture, Operation::default()).await {
            Err(EngineError::Refused(Refusal::Stale)) => {}
            put => {
                put.expect("a match");
                return;
            }
        }
    }
}

fn said(what: &str, cost_us: f64, took: Duration, count: usize) {
    let (each, rate) = (cost_us / count as f64, count as f64 / took.as_secs_f64());
    println!("{what}: {each:.2} µs of Redis, {rate:.0} a second, {count} in {took:.2?}");
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds")
}

async fn buy(
    engine: Arc<Engine>,
    id: MatchId,
    seats: Vec<SeatId>,
    over: Arc<AtomicBool>,
) -> Histogram<u64> {
    let mut seen = histogram();
    for seat in seats.iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
        let (user, begun) = (UserId::new(PARTITION), Instant::now());
        let held = engine.hold(id, user, vec![*seat], 0, &[], Operation::default()).await;
        seen.saturating_record(begun.elapsed().as_micros() as u64);
        engine.release(id, user, held.expect("a free seat").0).await.expect("a release");
    }
    seen
}
