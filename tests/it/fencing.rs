//! A worker is paused at each step of a load or of a drain, and wakes when another worker has its
//! partitions. It must not write into them any more.

use crate::support::node::eventually;
use crate::support::postgres::sql;
use crate::support::sale::Sale;
use fred::prelude::*;
use grandstand::config::Settings;
use grandstand::domain::position::StreamId;
use grandstand::redis::Link;
use grandstand::redis::keys::PartitionKeys;
use grandstand::store::StoreError;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use tokio::process::Child;

struct Fenced {
    sale: Sale,
    raw: Link,
}

impl Fenced {
    /// A node without a worker, a match, and a sale of seat 1.
    async fn start() -> Self {
        let change = |settings: &mut Settings| {
            settings.max_seats_per_user = 25;
            settings.reconcile_after_ms = 300;
        };
        let mut sale = Sale::with(change).start().await;
        sale.sold(&[1]).await;
        sale.without_worker().await;
        let raw = sale.node.raw().await;
        Self { sale, raw }
    }

    /// A worker that pauses itself at `place`, or nowhere when it is empty.
    fn worker(&self, place: &str) -> Child {
        let pause = if place.is_empty() { String::new() } else { format!("pause:{place}") };
        let mut command = self.sale.node.binary(&["serve", "--role", "worker"]);
        command.env("GRANDSTAND_DIE_AT", pause).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Ends the leases of a paused worker, which would take five seconds.
    async fn leases_end(&self) {
        for partition in self.sale.node.engine().partitions() {
            let _: i64 = self.raw.del(PartitionKeys(partition).lease()).await.unwrap();
        }
    }

    async fn loaded(&self) -> u64 {
        eventually("the partition is loaded", || self.sale.epoch()).await
    }

    async fn sells(&self, seat: u32) {
        eventually("seats are sold", || async {
            (self.sale.node.try_to_buy(&self.sale.fan, &self.sale.fixture, seat).await == 200)
                .then_some(())
        })
        .await;
    }

    /// Wakes the worker, and waits until it has noticed that it lost its partitions and stands by:
    /// then it takes over from the other worker.
    async fn wakes_and_takes_over(&self, paused: &Child, mut other: Child, seat: u32) {
        signal(paused, Signal::CONT);
        self.sells(seat).await;
        other.kill().await.unwrap();
        self.leases_end().await;
        self.sells(seat + 1).await;
    }

    async fn finish(self, mut worker: Child) {
        self.sale.node.wait_for_books().await;
        self.sale.node.finish().await;
        worker.kill().await.unwrap();
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().unwrap() as i32).unwrap(), signal).unwrap();
}

/// The state of a process is the first letter behind its name.
async fn is_paused(child: &Child) {
    let path = format!("/proc/{}/stat", child.id().unwrap());
    eventually("the worker is paused", || async {
        let stat = std::fs::read_to_string(&path).ok()?;
        stat.rsplit_once(") ")?.1.starts_with('T').then_some(())
    })
    .await;
}

/// Redis loses everything, a worker is paused in the middle of the load, another loads and opens,
/// people hold and buy, and the first one wakes.
async fn paused_in_a_load(place: &str) {
    let fenced = Fenced::start().await;
    let _: () = fenced.raw.flushall(false).await.unwrap();
    paused_in_the_load_of(fenced, place).await;
}

async fn paused_in_the_load_of(fenced: Fenced, place: &str) {
    let before = fenced.sale.epoch().await;
    let paused = fenced.worker(place);
    is_paused(&paused).await;
    fenced.leases_end().await;
    let other = fenced.worker("");
    let epoch = eventually("the partition is loaded again", || async {
        fenced.sale.epoch().await.filter(|epoch| Some(*epoch) != before)
    })
    .await;
    let hold = eventually("seats are held", || async {
        let answer = fenced.sale.fan.hold(&fenced.sale.fixture.id, &[2]).await;
        (answer.status == 201).then_some(answer.body)
    })
    .await;
    fenced.sells(3).await;
    fenced.wakes_and_takes_over(&paused, other, 4).await;
    assert_eq!(fenced.sale.epoch().await, Some(epoch), "nothing was loaded again");
    let holds = fenced.sale.fan.get(&fenced.sale.fixture.path("/holds")).await.expect(200);
    assert_eq!(holds["holds"][0]["holdId"], hold["data"]["holdId"], "{holds}");
    fenced.finish(paused).await;
}

