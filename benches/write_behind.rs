//! The path from the journal to committed rows on a durable private PostgreSQL, in sales of two
//! seats per second. A sale has two entries: the claim (`payment_begun`) and the outcome
//! (`payment_approved`). Other entries lie between them, because the gateway is called in between.
//! For comparison, the rate of bare PostgreSQL when each row is written once.

mod harness;

use futures::future::join_all;
use grandstand::domain::fact::{Fact, Fields, PaymentFact, PaymentStep};
use grandstand::domain::ids::{MatchId, Partition, PaymentId, ReservationId, SeatId, UserId};
use grandstand::domain::position::{Position, StreamId};
use harness::servers::Servers;
use std::time::Instant;

/// Entries of a transaction: an idle system, a busy system, and the most that a worker takes.
const BATCHES: [usize; 3] = [1, 100, 1000];
/// Partitions that are drained in parallel: a hot match, and a busy evening.
const PARTITIONS: [u16; 3] = [1, 2, 4];
/// Sales of a round in each partition. The first round only warms up.
const SALES: usize = 10_000;
/// Sales of a round in the smoke test: a transaction of bare PostgreSQL.
const SMOKE_SALES: usize = 1000;
const ROUNDS: usize = 4;

fn main() {
    if !harness::is_chosen("write_behind") {
        return;
    }
    let runtime = harness::runtime();
    let servers = runtime.block_on(Servers::start(5));
    println!("{:<58} {:>12}", "sales of two seats", "per second");
    runtime.block_on(async {
        bare(&servers).await;
        for batch in harness::size(&BATCHES[..], &BATCHES[1..]) {
            apply(&servers, *batch).await;
        }
        for partitions in harness::size(&PARTITIONS[..], &PARTITIONS[1..2]) {
            drain(&servers, *partitions).await;
        }
        servers.stop().await;
    });
}

fn sales() -> usize {
    harness::size(SALES, SMOKE_SALES)
}

fn rounds() -> usize {
    harness::size(ROUNDS, 2)
}

/// Prints the median of the rounds, without the first round.
fn report(name: &str, mut rates: Vec<f64>) {
    rates.remove(0);
    rates.sort_by(f64::total_cmp);
    let spread = format!("{:.0} to {:.0}", rates[0], rates[rates.len() - 1]);
    println!("{name:<58} {:>12.0}   ({spread})", rates[rates.len() / 2]);
}

/// Writes each row once, and reads nothing: a statement per table, 1,000 sales per transaction.
async fn bare(servers: &Servers) {
    let mut client = servers.client().await;
    let setup = "create table bare_claims (like claims including all);
        create table bare_reservations (like reservations including all);
        create table bare_payments (like payments including all);";
    client.batch_execute(setup).await.expect("tables");
    let mut rates = Vec::new();
    for round in 0..rounds() {
        let begun = Instant::now();
        for chunk in 0..sales() / 1000 {
            let first = ((round * sales()) + chunk * 1000) as i32;
            let transaction = client.transaction().await.expect("a transaction");
            for statement in BARE {
                transaction.execute(statement, &[&first]).await.expect("rows");
            }
            transaction.commit().await.expect("a commit");
        }
        rates.push(sales() as f64 / begun.elapsed().as_secs_f64());
    }
    report("bare PostgreSQL, each row once, 1,000 sales a transaction", rates);
}

const BARE: [&str; 3] = [
    "insert into bare_reservations
     select md5('r' || n)::uuid, md5('m' || n % 4)::uuid, md5('u' || n)::uuid, 'CONFIRMED',
        array[2 * n, 2 * n + 1], 60000, n, now(), now()
     from generate_series($1::int, $1 + 999) n",
    "insert into bare_payments
     select md5('p' || n)::uuid, md5('r' || n)::uuid, 'order-' || n, 'key-' || n, 'CARD', 60000,
        'PAID', null, false, now(), now()
     from generate_series($1::int, $1 + 999) n",
    "insert into bare_claims
     select md5('m' || n % 4)::uuid, 2 * n + s, md5('r' || n)::uuid
     from generate_series($1::int, $1 + 999) n, generate_series(0, 1) s",
];

