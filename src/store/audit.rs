//! Reads for `grandstand verify`, which compares the rows with Redis and with the gateway.

use crate::domain::ids::{MatchId, Partition, PaymentId, ReservationId, SeatId};
use crate::store::columns::seat_in;
use crate::store::status::PaymentRowStatus;
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use tokio_postgres::Row;
use uuid::Uuid;

/// A payment as PostgreSQL has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPayment {
    pub id: PaymentId,
    pub status: PaymentRowStatus,
    /// In KRW.
    pub amount: i64,
    /// The amount that went back, in KRW.
    pub back: i64,
    /// What the organiser keeps of the seats that went back, in KRW.
    pub fees: i64,
    /// It has an outcome, and no money is on its way.
    pub settled: bool,
}

const PAYMENTS: &str = "
    select id, status, amount, status <> 'IN_PROGRESS' and not refunding as settled,
        coalesce((select sum(amount) from refunds
            where payment_id = payments.id and status = 'DONE'), 0)::bigint as back,
        coalesce((select sum(fee) from refunds
            where payment_id = payments.id and status = 'DONE'), 0)::bigint as fees
    from payments where id > $1 order by id limit $2";

const STRAY_CLAIMS: &str = "
    select c.match_id, c.seat_id from claims c left join reservations r
        on r.id = c.reservation_id and r.status in ('PAYING', 'CONFIRMED')
            and c.seat_id = any (r.seats) and c.match_id = r.match_id
    where c.match_id = any ($1) and r.id is null";

const NOT_PAID_ONCE: &str = "
    select r.id, count(p.id) as paid from reservations r
        left join payments p on p.reservation_id = r.id and p.status = 'PAID'
    where r.match_id = any ($1) and r.status = 'CONFIRMED' and r.amount > 0
    group by r.id having count(p.id) <> 1";

impl Store {
    /// The payments that have a row, among `payments`.
    pub async fn known_payments(
        &self,
        payments: &BTreeSet<PaymentId>,
    ) -> Result<BTreeSet<PaymentId>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
        let known = "select id from payments where id = any($1)";
        let rows = connection.query(known, &[&ids]).await?;
        Ok(rows.iter().map(|row| PaymentId(row.get("id"))).collect())
    }

    /// A page of payments in the order of their ids: up to `count` with ids greater than `after`.
    pub async fn payments_after(
        &self,
        after: Option<PaymentId>,
        count: i64,
    ) -> Result<Vec<KeptPayment>, StoreError> {
        let connection = self.connection().await?;
        let after = after.map_or(Uuid::nil(), |payment| payment.0);
        let rows = connection.query(PAYMENTS, &[&after, &count]).await?;
        Ok(rows.iter().map(KeptPayment::from_row).collect())
    }

    /// The seats of a partition whose claim names no reservation that may have it.
    pub async fn stray_claims(
        &self,
        partition: Partition,
    ) -> Result<Vec<(MatchId, SeatId)>, StoreError> {
        let matches = self.claimed_matches(partition).await?;
        let connection = self.connection().await?;
        let rows = connection.query(STRAY_CLAIMS, &[&matches]).await?;
        let seats = rows.iter().map(|row| (MatchId(row.get("match_id")), seat_in(row, "seat_id")));
        Ok(seats.collect())
    }

    /// The sales of a partition that cost something and have no payment that is PAID, or several:
    /// with the number of those payments.
    pub async fn sales_not_paid_once(
        &self,
        partition: Partition,
    ) -> Result<Vec<(ReservationId, i64)>, StoreError> {
        let matches = self.claimed_matches(partition).await?;
        let connection = self.connection().await?;
        let rows = connection.query(NOT_PAID_ONCE, &[&matches]).await?;
        Ok(rows.iter().map(|row| (ReservationId(row.get("id")), row.get("paid"))).collect())
    }
}

impl KeptPayment {
    fn from_row(row: &Row) -> Self {
        Self {
            id: PaymentId(row.get("id")),
            status: row.get("status"),
            amount: row.get("amount"),
            back: row.get("back"),
            fees: row.get("fees"),
            settled: row.get("settled"),
        }
    }
}
