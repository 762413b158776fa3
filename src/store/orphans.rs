//! What PostgreSQL knows of payments and seats that the worker has found in Redis, to see whether
//! somebody there owns them.

use crate::domain::ids::{MatchId, PaymentId, SeatId};
use crate::store::{Store, StoreError};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

const PAYMENTS: &str = "
    select p.id, p.status, p.attempt, p.refunding, r.last
    from unnest($1::uuid[]) as t (id)
    cross join lateral (select * from payments where id = t.id limit 1) p
    left join lateral (select max(number) as last from refunds where payment_id = p.id) r on true";

const CLAIMED: &str = "
    select c.seat_id from unnest($2::int[]) as t (seat)
    cross join lateral (
        select seat_id from claims where match_id = $1 and seat_id = t.seat limit 1) c";

/// How far PostgreSQL is with a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptState {
    pub status: KeptStatus,
    /// The attempt that the status is about.
    pub attempt: u32,
    /// Money is on its way back.
    pub refunding: bool,
    /// The greatest number of a refund; 0 without any.
    pub last_refund: u32,
}

/// What a payment is in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptStatus {
    /// It waits for its outcome, or for the word that its seats are lost: the reconciler sees to
    /// it.
    Waits,
    /// It has the money, or has given all of it back.
    Paid,
    /// It ended without money.
    Ended,
}

impl Store {
    /// How far some payments are; those that PostgreSQL does not know are left out.
    pub async fn payment_states(
        &self,
        payments: &[PaymentId],
    ) -> Result<HashMap<PaymentId, KeptState>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
        let statement = connection.prepare_cached(PAYMENTS).await?;
        let rows = connection.query(&statement, &[&ids]).await?;
        let states = rows.iter().map(|row| {
            let status = match row.get(1) {
                "IN_PROGRESS" | "LOST" => KeptStatus::Waits,
                "PAID" | "REFUNDED" => KeptStatus::Paid,
                _ => KeptStatus::Ended,
            };
            let state = KeptState {
                status,
                attempt: row.get::<_, i32>(2) as u32,
                refunding: row.get(3),
                last_refund: row.get::<_, Option<i32>>(4).unwrap_or_default() as u32,
            };
            (PaymentId(row.get(0)), state)
        });
        Ok(states.collect())
    }

    /// Which of these seats somebody claims.
    pub async fn claimed_among(
        &self,
        fixture: MatchId,
        seats: &[SeatId],
    ) -> Result<HashSet<SeatId>, StoreError> {
        let connection = self.connection().await?;
        let numbers: Vec<i32> = seats.iter().map(|seat| seat.0 as i32).collect();
        let statement = connection.prepare_cached(CLAIMED).await?;
        let rows = connection.query(&statement, &[&fixture.0, &numbers]).await?;
        Ok(rows.iter().map(|row| SeatId(row.get::<_, i32>(0) as u32)).collect())
    }
}
