//! What is not settled yet: payments without an outcome, and money on its way back.

use crate::domain::ids::{MatchId, Partition, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::{Attempt, Money, Refund};
use crate::store::reservations::seat_ids;
use crate::store::{Store, StoreError};
use tokio_postgres::Row;

/// A payment that has no outcome yet, or whose money is on its way back.
#[derive(Debug, Clone)]
pub struct Unsettled {
    pub attempt: Attempt,
    pub state: UnsettledState,
}

/// What a payment waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnsettledState {
    /// Its outcome at the gateway.
    Outcome,
    /// The claim was refused, and Redis may not know it yet: the seats that an earlier sale has.
    /// The gateway must never be asked to charge such a payment.
    Lost(Vec<SeatId>),
    /// Money on its way back, for these seats.
    Refund(Refund, Money),
}

const UNSETTLED: &str = "
    select p.id, r.id, r.match_id, r.user_id, r.seats, r.amount, p.method, p.payment_key,
        p.attempt, p.status, array(
            select seat_id from claims where match_id = r.match_id and seat_id = any(r.seats)),
        f.number, f.amount, f.seats
    from payments p
    join reservations r on r.id = p.reservation_id
    left join refunds f on p.refunding and f.payment_id = p.id and f.status = 'BEGUN'
    where (p.status in ('IN_PROGRESS', 'LOST') or p.refunding)";

impl Store {
    /// Payments of some partitions that have been without an outcome for `age_ms` or longer by the
    /// clock of PostgreSQL, which has also stamped them; the oldest first.
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
        let numbers: Vec<i32> = partitions.iter().map(|one| i32::from(one.0)).collect();
        let rows = connection.query(&statement, &[&numbers, &(age_ms as f64), &count]).await?;
        Ok(rows.iter().map(unsettled).collect())
    }

    /// Whether a payment of a match waits for anything.
    pub async fn is_unsettled(&self, match_id: MatchId) -> Result<bool, StoreError> {
        let connection = self.connection().await?;
        let text = format!("select exists ({UNSETTLED} and r.match_id = $1)");
        Ok(connection.query_one(&text, &[&match_id.0]).await?.get(0))
    }

    /// What one payment waits for now; `None` when it is settled.
    pub async fn unsettled_one(&self, id: PaymentId) -> Result<Option<Unsettled>, StoreError> {
        let connection = self.connection().await?;
        let statement = connection.prepare_cached(&format!("{UNSETTLED} and p.id = $1")).await?;
        Ok(connection.query_opt(&statement, &[&id.0]).await?.as_ref().map(unsettled))
    }
}

fn unsettled(row: &Row) -> Unsettled {
    let attempt = attempt_of(row);
    let state = match (row.get(9), row.get::<_, Option<i32>>(11)) {
        (_, Some(number)) => {
            let (part, part_seats) = (row.get(12), seat_ids(row.get(13)));
            let whole = number == 0 || part_seats.len() == attempt.seats.len();
            let amount = (!whole).then_some(part);
            let refund = Refund { payment: attempt.payment, number: number as u32, amount };
            let money = Money {
                attempt: attempt.number,
                refund: number as u32,
                part,
                part_seats,
                ..Money::default()
            };
            UnsettledState::Refund(refund, money)
        }
        ("LOST", None) => UnsettledState::Lost(seat_ids(row.get(10))),
        (_, None) => UnsettledState::Outcome,
    };
    Unsettled { attempt, state }
}

/// The attempt of a payment whose row begins with its columns: payment, reservation, match, user,
/// seats, amount, method, key, attempt.
pub(super) fn attempt_of(row: &Row) -> Attempt {
    Attempt {
        payment: PaymentId(row.get(0)),
        reservation: ReservationId(row.get(1)),
        match_id: MatchId(row.get(2)),
        user: UserId(row.get(3)),
        seats: seat_ids(row.get(4)),
        amount: row.get(5),
        method: row.get(6),
        payment_key: row.get(7),
        number: row.get::<_, i32>(8) as u32,
    }
}
