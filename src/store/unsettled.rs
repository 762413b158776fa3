//! Payments that are not settled: they have no outcome yet, or their money is on its way back.

use crate::domain::ids::{MatchId, Partition, PaymentId, SeatId};
use crate::domain::money::{Attempt, Money, Refund};
use crate::store::columns::{number_in, seats_in};
use crate::store::payments::attempt_in;
use crate::store::status::PaymentRowStatus;
use crate::store::{Store, StoreError};
use tokio_postgres::Row;

/// A payment that has no outcome yet, or whose money is on its way back.
#[derive(Debug, Clone)]
pub struct Unsettled {
    pub attempt: Attempt,
    pub state: UnsettledState,
    /// How long it has waited, in seconds.
    pub age_s: f64,
}

/// What a payment waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnsettledState {
    /// Its outcome at the gateway.
    Outcome,
    /// Its end in Redis. PostgreSQL refused the claim because an earlier sale has these seats, and
    /// Redis may not know that yet. The gateway must never be asked to charge such a payment.
    Lost(Vec<SeatId>),
    /// The money of this refund.
    Refund(Refund, Money),
}

const UNSETTLED: &str = "
    select p.id as payment_id, r.id as reservation_id, r.match_id, r.user_id, r.seats, r.amount,
        p.method, p.payment_key, p.attempt, p.status,
        extract(epoch from now() - p.written_at)::float8 as age_s, array(
            select seat_id from claims where match_id = r.match_id and seat_id = any(r.seats)
        ) as claimed_seats,
        f.number as refund, f.amount as refund_amount, f.seats as refund_seats,
        f.fee as refund_fee, coalesce((select sum(fee) from refunds
            where payment_id = p.id and status = 'DONE'), 0)::bigint as earlier_fees
    from payments p
    join reservations r on r.id = p.reservation_id
    left join refunds f on p.refunding and f.payment_id = p.id and f.status = 'BEGUN'
    where (p.status in ('IN_PROGRESS', 'LOST') or p.refunding)";

impl Store {
    /// Up to `count` unsettled payments of some partitions, the oldest first, whose rows are at
    /// least `age_ms` old. Both ends of the age are by the clock of PostgreSQL.
    pub async fn unsettled(
        &self,
        partitions: &[Partition],
        age_ms: i64,
        count: i64,
    ) -> Result<Vec<Unsettled>, StoreError> {
        let connection = self.connection().await?;
        let text = format!(
            "{UNSETTLED}
               and partition_of(p.id) = any($1)
               and p.written_at <= now() - $2::float8 * interval '1 millisecond'
             order by p.written_at limit $3"
        );
        let statement = connection.prepare_cached(&text).await?;
        let numbers: Vec<i32> = partitions.iter().map(|partition| partition.0.into()).collect();
        let rows = connection.query(&statement, &[&numbers, &(age_ms as f64), &count]).await?;
        Ok(rows.iter().map(Unsettled::from_row).collect())
    }

    /// Whether a match has an unsettled payment.
    pub async fn is_unsettled(&self, match_id: MatchId) -> Result<bool, StoreError> {
        let connection = self.connection().await?;
        let text = format!("select exists ({UNSETTLED} and r.match_id = $1) as found");
        Ok(connection.query_one(&text, &[&match_id.0]).await?.get("found"))
    }

    /// What one payment waits for now; `None` when it is settled.
    pub async fn unsettled_one(&self, id: PaymentId) -> Result<Option<Unsettled>, StoreError> {
        let connection = self.connection().await?;
        let statement = connection.prepare_cached(&format!("{UNSETTLED} and p.id = $1")).await?;
        Ok(connection.query_opt(&statement, &[&id.0]).await?.as_ref().map(Unsettled::from_row))
    }
}

impl Unsettled {
    fn from_row(row: &Row) -> Self {
        let attempt = attempt_in(row);
        let refund: Option<i32> = row.get("refund");
        let state = match (row.get("status"), refund) {
            (_, Some(_)) => refund_in(row, &attempt),
            (PaymentRowStatus::Lost, None) => UnsettledState::Lost(seats_in(row, "claimed_seats")),
            (
                PaymentRowStatus::InProgress
                | PaymentRowStatus::Paid
                | PaymentRowStatus::Failed
                | PaymentRowStatus::Withdrawn
                | PaymentRowStatus::Refunded,
                None,
            ) => UnsettledState::Outcome,
        };
        Self { attempt, state, age_s: row.get("age_s") }
    }
}

fn refund_in(row: &Row, attempt: &Attempt) -> UnsettledState {
    let (number, part) = (number_in(row, "refund"), row.get("refund_amount"));
    let part_seats = seats_in(row, "refund_seats");
    let (part_fee, back_fees): (i64, i64) = (row.get("refund_fee"), row.get("earlier_fees"));
    let whole = number == 0 || part_seats.len() == attempt.seats.len();
    // The fees stay at the gateway.
    let everything = whole && part_fee == 0 && back_fees == 0;
    let amount = (!everything).then_some(part);
    let refund = Refund { payment: attempt.payment, number, amount };
    let money = Money {
        attempt: attempt.number,
        refund: number,
        part,
        part_seats,
        part_fee,
        ..Money::default()
    };
    UnsettledState::Refund(refund, money)
}
