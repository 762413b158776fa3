//! Bytes of Redis per held and per sold seat, by the number of seats of a sale. Temporary data do
//! not count: the journal (trimmed when PostgreSQL has it), the stream of changes (its length is
//! limited), ended claims (kept for 8 to 16 minutes), and the earlier deadlines of sold seats.

mod harness;

use fred::prelude::*;
use fred::types::InfoKind;
use futures::StreamExt as _;
use grandstand::domain::ids::{MatchId, PaymentId, SeatId, UserId};
use grandstand::domain::money::Attempt;
use grandstand::engine::Engine;
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::operation::Operation;
use grandstand::engine::payments::{Begun, Settled};
use grandstand::engine::reservations::Source;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use harness::{Bench, PARTITION};

/// Sales in parallel.
const PARALLEL_SALES: usize = 2000;
/// Seats of each round.
const ROUND_SEATS: usize = 20_000;
const SMOKE_ROUND_SEATS: usize = 400;
const PAYMENT_KEY: &str = "tgen_20251122183000abcd1";

fn main() {
    if !harness::is_chosen("memory") {
        return;
    }
    let bench = Bench::start(3_600_000);
    println!("{:<16} {:>20} {:>20}", "seats of a sale", "bytes per held seat", "per sold seat");
    for size in [1, 2, 4] {
        let (held, sold) = bench.runtime.block_on(measure(&bench, size));
        println!("{size:<16} {held:>20.0} {sold:>20.0}");
    }
}

async fn measure(bench: &Bench, size: usize) -> (f64, f64) {
    let (engine, id) = (&bench.engine, bench.match_id);
    Bench::reopen(engine, id).await;
    let raw = grandstand::redis::connect(&bench.redis_url()).await.expect("a client");
    let before = used(&raw, id).await;
    let seats = harness::size(ROUND_SEATS, SMOKE_ROUND_SEATS);
    let users: Vec<(UserId, Vec<SeatId>)> = bench.seats[..seats]
        .chunks(size)
        .map(|seats| (UserId::new(PARTITION), seats.to_vec()))
        .collect();
    let holds = users.iter().map(|(user, seats)| async {
        let none = Operation::default();
        engine.hold(id, *user, seats.clone(), 30_000, &[], none).await.expect("free seats").0
    });
    let holds: Vec<_> = futures::stream::iter(holds).buffered(PARALLEL_SALES).collect().await;
    let held = used(&raw, id).await - before;
    let sales = users.iter().zip(holds);
    let sales = sales.map(|((user, _), hold)| sell(engine, id, *user, Source::Hold(hold)));
    futures::stream::iter(sales).buffer_unordered(PARALLEL_SALES).collect::<()>().await;
    let _: i64 = raw.del(PartitionKeys(PARTITION).due()).await.expect("a reply");
    let sold = used(&raw, id).await - before;
    // With the few seats of a smoke test, a buffer that Redis gives back outweighs them.
    let fits = harness::is_smoke_test() || held > 0.0 && sold > 0.0;
    assert!(fits, "{held} bytes held, {sold} bytes sold");
    (held / seats as f64, sold / seats as f64)
}

async fn sell(engine: &Engine, match_id: MatchId, user: UserId, source: Source) {
    let none = Operation::default;
    let (reservation, granted) =
        engine.reserve(match_id, user, source, none()).await.expect("a reservation");
    let payment = PaymentId::new(PARTITION);
    let method = "CARD".to_owned();
    engine
        .request_payment(match_id, user, reservation, payment, method.clone(), none())
        .await
        .expect("a payment");
    let amount = granted.amount;
    let begun = engine
        .begin_payment(match_id, user, reservation, payment, amount, PAYMENT_KEY)
        .await
        .expect("a begin");
    let Begun::Now { attempt: number, .. } = begun else { panic!("{begun:?}") };
    let seats = granted.seats;
    let payment_key = PAYMENT_KEY.to_owned();
    let attempt = Attempt {
        match_id,
        user,
        reservation,
        payment,
        number,
        seats,
        amount,
        method,
        payment_key,
    };
    let settled =
        engine.settle_payment(&attempt, PaymentOutcome::Approved).await.expect("an outcome");
    assert!(matches!(settled, Settled::Confirmed(_)), "{settled:?}");
}

/// Returns the memory of the data without temporary data. Buffers of connections and of the
/// append-only file do not count, because they do not grow with the seats.
async fn used(raw: &Client, id: MatchId) -> f64 {
    let keys = PartitionKeys(PARTITION);
    let mut temporary = vec![keys.journal(), MatchKeys(id).changes()];
    temporary.extend(keys.operations());
    let _: i64 = raw.del(temporary).await.expect("a reply");
    let info: String = raw.info(Some(InfoKind::Memory)).await.expect("a reply");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:"));
    line.and_then(|number| number.trim().parse().ok()).expect("a number")
}
