//! Redis behind Sentinels: another server becomes the master, with all that was acknowledged or
//! without some of it, and what is sold stays sold.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use crate::support::sale::sells_within;
use crate::support::sentinel::PrivateSentinel;
use std::time::Duration;

/// After the death of the master people can buy again within this time.
const AFTER_DEATH: Duration = Duration::from_secs(15);

struct Bed {
    sentinel: PrivateSentinel,
    app: TestNode,
    event: TestMatch,
    fan: Client,
}

impl Bed {
    async fn start() -> Self {
        let sentinel = PrivateSentinel::start().await;
        let app = TestNode::start_on_redis(sentinel.url(), |settings| {
            settings.reconcile_after_ms = 500;
            settings.max_seats_per_user = 20;
        })
        .await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        app.verify().await;
        Self { sentinel, app, event, fan }
    }

    async fn finish(self) {
        self.app.wait_for_books().await;
        self.app.finish().await;
        self.sentinel.stop().await;
    }
}

/// The rule: people buy while the master dies; each sale that was confirmed with 200 stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_survives_the_death_of_the_master() {
    let mut bed = Bed::start().await;
    let mut buyers = Vec::new();
    for name in ["anna", "ben", "chris"] {
        buyers.push(bed.app.user(name).await);
    }
    bed.app.verify().await;
    let (app, event) = (&bed.app, &bed.event);
    // Each buys seats of his own until the last one is his.
    let buying = futures::future::join_all(buyers.iter().zip([1..=5_u32, 6..=10, 11..=15]).map(
        async |(buyer, seats)| {
            let mut sold = Vec::new();
            for seat in seats {
                let status = app.try_to_buy(buyer, event, seat).await;
                sold.extend((status == 200).then_some(seat));
            }
            sold
        },
    ));
    let killing = async {
        eventually("some seats are sold", || async {
            (app.ledger().await.len() > 3).then_some(())
        })
        .await;
        let dead = bed.sentinel.kill_master().await;
        bed.sentinel.wait_for_another_master(dead).await;
        sells_within(AFTER_DEATH, &bed.fan, event, 25).await;
    };
    let (sold, ()) = tokio::join!(buying, killing);
    bed.app.buy_one_of(AFTER_DEATH, &bed.fan, &bed.event, 21..26).await;
    bed.app.wait_for_books().await;
    let map = bed.fan.get(&bed.event.path("/blocks/1/seats")).await.expect(200);
    let sold = sold.concat();
    assert!(!sold.is_empty(), "nothing was sold before the master died");
    for seat in sold {
        assert_eq!(map["seats"][seat as usize - 1]["state"], "OCCUPIED", "seat {seat}");
    }
    bed.finish().await;
}

/// The rule: a sale that was confirmed with 200 and that the new master has never heard of is not
/// sold again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_the_new_master_does_not_know_stands() {
    let mut bed = Bed::start().await;
    let (first, other) = (bed.app.user("first").await, bed.app.user("other").await);
    bed.app.buy(&first, &bed.event, 1).await;
    bed.app.verify().await;
    bed.sentinel.cut_replicas().await;
    let reservation = bed.app.buy(&first, &bed.event, 2).await;
    let dead = bed.sentinel.kill_master().await;
    bed.sentinel.thaw_replicas();
    // Tried from the first moment on: before Redis knows of the sale a hold may succeed, but no
    // purchase.
    let trying = async {
        loop {
            let status = bed.app.try_to_buy(&other, &bed.event, 2).await;
            assert_ne!(status, 200, "seat 2 is sold twice");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let healing = async {
        bed.sentinel.wait_for_another_master(dead).await;
        sells_within(AFTER_DEATH, &first, &bed.event, 3).await;
        bed.app.wait_for_status(&first, &reservation, "CONFIRMED").await;
        eventually("the seat is taken again", || async {
            let refused = other.hold(&bed.event.id, &[2]).await;
            (refused.body["code"] == "SEAT_TAKEN").then_some(())
        })
        .await;
        // Settled, so that what the other one has begun in the meantime is over too.
        bed.app.wait_for_books().await;
    };
    tokio::select! {
        () = trying => {}
        () = healing => {}
    }
    let epoch = bed.app.node().services.engine.epoch(bed.event.partition()).await.unwrap();
    assert!(epoch > Some(1), "nothing was lost, so nothing was loaded again");
    bed.app.buy(&other, &bed.event, 4).await;
    bed.finish().await;
}

/// The rule: after a polite failover the whole node ends at the new master. The Sentinels let the
/// old one be a master for 8 s more; what it sold in that time stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_polite_failover_takes_every_connection_along() {
    let bed = Bed::start().await;
    let mut sold = vec![bed.app.buy(&bed.fan, &bed.event, 1).await];
    let old = bed.sentinel.master().await;
    let new = bed.sentinel.failover().await;
    sells_within(AFTER_DEATH, &bed.fan, &bed.event, 2).await;
    sold.push(bed.app.buy(&bed.fan, &bed.event, 2).await);
    eventually("all connections are at the new master", || async {
        // The one who asks is everywhere.
        let (old, new) = (bed.sentinel.clients_of(old).await, bed.sentinel.clients_of(new).await);
        (old == 1 && new > 1).then_some(())
    })
    .await;
    bed.app.buy_one_of(AFTER_DEATH, &bed.fan, &bed.event, 3..20).await;
    for reservation in sold {
        bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    }
    bed.finish().await;
}
