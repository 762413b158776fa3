//! Background. Each worker is a `*_once()` function and a thin loop; one worker process is active
//! per partition, by a lease in Redis that another takes over when it is not renewed.

pub mod admission;
pub mod clock;
pub mod expiry;
pub mod rebuild;
pub mod reconcile;
pub mod retention;
pub mod write_behind;

use crate::domain::ids::{Partition, UserId};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::gateway::toss::Toss;
use crate::live::catalog::Catalog;
use crate::store::Store;
use crate::stream::journal::Journal;
use crate::workers::clock::Clocks;
use crate::workers::retention::Retired;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A worker that has not renewed for so long has lost its partitions.
const LEASE_TTL_MS: u64 = 5_000;
/// Due holds are looked for so often: half of what the map may be late.
const EXPIRY_EVERY: Duration = Duration::from_millis(250);
/// People are let in so often.
const ADMISSION_EVERY: Duration = Duration::from_millis(250);
/// Payments without an outcome are looked for so often.
const RECONCILE_EVERY: Duration = Duration::from_secs(5);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// What the workers work with.
pub struct Workers {
    pub engine: Arc<Engine>,
    pub catalog: Arc<Catalog>,
    pub store: Store,
    pub toss: Toss,
    pub redis_url: String,
    /// Payments without an outcome for so long are asked about at the gateway, in ms.
    pub reconcile_after_ms: i64,
    /// Tests only: a database that may forget is written to.
    pub allow_unsafe_database: bool,
    /// Name of this process for its leases.
    pub name: String,
    /// The partitions whose lease this process has.
    pub owned: Mutex<BTreeSet<Partition>>,
    /// What it has seen of their clocks.
    pub clocks: Clocks,
    /// A closed match leaves Redis so long after its start, in ms.
    pub keep_match_ms: i64,
    pub retired: Retired,
}

impl Workers {
    /// A name for the leases of this process, unlike any other.
    pub fn new_name() -> String {
        UserId::new(Partition(0)).key()
    }

    /// Starts all loops; they end at `stop`.
    pub fn start(self: Arc<Self>, stop: CancellationToken) -> Vec<tokio::task::JoinHandle<()>> {
        let mut tasks = Vec::new();
        for partition in self.engine.partitions() {
            tasks.push(tokio::spawn(self.clone().keep_partition(partition, stop.clone())));
        }
        let reconciler = self.clone();
        tasks.push(tokio::spawn(every(RECONCILE_EVERY, stop, "reconcile", move || {
            let workers = reconciler.clone();
            async move { workers.reconcile_once().await.map(|_| ()) }
        })));
        tasks
    }

    /// Everything that one partition needs, while its lease is ours.
    async fn keep_partition(self: Arc<Self>, partition: Partition, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if self.lease(partition).await {
                tracing::debug!(%partition, "this worker owns the partition");
                self.owned.lock().insert(partition);
                let lost = stop.child_token();
                tokio::join!(
                    self.renew(partition, lost.clone()),
                    self.write_behind(partition, lost.clone()),
                    self.sweep(partition, lost.clone()),
                    self.retire(partition, lost),
                );
                self.owned.lock().remove(&partition);
            } else if let Err(error) = self.watch_once(partition).await {
                tracing::debug!(%partition, %error, "its clock can't be read");
            }
            pause(PAUSE, &stop).await;
        }
    }

    async fn lease(&self, partition: Partition) -> bool {
        match self.engine.take_lease(partition, &self.name, LEASE_TTL_MS).await {
            Ok(mine) => mine,
            Err(error) => {
                tracing::warn!(%partition, %error, "no answer to the lease");
                false
            }
        }
    }

    async fn renew(&self, partition: Partition, lost: CancellationToken) {
        while !lost.is_cancelled() {
            pause(Duration::from_millis(LEASE_TTL_MS / 4), &lost).await;
            if !self.lease(partition).await {
                lost.cancel();
            }
        }
    }

    async fn write_behind(&self, partition: Partition, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.write_behind_until(partition, &stop).await {
                tracing::warn!(%partition, error = format!("{error:#}"), "write-behind waits");
                pause(PAUSE, &stop).await;
            }
        }
    }

    async fn write_behind_until(
        &self,
        partition: Partition,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let journal = Journal::open(&self.redis_url, partition).await?;
        self.load_once(&journal, partition).await?;
        if !self.allow_unsafe_database {
            self.store.assert_durable().await?;
        }
        let mut place = self.place(partition).await?;
        // Who came before may have died between its commit and these two.
        if place.id != StreamId::default() {
            journal.announce(place.id, &[]).await?;
            journal.trim(place.id).await?;
        }
        while !stop.is_cancelled() {
            let next = tokio::select! {
                next = self.drain_once(&journal, partition, place) => next?,
                () = stop.cancelled() => break,
            };
            // Nothing came: is it still the same log?
            if next == place && !self.same_log(&journal, partition, place).await? {
                return Ok(());
            }
            place = next;
        }
        Ok(())
    }

    async fn sweep(&self, partition: Partition, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // First, so that nothing ends by a clock that has jumped.
            if let Err(error) = self.tick_once(partition).await {
                tracing::warn!(%partition, %error, "its clock was not ticked");
            }
            if let Err(error) = self.expire_once(partition).await {
                tracing::warn!(%partition, %error, "expiry waits");
                pause(PAUSE, &stop).await;
            }
            if let Err(error) = self.admit_once(partition).await {
                tracing::warn!(%partition, %error, "admission waits");
            }
            pause(EXPIRY_EVERY.min(ADMISSION_EVERY), &stop).await;
        }
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}

async fn every<F, Work>(time: Duration, stop: CancellationToken, name: &'static str, work: Work)
where
    Work: Fn() -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    while !stop.is_cancelled() {
        if let Err(error) = work().await {
            tracing::warn!(name, error = format!("{error:#}"), "a background step failed");
        }
        pause(time, &stop).await;
    }
}
