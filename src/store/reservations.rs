//! Reading what is kept: reservations and payments of people, and what is not settled yet.

use crate::domain::account::{Account, Role};
use crate::domain::catalog::{Match, Site};
use crate::domain::claim::{ClaimPayment, PaymentStatus, Reservation, ReservationStatus};
use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::store::{Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

const COLUMNS: &str = "
    select r.id, r.match_id, r.user_id, r.status, r.seats, r.amount,
        (extract(epoch from r.created_at) * 1000)::bigint,
        p.id, p.method, p.status, p.payment_key, coalesce(p.refunding, false)
    from reservations r
    left join lateral (
        select * from payments where reservation_id = r.id order by begun_at desc, id desc limit 1
    ) p on true";

/// A payment that has no outcome yet, or whose money is on its way back.
#[derive(Debug, Clone)]
pub struct Unsettled {
    pub payment: PaymentId,
    pub reservation: ReservationId,
    pub match_id: MatchId,
    pub user: UserId,
    pub seats: Vec<SeatId>,
    pub method: String,
    pub payment_key: String,
    /// In KRW.
    pub amount: i64,
    pub refunding: bool,
    /// The claim was refused, and Redis may not know it yet: the seats that an earlier sale has.
    /// The gateway must never be asked to charge such a payment.
    pub sold: Option<Vec<SeatId>>,
}

/// What PostgreSQL says of the claim of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRow {
    /// The seats are claimed for it, and it has no outcome yet: it may be charged.
    Standing,
    /// An earlier sale has these seats.
    Lost(Vec<SeatId>),
    /// No such payment, or one that has ended: it must not be charged.
    Missing,
}