/// The log has lost its tail, and the worker is paused before it closes the partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_it_closes_closes_nothing() {
    let fenced = Fenced::start().await;
    for partition in fenced.sale.node.engine().partitions() {
        let _: i64 = fenced.raw.del(PartitionKeys(partition).journal()).await.unwrap();
    }
    paused_in_the_load_of(fenced, "load.close").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_it_clears_deletes_nothing() {
    paused_in_a_load("load.clear").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_it_writes_writes_nothing() {
    paused_in_a_load("load.write").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_the_epoch_begins_none() {
    paused_in_a_load("load.epoch").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_it_opens_opens_nothing() {
    paused_in_a_load("load.open").await;
}

/// The journal has lost its tail. The last owner of the partition has read entries of that tail,
/// and its commit comes while the next owner loads. If it succeeded behind the read of the sales,
/// Redis would show seats as free that PostgreSQL has claimed, and nobody would notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_slow_commits_nothing_while_another_loads() {
    let fenced = Fenced::start().await;
    let partition = fenced.sale.partition();
    let before = fenced.sale.node.workers().position(partition).await.unwrap();
    let upto = StreamId { ms: before.id.ms + 1, seq: 0 };
    let _: i64 = fenced.raw.del(PartitionKeys(partition).journal()).await.unwrap();
    let loading = fenced.worker("load.clear");
    is_paused(&loading).await;
    let late = fenced.sale.node.store().apply(partition, before, upto, &[]).await;
    assert!(matches!(late, Err(StoreError::Moved { .. })), "{late:?}");
    signal(&loading, Signal::CONT);
    fenced.sells(2).await;
    fenced.finish(loading).await;
}

/// A worker is paused while it takes a sale to PostgreSQL, another takes the sale over and more
/// behind it, and the first one wakes. Its late messages must not pause the payments.
async fn paused_in_a_drain(place: &str) {
    let fenced = Fenced::start().await;
    let paused = fenced.worker(place);
    fenced.loaded().await;
    let ready = fenced.sale.ready(&[2]).await;
    let (fan, payment, key) = (fenced.sale.fan.clone(), ready.1.clone(), ready.2.clone());
    let confirming = tokio::spawn(async move { fan.confirm(&payment, &key).await });
    is_paused(&paused).await;
    fenced.leases_end().await;
    let other = fenced.worker("");
    fenced.sells(3).await;
    confirming.await.unwrap();
    eventually("the first sale is kept", || async {
        (fenced.sale.fan.confirm(&ready.1, &ready.2).await.status == 200).then_some(())
    })
    .await;
    fenced.wakes_and_takes_over(&paused, other, 4).await;
    for partition in fenced.sale.node.engine().partitions() {
        assert!(!fenced.sale.node.services().backlogs.full(partition), "payments are paused");
    }
    let claims = sql(&fenced.sale.node.settings.database_url, "select count(*) from claims").await;
    assert_eq!(claims, [["5"]]);
    fenced.finish(paused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_the_claim_claims_nothing_twice() {
    paused_in_a_drain("claim.before").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_after_the_claim_announces_nothing_late() {
    paused_in_a_drain("claim.after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_the_commit_commits_nothing_twice() {
    paused_in_a_drain("commit.before").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_after_the_commit_announces_nothing_late() {
    paused_in_a_drain("commit.after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_it_trims_trims_nothing_late() {
    paused_in_a_drain("acknowledge.before").await;
}
