//! From the journal to PostgreSQL: one transaction per batch; then Redis is told how far PostgreSQL
//! is, and drops what it has.
//!
//! The position of a partition is a row that moves in the same transaction as the effects. So a
//! worker that dies anywhere is followed by one that reads on from there, and an entry that is read
//! twice has its effect once; a consumer group with its pending list would add nothing
//! (docs/adr/0001-journal-position-in-postgresql.md).

use crate::domain::fact::{Fact, Fields};
use crate::domain::ids::Partition;
use crate::domain::position::{Position, StreamId};
use crate::engine::leases::{Announced, Lease};
use crate::failpoint;
use crate::store::StoreError;
use crate::store::apply::Lost;
use crate::stream::journal::Journal;
use crate::workers::Workers;
use anyhow::Context as _;

/// Entries of one transaction.
pub(super) const ENTRIES: u64 = 1000;

pub(super) type Entry = (StreamId, Fields);

impl Workers {
    /// Where PostgreSQL stands in the journal of a partition.
    pub async fn place(&self, partition: Partition) -> anyhow::Result<Position> {
        let place = self.store.position(partition).await?;
        place.with_context(|| format!("partition {partition} has no position yet"))
    }

    /// Takes what the journal has behind `place` (waits up to a second for it) to PostgreSQL;
    /// returns the new place.
    ///
    /// # Errors
    /// Redis or PostgreSQL is away, or is not where this worker left it: then it must compare them
    /// again before it goes on.
    pub async fn drain_once(
        &self,
        journal: &Journal,
        lease: &Lease,
        place: Position,
    ) -> anyhow::Result<Position> {
        let entries = journal.read(place.id, ENTRIES).await.context("reading the journal")?;
        self.take(journal, lease, place, &entries).await
    }

    /// Takes entries that were read behind `place` to PostgreSQL, and tells Redis.
    pub(super) async fn take(
        &self,
        journal: &Journal,
        lease: &Lease,
        place: Position,
        entries: &[Entry],
    ) -> anyhow::Result<Position> {
        let Some((upto, _)) = entries.last() else { return Ok(place) };
        let upto = *upto;
        // After the read and before the commit: what was read is behind an entry that is known.
        anyhow::ensure!(
            journal.has(place.id).await?,
            "the journal has lost {}, which PostgreSQL knows",
            place.id
        );
        let has = |kind: &str| {
            entries.iter().any(|(_, fields)| fields.get("t").is_some_and(|t| t == kind))
        };
        failpoint::reached_if("claim.before", || has("payment_begun"));
        failpoint::reached_if("commit.before", || has("payment_approved"));
        let lost = self.commit(journal, lease.partition, place, entries).await?;
        failpoint::reached_if("claim.after", || has("payment_begun"));
        failpoint::reached_if("commit.after", || has("payment_approved"));
        metrics::counter!("grandstand_journal_entries_total").increment(entries.len() as u64);
        failpoint::reached_if("acknowledge.before", || has("payment_approved"));
        let told = self.tell(lease, Position { id: upto, ..place }, &lost).await?;
        let lag = metrics::histogram!("grandstand_journal_lag_seconds");
        for (id, _) in entries {
            lag.record(told.ms.saturating_sub(id.ms) as f64 / 1000.0);
        }
        failpoint::reached_if("acknowledge.after", || has("payment_approved"));
        Ok(Position { id: upto, ..place })
    }

    /// Tells Redis and every node up to where PostgreSQL has the journal.
    pub(super) async fn tell(
        &self,
        lease: &Lease,
        place: Position,
        lost: &Lost,
    ) -> anyhow::Result<StreamId> {
        match self.engine.announce(lease, place, lost).await.context("telling what is committed")? {
            Announced::Told(at) => Ok(at),
            Announced::Behind(known) => {
                anyhow::bail!("PostgreSQL is at {place}, and Redis was told that it had {known}")
            }
        }
    }

    /// Takes the entries behind `read` of a journal that ends here: what came after a loss is true
    /// as well. Returns the new place, and up to where was read.
    pub(super) async fn take_rest(
        &self,
        journal: &Journal,
        partition: Partition,
        place: Position,
        read: Position,
    ) -> anyhow::Result<(Position, Position)> {
        let mut entries = journal.read(read.id, ENTRIES).await.context("reading the journal")?;
        let upto = entries.last().map(|(id, _)| *id);
        let upto = upto.context("the journal has entries, and none could be read")?;
        if read.epoch != place.epoch {
            // They count as of their own log, and not as the newest of this one.
            for (id, fields) in &mut entries {
                let was = Position { id: *id, ..read }.to_string();
                fields.entry("was".to_owned()).or_insert(was);
            }
        }
        self.commit(journal, partition, place, &entries).await?;
        Ok((Position { id: place.id.max(upto), ..place }, Position { id: upto, ..read }))
    }

    /// Commits entries and moves the place to the last of them, or leaves it when they come before
    /// it. When PostgreSQL refuses them, halves find the one
    /// that is to blame; it goes to the dead letters and does not stop the rest.
    async fn commit(
        &self,
        journal: &Journal,
        partition: Partition,
        place: Position,
        entries: &[Entry],
    ) -> anyhow::Result<Lost> {
        let Some((last, _)) = entries.last() else { return Ok(Lost::new()) };
        let upto = place.id.max(*last);
        let mut facts = Vec::with_capacity(entries.len());
        for (id, fields) in entries {
            match Fact::parse(*id, fields) {
                Ok(fact) => facts.push((*id, fact)),
                Err(error) => {
                    let at = Position { id: *id, ..place };
                    self.bury(journal, partition, at, fields, &error.to_string()).await?;
                }
            }
        }
        match self.store.apply(partition, place, upto, &facts).await {
            Ok(lost) => Ok(lost),
            Err(StoreError::Refused(reason)) if entries.len() == 1 => {
                let at = Position { id: *last, ..place };
                self.bury(journal, partition, at, &entries[0].1, &reason).await?;
                Ok(self.store.apply(partition, place, upto, &[]).await?)
            }
            Err(StoreError::Refused(_)) => {
                let (first, second) = entries.split_at(entries.len() / 2);
                let mut lost = Box::pin(self.commit(journal, partition, place, first)).await?;
                let middle = first.last().map_or(place.id, |(id, _)| place.id.max(*id));
                let place = Position { id: middle, ..place };
                lost.extend(Box::pin(self.commit(journal, partition, place, second)).await?);
                Ok(lost)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps an entry among the dead letters: in the table, which outlives Redis, and in the
    /// stream, out of which it is replayed once. One that is read again after a crash is there.
    async fn bury(
        &self,
        journal: &Journal,
        partition: Partition,
        place: Position,
        fields: &Fields,
        reason: &str,
    ) -> anyhow::Result<()> {
        if !self.store.keep_dead_letter(partition, place, fields, reason).await?
            && journal.dead_letters().await?.contains_key(&place)
        {
            return Ok(());
        }
        // The table has it. A Redis without memory must not stop what comes behind it.
        if let Err(error) = journal.keep_dead_letter(place, fields, reason).await {
            tracing::warn!(%partition, %error, "a dead letter is in the table alone");
        }
        tracing::error!(%partition, id = %place.id, reason, "a journal entry was refused");
        metrics::counter!("grandstand_dead_letters_total").increment(1);
        Ok(())
    }
}
