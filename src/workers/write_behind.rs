//! Takes the journal to PostgreSQL, one transaction per batch. Then the worker announces in Redis
//! how far PostgreSQL is, and Redis trims the journal up to there.
//!
//! The position of a partition is a row that moves in the same transaction as the effects. So
//! wherever a worker dies, the next one reads on from there, and an entry that is read twice has
//! its effect once. A consumer group with its pending list would add nothing
//! (docs/adr/0001-journal-position-in-postgresql.md).

use crate::domain::fact::{Fact, Fields};
use crate::domain::ids::Partition;
use crate::domain::position::{Position, StreamId};
use crate::engine::leases::{Announced, Lease};
use crate::failpoint;
use crate::store::StoreError;
use crate::store::claims::Lost;
use crate::stream::journal::Journal;
use crate::workers::Workers;
use anyhow::Context as _;

/// Entries in one transaction. More hold its locks for longer; fewer make more commits.
pub(super) const ENTRIES_PER_COMMIT: u64 = 1000;

pub(super) type Entry = (StreamId, Fields);

impl Workers {
    /// The position up to which PostgreSQL has the journal of a partition.
    pub async fn position(&self, partition: Partition) -> anyhow::Result<Position> {
        let position = self.store.position(partition).await?;
        position.with_context(|| format!("partition {partition} has no position yet"))
    }

    /// Takes the entries behind `position` to PostgreSQL, after waiting up to a second for the
    /// first entry; returns the new position.
    ///
    /// # Errors
    /// Redis or PostgreSQL is away, or is not where this worker left it. Then the worker must
    /// compare them before it goes on.
    pub async fn drain_once(
        &self,
        journal: &Journal,
        lease: &Lease,
        position: Position,
    ) -> anyhow::Result<Position> {
        let entries =
            journal.read(position.id, ENTRIES_PER_COMMIT).await.context("reading the journal")?;
        self.take(journal, lease, position, &entries).await
    }

    /// Takes entries that were read behind `position` to PostgreSQL, and announces the new
    /// position.
    pub(super) async fn take(
        &self,
        journal: &Journal,
        lease: &Lease,
        position: Position,
        entries: &[Entry],
    ) -> anyhow::Result<Position> {
        let Some((upto, _)) = entries.last() else { return Ok(position) };
        let upto = *upto;
        // Checked after the read and before the commit: when the journal still has the entry at
        // `position`, the entries that were read really follow it.
        anyhow::ensure!(
            self.engine.journal_has(lease.partition, position.id).await?,
            "the journal has lost entry {}, which PostgreSQL has",
            position.id
        );
        let has = |kind: &str| {
            entries.iter().any(|(_, fields)| fields.get("t").is_some_and(|t| t == kind))
        };
        failpoint::reached_if("claim.before", || has("payment_begun"));
        failpoint::reached_if("commit.before", || has("payment_approved"));
        let lost = self.commit(journal, lease.partition, position, position.epoch, entries).await?;
        failpoint::reached_if("claim.after", || has("payment_begun"));
        failpoint::reached_if("commit.after", || has("payment_approved"));
        metrics::counter!("grandstand_journal_entries_total").increment(entries.len() as u64);
        failpoint::reached_if("acknowledge.before", || has("payment_approved"));
        let announced_at = self.announce(lease, Position { id: upto, ..position }, &lost).await?;
        let lag = metrics::histogram!("grandstand_journal_lag_seconds");
        for (id, _) in entries {
            lag.record(announced_at.ms.saturating_sub(id.ms) as f64 / 1000.0);
        }
        failpoint::reached_if("acknowledge.after", || has("payment_approved"));
        Ok(Position { id: upto, ..position })
    }

    /// Announces to Redis and to every node how far PostgreSQL has the journal; returns the id of
    /// the announcement.
    pub(super) async fn announce(
        &self,
        lease: &Lease,
        position: Position,
        lost: &Lost,
    ) -> anyhow::Result<StreamId> {
        match self
            .engine
            .announce(lease, position, lost)
            .await
            .context("announcing the position")?
        {
            Announced::Told(at) => Ok(at),
            Announced::Behind(known) => {
                anyhow::bail!("PostgreSQL is at {position}, but {known} was announced to Redis")
            }
        }
    }

