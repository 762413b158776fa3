//! Payments as they are kept, one after the other, for `verify`.

use crate::domain::ids::PaymentId;
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A payment as PostgreSQL keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPayment {
    pub id: PaymentId,
    /// `IN_PROGRESS`, `LOST`, `PAID`, `FAILED`, `WITHDRAWN` or `REFUNDED`.
    pub status: String,
    /// In KRW.
    pub amount: i64,
    /// What went back of it, in KRW.
    pub back: i64,
    /// It has an outcome, and no money is on its way.
    pub settled: bool,
}

impl Store {
    /// Those of these payments that have a row.
    pub async fn known_payments(
        &self,
        payments: &BTreeSet<PaymentId>,
    ) -> Result<BTreeSet<PaymentId>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
        let known = "select id from payments where id = any($1)";
        let rows = connection.query(known, &[&ids]).await?;
        Ok(rows.iter().map(|row| PaymentId(row.get(0))).collect())
    }

    /// Up to `count` payments behind one, in the order of their ids.
    pub async fn payments_after(
        &self,
        after: Option<PaymentId>,
        count: i64,
    ) -> Result<Vec<KeptPayment>, StoreError> {
        let connection = self.connection().await?;
        let after = after.map_or(Uuid::nil(), |payment| payment.0);
        let page = "
            select id, status, amount, status <> 'IN_PROGRESS' and not refunding,
                coalesce((select sum(amount) from refunds
                    where payment_id = payments.id and status = 'DONE'), 0)::bigint
            from payments where id > $1 order by id limit $2";
        let rows = connection.query(page, &[&after, &count]).await?;
        let payments = rows.iter().map(|row| KeptPayment {
            id: PaymentId(row.get(0)),
            status: row.get(1),
            amount: row.get(2),
            back: row.get(4),
            settled: row.get(3),
        });
        Ok(payments.collect())
    }
}
