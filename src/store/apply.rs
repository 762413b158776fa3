//! One transaction of the write-behind worker: it writes the effects of journal entries and the
//! new position of the partition. The effects of a batch are folded in memory first, so that each
//! table is written with one statement, whatever the size of the batch.

use crate::domain::account::Account;
use crate::domain::catalog::{Match, Site};
use crate::domain::fact::{Fact, PaymentStep};
use crate::domain::ids::{MatchId, Partition, SeatId, SiteId};
use crate::domain::position::{Position, StreamId};
use crate::domain::trail::TrailEntry;
use crate::store::claims::{Fold, Lost, read_holders};
use crate::store::columns::position_in;
use crate::store::guard::{Guard, JournalStep};
use crate::store::{Store, StoreError, accounts, catalog, dead_letters, trail};
use deadpool_postgres::Transaction;
use std::collections::HashMap;
use std::hash::Hash;
use uuid::Uuid;

pub(super) const LOCK_POSITION: &str = "
    select epoch, journal_ms, journal_seq from partitions where number = $1 for update";

const MOVE_POSITION: &str = "
    update partitions set journal_ms = $2, journal_seq = $3, updated_at = now() where number = $1";

/// What a batch says about accounts and the catalogue: the last statement per id.
#[derive(Default)]
struct Documents<'a> {
    accounts: HashMap<Uuid, Option<Account>>,
    sites: HashMap<SiteId, Option<Site>>,
    matches: HashMap<MatchId, Option<Match>>,
    /// Whether the seat is blocked, and the position of the entry that says so.
    blocked: HashMap<(MatchId, SeatId), (Position, bool)>,
    /// Dead letters that were replayed: the journal has their facts again.
    replayed: Vec<Position>,
    trail: Vec<(Position, &'a TrailEntry)>,
}

type Steps<'a> = Vec<JournalStep<'a>>;

/// A fact, and the position in the journal that it counts as.
pub(super) type PositionedFact<'a> = (Position, &'a Fact);

impl Store {
    /// Applies entries of one partition in order and moves its position from `from` to `upto`, in
    /// one transaction.
    ///
    /// # Errors
    /// `Moved` when the position is not `from`: another worker has moved it, or PostgreSQL has lost
    /// data. Nothing is applied then.
    pub async fn apply(
        &self,
        partition: Partition,
        from: Position,
        upto: StreamId,
        entries: &[(StreamId, Fact)],
    ) -> Result<Lost, StoreError> {
        let mut connection = self.connection().await?;
        let transaction = connection.transaction().await?;
        let number = i32::from(partition.0);
        let lock = transaction.prepare_cached(LOCK_POSITION).await?;
        let row = transaction.query_opt(&lock, &[&number]).await?;
        let found = row.as_ref().map(position_in);
        if found != Some(from) {
            return Err(StoreError::Moved { expected: from, found });
        }
        let facts = entries.iter().map(|(id, fact)| match fact {
            Fact::Late(was, fact) => (*was, &**fact),
            fact => (Position { id: *id, ..from }, fact),
        });
        let facts: Vec<PositionedFact<'_>> = facts.collect();
        let lost = write(&transaction, partition, &facts).await?;
        let moved: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&number, &(upto.ms as i64), &(upto.seq as i64)];
        let statement = transaction.prepare_cached(MOVE_POSITION).await?;
        transaction.execute(&statement, &moved).await?;
        transaction.commit().await?;
        Ok(lost)
    }
}

pub(super) async fn write(
    transaction: &Transaction<'_>,
    partition: Partition,
    facts: &[PositionedFact<'_>],
) -> Result<Lost, StoreError> {
    let (documents, steps) = sort(facts);
    dead_letters::remove(transaction, partition, &documents.replayed).await?;
    write_documents(transaction, documents).await?;
    if steps.is_empty() {
        return Ok(vec![]);
    }
    let (approved, others): (Steps<'_>, Steps<'_>) =
        steps.iter().copied().partition(|entry| entry.step == PaymentStep::Approved);
    let (guard, mut holders) =
        futures::try_join!(Guard::read(transaction, &steps), read_holders(transaction, &others))?;
    // An outcome that is expected, which is half of all entries, moves no seats: its holders need
    // not be read.
    let unexpected: Steps<'_> =
        approved.into_iter().filter(|entry| !guard.expects(entry.fact)).collect();
    holders.extend(read_holders(transaction, &unexpected).await?);
    let fold = Fold::of(&steps, holders, guard)?;
    fold.write(transaction).await?;
    Ok(fold.lost)
}

fn sort<'a>(facts: &[PositionedFact<'a>]) -> (Documents<'a>, Steps<'a>) {
    let mut documents = Documents::default();
    let mut steps = Vec::new();
    for (position, fact) in facts {
        match fact {
            Fact::Account(account) => {
                put(&mut documents.accounts, account.id.0, account, |account| account.version);
            }
            Fact::AccountDeleted(id) => {
                documents.accounts.insert(id.0, None);
            }
            Fact::Site(site) => {
                put(&mut documents.sites, site.id, &**site, |site| site.version);
            }
            Fact::SiteDeleted(id) => {
                documents.sites.insert(*id, None);
            }
            Fact::Match(fixture) => {
                put(&mut documents.matches, fixture.id, &**fixture, |fixture| fixture.version);
            }
            Fact::MatchDeleted(id) => {
                documents.matches.insert(*id, None);
            }
            Fact::SeatsBlocked(fixture, seats, blocked) => {
                for seat in seats {
                    let last = documents.blocked.entry((*fixture, *seat)).or_default();
                    *last = (*last).max((*position, *blocked));
                }
            }
            Fact::Trail(entry) => documents.trail.push((*position, entry)),
            Fact::DeadLetterReplayed(letter) => documents.replayed.push(*letter),
            Fact::Payment(step, fact) => {
                steps.push(JournalStep { step: *step, fact, position: *position });
            }
            // `apply` has already unpacked late facts, and no late fact contains another.
            Fact::Late(..) => {}
        }
    }
    (documents, steps)
}

/// Takes the newest version of a document, unless it was deleted. A replayed dead letter may bring
/// an older version.
fn put<K: Hash + Eq, V: Clone>(
    documents: &mut HashMap<K, Option<V>>,
    id: K,
    document: &V,
    version: fn(&V) -> u64,
) {
    match documents.get(&id) {
        Some(None) => {}
        Some(Some(kept)) if version(kept) > version(document) => {}
        Some(Some(_)) | None => {
            documents.insert(id, Some(document.clone()));
        }
    }
}

async fn write_documents(
    transaction: &Transaction<'_>,
    documents: Documents<'_>,
) -> Result<(), StoreError> {
    accounts::write(transaction, documents.accounts).await?;
    trail::write(transaction, &documents.trail).await?;
    catalog::write_blocked(transaction, &documents.blocked).await?;
    catalog::write_sites(transaction, documents.sites).await?;
    catalog::write_matches(transaction, documents.matches).await
}
