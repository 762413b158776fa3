//! How payments stand in PostgreSQL, to compare them with what the gateway says of them.

use crate::domain::ids::PaymentId;
use crate::domain::money::Attempt;
use crate::store::unsettled::attempt_of;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

/// A payment as PostgreSQL has it.
#[derive(Debug, Clone)]
pub struct PaymentRow {
    /// Its last attempt, with the seats and the amount that are still paid for, or, if it was not
    /// paid, would have been.
    pub attempt: Attempt,
    pub standing: Standing,
    /// What went back of it, in KRW.
    pub back: i64,
    /// The greatest number of a refund; 0 without any.
    pub last_refund: u32,
}

/// What a payment is in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits for its outcome at the gateway, since it was last written.
    Waits(Duration),
    /// Its money is on its way back, or its seats are lost: the reconciler sees to it.
    Ending,
    /// Its money is here, all or a part of it.
    Paid,
    /// It ended without money.
    Failed,
    /// All of its money went back.
    Refunded,
}

const KEPT: &str = "
    select p.id, r.id, r.match_id, r.user_id, r.seats,
        case when p.status = 'PAID' then r.amount else p.amount end,
        p.method, p.payment_key, p.attempt, p.status,
        p.refunding or p.status = 'LOST',
        extract(epoch from now() - p.written_at)::float8, f.back, f.last
    from unnest($1::uuid[]) as t (id)
    cross join lateral (select * from payments where id = t.id limit 1) p
    join reservations r on r.id = p.reservation_id
    left join lateral (
        select coalesce(sum(amount) filter (where status = 'DONE'), 0)::bigint as back,
            coalesce(max(number), 0) as last
        from refunds where payment_id = p.id) f on true";

impl Store {
    /// How some payments stand; those without a row are left out.
    pub async fn payment_rows(
        &self,
        payments: &[PaymentId],
    ) -> Result<HashMap<PaymentId, PaymentRow>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
        let statement = connection.prepare_cached(KEPT).await?;
        let rows = connection.query(&statement, &[&ids]).await?;
        Ok(rows.iter().map(payment_row).map(|row| (row.attempt.payment, row)).collect())
    }
}

fn payment_row(row: &Row) -> PaymentRow {
    let attempt = attempt_of(row);
    let since = Duration::from_secs_f64(row.get::<_, f64>(11).max(0.0));
    let standing = match (row.get(9), row.get(10)) {
        (_, true) => Standing::Ending,
        ("IN_PROGRESS", false) => Standing::Waits(since),
        ("PAID", false) => Standing::Paid,
        ("REFUNDED", false) => Standing::Refunded,
        (_, false) => Standing::Failed,
    };
    let last_refund = row.get::<_, i32>(13) as u32;
    PaymentRow { attempt, standing, back: row.get(12), last_refund }
}
