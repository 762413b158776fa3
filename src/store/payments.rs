//! Payments as rows.

use crate::domain::claim::{ClaimPayment, Reservation};
use crate::domain::fact::PaymentFact;
use crate::domain::ids::{MatchId, PaymentId, ReservationId, UserId};
use crate::domain::money::{Attempt, Money};
use crate::domain::position::Position;
use crate::store::columns::{array_text, number_in, seats_in};
use crate::store::status::PaymentRowStatus;
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

/// A payment as PostgreSQL has it, to compare it with what the gateway has.
#[derive(Debug, Clone)]
pub struct PaymentRow {
    /// Its last attempt. Seats and amount are what is still paid for, or, when it was never paid,
    /// what would have been.
    pub attempt: Attempt,
    pub standing: Standing,
    /// The amount that went back, in KRW.
    pub back: i64,
    /// What the organiser keeps of the seats that went back, in KRW.
    pub fees: i64,
    /// The greatest number of a refund; 0 without any.
    pub last_refund: u32,
}

/// What a payment waits for, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits for its outcome at the gateway. The time is the age of the row.
    Waits(Duration),
    /// Its money is on its way back, or its seats are lost: the reconciler acts on it.
    Ending,
    /// Its money is here, all or a part of it.
    Paid,
    /// It ended without money.
    Failed,
    /// All of its money went back.
    Refunded,
}

/// How far PostgreSQL is with a payment, to compare it with what Redis has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentProgress {
    pub status: PaymentRowStatus,
    /// The attempt that the status is about.
    pub attempt: u32,
    /// Money is on its way back.
    pub refunding: bool,
    /// The greatest number of a refund; 0 without any.
    pub last_refund: u32,
}

const PAYMENT: &str = "
    select reservation_id, method, status, payment_key, amount, attempt,
        coalesce((select sum(amount) from refunds
            where payment_id = $1 and status = 'DONE'), 0)::bigint as back,
        coalesce((select sum(fee) from refunds
            where payment_id = $1 and status = 'DONE'), 0)::bigint as fees
    from payments where id = $1";

const ROWS: &str = "
    select p.id as payment_id, r.id as reservation_id, r.match_id, r.user_id, r.seats,
        case when p.status = 'PAID' then r.amount else p.amount end as amount,
        p.method, p.payment_key, p.attempt, p.status, p.refunding,
        extract(epoch from now() - p.written_at)::float8 as age_s, f.back, f.fees, f.last_refund
    from unnest($1::uuid[]) as t (id)
    cross join lateral (select * from payments where id = t.id limit 1) p
    join reservations r on r.id = p.reservation_id
    left join lateral (
        select coalesce(sum(amount) filter (where status = 'DONE'), 0)::bigint as back,
            coalesce(sum(fee) filter (where status = 'DONE'), 0)::bigint as fees,
            coalesce(max(number), 0) as last_refund
        from refunds where payment_id = p.id) f on true";

const PROGRESS: &str = "
    select p.id, p.status, p.attempt, p.refunding, r.last_refund
    from unnest($1::uuid[]) as t (id)
    cross join lateral (select * from payments where id = t.id limit 1) p
    left join lateral (
        select max(number) as last_refund from refunds where payment_id = p.id) r on true";

// A payment whose money is back stays REFUNDED: a late fact must not change it.
const WRITE: &str = "
    insert into payments (id, reservation_id, order_id, payment_key, method, amount, status, code,
        refunding, attempt, begun_at, updated_at, begun_place, last_place, written_at)
    select id, reservation_id, order_id, key, method, amount, status, code, refunding, attempt,
        to_timestamp(at / 1000.0), to_timestamp(at / 1000.0), begun::bigint[], last::bigint[],
        now()
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[],
        $7::text[], $8::text[], $9::bool[], $10::int[], $11::float8[], $12::text[], $13::text[])
        as t (id, reservation_id, order_id, key, method, amount, status, code, refunding, attempt,
            at, begun, last)
    on conflict (id) do update set payment_key = excluded.payment_key, status = excluded.status,
        code = excluded.code, refunding = excluded.refunding, attempt = excluded.attempt,
        updated_at = excluded.updated_at, written_at = excluded.written_at,
        begun_place = greatest(payments.begun_place, excluded.begun_place),
        last_place = greatest(payments.last_place, excluded.last_place)
    where payments.status <> 'REFUNDED'";

impl Store {
    /// One payment, with its reservation as it is now.
    pub async fn payment(
        &self,
        id: PaymentId,
    ) -> Result<Option<(Reservation, ClaimPayment)>, StoreError> {
        let connection = self.connection().await?;
        let Some(row) = connection.query_opt(PAYMENT, &[&id.0]).await? else { return Ok(None) };
        let (attempt, back) = (number_in(&row, "attempt"), row.get("back"));
        let back_fees = row.get("fees");
        let payment = ClaimPayment {
            id,
            method: row.get("method"),
            status: row.get::<_, PaymentRowStatus>("status").shown(),
            key: row.get("payment_key"),
            amount: row.get("amount"),
            money: Money { attempt, back, back_fees, ..Money::default() },
        };
        let reservation = self.reservation(ReservationId(row.get("reservation_id"))).await?;
        Ok(reservation.map(|reservation| (reservation, payment)))
    }