impl Store {
    /// The claim of a payment as it is committed: the last word before money moves.
    pub async fn claim_row(&self, payment: PaymentId) -> Result<ClaimRow, StoreError> {
        let connection = self.connection().await?;
        let statement = connection
            .prepare_cached(
                "select p.status, array(
                    select seat_id from claims
                    where match_id = r.match_id and seat_id = any(r.seats)
                      and reservation_id <> r.id)
                 from payments p join reservations r on r.id = p.reservation_id where p.id = $1",
            )
            .await?;
        let row = connection.query_opt(&statement, &[&payment.0]).await?;
        Ok(row.map_or(ClaimRow::Missing, |row| match row.get(0) {
            "IN_PROGRESS" => ClaimRow::Standing,
            "LOST" => ClaimRow::Lost(seat_ids(row.get(1))),
            _ => ClaimRow::Missing,
        }))
    }

    /// The kept reservations of a user, newest first, at most `count`.
    pub async fn reservations_of(
        &self,
        user: UserId,
        count: i64,
    ) -> Result<Vec<Reservation>, StoreError> {
        let connection = self.connection().await?;
        let text = format!("{COLUMNS} where r.user_id = $1 order by r.created_at desc limit $2");
        let statement = connection.prepare_cached(&text).await?;
        let rows = connection.query(&statement, &[&user.0, &count]).await?;
        Ok(rows.iter().map(reservation).collect())
    }

    /// One kept reservation.
    pub async fn reservation(&self, id: ReservationId) -> Result<Option<Reservation>, StoreError> {
        let connection = self.connection().await?;
        let statement = connection.prepare_cached(&format!("{COLUMNS} where r.id = $1")).await?;
        Ok(connection.query_opt(&statement, &[&id.0]).await?.as_ref().map(reservation))
    }

    /// One kept payment, with its reservation as it is now.
    pub async fn payment(
        &self,
        id: PaymentId,
    ) -> Result<Option<(Reservation, ClaimPayment)>, StoreError> {
        let connection = self.connection().await?;
        let row = connection
            .query_opt(
                "select reservation_id, method, status, payment_key from payments where id = $1",
                &[&id.0],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let payment = ClaimPayment {
            id,
            method: row.get(1),
            status: payment_status(row.get(2)),
            key: row.get(3),
        };
        let reservation = self.reservation(ReservationId(row.get(0))).await?;
        Ok(reservation.map(|reservation| (reservation, payment)))
    }

    /// Payments of all partitions that have been without an outcome for `age_ms` or longer.
    pub async fn unsettled(&self, age_ms: i64, count: i64) -> Result<Vec<Unsettled>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection
            .query(
                "select p.id, r.id, r.match_id, p.payment_key, p.amount, p.refunding,
                    case when p.status = 'LOST' then array(
                        select seat_id from claims
                        where match_id = r.match_id and seat_id = any(r.seats)) end,
                    r.user_id, r.seats, p.method
                 from payments p join reservations r on r.id = p.reservation_id
                 where (p.status in ('IN_PROGRESS', 'LOST') or p.refunding)
                   and p.updated_at <= now() - $1::float8 * interval '1 millisecond'
                 order by p.updated_at limit $2",
                &[&(age_ms as f64), &count],
            )
            .await?;
        let unsettled = rows.iter().map(|row| Unsettled {
            payment: PaymentId(row.get(0)),
            reservation: ReservationId(row.get(1)),
            match_id: MatchId(row.get(2)),
            user: UserId(row.get(7)),
            seats: seat_ids(row.get(8)),
            method: row.get(9),
            payment_key: row.get(3),
            amount: row.get(4),
            refunding: row.get(5),
            sold: row.get::<_, Option<Vec<i32>>>(6).map(seat_ids),
        });
        Ok(unsettled.collect())
    }

    /// All accounts, for a rebuild.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection
            .query(
                "select id, email, password_hash, role,
                    (extract(epoch from created_at) * 1000)::bigint from accounts",
                &[],
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

    /// The whole catalogue, for a rebuild.
    pub async fn catalog(&self) -> Result<(Vec<Site>, Vec<Match>), StoreError> {
        let connection = self.connection().await?;
        let sites = connection.query("select document from sites", &[]).await?;
        let matches = connection.query("select document from matches", &[]).await?;
        let sites = sites.iter().map(|row| row.get::<_, Json<Site>>(0).0).collect();
        let matches = matches.iter().map(|row| row.get::<_, Json<Match>>(0).0).collect();
        Ok((sites, matches))
    }

    /// All blocked seats, for a rebuild.
    pub async fn blocked_seats(&self) -> Result<Vec<(MatchId, SeatId)>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query("select match_id, seat_id from blocked_seats", &[]).await?;
        let seat = |row: &Row| (MatchId(row.get(0)), SeatId(row.get::<_, i32>(1) as u32));
        Ok(rows.iter().map(seat).collect())
    }

    /// All reservations that have claims, for a rebuild.
    pub async fn claimed_reservations(&self) -> Result<Vec<Reservation>, StoreError> {
        let connection = self.connection().await?;
        let text = format!("{COLUMNS} where r.status in ('PAYING', 'CONFIRMED')");
        Ok(connection.query(&text, &[]).await?.iter().map(reservation).collect())
    }
}

fn reservation(row: &Row) -> Reservation {
    let payment = row.get::<_, Option<uuid::Uuid>>(7).map(|id| ClaimPayment {
        id: PaymentId(id),
        method: row.get(8),
        status: payment_status(row.get(9)),
        key: row.get(10),
    });
    let seats: Vec<i32> = row.get(4);
    Reservation {
        id: ReservationId(row.get(0)),
        match_id: MatchId(row.get(1)),
        user: UserId(row.get(2)),
        status: match row.get(3) {
            "CONFIRMED" => ReservationStatus::Confirmed,
            "CANCELLED" => ReservationStatus::Cancelled,
            "PAYING" => ReservationStatus::Paying,
            // What lives on in Redis alone; when Redis does not know it any more, it is over.
            _ => ReservationStatus::Expired,
        },
        seats: seat_ids(seats),
        amount: row.get(5),
        expires_at: None,
        created_at: row.get(6),
        payment,
        refunding: row.get(11),
    }
}

fn seat_ids(numbers: Vec<i32>) -> Vec<SeatId> {
    numbers.into_iter().map(|number| SeatId(number as u32)).collect()
}

fn payment_status(word: &str) -> PaymentStatus {
    match word {
        "PAID" => PaymentStatus::Paid,
        "REFUNDED" => PaymentStatus::Refunded,
        "IN_PROGRESS" => PaymentStatus::InProgress,
        _ => PaymentStatus::Failed,
    }
}
