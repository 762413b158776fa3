//! A hold and its release without contention: time per seat, and seats per second.

mod harness;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grandstand::domain::ids::{SeatId, UserId};
use grandstand::engine::operation::Operation;
use harness::{Bench, PARTITION};

/// Seats of a hold. Most people want one to four seats (4 is the default limit per person). 8 shows
/// the cost of further seats.
const SEATS: [usize; 3] = [1, 4, 8];

fn engine_hold(criterion: &mut Criterion) {
    let bench = Bench::start(300_000);
    let mut group = criterion.benchmark_group("engine_hold");
    for count in SEATS {
        // Each seat is held and given back.
        group.throughput(Throughput::Elements(2 * count as u64));
        group.bench_function(BenchmarkId::new("hold_and_release", count), |bencher| {
            let (engine, id) = (bench.engine.clone(), bench.match_id);
            let seats: Vec<SeatId> = bench.seats[..count].to_vec();
            bencher.to_async(&bench.runtime).iter(|| {
                let (engine, seats) = (engine.clone(), seats.clone());
                async move {
                    let user = UserId::new(PARTITION);
                    let held = engine.hold(id, user, seats, 0, &[], Operation::default()).await;
                    let (hold, _) = held.expect("free seats");
                    engine.release(id, user, hold).await.expect("a release");
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = harness::criterion();
    targets = engine_hold
}
criterion_main!(benches);
