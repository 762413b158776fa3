//! The payments of a reservation, each with its refunds.

use crate::domain::claim::PaymentStatus;
use crate::domain::ids::{PaymentId, ReservationId, SeatId};
use crate::store::columns::seats_in;
use crate::store::status::{PaymentRowStatus, RefundRowStatus};
use crate::store::{Store, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

/// A payment that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastPayment {
    pub id: PaymentId,
    pub method: String,
    /// In KRW.
    pub amount: i64,
    pub status: PaymentStatus,
    /// Why it failed: the gateway's code, or a word of ours.
    pub code: Option<String>,
    /// Milliseconds.
    pub begun_at: i64,
    /// Milliseconds.
    pub updated_at: i64,
    pub refunds: Vec<PastRefund>,
}

/// Money on its way back, or gone back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRefund {
    pub seats: Vec<SeatId>,
    /// In KRW.
    pub amount: i64,
    /// What the organiser keeps, in KRW.
    pub fee: i64,
    pub status: RefundRowStatus,
    /// The gateway's code when it refused.
    pub code: Option<String>,
    /// Milliseconds.
    pub begun_at: i64,
    /// Milliseconds.
    pub updated_at: i64,
}

const PAYMENTS: &str = "
    select id, method, amount, status, code,
        (extract(epoch from begun_at) * 1000)::bigint as begun_at,
        (extract(epoch from updated_at) * 1000)::bigint as updated_at
    from payments where reservation_id = $1 order by begun_place, begun_at, id";

const REFUNDS: &str = "
    select payment_id, seats, amount, fee, status, code,
        (extract(epoch from begun_at) * 1000)::bigint as begun_at,
        (extract(epoch from updated_at) * 1000)::bigint as updated_at
    from refunds where payment_id = any ($1) order by number";

impl Store {
    /// The payments of a reservation that have begun, the first one first.
    pub async fn payments_of(&self, id: ReservationId) -> Result<Vec<PastPayment>, StoreError> {
        let connection = self.connection().await?;
        let statement = connection.prepare_cached(PAYMENTS).await?;
        let rows = connection.query(&statement, &[&id.0]).await?;
        let mut payments: Vec<PastPayment> = rows.iter().map(PastPayment::from_row).collect();
        let ids: Vec<Uuid> = payments.iter().map(|payment| payment.id.0).collect();
        let statement = connection.prepare_cached(REFUNDS).await?;
        for row in connection.query(&statement, &[&ids]).await? {
            let of = PaymentId(row.get("payment_id"));
            if let Some(payment) = payments.iter_mut().find(|payment| payment.id == of) {
                payment.refunds.push(PastRefund::from_row(&row));
            }
        }
        Ok(payments)
    }
}

impl PastPayment {
    fn from_row(row: &Row) -> Self {
        let status: PaymentRowStatus = row.get("status");
        let ours = match status {
            PaymentRowStatus::Lost => Some("SEAT_SOLD"),
            PaymentRowStatus::Withdrawn => Some("WITHDRAWN"),
            PaymentRowStatus::InProgress
            | PaymentRowStatus::Paid
            | PaymentRowStatus::Failed
            | PaymentRowStatus::Refunded => None,
        };
        Self {
            id: PaymentId(row.get("id")),
            method: row.get("method"),
            amount: row.get("amount"),
            status: status.shown(),
            code: row.get::<_, Option<String>>("code").or(ours.map(str::to_owned)),
            begun_at: row.get("begun_at"),
            updated_at: row.get("updated_at"),
            refunds: vec![],
        }
    }
}

impl PastRefund {
    fn from_row(row: &Row) -> Self {
        Self {
            seats: seats_in(row, "seats"),
            amount: row.get("amount"),
            fee: row.get("fee"),
            status: row.get("status"),
            code: row.get("code"),
            begun_at: row.get("begun_at"),
            updated_at: row.get("updated_at"),
        }
    }
}
