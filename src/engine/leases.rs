//! Which worker owns a partition, and the writes of the owner. Redis checks the lease in the same
//! step as the write, so that a worker which was paused or cut off cannot write into a partition
//! that another worker has loaded since.

use crate::domain::ids::{Partition, PaymentId, SeatId, UserId};
use crate::domain::position::{Position, StreamId};
use crate::domain::seat::join_seats;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::partitions::LAYOUT;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::PartitionKeys;
use fred::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The right of one worker to load a partition, to announce and to trim its journal, while Redis
/// has the lease under this token.
#[derive(Debug)]
pub struct Lease {
    pub partition: Partition,
    token: String,
    life_ms: AtomicU64,
    /// The count of the steps of a load, as Redis must have it in the end.
    load_steps: AtomicU64,
}

impl Lease {
    /// How long each renewal keeps the lease.
    pub fn life(&self) -> Duration {
        Duration::from_millis(self.life_ms.load(Ordering::Relaxed))
    }

    /// The token that Redis has for the lease.
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// What has become of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// Every node will read it. The id of the announcement has the time of Redis.
    Told(StreamId),
    /// An earlier announcement went up to this later id, so PostgreSQL has lost something.
    Behind(StreamId),
}

impl Engine {
    /// Takes the lease of a partition for `worker` and `ttl_ms`; `None` when another worker has it.
    pub async fn take_lease(
        &self,
        partition: Partition,
        worker: &str,
        ttl_ms: u64,
    ) -> Result<Option<Lease>, EngineError> {
        let names = vec![PartitionKeys(partition).lease()];
        let token = format!("{worker} {}", UserId::new(partition).key());
        let arguments = vec![token.clone(), ttl_ms.to_string()];
        let word: String = self.call(partition, &SCRIPTS.lease_take, names, arguments).await?;
        let life_ms = AtomicU64::new(ttl_ms);
        let load_steps = AtomicU64::new(0);
        Ok((word == "mine").then_some(Lease { partition, token, life_ms, load_steps }))
    }

    /// Renews a lease for its life. Returns `false` when the lease has ended.
    pub async fn renew_lease(&self, lease: &Lease) -> Result<bool, EngineError> {
        self.keep_lease(lease, lease.life_ms.load(Ordering::Relaxed)).await
    }

    /// Keeps a lease for `ttl_ms` from now, and from each renewal on. Returns `false` when the
    /// lease has ended.
    pub async fn lengthen_lease(&self, lease: &Lease, ttl_ms: u64) -> Result<bool, EngineError> {
        lease.life_ms.store(ttl_ms, Ordering::Relaxed);
        self.keep_lease(lease, ttl_ms).await
    }

    /// Keeps a lease for `ttl_ms` from now. Returns `false` when the lease has ended.
    pub async fn keep_lease(&self, lease: &Lease, ttl_ms: u64) -> Result<bool, EngineError> {
        let names = vec![PartitionKeys(lease.partition).lease()];
        let arguments = vec![lease.token.clone(), ttl_ms.to_string()];
        let word: String =
            self.call(lease.partition, &SCRIPTS.lease_keep, names, arguments).await?;
        Ok(word == "kept")
    }

    /// Ends a lease, so that another worker need not wait until it expires.
    pub async fn end_lease(&self, lease: &Lease) -> Result<(), EngineError> {
        self.keep_lease(lease, 0).await.map(drop)
    }

    /// Announces to all nodes that PostgreSQL has the journal up to `upto`, and which payments it
    /// refused because an earlier sale has the seats. The earlier entries are deleted.
    ///
    /// # Errors
    /// `Fenced` when the lease or the epoch has ended, or the journal has no entry at `upto`,
    /// because it is that of another server.
    pub async fn announce(
        &self,
        lease: &Lease,
        upto: Position,
        lost: &[(PaymentId, Vec<SeatId>)],
    ) -> Result<Announced, EngineError> {
        let keys = PartitionKeys(lease.partition);
        let names = vec![keys.lease(), keys.partition(), keys.persisted(), keys.journal()];
        let lost: Vec<String> =
            lost.iter().map(|(id, seats)| format!("{}:{}", id.key(), join_seats(seats))).collect();
        let Position { epoch, id } = upto;
        let numbers = [epoch, id.ms, id.seq].map(|number| number.to_string());
        let [epoch, ms, seq] = numbers;
        let arguments = vec![lease.token.clone(), epoch, ms, seq, lost.join(";")];
        let script = &SCRIPTS.journal_told;
        let reply: Vec<String> = self.call(lease.partition, script, names, arguments).await?;
        let id = || {
            let id = reply.get(1).and_then(|id| id.parse().ok());
            id.ok_or_else(|| bad(&reply.join(" ")))
        };
        match reply.first().map(String::as_str) {
            Some("told") => Ok(Announced::Told(id()?)),
            Some("behind") => Ok(Announced::Behind(id()?)),
            Some("fenced" | "ended") => Err(EngineError::Fenced),
            _ => Err(bad(&reply.join(" "))),
        }
    }

