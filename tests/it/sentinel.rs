//! Redis behind Sentinels: another server becomes the master, with or without the last writes, and
//! sold seats stay sold.

use crate::support::node::{eventually, eventually_within};
use crate::support::purchases::sells_within;
use crate::support::sale::Sale;
use crate::support::sentinel::PrivateSentinel;
use grandstand::config::Settings;
use std::time::Duration;

/// After the death of the master people can buy again within this time.
const AFTER_DEATH: Duration = Duration::from_secs(15);

async fn start(sentinel: &PrivateSentinel) -> Sale {
    let change = |settings: &mut Settings| {
        settings.reconcile_after_ms = 500;
        settings.max_seats_per_user = 20;
    };
    Sale::with(change).redis_at(sentinel.url()).start().await
}

async fn finish(sale: Sale, sentinel: PrivateSentinel) {
    sale.node.wait_for_books().await;
    // A master that was taken for dead on a busy machine may have cost Redis its last writes.
    eventually_within(AFTER_DEATH, "Redis has all of PostgreSQL", || async {
        sale.node.verify().await.disagreements.is_empty().then_some(())
    })
    .await;
    sale.finish().await;
    sentinel.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmed_sales_survive_the_death_of_the_master() {
    let mut sentinel = PrivateSentinel::start().await;
    let sale = start(&sentinel).await;
    let mut buyers = Vec::new();
    for name in ["anna", "ben", "chris"] {
        buyers.push(sale.node.user(name).await);
    }
    sale.node.verify().await;
    let (node, fixture) = (&sale.node, &sale.fixture);
    // Each buyer buys five seats.
    let buying = futures::future::join_all(buyers.iter().zip([1..=5_u32, 6..=10, 11..=15]).map(
        async |(buyer, seats)| {
            let mut sold = Vec::new();
            for seat in seats {
                let status = node.try_to_buy(buyer, fixture, seat).await;
                sold.extend((status == 200).then_some(seat));
            }
            sold
        },
    ));
    let killing = async {
        eventually("some seats are sold", || async {
            (node.ledger().await.len() > 3).then_some(())
        })
        .await;
        let dead = sentinel.kill_master().await;
        sentinel.wait_for_another_master(dead).await;
        sells_within(AFTER_DEATH, &sale.fan, fixture, 25).await;
    };
    let (sold, ()) = tokio::join!(buying, killing);
    sale.node.buy_one_of(AFTER_DEATH, &sale.fan, &sale.fixture, 21..26).await;
    sale.node.wait_for_books().await;
    let map = sale.fan.get(&sale.fixture.path("/blocks/1/seats")).await.expect(200);
    let sold = sold.concat();
    assert!(!sold.is_empty(), "nothing was sold before the master died");
    for seat in sold {
        assert_eq!(map["seats"][seat as usize - 1]["state"], "OCCUPIED", "seat {seat}");
    }
    finish(sale, sentinel).await;
}

/// The seat is not sold again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_the_new_master_does_not_know_stands() {
    let mut sentinel = PrivateSentinel::start().await;
    let sale = start(&sentinel).await;
    let (first, other) = (sale.node.user("first").await, sale.node.user("other").await);
    sale.node.buy(&first, &sale.fixture, 1).await;
    sale.node.verify().await;
    sentinel.cut_replicas().await;
    let reservation = sale.node.buy(&first, &sale.fixture, 2).await;
    let dead = sentinel.kill_master().await;
    sentinel.thaw_replicas();
    // From the first moment on: before Redis knows of the sale a hold may succeed, but no
    // purchase.
    let trying = async {
        loop {
            let status = sale.node.try_to_buy(&other, &sale.fixture, 2).await;
            assert_ne!(status, 200, "seat 2 is sold twice");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let healing = async {
        sentinel.wait_for_another_master(dead).await;
        sells_within(AFTER_DEATH, &first, &sale.fixture, 3).await;
        sale.node.wait_for_status(&first, &reservation, "CONFIRMED").await;
        eventually("the seat is taken again", || async {
            let refused = other.hold(&sale.fixture.id, &[2]).await;
            (refused.body["code"] == "SEAT_TAKEN").then_some(())
        })
        .await;
        // Also the purchases that the other fan has begun meanwhile are settled then.
        sale.node.wait_for_books().await;
    };
    tokio::select! {
        () = trying => {}
        () = healing => {}
    }
    let epoch = sale.node.engine().epoch(sale.fixture.partition()).await.unwrap();
    assert!(epoch > Some(1), "nothing was lost, so nothing was loaded again");
    // On a busy machine the Sentinels may take the new master for dead as well.
    sale.node.buy_one_of(AFTER_DEATH, &other, &sale.fixture, 4..20).await;
    finish(sale, sentinel).await;
}

/// The Sentinels let the old server be a master for 8 s more. The sales of that time stand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_moves_every_connection_to_the_new_master() {
    let sentinel = PrivateSentinel::start().await;
    let sale = start(&sentinel).await;
    let mut sold = vec![sale.node.buy(&sale.fan, &sale.fixture, 1).await];
    let old = sentinel.master().await;
    let new = sentinel.failover().await;
    sells_within(AFTER_DEATH, &sale.fan, &sale.fixture, 2).await;
    sold.push(sale.node.buy(&sale.fan, &sale.fixture, 2).await);
    eventually("all connections are at the new master", || async {
        // The client that asks is on every server.
        let (old, new) = (sentinel.clients_of(old).await, sentinel.clients_of(new).await);
        (old == 1 && new > 1).then_some(())
    })
    .await;
    sale.node.buy_one_of(AFTER_DEATH, &sale.fan, &sale.fixture, 3..20).await;
    for reservation in sold {
        sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    }
    finish(sale, sentinel).await;
}
