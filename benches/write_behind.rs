//! From journal entries to committed rows on a durable private PostgreSQL: rows per second by the
//! size of the batch. One entry is a payment that begins, which is three rows: reservation, payment
//! and claim.

mod harness;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grandstand::domain::fact::{Fact, PaymentFact, PaymentStep};
use grandstand::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use grandstand::domain::position::{Position, StreamId};
use grandstand::embedded::{PostgresSettings, PrivatePostgres};
use grandstand::store::Store;
use harness::PARTITION;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Entries of one transaction: an idle system, a busy one, and the most that a worker takes.
const BATCHES: [usize; 3] = [1, 100, 1000];
/// Reservation, payment, and the claim of its one seat.
const ROWS_PER_ENTRY: usize = 3;

fn write_behind(criterion: &mut Criterion) {
    let runtime = harness::runtime();
    let dir = TempDir::new().expect("a directory");
    let postgres = PrivatePostgres::start(dir.path(), PostgresSettings::default());
    let postgres = runtime.block_on(postgres).expect("a private PostgreSQL");
    let store = Store::new(&postgres.url(), 4).expect("a store");
    runtime.block_on(async {
        store.migrate().await.expect("a schema");
        store.assert_durable().await.expect("a durable server");
        store.partition_count(1).await.expect("partitions");
        store.begin_epoch(PARTITION, 1).await.expect("a position");
    });
    let mut group = criterion.benchmark_group("write_behind");
    let mut next = 1;
    for count in BATCHES {
        group.throughput(Throughput::Elements((count * ROWS_PER_ENTRY) as u64));
        group.bench_function(BenchmarkId::new("rows", count), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    let entries = entries(count, &mut next);
                    let upto = Position { epoch: 1, id: entries[entries.len() - 1].0 };
                    let begun = Instant::now();
                    let lost = runtime.block_on(store.apply(PARTITION, upto, &entries));
                    took += begun.elapsed();
                    assert!(lost.expect("a commit").is_empty(), "seats were sold before");
                }
                took
            });
        });
    }
    group.finish();
    runtime.block_on(postgres.stop()).expect("a clean end");
}

/// Payments of seats that nobody has: each entry is a match of its own.
fn entries(count: usize, next: &mut u64) -> Vec<(StreamId, Fact)> {
    let entry = |_| {
        *next += 1;
        let fact = PaymentFact {
            payment: PaymentId::new(PARTITION),
            reservation: ReservationId::new(PARTITION),
            match_id: MatchId::new(PARTITION),
            user: UserId::new(PARTITION),
            seats: vec![SeatId(1)],
            amount: 30_000,
            method: "CARD".to_owned(),
            key: "a-key-of-the-gateway".to_owned(),
            version: 1,
            at: 1_763_812_345_678,
            code: None,
            money: Default::default(),
        };
        (StreamId { ms: *next, seq: 0 }, Fact::Payment(PaymentStep::Begun, Box::new(fact)))
    };
    (0..count).map(entry).collect()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = write_behind
}
criterion_main!(benches);
