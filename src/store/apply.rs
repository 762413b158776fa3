//! One transaction of the write-behind worker: journal entries in, rows out, and the position of
//! the partition with them. Effects of one batch are folded in memory first, so each table is
//! written with one statement, whatever the size of the batch.

use crate::domain::account::Account;
use crate::domain::catalog::{Match, Site};
use crate::domain::fact::{Fact, PaymentStep};
use crate::domain::ids::{MatchId, Partition, PaymentId, SeatId, SiteId};
use crate::domain::position::{Position, StreamId};
use crate::store::claims::{Fold, read_holders};
use crate::store::dead_letters;
use crate::store::guard::{Guard, Told};
use crate::store::place::text_of;
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use std::collections::HashMap;
use std::hash::Hash;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

pub(super) const LOCK_POSITION: &str = "
    select epoch, journal_ms, journal_seq from partitions where number = $1 for update";

const MOVE_POSITION: &str = "
    update partitions set journal_ms = $2, journal_seq = $3, updated_at = now() where number = $1";

const ACCOUNTS: &str = "
    insert into accounts (id, email, password_hash, role, created_at)
    select id, email, hash, role, to_timestamp(at / 1000.0)
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::float8[])
        as t (id, email, hash, role, at)
    on conflict (id) do nothing";

const SITES: &str = "
    insert into sites (id, version, document)
    select * from unnest($1::uuid[], $2::bigint[], $3::jsonb[]) as t (id)
    where not exists (select from deleted_documents where id = t.id)
    on conflict (id) do update set version = excluded.version, document = excluded.document
    where sites.version < excluded.version";

const MATCHES: &str = "
    insert into matches (id, site_id, version, document)
    select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::jsonb[]) as t (id)
    where not exists (select from deleted_documents where id = t.id)
    on conflict (id) do update set site_id = excluded.site_id, version = excluded.version,
        document = excluded.document
    where matches.version < excluded.version";

const DELETED: &str = "
    insert into deleted_documents (id) select unnest($1::uuid[]) on conflict do nothing";

// Of what is said of a seat only what stands last in the journal counts, whenever it is heard.
const LAST_WORDS: &str = "
    with word as (
        insert into blocked_words (match_id, seat_id, place)
        select m, s, place::bigint[] from unnest($1::uuid[], $2::int[], $3::text[])
            as t (m, s, place)
        on conflict (match_id, seat_id) do update set place = excluded.place
        where blocked_words.place < excluded.place
        returning match_id, seat_id)";

const BLOCK: &str = "
    insert into blocked_seats (match_id, seat_id)
    select match_id, seat_id from word on conflict do nothing";

const UNBLOCK: &str = "
    delete from blocked_seats where (match_id, seat_id) in (select match_id, seat_id from word)";

/// Payments refused because an earlier sale has these seats of theirs.
pub type Lost = Vec<(PaymentId, Vec<SeatId>)>;

/// What the journal says about accounts and the catalogue, the last word per id.
#[derive(Default)]
struct Documents {
    accounts: HashMap<Uuid, Account>,
    sites: HashMap<SiteId, Option<Site>>,
    matches: HashMap<MatchId, Option<Match>>,
    /// Whether the seat is blocked, and the place of what said so.
    blocked: HashMap<(MatchId, SeatId), (Position, bool)>,
    /// Dead letters that the journal has brought again.
    replayed: Vec<Position>,
}

type Payments<'a> = Vec<Told<'a>>;

/// A fact, and the place in the journal that it counts as.
pub(super) type Placed<'a> = (Position, &'a Fact);

impl Store {
    /// Applies entries of one partition in order and moves its position from `from` to `upto`, in
    /// one transaction.
    ///
    /// # Errors
    /// `Moved` when the position is not `from`: another worker has moved it, or PostgreSQL has lost
    /// what it had. Nothing is applied then.
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
        let facts: Vec<Placed<'_>> = facts.collect();
        let lost = write(&transaction, partition, &facts).await?;
        let moved: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&number, &(upto.ms as i64), &(upto.seq as i64)];
        let statement = transaction.prepare_cached(MOVE_POSITION).await?;
        transaction.execute(&statement, &moved).await?;
        transaction.commit().await?;
        Ok(lost)
    }
}

/// Epoch and journal id in the first three columns of a row.
pub(super) fn position_in(row: &Row) -> Position {
    let number = |column: usize| row.get::<_, i64>(column) as u64;
    Position { epoch: number(0), id: StreamId { ms: number(1), seq: number(2) } }
}

