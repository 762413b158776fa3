//! Reading what is kept: reservations and payments of people, and what is not settled yet.

use crate::domain::claim::{ClaimPayment, PaymentStatus, Reservation, ReservationStatus};
use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::store::{Store, StoreError};
use tokio_postgres::Row;

pub(super) const COLUMNS: &str = "
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

impl Store {
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
}

pub(super) fn reservation(row: &Row) -> Reservation {
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

pub(super) fn seat_ids(numbers: Vec<i32>) -> Vec<SeatId> {
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
