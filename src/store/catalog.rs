//! The catalogue as rows: sites, matches and blocked seats.

use crate::domain::catalog::{Match, Site};
use crate::domain::ids::{MatchId, Partition, SeatId, SiteId};
use crate::domain::position::Position;
use crate::store::columns::{array_text, seat_in};
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use std::collections::{HashMap, HashSet};
use tokio_postgres::types::Json;
use uuid::Uuid;

// The seats of archived matches are in PostgreSQL alone, so nobody asks for them.
const BLOCKED_SEATS: &str = "
    select match_id, seat_id from blocked_seats b where partition_of(match_id) = $1 and not exists (
        select 1 from matches m
        where m.id = b.match_id and (m.document ->> 'archived')::boolean)";

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

// Only the last statement about a seat in the order of the journal counts. A dead letter may bring
// an earlier one late.
const NEWEST_STATEMENTS: &str = "
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

impl Store {
    /// The sites and matches of a partition.
    pub async fn catalog(
        &self,
        partition: Partition,
    ) -> Result<(Vec<Site>, Vec<Match>), StoreError> {
        let connection = self.connection().await?;
        let number = i32::from(partition.0);
        let sites = "select document from sites where partition_of(id) = $1";
        let sites = connection.query(sites, &[&number]).await?;
        let matches = "select document from matches where partition_of(id) = $1";
        let matches = connection.query(matches, &[&number]).await?;
        let sites = sites.iter().map(|row| Ok(row.try_get::<_, Json<Site>>("document")?.0));
        let matches = matches.iter().map(|row| Ok(row.try_get::<_, Json<Match>>("document")?.0));
        let sites: Result<_, tokio_postgres::Error> = sites.collect();
        let matches: Result<_, tokio_postgres::Error> = matches.collect();
        Ok((sites?, matches?))
    }

    /// The blocked seats of a partition, without those of archived matches.
    pub async fn blocked_seats(
        &self,
        partition: Partition,
    ) -> Result<Vec<(MatchId, SeatId)>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query(BLOCKED_SEATS, &[&i32::from(partition.0)]).await?;
        let seats = rows.iter().map(|row| (MatchId(row.get("match_id")), seat_in(row, "seat_id")));
        Ok(seats.collect())
    }

    /// How many people were drawn for a match, as PostgreSQL has it.
    pub async fn drawn(&self, id: MatchId) -> Result<Option<u32>, StoreError> {
        const DRAWN: &str = "select (document ->> 'drawn')::int from matches where id = $1";
        let row = self.connection().await?.query_opt(DRAWN, &[&id.0]).await?;
        let drawn: Option<i32> = row.and_then(|row| row.get(0));
        Ok(drawn.and_then(|drawn| u32::try_from(drawn).ok()))
    }

    /// The archived matches among `ids`.
    pub async fn archived_matches(&self, ids: &[MatchId]) -> Result<HashSet<MatchId>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let text = "select id from matches
            where id = any ($1) and (document ->> 'archived')::boolean";
        let rows = connection.query(text, &[&ids]).await?;
        Ok(rows.iter().map(|row| MatchId(row.get("id"))).collect())
    }
}

/// Writes the sites of a batch; `None` for one that was deleted.
pub(super) async fn write_sites(
    transaction: &Transaction<'_>,
    sites: HashMap<SiteId, Option<Site>>,
) -> Result<(), StoreError> {
    let (sites, deleted) = split(sites);
    if !deleted.is_empty() {
        let ids: Vec<Uuid> = deleted.iter().map(|id| id.0).collect();
        transaction.execute(DELETED, &[&ids]).await?;
        transaction.execute("delete from sites where id = any($1)", &[&ids]).await?;
    }
    if !sites.is_empty() {
        let ids: Vec<Uuid> = sites.iter().map(|site| site.id.0).collect();
        let versions: Vec<i64> = sites.iter().map(|site| site.version as i64).collect();
        let documents: Vec<Json<&Site>> = sites.iter().map(Json).collect();
        transaction.execute(SITES, &[&ids, &versions, &documents]).await?;
    }
    Ok(())
}

/// Writes the matches of a batch; `None` for one that was deleted.
pub(super) async fn write_matches(
    transaction: &Transaction<'_>,
    matches: HashMap<MatchId, Option<Match>>,
) -> Result<(), StoreError> {
    let (matches, deleted) = split(matches);
    if !deleted.is_empty() {
        let ids: Vec<Uuid> = deleted.iter().map(|id| id.0).collect();
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

fn split<K, V>(documents: HashMap<K, Option<V>>) -> (Vec<V>, Vec<K>) {
    let (mut kept, mut deleted) = (Vec::new(), Vec::new());
    for (id, document) in documents {
        match document {
            Some(document) => kept.push(document),
            None => deleted.push(id),
        }
    }
    (kept, deleted)
}

/// Writes which seats are blocked, with the position of the entry that says so.
pub(super) async fn write_blocked(
    transaction: &Transaction<'_>,
    statements: &HashMap<(MatchId, SeatId), (Position, bool)>,
) -> Result<(), StoreError> {
    for (statement, wanted) in [(BLOCK, true), (UNBLOCK, false)] {
        let rows = || statements.iter().filter(|(_, (_, blocked))| *blocked == wanted);
        let matches: Vec<Uuid> = rows().map(|((fixture, _), _)| fixture.0).collect();
        let seats: Vec<i32> = rows().map(|((_, seat), _)| seat.0 as i32).collect();
        let positions: Vec<String> = rows().map(|(_, (at, _))| array_text(*at)).collect();
        if !matches.is_empty() {
            let statement = format!("{NEWEST_STATEMENTS} {statement}");
            transaction.execute(&statement, &[&matches, &seats, &positions]).await?;
        }
    }
    Ok(())
}
