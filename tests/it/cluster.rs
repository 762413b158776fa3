//! Redis Cluster: a slot that moves, or a master that dies, stops only its own partitions, and only
//! for a while.

use crate::support::client::Client;
use crate::support::cluster::PrivateCluster;
use crate::support::node::{TestMatch, TestNode};
use crate::support::purchases::{Seller, sells_within};
use grandstand::domain::ids::Partition;
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use std::ops::Range;
use std::time::{Duration, Instant};

/// After the end of a move all partitions sell within this time.
const AFTER_MOVE: Duration = Duration::from_secs(3);
/// After the death of a master its partitions sell within this time.
const AFTER_DEATH: Duration = Duration::from_secs(15);

/// Four partitions on three masters: 3 on the first, 1 and 2 on the second, 0 on the third.
struct ClusterSale {
    cluster: PrivateCluster,
    node: TestNode,
    fixtures: Vec<TestMatch>,
    fan: Client,
}

impl ClusterSale {
    async fn start(replicas: usize) -> Self {
        let cluster = PrivateCluster::start(3, replicas).await;
        let node = TestNode::start_on_redis(cluster.url(), |settings| {
            settings.partitions = 4;
            settings.max_seats_per_user = 20;
            settings.reconcile_after_ms = 500;
        })
        .await;
        for (partition, master) in [(0, 2), (1, 1), (2, 1), (3, 0)] {
            assert_eq!(cluster.owner(Partition(partition)).await, master);
        }
        let fixtures = node.match_in_each_partition().await;
        let fan = node.user("fan").await;
        node.verify().await;
        Self { cluster, node, fixtures, fan }
    }

    /// People who hold and release seat 20 in each partition.
    fn sellers(&self) -> Vec<Seller> {
        self.fixtures.iter().map(|fixture| Seller::start(&self.fan, fixture, 20)).collect()
    }

    async fn all_sell_within(&self, time: Duration) {
        let begun = Instant::now();
        for fixture in &self.fixtures {
            let left = time.saturating_sub(begun.elapsed());
            sells_within(left, &self.fan, fixture, 19).await;
        }
    }

    /// Buys one of these seats in each partition.
    async fn buy_everywhere(&self, seats: Range<u32>) {
        for fixture in &self.fixtures {
            self.node.buy_one_of(AFTER_DEATH, &self.fan, fixture, seats.clone()).await;
        }
    }

    async fn finish(self) {
        self.node.wait_for_books().await;
        self.node.finish().await;
        self.cluster.stop().await;
    }
}

