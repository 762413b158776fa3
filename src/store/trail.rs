//! The audit trail as rows. They are only ever added; a trigger refuses everything else.

use crate::domain::check_in::CheckIn;
use crate::domain::ids::{MatchId, ReservationId};
use crate::domain::position::Position;
use crate::domain::trail::{TrailEntry, match_target};
use crate::store::columns::seat_in;
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use serde_json::Value;
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

// A journal entry may come twice, for example as a replayed dead letter.
const WRITE: &str = "
    insert into trail (id, at, actor, role, address, act, target, before, after)
    select id, to_timestamp(ms / 1000.0), actor, role, address, act, target, before, after
    from unnest($1::uuid[], $2::float8[], $3::uuid[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::jsonb[], $9::jsonb[])
        as t (id, ms, actor, role, address, act, target, before, after)
    on conflict do nothing";

const PAGE: &str = "
    select number, id, at, actor, role, address, act, target, before, after from trail
    where number < $1 and ($2::uuid is null or actor = $2) and ($3::text is null or target = $3)
        and ($4::text is null or act = $4)
    order by number desc limit $5";

// `target` is the match, so the index of the targets finds the entries. Of several check-ins of a
// seat, the last one counts.
const CHECK_INS: &str = "
    select target, at, (after ->> 'seatId')::int as seat_id,
        (after ->> 'reservationId')::uuid as reservation_id
    from trail where target = any ($1) and act = 'CHECKED_IN' order by number";

/// Which entries to read.
#[derive(Debug, Clone, Default)]
pub struct TrailFilter {
    /// Only entries with a lower number.
    pub before: Option<i64>,
    pub actor: Option<Uuid>,
    pub target: Option<String>,
    pub act: Option<String>,
}

/// An entry as PostgreSQL has it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrailRow {
    /// It grows in the order in which PostgreSQL got the entries.
    pub number: i64,
    pub id: Uuid,
    pub at: jiff::Timestamp,
    pub actor: Option<Uuid>,
    pub role: Option<String>,
    pub address: String,
    pub act: String,
    pub target: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl Store {
    /// Entries of the audit trail, the newest first; `limit` at most.
    pub async fn trail(
        &self,
        filter: &TrailFilter,
        limit: i64,
    ) -> Result<Vec<TrailRow>, StoreError> {
        let before = filter.before.unwrap_or(i64::MAX);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&before, &filter.actor, &filter.target, &filter.act, &limit];
        let rows = self.connection().await?.query(PAGE, &values).await?;
        Ok(rows.iter().map(TrailRow::from_row).collect())
    }
}

impl Store {
    /// The check-ins of these matches, in the order in which PostgreSQL got them.
    pub async fn check_ins(&self, matches: &[MatchId]) -> Result<Vec<CheckIn>, StoreError> {
        let of: HashMap<String, MatchId> =
            matches.iter().map(|id| (match_target(*id), *id)).collect();
        let targets: Vec<&String> = of.keys().collect();
        let rows = self.connection().await?.query(CHECK_INS, &[&targets]).await?;
        let check_in = |row: &Row| {
            let at: jiff::Timestamp = row.get("at");
            Some(CheckIn {
                match_id: *of.get(row.get::<_, &str>("target"))?,
                seat: seat_in(row, "seat_id"),
                reservation: ReservationId(row.get("reservation_id")),
                at_ms: at.as_millisecond(),
            })
        };
        Ok(rows.iter().filter_map(check_in).collect())
    }
}

impl TrailRow {
    fn from_row(row: &Row) -> Self {
        let json = |name| row.get::<_, Option<Json<Value>>>(name).map(|Json(value)| value);
        Self {
            number: row.get("number"),
            id: row.get("id"),
            at: row.get("at"),
            actor: row.get("actor"),
            role: row.get("role"),
            address: row.get("address"),
            act: row.get("act"),
            target: row.get("target"),
            before: json("before"),
            after: json("after"),
        }
    }
}

/// Writes the entries of a batch. An entry has the time of its place in the journal.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    entries: &[(Position, &TrailEntry)],
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let of = |read: fn(&TrailEntry) -> String| -> Vec<String> {
        entries.iter().map(|(_, entry)| read(entry)).collect()
    };
    let json = |read: fn(&TrailEntry) -> &Value| -> Vec<Option<Json<&Value>>> {
        let values = entries.iter().map(|(_, entry)| read(entry));
        values.map(|value| (!value.is_null()).then_some(Json(value))).collect()
    };
    let ids: Vec<Uuid> = entries.iter().map(|(_, entry)| entry.id).collect();
    let times: Vec<f64> = entries.iter().map(|(position, _)| position.id.ms as f64).collect();
    let actors: Vec<Option<Uuid>> =
        entries.iter().map(|(_, entry)| entry.actor.map(|actor| actor.0)).collect();
    let roles: Vec<Option<&str>> =
        entries.iter().map(|(_, entry)| entry.role.map(|role| role.word())).collect();
    let addresses = of(|entry| entry.address.clone());
    let acts = of(|entry| entry.act.word());
    let targets = of(|entry| entry.target.clone());
    let (before, after) = (json(|entry| &entry.before), json(|entry| &entry.after));
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] =
        [&ids, &times, &actors, &roles, &addresses, &acts, &targets, &before, &after];
    transaction.execute(WRITE, &values).await?;
    Ok(())
}