    /// Stops new payments in a partition and says why, or lets them go on (`None`).
    ///
    /// # Errors
    /// `Fenced` when the lease has ended.
    pub async fn halt(&self, lease: &Lease, lost: Option<&str>) -> Result<(), EngineError> {
        let arguments = vec![lease.token.clone(), lost.unwrap_or_default().to_owned()];
        let names = self.fence(lease);
        let word: String =
            self.call(lease.partition, &SCRIPTS.partition_halt, names, arguments).await?;
        passed(&word, &["halted", "going"])
    }

    /// Closes a partition that is in the epoch `seen`. Replies under Idempotency-Keys that a
    /// release with another layout has stored are deleted.
    ///
    /// # Errors
    /// `Fenced` when the lease has ended, or the partition has another epoch by now.
    pub async fn close_to_load(&self, lease: &Lease, seen: u64) -> Result<(), EngineError> {
        let keys = PartitionKeys(lease.partition);
        let mut names = self.fence(lease);
        let client = self.client(lease.partition)?;
        let layout: Option<String> = client.hget(keys.partition(), "layout").await?;
        if layout.is_some_and(|layout| layout != LAYOUT) {
            names.extend(keys.operations());
        }
        let arguments = vec![lease.token.clone(), seen.to_string()];
        let word: String =
            self.call(lease.partition, &SCRIPTS.load_close, names, arguments).await?;
        passed(&word, &["closed"])
    }

    /// Deletes keys of a partition that is closed.
    pub(super) async fn load_clear(
        &self,
        lease: &Lease,
        keys: &[String],
    ) -> Result<(), EngineError> {
        // Any number that no earlier load has left there. Lua has whole numbers of 53 bits.
        let mut first = getrandom::u64().map_err(|error| bad(&error.to_string()))? >> 12;
        lease.load_steps.store(first, Ordering::Relaxed);
        // Lua's stack takes fewer than 8,000 values.
        for keys in keys.chunks(5000) {
            let names = [self.fence(lease).as_slice(), keys].concat();
            let begins = if first > 0 { first.to_string() } else { String::new() };
            let arguments = vec![lease.token.clone(), begins];
            let word: String =
                self.call(lease.partition, &SCRIPTS.load_clear, names, arguments).await?;
            passed(&word, &["cleared"])?;
            lease.load_steps.fetch_add(1, Ordering::Relaxed);
            first = 0;
        }
        Ok(())
    }

    /// Writes fields of one hash of a partition that is closed.
    pub(super) async fn load_put(
        &self,
        lease: &Lease,
        key: String,
        fields: &[(String, String)],
    ) -> Result<(), EngineError> {
        let mut names = self.fence(lease);
        names.push(key);
        let mut arguments = vec![lease.token.clone()];
        arguments.extend(fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        let word: String = self.call(lease.partition, &SCRIPTS.load_put, names, arguments).await?;
        passed(&word, &["put"])?;
        lease.load_steps.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Opens a partition under an epoch. From here on it counts as loaded.
    ///
    /// # Errors
    /// `Fenced` when the lease has ended, another worker has opened the partition, or a failover
    /// has lost a step of the load.
    pub async fn open_partition(&self, lease: &Lease, epoch: u64) -> Result<(), EngineError> {
        let arguments = vec![
            lease.token.clone(),
            epoch.to_string(),
            self.partition_count().to_string(),
            LAYOUT.to_owned(),
            lease.load_steps.load(Ordering::Relaxed).to_string(),
        ];
        let names = self.fence(lease);
        let word: String = self.call(lease.partition, &SCRIPTS.load_open, names, arguments).await?;
        passed(&word, &["opened"])
    }

    fn fence(&self, lease: &Lease) -> Vec<String> {
        let keys = PartitionKeys(lease.partition);
        vec![keys.lease(), keys.partition()]
    }
}

fn passed(word: &str, good: &[&str]) -> Result<(), EngineError> {
    match word {
        "fenced" | "open" | "changed" | "torn" => Err(EngineError::Fenced),
        word if good.contains(&word) => Ok(()),
        _ => Err(bad(word)),
    }
}
