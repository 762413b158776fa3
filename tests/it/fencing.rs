//! A worker that is paused at any step of a load or of a drain, and wakes when another has its
//! partitions: it writes nothing into what is the other's by then.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use crate::support::postgres::sql;
use fred::prelude::*;
use grandstand::domain::ids::MatchId;
use grandstand::redis::Link;
use grandstand::redis::keys::PartitionKeys;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use tokio::process::Child;

struct Bed {
    app: TestNode,
    event: TestMatch,
    fan: Client,
    raw: Link,
}

impl Bed {
    /// A node without a worker, a match, and a sale of seat 1.
    async fn start() -> Self {
        let mut app = TestNode::start_with(|settings| {
            settings.max_seats_per_user = 25;
            settings.reconcile_after_ms = 300;
        })
        .await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        app.buy(&fan, &event, 1).await;
        app.without_worker().await;
        let fan = Client::new(app.node().url(), fan.token.clone());
        let raw = app.raw().await;
        Self { app, event, fan, raw }
    }

    /// A worker that stops itself at `place`, or none when it is empty.
    fn worker(&self, place: &str) -> Child {
        let pause = if place.is_empty() { String::new() } else { format!("pause:{place}") };
        let mut command = self.app.binary(&["serve", "--role", "worker"]);
        command.env("GRANDSTAND_DIE_AT", pause).stdout(Stdio::null()).spawn().unwrap()
    }

    /// The leases of a worker that is paused have ended: what takes five seconds is done by hand.
    async fn leases_end(&self) {
        for partition in self.app.node().services.engine.partitions() {
            let _: i64 = self.raw.del(PartitionKeys(partition).lease()).await.unwrap();
        }
    }

    async fn epoch(&self) -> Option<u64> {
        let id: MatchId = self.event.id.parse().unwrap();
        self.app.node().services.engine.epoch(id.partition()).await.ok()?
    }

    async fn loaded(&self) -> u64 {
        eventually("the partition is loaded", || self.epoch()).await
    }

    async fn sells(&self, seat: u32) {
        eventually("seats are sold", || async {
            (self.app.try_to_buy(&self.fan, &self.event, seat).await == 200).then_some(())
        })
        .await;
    }

    /// Wakes the worker, and waits until it has noticed that it lost its partitions and stands by:
    /// then it takes over from the other one.
    async fn wakes_and_takes_over(&self, paused: &Child, mut other: Child, seat: u32) {
        signal(paused, Signal::CONT);
        self.sells(seat).await;
        other.kill().await.unwrap();
        self.leases_end().await;
        self.sells(seat + 1).await;
    }

    async fn finish(self, mut worker: Child) {
        self.app.wait_for_books().await;
        self.app.finish().await;
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
    let bed = Bed::start().await;
    let _: () = bed.raw.flushall(false).await.unwrap();
    paused_in_the_load_of(bed, place).await;
}

async fn paused_in_the_load_of(bed: Bed, place: &str) {
    let before = bed.epoch().await;
    let paused = bed.worker(place);
    is_paused(&paused).await;
    bed.leases_end().await;
    let other = bed.worker("");
    let epoch = eventually("the partition is loaded again", || async {
        bed.epoch().await.filter(|epoch| Some(*epoch) != before)
    })
    .await;
    let hold = eventually("seats are held", || async {
        let answer = bed.fan.hold(&bed.event.id, &[2]).await;
        (answer.status == 201).then_some(answer.body)
    })
    .await;
    bed.sells(3).await;
    bed.wakes_and_takes_over(&paused, other, 4).await;
    assert_eq!(bed.epoch().await, Some(epoch), "nothing was loaded again");
    let holds = bed.fan.get(&bed.event.path("/holds")).await.expect(200);
    assert_eq!(holds["holds"][0]["holdId"], hold["data"]["holdId"], "{holds}");
    bed.finish(paused).await;
}

/// The same, when the log has lost its tail: the worker is paused before it closes the partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_it_closes_closes_nothing() {
    let bed = Bed::start().await;
    for partition in bed.app.node().services.engine.partitions() {
        let _: i64 = bed.raw.del(PartitionKeys(partition).journal()).await.unwrap();
    }
    paused_in_the_load_of(bed, "load.close").await;
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

/// A worker is paused while it takes a sale to PostgreSQL, another takes the sale over and more
/// behind it, and the first one wakes. Its late word must not pause the payments.
async fn paused_in_a_drain(place: &str) {
    let bed = Bed::start().await;
    let paused = bed.worker(place);
    bed.loaded().await;
    let ready = bed.app.ready_to_pay(&bed.fan, &bed.event, 2).await;
    let (fan, payment, key) = (bed.fan.clone(), ready.1.clone(), ready.2.clone());
    let confirming = tokio::spawn(async move { fan.confirm(&payment, &key).await });
    is_paused(&paused).await;
    bed.leases_end().await;
    let other = bed.worker("");
    bed.sells(3).await;
    confirming.await.unwrap();
    eventually("the first sale is kept", || async {
        (bed.fan.confirm(&ready.1, &ready.2).await.status == 200).then_some(())
    })
    .await;
    bed.wakes_and_takes_over(&paused, other, 4).await;
    for partition in bed.app.node().services.engine.partitions() {
        assert!(!bed.app.node().services.backlogs.full(partition), "payments are paused");
    }
    let claims = sql(&bed.app.settings.database_url, "select count(*) from claims").await;
    assert_eq!(claims, [["5"]]);
    bed.finish(paused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_the_claim_claims_nothing_twice() {
    paused_in_a_drain("claim.before").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_behind_the_claim_tells_nothing_late() {
    paused_in_a_drain("claim.after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_the_commit_commits_nothing_twice() {
    paused_in_a_drain("commit.before").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_behind_the_commit_tells_nothing_late() {
    paused_in_a_drain("commit.after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_paused_before_it_trims_trims_nothing_late() {
    paused_in_a_drain("acknowledge.before").await;
}
