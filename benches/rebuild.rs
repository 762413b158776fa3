//! The time from an empty Redis to loaded partitions: 100 matches of 25,000 seats in 16 partitions,
//! half of the seats sold, two seats per sale. For comparison, the time to read the same rows with
//! one statement and to drop them.

mod harness;

use grandstand::domain::catalog::Match;
use grandstand::domain::fact::Fact;
use grandstand::domain::ids::{MatchId, Partition, PaymentId, ReservationId, UserId};
use grandstand::domain::position::StreamId;
use harness::servers::Servers;
use std::time::Instant;
use uuid::Uuid;

const MATCHES: u16 = 100;
/// Sales per match, of two seats each: half of 25,000 seats.
const SALES: i32 = 6_250;
const PARTITIONS: u16 = 16;
const ROUNDS: usize = 3;

fn main() {
    if !harness::is_chosen("rebuild") {
        return;
    }
    let runtime = harness::runtime();
    runtime.block_on(async {
        let servers = Servers::start(PARTITIONS).await;
        let matches = harness::size(MATCHES, 2);
        for number in 0..matches {
            sell(&servers, Partition(number % PARTITIONS), u64::from(number)).await;
        }
        let client = servers.client().await;
        client.batch_execute("vacuum analyze").await.expect("statistics");
        for _ in 0..harness::size(ROUNDS, 1) {
            let begun = Instant::now();
            let read = "select r.*, p.* from reservations r join payments p
                on p.reservation_id = r.id where r.status in ('PAYING', 'CONFIRMED')";
            let rows = client.query(read, &[]).await.expect("rows").len();
            assert_eq!(rows, usize::from(matches) * sales() as usize);
            println!("reading {rows} sales in one statement: {:.1?}", begun.elapsed());
            servers.wipe().await;
            let begun = Instant::now();
            servers.load().await;
            println!("rebuild of {matches} matches: {:.1?}", begun.elapsed());
        }
        servers.stop().await;
    });
}

fn sales() -> i32 {
    harness::size(SALES, 50)
}

/// Writes a match that is half sold directly into the tables.
async fn sell(servers: &Servers, partition: Partition, number: u64) {
    let fixture = Match { id: MatchId::new(partition), ..harness::open_match() };
    let place = servers.store.position(partition).await.expect("a reply").expect("a position");
    let id = StreamId { ms: place.id.ms + 1, seq: number };
    let entries = [(id, Fact::Match(Box::new(fixture.clone())))];
    servers.store.apply(partition, place, id, &entries).await.expect("a match");
    let ids = |new: fn(Partition) -> Uuid| (0..sales()).map(|_| new(partition)).collect::<Vec<_>>();
    let reservations = ids(|partition| ReservationId::new(partition).0);
    let payments = ids(|partition| PaymentId::new(partition).0);
    let users = ids(|partition| UserId::new(partition).0);
    let numbers: Vec<i32> = (0..sales()).collect();
    let client = servers.client().await;
    let rows = "
        insert into reservations
        select id, $4, u, 'CONFIRMED', array[2 * n + 1, 2 * n + 2], 60000, n, now(), now()
        from unnest($1::uuid[], $2::uuid[], $3::int[]) as t (id, u, n)";
    client.execute(rows, &[&reservations, &users, &numbers, &fixture.id.0]).await.expect("rows");
    let rows = "
        insert into payments
        select id, r, 'gs-' || id, 'tgen_' || id, 'CARD', 60000, 'PAID', null, false, now(), now()
        from unnest($1::uuid[], $2::uuid[]) as t (id, r)";
    client.execute(rows, &[&payments, &reservations]).await.expect("rows");
    let rows = "
        insert into claims select $3, 2 * n + s, id
        from unnest($1::uuid[], $2::int[]) as t (id, n), generate_series(1, 2) s";
    client.execute(rows, &[&reservations, &numbers, &fixture.id.0]).await.expect("rows");
}
