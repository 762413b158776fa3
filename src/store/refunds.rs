//! Refunds as rows: what goes back of a payment, by number, and how far it has come.

use crate::domain::claim::join_seats;
use crate::domain::fact::{PaymentFact, PaymentStep};
use crate::domain::ids::SeatId;
use crate::domain::money::Money;
use crate::store::StoreError;
use deadpool_postgres::Transaction;
use uuid::Uuid;

const REFUNDS: &str = "
    insert into refunds (payment_id, number, seats, amount, status, code, begun_at, updated_at)
    select id, number, string_to_array(seats, ',')::int[], amount, status, code,
        to_timestamp(at / 1000.0), to_timestamp(at / 1000.0)
    from unnest($1::uuid[], $2::int[], $3::text[], $4::bigint[], $5::text[], $6::text[],
        $7::float8[]) as t (id, number, seats, amount, status, code, at)
    on conflict (payment_id, number) do update set status = excluded.status,
        code = excluded.code, updated_at = excluded.updated_at
    where refunds.status <> 'DONE'";

/// One refund after a step.
pub(super) struct Refund<'a> {
    pub(super) number: u32,
    seats: &'a [SeatId],
    /// In KRW.
    amount: i64,
    status: &'static str,
    fact: &'a PaymentFact,
}

impl<'a> Refund<'a> {
    /// What a step says of a refund; `None` for steps that are not about one.
    pub(super) fn of(step: PaymentStep, fact: &'a PaymentFact) -> Option<Self> {
        let status = match step {
            PaymentStep::RefundOwed | PaymentStep::RefundBegun => "BEGUN",
            PaymentStep::RefundRefused => "REFUSED",
            PaymentStep::RefundDone | PaymentStep::Refunded => "DONE",
            PaymentStep::Begun
            | PaymentStep::Approved
            | PaymentStep::Declined
            | PaymentStep::Withdrawn
            | PaymentStep::Lost => return None,
        };
        let Money { refund, part, part_seats, .. } = &fact.money;
        let (number, seats, amount) = match step {
            PaymentStep::RefundOwed => (0, &fact.seats, fact.amount),
            // Of a release that knew only one refund, of all.
            _ if part_seats.is_empty() => (1, &fact.seats, fact.amount),
            _ => (*refund, part_seats, *part),
        };
        Some(Self { number, seats, amount, status, fact })
    }
}

/// Writes the refunds of a batch.
pub(super) async fn write<'a>(
    transaction: &Transaction<'_>,
    refunds: impl Iterator<Item = &'a Refund<'a>>,
) -> Result<(), StoreError> {
    let rows: Vec<&Refund> = refunds.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.fact.payment.0).collect();
    let numbers: Vec<i32> = rows.iter().map(|row| row.number as i32).collect();
    let seats: Vec<String> = rows.iter().map(|row| join_seats(row.seats)).collect();
    let amounts: Vec<i64> = rows.iter().map(|row| row.amount).collect();
    let status: Vec<&str> = rows.iter().map(|row| row.status).collect();
    let codes: Vec<Option<&str>> = rows.iter().map(|row| row.fact.code.as_deref()).collect();
    let at: Vec<f64> = rows.iter().map(|row| row.fact.at as f64).collect();
    let statement = transaction.prepare_cached(REFUNDS).await?;
    transaction
        .execute(&statement, &[&ids, &numbers, &seats, &amounts, &status, &codes, &at])
        .await?;
    Ok(())
}
