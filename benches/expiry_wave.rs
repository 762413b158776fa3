//! N holds become due at the same moment: the time until all of them are swept. Before and during
//! the sweep, a buyer holds seats and gives them back. The bench prints the p99 of these holds,
//! because the difference is the cost of the wave for other buyers.

mod harness;

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use futures::StreamExt as _;
use grandstand::domain::ids::{MatchId, SeatId, UserId};
use grandstand::engine::Engine;
use grandstand::engine::operation::Operation;
use grandstand::workers::expiry::expire_due;
use harness::{Bench, PARTITION};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Holds that end together: from a few to almost the whole stadium, held in the first second.
const DUE_HOLDS: [usize; 3] = [100, 1000, 24_000];
/// Long enough to create all holds before the first one ends.
const HOLD_TTL_MS: u64 = 3000;
const SMOKE_HOLD_TTL_MS: u64 = 1000;

/// Holds that are created in parallel.
const PARALLEL_HOLDS: usize = 2000;

fn hold_ttl_ms() -> u64 {
    harness::size(HOLD_TTL_MS, SMOKE_HOLD_TTL_MS)
}

fn expiry_wave(criterion: &mut Criterion) {
    let bench = Bench::start(hold_ttl_ms());
    let mut group = criterion.benchmark_group("expiry_wave");
    // An iteration waits for the end of its holds, so each sample has only one.
    group.sampling_mode(SamplingMode::Flat);
    for count in harness::size(&DUE_HOLDS[..], &DUE_HOLDS[..1]).iter().copied() {
        let histogram = || Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("bounds");
        let (mut before, mut meanwhile) = (histogram(), histogram());
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("sweep", count), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    let wave = wave(&bench, count, &mut before, &mut meanwhile);
                    took += bench.runtime.block_on(wave);
                }
                took
            });
        });
        for (when, seen) in [("before", before), ("meanwhile", meanwhile)] {
            let ms = |share| seen.value_at_quantile(share) as f64 / 1000.0;
            let (p50, p99, holds) = (ms(0.5), ms(0.99), seen.len());
            println!("  {holds} holds {when}: p50 {p50:.2} ms, p99 {p99:.2} ms");
        }
    }
    group.finish();
}

/// Creates the holds, waits until they are due, and sweeps them. Returns the time of the sweep.
async fn wave(
    bench: &Bench,
    count: usize,
    before: &mut Histogram<u64>,
    meanwhile: &mut Histogram<u64>,
) -> Duration {
    let (engine, id) = (&bench.engine, bench.match_id);
    Bench::reopen(engine, id).await;
    let seats = bench.seats[..count].iter();
    let holds = seats.map(|seat| Bench::hold(engine, id, vec![*seat]));
    let held = futures::stream::iter(holds).buffer_unordered(PARALLEL_HOLDS);
    assert!(held.all(std::future::ready).await, "free seats");
    let others = || bench.seats[count..].to_vec();
    let due = Instant::now() + Duration::from_millis(hold_ttl_ms());
    buy(engine.clone(), id, others(), before, || Instant::now() < due).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut seen = Histogram::<u64>::new_from(meanwhile);
    let (engine_of_buyer, over_of_buyer) = (engine.clone(), over.clone());
    let seats = others();
    let buyer = tokio::spawn(async move {
        let goes_on = || !over_of_buyer.load(Ordering::Relaxed);
        buy(engine_of_buyer, id, seats, &mut seen, goes_on).await;
        seen
    });
    let begun = Instant::now();
    let mut swept = 0;
    while swept < count {
        swept += expire_due(engine, PARTITION).await.expect("a sweep");
    }
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    meanwhile.add(buyer.await.expect("the buyer")).expect("the same bounds");
    took
}

/// Holds a seat and gives it back, one seat after the other, while `goes_on`.
async fn buy(
    engine: Arc<Engine>,
    id: MatchId,
    seats: Vec<SeatId>,
    seen: &mut Histogram<u64>,
    goes_on: impl Fn() -> bool,
) {
    for seat in seats.iter().cycle().take_while(|_| goes_on()) {
        let (user, begun) = (UserId::new(PARTITION), Instant::now());
        let held = engine.hold(id, user, vec![*seat], 0, &[], Operation::default()).await;
        seen.saturating_record(begun.elapsed().as_micros() as u64);
        engine.release(id, user, held.expect("a free seat").0).await.expect("a release");
    }
}

criterion_group! {
    name = benches;
    config = harness::criterion().sample_size(10);
    targets = expiry_wave
}
criterion_main!(benches);