/// Ends the sellers. The sellers of these partitions must never have failed.
async fn end(sellers: Vec<Seller>, never_stopped: &[u16]) {
    for (seller, partition) in sellers.into_iter().zip(0..) {
        if never_stopped.contains(&partition) {
            seller.never_stopped(Partition(partition)).await;
        } else {
            seller.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_sells_in_all_partitions() {
    let sale = ClusterSale::start(0).await;
    sale.buy_everywhere(1..4).await;
    let other = sale.node.user("other").await;
    for fixture in &sale.fixtures {
        other.hold(&fixture.id, &[1]).await.refused(409, "SEAT_TAKEN");
    }
    let list = sale.fan.get("/api/reservations").await.expect(200);
    assert_eq!(list["reservations"].as_array().unwrap().len(), 4);
    sale.node.guest().get("/health/ready").await.expect(200);
    // A master that is cut off must stop. At its start a node warns of servers that would go on.
    let warnings = sale.node.engine().durability_warnings().await;
    let alone = warnings.iter().filter(|text| text.contains("min-replicas-to-write 0"));
    assert_eq!(alone.count(), 3, "{warnings:?}");
    sale.finish().await;
}

/// Only the partition of the slot may wait, and it sells right after the move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moving_slot_stops_only_its_own_partition_and_not_for_long() {
    let sale = ClusterSale::start(0).await;
    sale.buy_everywhere(1..4).await;
    let slot = PrivateCluster::slot_of(Partition(1));
    let sellers = sale.sellers();
    let buyer = sale.node.user("buyer").await;
    let buying = async {
        for seat in 4..8 {
            sale.node.try_to_buy(&buyer, &sale.fixtures[1], seat).await;
        }
    };
    let moving = async {
        // As slowly as with a million keys.
        sale.cluster.begin_move(slot, 1, 2).await;
        while sale.cluster.move_some_keys(slot, 1, 2).await > 0 {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        sale.cluster.finish_move(slot, 2).await;
        sale.all_sell_within(AFTER_MOVE).await;
    };
    tokio::join!(buying, moving);
    // And back again, because every client now knows the new place.
    sale.cluster.migrate_slot(slot, 1).await;
    sale.all_sell_within(AFTER_MOVE).await;
    end(sellers, &[3]).await;
    sale.buy_everywhere(10..14).await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_move_stops_nobody_for_long() {
    let sale = ClusterSale::start(0).await;
    sale.buy_everywhere(1..4).await;
    let slot = PrivateCluster::slot_of(Partition(1));
    let sellers = sale.sellers();
    sale.cluster.begin_move(slot, 1, 2).await;
    // This key may be lost, because the worker takes a new lease.
    let lease = PartitionKeys(Partition(1)).lease();
    sale.cluster.move_keys(&[lease], 1, 2).await;
    // Long enough for a renewal of the lease and a sweep to be sent to the other server (ASK).
    tokio::time::sleep(Duration::from_secs(2)).await;
    sale.cluster.give_up_move(slot, 1, 2).await;
    sale.all_sell_within(AFTER_MOVE).await;
    end(sellers, &[3]).await;
    sale.buy_everywhere(4..8).await;
    sale.finish().await;
}

/// They wait until a replica takes its place. The node stays ready, and lists go on. Afterwards
/// slots can be moved again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_master_stops_its_own_partitions_only() {
    let mut sale = ClusterSale::start(3).await;
    sale.buy_everywhere(1..4).await;
    let dead = sale.cluster.owner(Partition(3)).await;
    let sellers = sale.sellers();
    sale.cluster.kill(dead).await;
    let guest = sale.node.guest();
    let back = sells_within(AFTER_DEATH, &sale.fan, &sale.fixtures[3], 19);
    let watching = async {
        loop {
            guest.get("/health/ready").await.expect(200);
            sale.fan.get("/api/reservations").await.expect(200);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = back => {}
        () = watching => {}
    }
    end(sellers, &[0, 1, 2]).await;
    sale.buy_everywhere(4..8).await;

    sale.cluster.restart(dead).await;
    sale.cluster.wait_until_well().await;
    sale.cluster.migrate_slot(PrivateCluster::slot_of(Partition(3)), 1).await;
    sale.all_sell_within(AFTER_MOVE).await;
    sale.buy_everywhere(8..12).await;
    sale.finish().await;
}

/// A node that has no maps yet, as after a start, makes the others while a master does not reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_master_keeps_no_map_of_others_waiting() {
    let sale = ClusterSale::start(0).await;
    let paths: Vec<String> =
        sale.fixtures.iter().map(|fixture| fixture.path("/blocks/1/seats")).collect();
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(sale.node.another_node(NodeRole::Api).await);
    }
    sale.cluster.freeze(1);
    let mut waited = 0;
    // A call without a reply ends after a second, so on a busy machine one node proves nothing.
    for node in &nodes {
        let guest = Client::new(node.url(), None);
        let stuck = [1, 2].map(|partition: usize| {
            let (guest, path) = (guest.clone(), paths[partition].clone());
            tokio::spawn(async move { guest.get(&path).await.status })
        });
        // Then the node has taken the calls that get no reply.
        for _ in 0..5 {
            guest.get("/api/time").await.expect(200);
        }
        for partition in [0, 3] {
            guest.get(&paths[partition]).await.expect(200);
        }
        waited += usize::from(stuck.iter().any(tokio::task::JoinHandle::is_finished));
        for call in stuck {
            assert_eq!(call.await.unwrap(), 503);
        }
    }
    assert!(waited < nodes.len(), "the maps waited for those that got no reply");
    sale.cluster.thaw(1);
    for node in nodes {
        node.stop().await;
    }
    sale.all_sell_within(AFTER_DEATH).await;
    sale.finish().await;
}