pub(super) async fn write(
    transaction: &Transaction<'_>,
    partition: Partition,
    facts: &[Placed<'_>],
) -> Result<Lost, StoreError> {
    let (documents, payments) = sort(facts);
    dead_letters::remove(transaction, partition, &documents.replayed).await?;
    write_documents(transaction, documents).await?;
    if payments.is_empty() {
        return Ok(vec![]);
    }
    let (expected, others): (Payments<'_>, Payments<'_>) =
        payments.iter().copied().partition(|told| told.step == PaymentStep::Approved);
    let (guard, mut holders) = futures::try_join!(
        Guard::read(transaction, &payments),
        read_holders(transaction, &others)
    )?;
    // An outcome that is expected, which is half of all entries, moves no seats.
    let unexpected: Payments<'_> =
        expected.into_iter().filter(|told| !guard.expects(told.fact)).collect();
    holders.extend(read_holders(transaction, &unexpected).await?);
    let fold = Fold::of(&payments, holders, guard)?;
    fold.write(transaction).await?;
    Ok(fold.lost)
}

fn sort<'a>(facts: &[Placed<'a>]) -> (Documents, Payments<'a>) {
    let mut documents = Documents::default();
    let mut payments = Vec::new();
    for (place, fact) in facts {
        match fact {
            Fact::Account(account) => {
                documents.accounts.insert(account.id.0, account.clone());
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
                    *last = (*last).max((*place, *blocked));
                }
            }
            Fact::DeadLetterReplayed(letter) => documents.replayed.push(*letter),
            Fact::Payment(step, fact) => payments.push(Told { step: *step, fact, place: *place }),
            // A letter in a letter: `apply` has taken the fact out of the only one that there is.
            Fact::Late(..) => {}
        }
    }
    (documents, payments)
}

/// Takes the newest version of a document that was not deleted: a dead letter may bring an older
/// one.
fn put<K: Hash + Eq, V: Clone>(
    documents: &mut HashMap<K, Option<V>>,
    id: K,
    one: &V,
    version: fn(&V) -> u64,
) {
    match documents.get(&id) {
        Some(None) => {}
        Some(Some(kept)) if version(kept) > version(one) => {}
        Some(Some(_)) | None => {
            documents.insert(id, Some(one.clone()));
        }
    }
}

async fn write_documents(
    transaction: &Transaction<'_>,
    documents: Documents,
) -> Result<(), StoreError> {
    if !documents.accounts.is_empty() {
        let list: Vec<Account> = documents.accounts.into_values().collect();
        let ids: Vec<Uuid> = list.iter().map(|account| account.id.0).collect();
        let emails: Vec<&str> = list.iter().map(|account| account.email.as_str()).collect();
        let hashes: Vec<&str> = list.iter().map(|account| account.password_hash.as_str()).collect();
        let roles: Vec<&str> = list.iter().map(|account| account.role.word()).collect();
        let made: Vec<f64> = list.iter().map(|account| account.created_at as f64).collect();
        transaction.execute(ACCOUNTS, &[&ids, &emails, &hashes, &roles, &made]).await?;
    }
    write_blocked(transaction, &documents.blocked).await?;
    let (sites, gone) = split(documents.sites);
    if !gone.is_empty() {
        let ids: Vec<Uuid> = gone.iter().map(|id| id.0).collect();
        transaction.execute(DELETED, &[&ids]).await?;
        transaction.execute("delete from sites where id = any($1)", &[&ids]).await?;
    }
    if !sites.is_empty() {
        let ids: Vec<Uuid> = sites.iter().map(|site| site.id.0).collect();
        let versions: Vec<i64> = sites.iter().map(|site| site.version as i64).collect();
        let documents: Vec<Json<&Site>> = sites.iter().map(Json).collect();
        transaction.execute(SITES, &[&ids, &versions, &documents]).await?;
    }
    let (matches, gone) = split(documents.matches);
    if !gone.is_empty() {
        let ids: Vec<Uuid> = gone.iter().map(|id| id.0).collect();
        transaction.execute(DELETED, &[&ids]).await?;
        transaction.execute("delete from matches where id = any($1)", &[&ids]).await?;
    }
    if !matches.is_empty() {
        let ids: Vec<Uuid> = matches.iter().map(|fixture| fixture.id.0).collect();
        let sites: Vec<Uuid> = matches.iter().map(|fixture| fixture.site_id.0).collect();
        let versions: Vec<i64> = matches.iter().map(|fixture| fixture.version as i64).collect();
        let documents: Vec<Json<&Match>> = matches.iter().map(Json).collect();
        transaction.execute(MATCHES, &[&ids, &sites, &versions, &documents]).await?;
    }
    Ok(())
}

async fn write_blocked(
    transaction: &Transaction<'_>,
    blocked: &HashMap<(MatchId, SeatId), (Position, bool)>,
) -> Result<(), StoreError> {
    for (statement, wanted) in [(BLOCK, true), (UNBLOCK, false)] {
        let words = || blocked.iter().filter(|(_, (_, blocked))| *blocked == wanted);
        let matches: Vec<Uuid> = words().map(|((fixture, _), _)| fixture.0).collect();
        let numbers: Vec<i32> = words().map(|((_, seat), _)| seat.0 as i32).collect();
        let places: Vec<String> = words().map(|(_, (place, _))| text_of(*place)).collect();
        if !matches.is_empty() {
            let statement = format!("{LAST_WORDS} {statement}");
            transaction.execute(&statement, &[&matches, &numbers, &places]).await?;
        }
    }
    Ok(())
}

fn split<K, V>(map: HashMap<K, Option<V>>) -> (Vec<V>, Vec<K>) {
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (key, value) in map {
        match value {
            Some(value) => kept.push(value),
            None => gone.push(key),
        }
    }
    (kept, gone)
}