/// Measures the store alone: the claims of a batch in a transaction, its outcomes in the next one.
async fn apply(servers: &Servers, batch: usize) {
    // `drain` does not use this partition, because these entries are not in its journal.
    let partition = Partition(4);
    let sales = if batch == 1 { 500 } else { sales() };
    let (mut rates, mut next) = (Vec::new(), 1);
    let place = servers.store.position(partition).await.expect("a reply").expect("a position");
    let mut from = place;
    for _ in 0..rounds() {
        let all = sales_of(partition, sales);
        let begun = Instant::now();
        for chunk in all.chunks(batch) {
            for step in [PaymentStep::Begun, PaymentStep::Approved] {
                let entries: Vec<(StreamId, Fact)> = chunk
                    .iter()
                    .map(|fact| {
                        next += 1;
                        let id = StreamId { ms: place.id.ms + next, seq: 0 };
                        (id, Fact::Payment(step, Box::new(fact.clone())))
                    })
                    .collect();
                let upto = entries[entries.len() - 1].0;
                let lost = servers.store.apply(partition, from, upto, &entries).await;
                from = Position { id: upto, ..from };
                assert!(lost.expect("a commit").is_empty(), "seats were sold before");
            }
        }
        rates.push(sales as f64 / begun.elapsed().as_secs_f64());
    }
    report(&format!("one partition, {batch} entries a transaction, without Redis"), rates);
}

/// Measures all steps: read the journal in Redis, commit, announce, trim.
async fn drain(servers: &Servers, partitions: u16) {
    let mut rates = Vec::new();
    for _ in 0..rounds() {
        for number in 0..partitions {
            fill(servers, Partition(number)).await;
        }
        let begun = Instant::now();
        join_all((0..partitions).map(|number| empty(servers, Partition(number)))).await;
        let sales = sales() * usize::from(partitions);
        rates.push(sales as f64 / begun.elapsed().as_secs_f64());
    }
    report(&format!("the whole worker, {partitions} partitions at once"), rates);
}

/// Takes the journal until it is empty.
async fn empty(servers: &Servers, partition: Partition) {
    let workers = &servers.workers;
    let (journal, lease) = servers.journal(partition).await;
    let newest = workers.engine.journal_newest(partition).await.expect("a reply");
    let mut place = workers.position(partition).await.expect("a position");
    while place.id < newest {
        place = workers.drain_once(&journal, &lease, place).await.expect("a step");
    }
    workers.engine.end_lease(&lease).await.expect("a reply");
}

/// Fills the journal with claims and outcomes in turns, as on a busy evening: an outcome is 500
/// sales behind its claim.
async fn fill(servers: &Servers, partition: Partition) {
    let sales = sales_of(partition, sales());
    let behind = 500;
    let mut entries = Vec::new();
    for number in 0..sales.len() + behind {
        if let Some(fact) = sales.get(number) {
            entries.push(fields("payment_begun", fact));
        }
        if let Some(fact) = number.checked_sub(behind).map(|number| &sales[number]) {
            entries.push(fields("payment_approved", fact));
        }
    }
    servers.append(partition, entries).await;
}

fn fields(kind: &str, fact: &PaymentFact) -> Fields {
    let seats: Vec<String> = fact.seats.iter().map(SeatId::to_string).collect();
    let pairs = [
        ("v", "1".to_owned()),
        ("t", kind.to_owned()),
        ("payment", fact.payment.key()),
        ("reservation", fact.reservation.key()),
        ("match", fact.match_id.key()),
        ("user", fact.user.key()),
        ("seats", seats.join(",")),
        ("amount", fact.amount.to_string()),
        ("method", fact.method.clone()),
        ("key", fact.key.clone()),
        ("version", fact.version.to_string()),
        ("at", fact.at.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns sales of a new match, two seats each.
fn sales_of(partition: Partition, count: usize) -> Vec<PaymentFact> {
    let match_id = MatchId::new(partition);
    let sale = |number: usize| PaymentFact {
        payment: PaymentId::new(partition),
        reservation: ReservationId::new(partition),
        match_id,
        user: UserId::new(partition),
        seats: vec![SeatId(2 * number as u32 + 1), SeatId(2 * number as u32 + 2)],
        amount: 60_000,
        method: "CARD".to_owned(),
        key: format!("tgen_{}", PaymentId::new(partition).key()),
        version: number as i64,
        at: 1_763_812_345_678,
        code: None,
        money: Default::default(),
        terms: None,
        bill: Default::default(),
    };
    (0..count).map(sale).collect()
}
