//! Refunds as rows: each has its payment, its number and how far it has come.

use crate::domain::fact::{PaymentFact, PaymentStep};
use crate::domain::ids::SeatId;
use crate::domain::money::Money;
use crate::domain::seat::join_seats;
use crate::store::StoreError;
use crate::store::status::RefundRowStatus;
use deadpool_postgres::Transaction;
use uuid::Uuid;

const WRITE: &str = "
    insert into refunds
        (payment_id, number, seats, amount, fee, status, code, begun_at, updated_at)
    select id, number, string_to_array(seats, ',')::int[], amount, fee, status, code,
        to_timestamp(at / 1000.0), to_timestamp(at / 1000.0)
    from unnest($1::uuid[], $2::int[], $3::text[], $4::bigint[], $5::text[], $6::text[],
        $7::float8[], $8::bigint[]) as t (id, number, seats, amount, status, code, at, fee)
    on conflict (payment_id, number) do update set status = excluded.status,
        code = excluded.code, updated_at = excluded.updated_at
    where refunds.status <> 'DONE'";

/// A refund after a step.
pub(super) struct ChangedRefund<'a> {
    pub(super) number: u32,
    seats: &'a [SeatId],
    /// In KRW.
    amount: i64,
    /// In KRW.
    fee: i64,
    status: RefundRowStatus,
    fact: &'a PaymentFact,
}

impl<'a> ChangedRefund<'a> {
    /// The refund that a step changes; `None` for a step that is not about a refund.
    pub(super) fn of(step: PaymentStep, fact: &'a PaymentFact) -> Option<Self> {
        let status = match step {
            PaymentStep::RefundOwed | PaymentStep::RefundBegun => RefundRowStatus::Begun,
            PaymentStep::RefundRefused => RefundRowStatus::Refused,
            PaymentStep::RefundDone | PaymentStep::Refunded => RefundRowStatus::Done,
            PaymentStep::Begun
            | PaymentStep::Approved
            | PaymentStep::Declined
            | PaymentStep::Withdrawn
            | PaymentStep::Lost => return None,
        };
        let Money { refund, part, part_seats, part_fee, .. } = &fact.money;
        let (number, seats, amount, fee) = match step {
            PaymentStep::RefundOwed => (0, &fact.seats, fact.amount, 0),
            // An old release wrote this fact. It had one refund per payment, of all seats.
            _ if part_seats.is_empty() => (1, &fact.seats, fact.amount, 0),
            _ => (*refund, part_seats, *part, *part_fee),
        };
        Some(Self { number, seats, amount, fee, status, fact })
    }
}

/// Writes the refunds of a batch.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    rows: &[&ChangedRefund<'_>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.fact.payment.0).collect();
    let numbers: Vec<i32> = rows.iter().map(|row| row.number as i32).collect();
    let seats: Vec<String> = rows.iter().map(|row| join_seats(row.seats)).collect();
    let amounts: Vec<i64> = rows.iter().map(|row| row.amount).collect();
    let fees: Vec<i64> = rows.iter().map(|row| row.fee).collect();
    let status: Vec<&str> = rows.iter().map(|row| row.status.word()).collect();
    let codes: Vec<Option<&str>> = rows.iter().map(|row| row.fact.code.as_deref()).collect();
    let at: Vec<f64> = rows.iter().map(|row| row.fact.at as f64).collect();
    let statement = transaction.prepare_cached(WRITE).await?;
    transaction
        .execute(&statement, &[&ids, &numbers, &seats, &amounts, &status, &codes, &at, &fees])
        .await?;
    Ok(())
}
