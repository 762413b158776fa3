//! Background work. Each step is a `*_once()` function with a thin loop around it. One process
//! works on a partition at a time: it has the lease of the partition in Redis, and another process
//! takes over when the lease is not renewed.

pub mod admission;
pub mod charges;
pub mod clock;
pub mod expiry;
mod lease_metrics;
pub mod orphans;
pub mod rebuild;
pub mod reconcile;
pub mod retention;
pub mod sale;
pub mod write_behind;

use crate::domain::ids::{MatchId, Partition, UserId};
use crate::engine::Engine;
use crate::engine::leases::Lease;
use crate::gateway::toss::Toss;
use crate::live::catalog::Catalog;
use crate::store::{Store, StoreError};
use crate::stream::journal::Journal;
use crate::workers::clock::Clocks;
use crate::workers::lease_metrics::LeaseMetrics;
use crate::workers::orphans::{Findings, SEARCH_INTERVAL};
use crate::workers::retention::Retired;
use crate::workers::write_behind::ENTRIES_PER_COMMIT;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A worker that has not renewed its lease for this time has lost its partition. With a longer one,
/// payments wait longer after the death of a worker. With a shorter one, a brief stall of Redis
/// takes the partition from a healthy worker, which costs only a comparison.
const LEASE_TTL_MS: u64 = 600;
/// The interval of renewals: three may be late before the lease ends.
const RENEW_INTERVAL: Duration = Duration::from_millis(LEASE_TTL_MS / 4);
/// How often a worker asks for a partition that it does not own. A worker that stops gives its
/// leases up, and then payments wait for at most this time.
const LEASE_INTERVAL: Duration = Duration::from_millis(120);
/// The interval of the expiry search: half of the delay that the map may have.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(250);
/// The interval at which people are let out of the waiting rooms. A longer one lets them out in
/// larger groups.
const ADMISSION_INTERVAL: Duration = Duration::from_millis(250);
/// The interval at which unsettled payments are read. A longer one settles unknown outcomes later.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(5);
/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The parts and settings of the workers.
pub struct Workers {
    pub engine: Arc<Engine>,
    pub catalog: Arc<Catalog>,
    pub store: Store,
    pub toss: Toss,
    /// The age at which the gateway is asked about an unsettled payment, in ms.
    pub reconcile_after_ms: i64,
    /// The interval at which charges at the gateway are compared with the rows.
    pub charges_every: Duration,
    /// Tests only: write to a PostgreSQL whose settings let it lose commits.
    pub allow_unsafe_database: bool,
    /// The name of this process in its leases.
    pub name: String,
    /// The partitions whose lease this process has.
    pub owned: Mutex<BTreeSet<Partition>>,
    /// The owned partitions whose payments are stopped, because PostgreSQL has lost data.
    pub halted: Mutex<BTreeSet<Partition>>,
    /// The matches whose early people are getting their numbers from this process.
    pub drawing: Mutex<BTreeSet<MatchId>>,
    /// The closed matches whose draw is published, or which have none.
    pub drawn: Mutex<BTreeSet<MatchId>>,
    pub clocks: Clocks,
    /// How long a closed match stays in Redis after its start, in ms.
    pub keep_match_ms: i64,
    pub retired: Retired,
}

