//! The search for the best seats in a stadium of about 25,000, of which more and more are sold at
//! random; and the hold of what it finds, in Redis. The search is pure processor work.

mod harness;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use grandstand::demo::stadium;
use grandstand::domain::best::{Ranking, Wish};
use grandstand::domain::ids::UserId;
use grandstand::domain::plan::PlanIndex;
use grandstand::engine::operation::Operation;
use harness::{Bench, PARTITION};
use std::hint::black_box;

/// Seats per thousand that are sold.
const SOLD: [u64; 4] = [0, 500, 950, 999];
/// What the API asks the search for (`src/api/best.rs`).
const PROPOSALS: usize = 8;

fn wish(adjacent: bool) -> Wish {
    Wish { count: 2, sections: vec![], grade: None, adjacent }
}

/// Sold or not, the same in each run.
fn is_sold(position: u32, per_thousand: u64) -> bool {
    let mixed = u64::from(position).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    mixed % 1000 < per_thousand
}

fn search(criterion: &mut Criterion) {
    let index = PlanIndex::new(&stadium());
    let ranking = Ranking::new(&index);
    let mut group = criterion.benchmark_group("best_available");
    for sold in SOLD {
        for (name, adjacent) in [("search_adjacent", true), ("search_any", false)] {
            group.bench_function(BenchmarkId::new(name, sold), |bencher| {
                bencher.iter(|| {
                    let free = |position| !is_sold(position, sold);
                    ranking.propose(&index, black_box(&wish(adjacent)), PROPOSALS, free)
                });
            });
        }
    }
    group.finish();
}

/// The hold of the first proposal, and its release.
fn hold(criterion: &mut Criterion) {
    let bench = Bench::start(300_000);
    let (engine, id) = (&bench.engine, bench.match_id);
    let choices: Vec<_> =
        bench.seats.chunks(2).take(PROPOSALS).map(|pair| (0, pair.to_vec())).collect();
    criterion.bench_function("best_available/hold_and_release", |bencher| {
        bencher.to_async(&bench.runtime).iter(|| async {
            let user = UserId::new(PARTITION);
            let held = engine.hold_best(id, user, 2, &choices, Operation::default()).await;
            let (hold, _) = held.expect("an answer").expect("free seats");
            engine.release(id, user, hold).await.expect("a release");
        });
    });
}

criterion_group!(benches, search, hold);
criterion_main!(benches);
