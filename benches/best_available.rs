//! The search for the best seats in a stadium of about 25,000 seats, of which more and more are
//! sold at random, and the hold of the found seats in Redis. The search is pure processor work.

mod harness;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use grandstand::domain::best::{Ranking, Wish};
use grandstand::domain::free_seats::FreeSeats;
use grandstand::domain::ids::UserId;
use grandstand::domain::plan::PlanIndex;
use grandstand::engine::operation::Operation;
use harness::{Bench, PARTITION};
use std::hint::black_box;

/// Sold seats per thousand.
const SOLD_PER_THOUSAND: [u64; 4] = [0, 500, 950, 999];
/// Proposals of one search (`CHOICES_MAX` of `src/live/proposals.rs`).
const PROPOSALS: usize = 64;

fn wish(adjacent: bool) -> Wish {
    Wish { adjacent, ..Wish::seats(2) }
}

/// Whether a seat is sold: random, but the same in each run.
fn is_sold(position: u32, per_thousand: u64) -> bool {
    let mixed = u64::from(position).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    mixed % 1000 < per_thousand
}

fn search(criterion: &mut Criterion) {
    let plan = serde_json::from_value(grandstand_demo::stadium()).expect("a plan");
    let index = PlanIndex::new(&plan);
    let ranking = Ranking::new(&index);
    let mut group = criterion.benchmark_group("best_available");
    for sold in SOLD_PER_THOUSAND {
        for (name, adjacent) in [("search_adjacent", true), ("search_any", false)] {
            let free = FreeSeats::new(index.seat_count(), |position| !is_sold(position, sold));
            group.bench_function(BenchmarkId::new(name, sold), |bencher| {
                bencher.iter(|| {
                    ranking.propose(black_box(&wish(adjacent)), PROPOSALS, black_box(&free))
                });
            });
        }
    }
    group.finish();
}

/// Holds the first proposal, and releases it.
fn hold(criterion: &mut Criterion) {
    let bench = Bench::start(300_000);
    let (engine, id) = (&bench.engine, bench.match_id);
    let choices: Vec<_> =
        bench.seats.chunks(2).take(PROPOSALS).map(|pair| (0, pair.to_vec())).collect();
    criterion.bench_function("best_available/hold_and_release", |bencher| {
        bencher.to_async(&bench.runtime).iter(|| async {
            let user = UserId::new(PARTITION);
            let held = engine.hold_best(id, user, 2, &choices, Operation::default()).await;
            let (hold, _) = held.expect("a reply").expect("free seats");
            engine.release(id, user, hold).await.expect("a release");
        });
    });
}

criterion_group! {
    name = benches;
    config = harness::criterion();
    targets = search, hold
}
criterion_main!(benches);
