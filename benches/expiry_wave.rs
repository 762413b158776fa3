//! N holds fall due in the same instant: time until all are swept. Meanwhile somebody goes on to
//! hold seats; the p99 of those holds is told in the text, because it is what a wave costs others.

mod harness;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grandstand::domain::ids::SeatId;
use grandstand::engine::Engine;
use harness::{Bench, PARTITION};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Holds that end together: some, and every seat of a stand that was grabbed in the first second.
const DUE: [usize; 3] = [100, 1000, 5000];
/// Long enough that all holds are made before the first ends.
const HOLD_TTL_MS: u64 = 3000;
/// What a worker takes per look (`workers/expiry.rs`).
const CLAIMS: i64 = 256;

fn expiry_wave(criterion: &mut Criterion) {
    let bench = Bench::start(HOLD_TTL_MS);
    let mut group = criterion.benchmark_group("expiry_wave");
    for count in DUE {
        let mut meanwhile = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("bounds");
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("sweep", count), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    let wave = wave(&bench, count, &mut meanwhile);
                    took += bench.runtime.block_on(wave);
                }
                took
            });
        });
        let ms = |share| meanwhile.value_at_quantile(share) as f64 / 1000.0;
        let (p50, p99, holds) = (ms(0.5), ms(0.99), meanwhile.len());
        println!("  {holds} holds meanwhile: p50 {p50:.2} ms, p99 {p99:.2} ms");
    }
    group.finish();
}

/// Makes the holds, waits until they are due, sweeps them; how long the sweep took.
async fn wave(bench: &Bench, count: usize, meanwhile: &mut Histogram<u64>) -> Duration {
    let (engine, id) = (&bench.engine, bench.match_id);
    Bench::reopen(engine, id).await;
    let seats = bench.seats[..count].iter();
    let holds = seats.map(|seat| Bench::hold(engine, id, vec![*seat]));
    assert!(futures::future::join_all(holds).await.iter().all(|held| *held), "free seats");
    tokio::time::sleep(Duration::from_millis(HOLD_TTL_MS + 20)).await;
    let over = Arc::new(AtomicBool::new(false));
    let others = bench.seats[count..].to_vec();
    let buyer = tokio::spawn(buy(engine.clone(), bench.match_id, others, over.clone()));
    let begun = Instant::now();
    let mut swept = 0;
    while swept < count {
        swept += sweep(engine).await;
    }
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    for latency in buyer.await.expect("the buyer") {
        meanwhile.saturating_record(latency.as_micros() as u64);
    }
    took
}

/// As the worker does it.
async fn sweep(engine: &Engine) -> usize {
    let due = engine.due_claims(PARTITION, CLAIMS).await.expect("due claims");
    let sweeps = due.into_iter().map(|(id, claim)| engine.expire(id, claim));
    let swept = futures::future::join_all(sweeps).await;
    swept.into_iter().filter(|swept| matches!(swept, Ok(true))).count()
}

async fn buy(
    engine: Arc<Engine>,
    id: grandstand::domain::ids::MatchId,
    seats: Vec<SeatId>,
    over: Arc<AtomicBool>,
) -> Vec<Duration> {
    let mut latencies = vec![];
    for seat in seats {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        Bench::hold(&engine, id, vec![seat]).await;
        latencies.push(begun.elapsed());
    }
    latencies
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(10));
    targets = expiry_wave
}
criterion_main!(benches);
