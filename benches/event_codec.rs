//! The pure processor work of the live map: parsing the entries of the scripts, and writing frames
//! for browsers. The match is in the stadium of the demo, with about 25,000 seats.

mod harness;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grandstand::domain::ids::SeatId;
use grandstand::domain::plan::PlanIndex;
use grandstand::domain::position::{EventId, Position, StreamId};
use grandstand::domain::seat::join_seats;
use grandstand::engine::snapshot::{parse_states, parse_told};
use grandstand::live::frame::{Scope, changes, event, states};
use std::hint::black_box;

/// Seats of an entry or frame: a hold, a full batch, and the largest tick of a rush.
const CHANGED: [usize; 3] = [4, 256, 2048];

const POSITION: Position = Position { epoch: 3, id: StreamId { ms: 1_763_812_345_678, seq: 7 } };

const EVENT: EventId = EventId { position: POSITION, plan: 0 };

fn event_codec(criterion: &mut Criterion) {
    let plan = serde_json::from_value(grandstand_demo::stadium()).expect("a plan");
    let index = PlanIndex::new(&plan);
    let mut group = criterion.benchmark_group("event_codec");
    for count in CHANGED {
        let seats: Vec<SeatId> = (0..count as u32).map(|at| index.seat_at(at * 7)).collect();
        let text = format!("H{}", join_seats(&seats));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("read_entry", count), |bencher| {
            bencher.iter(|| parse_told(black_box(&text)));
        });
        let changed: Vec<(u32, u8)> = (0..count as u32).map(|at| (at * 7, b'H')).collect();
        group.bench_function(BenchmarkId::new("write_changes", count), |bencher| {
            bencher.iter(|| changes(&index, EVENT, 9, black_box(&changed), &Scope::Match));
        });
    }
    let letters = vec![b'A'; index.seat_count() as usize];
    group.throughput(Throughput::Elements(letters.len() as u64));
    group.bench_function("write_snapshot", |bencher| {
        bencher.iter(|| {
            let states = states(&index, black_box(&letters), 9, &Scope::Match);
            event("snapshot", Some(EVENT), &states)
        });
    });
    let taken: Vec<String> =
        (0..index.seat_count()).map(|at| format!("{}O", index.seat_at(at))).collect();
    let sold_out = taken.join(",");
    group.bench_function("read_sold_out_snapshot", |bencher| {
        bencher.iter(|| parse_states(black_box(&sold_out)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = harness::criterion();
    targets = event_codec
}
criterion_main!(benches);
