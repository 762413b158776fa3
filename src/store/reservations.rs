//! Reading what is kept: reservations and payments of people, accounts, the catalogue.

use crate::domain::claim::{
    ClaimPayment, PaymentStatus, Reservation, ReservationStatus, parse_seats,
};
use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::Money;
use crate::store::{Store, StoreError};
use tokio_postgres::Row;

pub(super) const COLUMNS: &str = "
    select r.id, r.match_id, r.user_id, r.status, r.seats, r.amount,
        (extract(epoch from r.created_at) * 1000)::bigint,
        p.id, p.method, p.status, p.payment_key, coalesce(p.refunding, false),
        p.amount, p.attempt, f.last, f.part, f.part_seats, f.back, f.back_seats
    from reservations r
    left join lateral (
        select * from payments where reservation_id = r.id
        order by begun_place desc, begun_at desc, id desc limit 1
    ) p on true
    left join lateral (
        select coalesce(max(number), 0) as last,
            coalesce(sum(amount) filter (where status = 'BEGUN'), 0)::bigint as part,
            string_agg(array_to_string(seats, ','), ',') filter (where status = 'BEGUN')
                as part_seats,
            coalesce(sum(amount) filter (where status = 'DONE'), 0)::bigint as back,
            string_agg(array_to_string(seats, ','), ',') filter (where status = 'DONE')
                as back_seats
        from refunds where payment_id = p.id
    ) f on true";

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
                "select reservation_id, method, status, payment_key, amount, attempt,
                    coalesce((select sum(amount) from refunds
                        where payment_id = $1 and status = 'DONE'), 0)::bigint
                 from payments where id = $1",
                &[&id.0],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (attempt, back) = (row.get::<_, i32>(5) as u32, row.get(6));
        let payment = ClaimPayment {
            id,
            method: row.get(1),
            status: payment_status(row.get(2)),
            key: row.get(3),
            amount: row.get(4),
            money: Money { attempt, back, ..Money::default() },
        };
        let reservation = self.reservation(ReservationId(row.get(0))).await?;
        Ok(reservation.map(|reservation| (reservation, payment)))
    }
}

pub(super) fn reservation(row: &Row) -> Reservation {
    let payment = row.get::<_, Option<uuid::Uuid>>(7).map(|id| ClaimPayment {
        id: PaymentId(id),
        method: row.get(8),
        status: payment_status(row.get(9)),
        key: row.get(10),
        amount: row.get(12),
        money: money(row),
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

fn money(row: &Row) -> Money {
    let seats = |column: usize| {
        parse_seats(row.get::<_, Option<&str>>(column).unwrap_or_default()).unwrap_or_default()
    };
    Money {
        attempt: row.get::<_, i32>(13) as u32,
        refund: row.get::<_, i32>(14) as u32,
        part: row.get(15),
        part_seats: seats(16),
        back: row.get(17),
        back_seats: seats(18),
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
