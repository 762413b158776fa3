//! Background. Each worker is a `*_once()` function and a thin loop; one worker process is active
//! per partition, by a lease in Redis that another takes over when it is not renewed.

pub mod admission;
pub mod charges;
pub mod clock;
pub mod expiry;
pub mod orphans;
pub mod rebuild;
pub mod reconcile;
pub mod retention;
pub mod write_behind;

use crate::domain::ids::{Partition, UserId};
use crate::engine::Engine;
use crate::engine::leases::Lease;
use crate::gateway::toss::Toss;
use crate::live::catalog::Catalog;
use crate::store::Store;
use crate::stream::journal::Journal;
use crate::workers::clock::Clocks;
use crate::workers::orphans::{LOOK_EVERY, Looks};
use crate::workers::retention::Retired;
use crate::workers::write_behind::ENTRIES;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A worker that has not renewed its lease for this time has lost its partitions. Longer: payments
/// wait longer after the death of a worker; shorter: a moment in which Redis stands still takes the
/// partitions from a worker that lives, which costs a comparison and no more.
const LEASE_TTL_MS: u64 = 600;
/// Three renewals may be late before a lease ends.
const RENEW_EVERY: Duration = Duration::from_millis(LEASE_TTL_MS / 4);
/// How often a worker without a partition asks for it. A worker that stops gives its partitions up,
/// so that this is how long payments wait then.
const LEASE_EVERY: Duration = Duration::from_millis(120);
/// How often due holds are looked for: half of what the map may be late.
const EXPIRY_EVERY: Duration = Duration::from_millis(250);
/// How often people are let in.
const ADMISSION_EVERY: Duration = Duration::from_millis(250);
/// How often payments without an outcome are looked for.
const RECONCILE_EVERY: Duration = Duration::from_secs(5);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// What the workers work with.
pub struct Workers {
    pub engine: Arc<Engine>,
    pub catalog: Arc<Catalog>,
    pub store: Store,
    pub toss: Toss,
    /// Payments without an outcome for so long are asked about at the gateway, in ms.
    pub reconcile_after_ms: i64,
    /// How often the charges at the gateway are compared with the rows.
    pub charges_every: Duration,
    /// Tests only: a database that may forget is written to.
    pub allow_unsafe_database: bool,
    /// Name of this process for its leases.
    pub name: String,
    /// The partitions whose lease this process has.
    pub owned: Mutex<BTreeSet<Partition>>,
    /// Those of them whose payments are stopped, because PostgreSQL has lost something.
    pub halted: Mutex<BTreeSet<Partition>>,
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
            tasks.push(tokio::spawn(self.clone().look_for_orphans(partition, stop.clone())));
            tasks.push(tokio::spawn(self.clone().retire(partition, stop.clone())));
        }
        tasks.push(tokio::spawn(self.clone().sweep_charges(stop.clone())));
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
            if let Some(lease) = self.lease(partition).await {
                tracing::debug!(%partition, "this worker owns the partition");
                self.owned.lock().insert(partition);
                let ending = stop.child_token();
                let lease = Arc::new(lease);
                // A task of its own: a load keeps its task busy for longer than a lease.
                let renewing = self.clone().renew(lease.clone(), ending.clone());
                let renewing = tokio::spawn(renewing);
                let drained = self.write_behind(&lease, ending.clone());
                tokio::join!(drained, self.sweep(&lease, ending));
                renewing.abort();
                self.owned.lock().remove(&partition);
                self.halted.lock().remove(&partition);
                self.count_halted();
                if let Err(error) = self.engine.end_lease(&lease).await {
                    tracing::debug!(%partition, %error, "the lease ends by itself");
                }
            } else if let Err(error) = self.watch_once(partition).await {
                tracing::debug!(%partition, %error, "its clock can't be read");
            }
            pause(LEASE_EVERY, &stop).await;
        }
    }

    async fn lease(&self, partition: Partition) -> Option<Lease> {
        match self.engine.take_lease(partition, &self.name, LEASE_TTL_MS).await {
            Ok(lease) => lease,
            Err(error) => {
                tracing::warn!(%partition, %error, "no reply to the lease");
                None
            }
        }
    }

    /// Renews the lease until it has ended, or the worker stops. A renewal without a reply is tried
    /// again while the lease still stands: what only the owner may write is fenced in any case.
    async fn renew(self: Arc<Self>, lease: Arc<Lease>, ending: CancellationToken) {
        let mut renewed_at = Instant::now();
        while !ending.is_cancelled() {
            pause(RENEW_EVERY, &ending).await;
            if ending.is_cancelled() {
                return;
            }
            let asked_at = Instant::now();
            match self.engine.renew_lease(&lease).await {
                Ok(true) => renewed_at = asked_at,
                Ok(false) => {
                    tracing::warn!(partition = %lease.partition, "the lease has ended");
                    ending.cancel();
                }
                Err(error) => {
                    tracing::warn!(partition = %lease.partition, %error, "no reply to a renewal");
                    if renewed_at.elapsed() >= lease.life() {
                        ending.cancel();
                    }
                }
            }
        }
    }

    async fn write_behind(&self, lease: &Lease, ending: CancellationToken) {
        while !ending.is_cancelled() {
            if let Err(error) = self.write_behind_until(lease, &ending).await {
                let partition = lease.partition;
                tracing::warn!(%partition, error = format!("{error:#}"), "write-behind waits");
                pause(PAUSE, &ending).await;
            }
        }
    }

    async fn write_behind_until(
        &self,
        lease: &Lease,
        ending: &CancellationToken,
    ) -> anyhow::Result<()> {
        let journal = Journal::open(self.engine.redis(), lease.partition).await?;
        tokio::select! {
            loaded = self.load_once(&journal, lease) => loaded?,
            () = ending.cancelled() => return Ok(()),
        };
        if !self.allow_unsafe_database {
            self.store.assert_durable().await?;
        }
        let mut place = self.place(lease.partition).await?;
        // Who came before may have died between its commit and this.
        self.tell(lease, place, &vec![]).await?;
        while !ending.is_cancelled() {
            // A stop ends the wait for entries, and never a commit that is under way.
            let entries = tokio::select! {
                entries = journal.read(place.id, ENTRIES) => entries?,
                () = ending.cancelled() => break,
            };
            // Nothing came: is it still the same log, here and there?
            if entries.is_empty() && !self.same_log(&journal, lease.partition, place).await? {
                return Ok(());
            }
            place = self.take(&journal, lease, place, &entries).await?;
        }
        Ok(())
    }

    /// Looks on through a change of the lease: what must be seen twice would never be settled else.
    async fn look_for_orphans(self: Arc<Self>, partition: Partition, stop: CancellationToken) {
        let mut looks = Looks::default();
        pause(LOOK_EVERY, &stop).await;
        while !stop.is_cancelled() {
            if self.owns(partition) {
                let look = tokio::select! {
                    look = self.orphans_once(partition, &mut looks) => look,
                    () = stop.cancelled() => return,
                };
                if let Err(error) = look {
                    tracing::warn!(%partition, error = format!("{error:#}"), "a look has failed");
                }
            }
            pause(LOOK_EVERY, &stop).await;
        }
    }

    /// Whether the lease of a partition is ours, as far as this process knows.
    fn owns(&self, partition: Partition) -> bool {
        self.owned.lock().contains(&partition)
    }

    async fn sweep(&self, lease: &Lease, stop: CancellationToken) {
        let partition = lease.partition;
        while !stop.is_cancelled() {
            // First, so that nothing ends by a clock that has jumped.
            if let Err(error) = self.tick_once(lease).await {
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
