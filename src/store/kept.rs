//! All that PostgreSQL keeps of one partition, for a rebuild and for `verify`.

use crate::domain::account::{Account, Role};
use crate::domain::catalog::{Match, Site};
use crate::domain::claim::Reservation;
use crate::domain::ids::{MatchId, Partition, ReservationId, SeatId, UserId};
use crate::store::reservations::{COLUMNS, reservation};
use crate::store::{Store, StoreError};
use std::collections::HashSet;
use tokio_postgres::types::Json;
use uuid::Uuid;

// One look into the index per match, however many seats are sold. Those that are archived are in
// PostgreSQL alone.
const CLAIMED_MATCHES: &str = "
    with recursive one (id) as (
        (select match_id from claims order by match_id limit 1)
        union all
        select (select match_id from claims where match_id > one.id order by match_id limit 1)
        from one where one.id is not null)
    select id from one where partition_of(id) = $1 and not exists (
        select 1 from matches m
        where m.id = one.id and (m.document ->> 'archived')::boolean)";

const BLOCKED: &str = "
    select match_id, seat_id from blocked_seats b where partition_of(match_id) = $1 and not exists (
        select 1 from matches m
        where m.id = b.match_id and (m.document ->> 'archived')::boolean)";

const STRAY_CLAIMS: &str = "
    select c.match_id, c.seat_id from claims c left join reservations r
        on r.id = c.reservation_id and r.status in ('PAYING', 'CONFIRMED')
            and c.seat_id = any (r.seats) and c.match_id = r.match_id
    where c.match_id = any ($1) and r.id is null";

impl Store {
    /// The accounts of a partition.
    pub async fn accounts(&self, partition: Partition) -> Result<Vec<Account>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection
            .query(
                "select id, email, password_hash, role,
                    (extract(epoch from created_at) * 1000)::bigint
                 from accounts where partition_of(id) = $1",
                &[&i32::from(partition.0)],
            )
            .await?;
        let accounts = rows.iter().map(|row| Account {
            id: UserId(row.get(0)),
            email: row.get(1),
            password_hash: row.get(2),
            role: if row.get::<_, &str>(3) == "ADMIN" { Role::Admin } else { Role::User },
            created_at: row.get(4),
        });
        Ok(accounts.collect())
    }

    /// The catalogue of a partition.
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
        let sites = sites.iter().map(|row| Ok(row.try_get::<_, Json<Site>>(0)?.0));
        let matches = matches.iter().map(|row| Ok(row.try_get::<_, Json<Match>>(0)?.0));
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
        let rows = connection.query(BLOCKED, &[&i32::from(partition.0)]).await?;
        Ok(rows.iter().map(seat).collect())
    }

    /// The reservations of a partition that have claims, PAYING and CONFIRMED, without those of
    /// archived matches.
    pub async fn claimed_reservations(
        &self,
        partition: Partition,
    ) -> Result<Vec<Reservation>, StoreError> {
        let matches = self.claimed_matches(partition).await?;
        let connection = self.connection().await?;
        let text = format!(
            "{COLUMNS} where r.match_id = any ($1) and r.status in ('PAYING', 'CONFIRMED')"
        );
        Ok(connection.query(&text, &[&matches]).await?.iter().map(reservation).collect())
    }

    /// Seats of a partition that are claimed by nothing that may claim them.
    pub async fn stray_claims(
        &self,
        partition: Partition,
    ) -> Result<Vec<(MatchId, SeatId)>, StoreError> {
        let matches = self.claimed_matches(partition).await?;
        let connection = self.connection().await?;
        Ok(connection.query(STRAY_CLAIMS, &[&matches]).await?.iter().map(seat).collect())
    }

    /// Those of some matches that are archived.
    pub async fn archived_matches(&self, ids: &[MatchId]) -> Result<HashSet<MatchId>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let text = "select id from matches
            where id = any ($1) and (document ->> 'archived')::boolean";
        let rows = connection.query(text, &[&ids]).await?;
        Ok(rows.iter().map(|row| MatchId(row.get(0))).collect())
    }

    /// Those of some reservations that are CONFIRMED.
    pub async fn confirmed(
        &self,
        ids: &[ReservationId],
    ) -> Result<HashSet<ReservationId>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let text = "select id from reservations where id = any ($1) and status = 'CONFIRMED'";
        let rows = connection.query(text, &[&ids]).await?;
        Ok(rows.iter().map(|row| ReservationId(row.get(0))).collect())
    }

    async fn claimed_matches(&self, partition: Partition) -> Result<Vec<Uuid>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query(CLAIMED_MATCHES, &[&i32::from(partition.0)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

fn seat(row: &tokio_postgres::Row) -> (MatchId, SeatId) {
    (MatchId(row.get(0)), SeatId(row.get::<_, i32>(1) as u32))
}
