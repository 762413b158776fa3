//! Many tasks want the same few seats: attempts per second, winners, refusals. An iteration is a
//! rush: all tasks start together, and each task tries to hold every seat once.

mod harness;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grandstand::domain::ids::{MatchId, SeatId};
use grandstand::engine::Engine;
use harness::Bench;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;

/// Buyers in parallel: one, a few, and as many as fill two batches of 128.
const TASKS: [usize; 3] = [1, 16, 256];
/// Seats that all of them want: the best seat, a row or two, a block.
const SEATS: [usize; 3] = [1, 64, 1024];
/// The largest number of attempts in a rush, over all tasks. Every task on every seat would take
/// minutes.
const ATTEMPTS_MAX: usize = 4096;

struct Rush {
    took: Duration,
    winners: usize,
    refusals: usize,
}

fn engine_contention(criterion: &mut Criterion) {
    let bench = Bench::start(300_000);
    let mut group = criterion.benchmark_group("engine_contention");
    for (tasks, seats) in TASKS.into_iter().flat_map(|tasks| SEATS.map(|seats| (tasks, seats))) {
        let wanted: Arc<Vec<SeatId>> = Arc::new(bench.seats[..seats].to_vec());
        let each = (ATTEMPTS_MAX / tasks).min(seats).max(1);
        group.throughput(Throughput::Elements((tasks * each) as u64));
        let name = BenchmarkId::new("attempts", format!("{tasks}_tasks_{seats}_seats"));
        let (mut rushes, mut winners, mut refusals) = (0, 0, 0);
        group.bench_function(name, |bencher| {
            let (engine, id) = (bench.engine.clone(), bench.match_id);
            bencher.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    let work = rush(&engine, id, &wanted, tasks, each);
                    let rush = bench.runtime.block_on(work);
                    assert!(rush.winners <= seats, "more winners than seats");
                    took += rush.took;
                    rushes += 1;
                    winners += rush.winners;
                    refusals += rush.refusals;
                }
                took
            });
        });
        let rushes = rushes.max(1);
        println!("  per rush: {} winners, {} refusals", winners / rushes, refusals / rushes);
    }
    group.finish();
}

async fn rush(
    engine: &Arc<Engine>,
    id: MatchId,
    wanted: &Arc<Vec<SeatId>>,
    tasks: usize,
    each: usize,
) -> Rush {
    Bench::reopen(engine, id).await;
    let barrier = Arc::new(Barrier::new(tasks + 1));
    let people: Vec<_> = (0..tasks)
        .map(|task| {
            let (engine, wanted, barrier) = (engine.clone(), wanted.clone(), barrier.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                let mut won = 0;
                for attempt in 0..each {
                    let seat = wanted[(task * 31 + attempt) % wanted.len()];
                    won += usize::from(Bench::hold(&engine, id, vec![seat]).await);
                }
                won
            })
        })
        .collect();
    barrier.wait().await;
    let begun = Instant::now();
    let mut winners = 0;
    for person in people {
        winners += person.await.expect("a task");
    }
    Rush { took: begun.elapsed(), winners, refusals: tasks * each - winners }
}

criterion_group! {
    name = benches;
    config = harness::criterion().sample_size(10);
    targets = engine_contention
}
criterion_main!(benches);