    /// Takes the entries behind `read` of a journal that is about to begin again, because entries
    /// that came after a loss are true as well. Returns the new position of PostgreSQL, and the
    /// position up to which the journal was read.
    pub(super) async fn take_rest(
        &self,
        journal: &Journal,
        partition: Partition,
        position: Position,
        read: Position,
    ) -> anyhow::Result<(Position, Position)> {
        let mut entries =
            journal.read(read.id, ENTRIES_PER_COMMIT).await.context("reading the journal")?;
        let upto = entries.last().map(|(id, _)| *id);
        let upto = upto.context("the journal has entries, and none could be read")?;
        if read.epoch != position.epoch {
            // They keep the position that they have in their own journal, so that they do not count
            // as the newest entries of this one.
            for (id, fields) in &mut entries {
                let was = Position { id: *id, ..read }.to_string();
                fields.entry("was".to_owned()).or_insert(was);
            }
        }
        self.commit(journal, partition, position, read.epoch, &entries).await?;
        Ok((Position { id: position.id.max(upto), ..position }, Position { id: upto, ..read }))
    }

    /// Commits entries and moves the position to the last of them. Entries before the position
    /// leave it where it is. When PostgreSQL refuses a batch, it is cut in halves until the bad
    /// entry is found. That entry becomes a dead letter, and does not stop the rest. Its place has
    /// the epoch in which it was `written`, so that a load that reads it again finds it there.
    async fn commit(
        &self,
        journal: &Journal,
        partition: Partition,
        position: Position,
        written: u64,
        entries: &[Entry],
    ) -> anyhow::Result<Lost> {
        let Some((last, _)) = entries.last() else { return Ok(Lost::new()) };
        let upto = position.id.max(*last);
        let mut facts = Vec::with_capacity(entries.len());
        for (id, fields) in entries {
            match Fact::parse(*id, fields) {
                Ok(fact) => facts.push((*id, fact)),
                Err(error) => {
                    let at = Position { epoch: written, id: *id };
                    self.bury(journal, partition, at, fields, &error.to_string()).await?;
                }
            }
        }
        match self.store.apply(partition, position, upto, &facts).await {
            Ok(lost) => Ok(lost),
            Err(StoreError::Refused(reason)) if entries.len() == 1 => {
                let at = Position { epoch: written, id: *last };
                self.bury(journal, partition, at, &entries[0].1, &reason).await?;
                Ok(self.store.apply(partition, position, upto, &[]).await?)
            }
            Err(StoreError::Refused(_)) => {
                let (first, second) = entries.split_at(entries.len() / 2);
                let first_half = self.commit(journal, partition, position, written, first);
                let mut lost = Box::pin(first_half).await?;
                let middle = first.last().map_or(position.id, |(id, _)| position.id.max(*id));
                let position = Position { id: middle, ..position };
                let second_half = self.commit(journal, partition, position, written, second);
                lost.extend(Box::pin(second_half).await?);
                Ok(lost)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an entry a dead letter: in the table, which survives a loss of Redis, and in the
    /// stream, from which it is replayed once. An entry that is read again after a crash is already
    /// there.
    async fn bury(
        &self,
        journal: &Journal,
        partition: Partition,
        position: Position,
        fields: &Fields,
        reason: &str,
    ) -> anyhow::Result<()> {
        if !self.store.keep_dead_letter(partition, position, fields, reason).await?
            && journal.dead_letters().await?.contains_key(&position)
        {
            return Ok(());
        }
        // The table has it. A Redis without memory must not stop the entries behind it.
        if let Err(error) = journal.keep_dead_letter(position, fields, reason).await {
            tracing::warn!(%partition, %error, "a dead letter is in the table, and not in Redis");
        }
        tracing::error!(%partition, id = %position.id, reason, "a journal entry was refused");
        metrics::counter!("grandstand_dead_letters_total").increment(1);
        Ok(())
    }
}