    /// The rows of some payments, by payment; those without a row are left out.
    pub async fn payment_rows(
        &self,
        payments: &[PaymentId],
    ) -> Result<HashMap<PaymentId, PaymentRow>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
        let statement = connection.prepare_cached(ROWS).await?;
        let rows = connection.query(&statement, &[&ids]).await?;
        Ok(rows.iter().map(PaymentRow::from_row).map(|row| (row.attempt.payment, row)).collect())
    }

    /// How far some payments are; those without a row are left out.
    pub async fn payment_progress(
        &self,
        payments: &[PaymentId],
    ) -> Result<HashMap<PaymentId, PaymentProgress>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
        let statement = connection.prepare_cached(PROGRESS).await?;
        let rows = connection.query(&statement, &[&ids]).await?;
        let progress =
            rows.iter().map(|row| (PaymentId(row.get("id")), PaymentProgress::from_row(row)));
        Ok(progress.collect())
    }
}

impl PaymentRow {
    fn from_row(row: &Row) -> Self {
        let age = Duration::from_secs_f64(row.get::<_, f64>("age_s").max(0.0));
        let standing = match (row.get("status"), row.get("refunding")) {
            (_, true) | (PaymentRowStatus::Lost, _) => Standing::Ending,
            (PaymentRowStatus::InProgress, false) => Standing::Waits(age),
            (PaymentRowStatus::Paid, false) => Standing::Paid,
            (PaymentRowStatus::Refunded, false) => Standing::Refunded,
            (PaymentRowStatus::Failed | PaymentRowStatus::Withdrawn, false) => Standing::Failed,
        };
        Self {
            attempt: attempt_in(row),
            standing,
            back: row.get("back"),
            fees: row.get("fees"),
            last_refund: number_in(row, "last_refund"),
        }
    }
}

impl PaymentProgress {
    fn from_row(row: &Row) -> Self {
        Self {
            status: row.get("status"),
            attempt: number_in(row, "attempt"),
            refunding: row.get("refunding"),
            last_refund: number_in(row, "last_refund"),
        }
    }
}

/// The attempt of a payment, from a row that joins it with its reservation.
pub(super) fn attempt_in(row: &Row) -> Attempt {
    Attempt {
        payment: PaymentId(row.get("payment_id")),
        reservation: ReservationId(row.get("reservation_id")),
        match_id: MatchId(row.get("match_id")),
        user: UserId(row.get("user_id")),
        seats: seats_in(row, "seats"),
        amount: row.get("amount"),
        method: row.get("method"),
        payment_key: row.get("payment_key"),
        number: number_in(row, "attempt"),
    }
}

/// A payment after the steps of a batch.
pub(super) struct ChangedPayment<'a> {
    pub fact: &'a PaymentFact,
    pub status: PaymentRowStatus,
    pub refunding: bool,
    /// Where the payment begins in the journal, when this batch has its begin.
    pub begun: Option<Position>,
    /// Where its last step is in the journal.
    pub last: Position,
}

/// Writes the payments of a batch.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    rows: &[&ChangedPayment<'_>],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.fact.payment.0).collect();
    let reservations: Vec<Uuid> = rows.iter().map(|row| row.fact.reservation.0).collect();
    let orders: Vec<String> = rows.iter().map(|row| row.fact.payment.order_id()).collect();
    let keys: Vec<&str> = rows.iter().map(|row| row.fact.key.as_str()).collect();
    let methods: Vec<&str> = rows.iter().map(|row| row.fact.method.as_str()).collect();
    let amounts: Vec<i64> = rows.iter().map(|row| row.fact.amount).collect();
    let status: Vec<&str> = rows.iter().map(|row| row.status.word()).collect();
    let codes: Vec<Option<&str>> = rows.iter().map(|row| row.fact.code.as_deref()).collect();
    let refunding: Vec<bool> = rows.iter().map(|row| row.refunding).collect();
    let attempts: Vec<i32> = rows.iter().map(|row| row.fact.money.attempt as i32).collect();
    let at: Vec<f64> = rows.iter().map(|row| row.fact.at as f64).collect();
    let begun: Vec<String> =
        rows.iter().map(|row| row.begun.map_or_else(|| "{}".to_owned(), array_text)).collect();
    let last: Vec<String> = rows.iter().map(|row| array_text(row.last)).collect();
    let statement = transaction.prepare_cached(WRITE).await?;
    transaction
        .execute(
            &statement,
            &[
                &ids,
                &reservations,
                &orders,
                &keys,
                &methods,
                &amounts,
                &status,
                &codes,
                &refunding,
                &attempts,
                &at,
                &begun,
                &last,
            ],
        )
        .await?;
    Ok(())
}