impl Workers {
    /// A name for the leases of this process that no other process has.
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
        let measured = self.clone();
        tasks.push(tokio::spawn(every(RECONCILE_INTERVAL, stop.clone(), "measure", move || {
            let workers = measured.clone();
            async move { workers.measure_unsettled().await }
        })));
        let reconciler = self.clone();
        tasks.push(tokio::spawn(every(RECONCILE_INTERVAL, stop, "reconcile", move || {
            let workers = reconciler.clone();
            async move { workers.reconcile_once().await.map(|_| ()) }
        })));
        tasks
    }

    /// Does all work of one partition while this process has its lease.
    async fn keep_partition(self: Arc<Self>, partition: Partition, stop: CancellationToken) {
        let seen = LeaseMetrics::new(partition);
        while !stop.is_cancelled() {
            if let Some(lease) = self.lease(partition).await {
                tracing::debug!(%partition, "this worker owns the partition");
                seen.renewed(Duration::ZERO);
                self.owned.lock().insert(partition);
                self.forget_draws(partition);
                let ending = stop.child_token();
                let lease = Arc::new(lease);
                // In a task of its own, because loading keeps a task busy for longer than a lease.
                let renewing = self.clone().renew(lease.clone(), seen.clone(), ending.clone());
                let renewing = tokio::spawn(renewing);
                let drained = self.write_behind(&lease, ending.clone());
                tokio::join!(drained, self.clone().sweep(&lease, ending));
                renewing.abort();
                self.owned.lock().remove(&partition);
                self.halted.lock().remove(&partition);
                self.store.writes().ended(Some(partition));
                seen.ended();
                self.count_waiting(partition, 0);
                self.count_halted();
                if let Err(error) = self.engine.end_lease(&lease).await {
                    tracing::debug!(%partition, %error, "the lease was not given up: it expires");
                }
            } else if let Err(error) = self.watch_once(partition).await {
                tracing::debug!(%partition, %error, "the clock can't be read");
            }
            pause(LEASE_INTERVAL, &stop).await;
        }
    }

    /// Looks at the draws of closed matches again, because Redis may have been loaded meanwhile.
    fn forget_draws(&self, partition: Partition) {
        self.drawn.lock().retain(|id| id.partition() != partition);
    }

    async fn lease(&self, partition: Partition) -> Option<Lease> {
        match self.engine.take_lease(partition, &self.name, LEASE_TTL_MS).await {
            Ok(lease) => lease,
            Err(error) => {
                tracing::warn!(%partition, %error, "no reply to a request for the lease");
                None
            }
        }
    }

    /// Renews the lease until it has ended, or the worker stops. A renewal without a reply is
    /// repeated while the lease still stands. That is safe, because Redis checks the token of the
    /// lease with each write that only the owner may make.
    async fn renew(
        self: Arc<Self>,
        lease: Arc<Lease>,
        seen: LeaseMetrics,
        ending: CancellationToken,
    ) {
        let mut renewed_at = Instant::now();
        while !ending.is_cancelled() {
            pause(RENEW_INTERVAL, &ending).await;
            if ending.is_cancelled() {
                return;
            }
            let asked_at = Instant::now();
            let renewal = self.engine.renew_lease(&lease).await;
            seen.renewed(renewed_at.elapsed());
            match renewal {
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
                let (partition, text) = (lease.partition, format!("{error:#}"));
                // Redis may fail too, and that is no fault of PostgreSQL.
                if error.is::<StoreError>() {
                    self.store.writes().failed(Some(partition), text.clone());
                }
                if matches!(error.downcast_ref(), Some(StoreError::Damaged(_))) {
                    tracing::error!(%partition, error = text,
                        "a row of PostgreSQL can't be read: write-behind waits until it is \
                         repaired");
                } else {
                    tracing::warn!(%partition, error = text, "write-behind waits");
                }
                pause(RETRY_PAUSE, &ending).await;
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
        let mut position = self.position(lease.partition).await?;
        self.store.writes().ended(Some(lease.partition));
        // The last worker may have died between its commit and its announcement.
        self.announce(lease, position, &vec![]).await?;
        while !ending.is_cancelled() {
            // A stop ends the wait for entries. It never ends a running commit.
            let entries = tokio::select! {
                entries = journal.read(position.id, ENTRIES_PER_COMMIT) => entries?,
                () = ending.cancelled() => break,
            };
            // When nothing comes, Redis or PostgreSQL may be another server with another journal.
            if entries.is_empty() && !self.same_log(lease.partition, position).await? {
                return Ok(());
            }
            position = self.take(&journal, lease, position, &entries).await?;
            self.store.writes().ended(Some(lease.partition));
        }
        Ok(())
    }

    /// Searches while this process owns the partition. The findings outlive a change of the lease,
    /// because a finding that must be made twice would otherwise never be settled.
    async fn look_for_orphans(self: Arc<Self>, partition: Partition, stop: CancellationToken) {
        let mut findings = Findings::default();
        pause(SEARCH_INTERVAL, &stop).await;
        while !stop.is_cancelled() {
            if self.owns(partition) {
                let searched = tokio::select! {
                    searched = self.orphans_once(partition, &mut findings) => searched,
                    () = stop.cancelled() => return,
                };
                if let Err(error) = searched {
                    let error = format!("{error:#}");
                    tracing::warn!(%partition, error, "a search for orphans has failed");
                }
            }
            pause(SEARCH_INTERVAL, &stop).await;
        }
    }

    /// Whether this process has the lease of a partition, as far as it knows.
    fn owns(&self, partition: Partition) -> bool {
        self.owned.lock().contains(&partition)
    }

    async fn sweep(self: Arc<Self>, lease: &Lease, stop: CancellationToken) {
        let partition = lease.partition;
        while !stop.is_cancelled() {
            // The clock comes first, so that no claim ends by a clock that has jumped.
            if let Err(error) = self.tick_once(lease).await {
                tracing::warn!(%partition, %error, "the clock was not ticked");
            }
            if let Err(error) = self.expire_once(partition).await {
                tracing::warn!(%partition, %error, "expiry waits");
                pause(RETRY_PAUSE, &stop).await;
            }
            if let Err(error) = self.follow_sales_once(partition).await {
                tracing::warn!(%partition, %error, "a sale does not open or end yet");
            }
            if let Err(error) = self.admit_once(partition).await {
                tracing::warn!(%partition, %error, "admission waits");
            }
            pause(EXPIRY_INTERVAL.min(ADMISSION_INTERVAL), &stop).await;
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
