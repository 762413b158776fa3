//! A payment and one of its refunds as they are committed. This read is the final check before
//! money moves, and before a caller hears that a sale is committed. Every confirmation makes it, so
//! callers share queries: one query runs at a time, and callers that come meanwhile share the next.
//! No timer delays anybody.

use crate::domain::ids::{PaymentId, SeatId};
use crate::store::columns::{number_in, seats_in};
use crate::store::status::{PaymentRowStatus, RefundRowStatus};
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_postgres::Row;
use uuid::Uuid;

/// A query takes milliseconds. Without a reply within this time the caller reports that payments
/// pause: a longer time keeps buyers waiting, a shorter one gives up on a server that is only slow.
const QUERY_TIMEOUT: Duration = Duration::from_secs(3);

const ROWS: &str = "
    select t.id, t.number as asked, p.attempt, p.status, case when p.status = 'LOST' then array(
        select seat_id from claims
        where match_id = p.match_id and seat_id = any (p.seats)
            and reservation_id <> p.reservation_id) end as sold_seats,
        f.status as refund_status, f.seats as refund_seats
    from unnest($1::uuid[], $2::int[]) as t (id, number)
    cross join lateral (
        select x.status, x.attempt, r.match_id, r.seats, x.reservation_id
        from payments x join lateral (
            select match_id, seats from reservations where id = x.reservation_id limit 1
        ) r on true
        where x.id = t.id limit 1) p
    left join lateral (
        select status, seats from refunds
        where payment_id = t.id and number = t.number limit 1) f on true";

/// The state of an attempt to pay in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRow {
    /// It has its claim, and no outcome yet: it may be charged.
    Standing,
    /// An earlier sale has these seats.
    Lost(Vec<SeatId>),
    /// It is paid, and its seats are sold.
    Paid,
    /// There is no such attempt, or it has ended: it must not be charged.
    Missing,
}

/// The state of a refund in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundRow {
    /// It has begun: the money may go back.
    Begun,
    /// The money is back.
    Done,
    /// The gateway has refused it: no money may go back for it.
    Refused,
    /// There is no such refund of these seats: no money may go back for it.
    Missing,
}

/// A payment as it is committed.
#[derive(Debug, Clone)]
struct CommittedPayment {
    attempt: u32,
    claim: ClaimRow,
    /// The refund with the number that was asked for.
    refund: Option<KeptRefund>,
}

#[derive(Debug, Clone)]
struct KeptRefund {
    state: RefundRow,
    /// Sorted.
    seats: Vec<SeatId>,
}

/// `None` when the payment has no row.
type Reply = Result<Option<CommittedPayment>, StoreError>;

/// A payment, and the number of the refund that the caller asks about.
type Asked = (PaymentId, u32);

type Callers = Vec<(Asked, oneshot::Sender<Reply>)>;

/// Refund 0 returns money that was charged although the seats could not be given.
const OWED: u32 = 0;

/// The callers that wait for the next query, and whether a task runs queries.
#[derive(Default)]
pub(super) struct Waiting {
    callers: Callers,
    asking: bool,
}

pub(super) type SharedWaiting = std::sync::Arc<Mutex<Waiting>>;

/// The task that runs the queries. If it ends early, by a panic or with its runtime, the callers
/// that wait get an error, and the next caller starts another task.
struct Asking {
    waiting: SharedWaiting,
    done: bool,
}

impl Asking {
    /// Takes the callers that wait now; `None` when nobody waits, and then the task ends.
    fn next_callers(&mut self) -> Option<Callers> {
        let mut waiting = self.waiting.lock();
        let callers = std::mem::take(&mut waiting.callers);
        waiting.asking = !callers.is_empty();
        self.done = callers.is_empty();
        waiting.asking.then_some(callers)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.done {
            let mut waiting = self.waiting.lock();
            waiting.callers.clear();
            waiting.asking = false;
        }
    }
}

impl Store {
    /// One attempt to pay, as it is committed.
    pub async fn claim_row(
        &self,
        payment: PaymentId,
        attempt: u32,
    ) -> Result<ClaimRow, StoreError> {
        let row = self.committed_payment((payment, OWED)).await?;
        let row = row.filter(|row| row.attempt == attempt);
        Ok(row.map_or(ClaimRow::Missing, |row| match row.claim {
            ClaimRow::Paid if row.refund.is_some() => ClaimRow::Missing,
            claim => claim,
        }))
    }

    /// One refund of a payment, of exactly these seats, as it is committed.
    pub async fn refund_row(
        &self,
        payment: PaymentId,
        number: u32,
        seats: &[SeatId],
    ) -> Result<RefundRow, StoreError> {
        let mut seats = seats.to_vec();
        seats.sort();
        let kept = self.committed_payment((payment, number)).await?.and_then(|row| row.refund);
        let same = kept.filter(|kept| kept.seats == seats);
        Ok(same.map_or(RefundRow::Missing, |kept| kept.state))
    }

    async fn committed_payment(&self, asked: Asked) -> Reply {
        let (sender, reply) = oneshot::channel();
        let first = {
            let mut waiting = self.committed.lock();
            waiting.callers.push((asked, sender));
            !std::mem::replace(&mut waiting.asking, true)
        };
        if first {
            // In a task of its own, because this caller may go away while others wait.
            tokio::spawn(self.clone().reply_to_all());
        }
        let lost = |_| Err(StoreError::Away("the task that asks has ended".to_owned()));
        reply.await.unwrap_or_else(lost)
    }

    async fn reply_to_all(self) {
        let mut asking = Asking { waiting: self.committed.clone(), done: false };
        while let Some(callers) = asking.next_callers() {
            self.reply_to(callers).await;
        }
    }

    async fn reply_to(&self, callers: Callers) {
        let asked: HashSet<Asked> = callers.iter().map(|(asked, _)| *asked).collect();
        // Callers that come meanwhile wait for this query as well, so it must end.
        let asked = tokio::time::timeout(QUERY_TIMEOUT, self.read_committed(asked)).await;
        match asked.unwrap_or_else(|_| Err(StoreError::Away("no reply".to_owned()))) {
            Ok(payments) => {
                for (asked, sender) in callers {
                    let _ = sender.send(Ok(payments.get(&asked).cloned()));
                }
            }
            Err(error) => {
                for (_, sender) in callers {
                    let _ = sender.send(Err(StoreError::Away(error.to_string())));
                }
            }
        }
    }

    async fn read_committed(
        &self,
        asked: HashSet<Asked>,
    ) -> Result<HashMap<Asked, CommittedPayment>, StoreError> {
        let (ids, numbers): (Vec<Uuid>, Vec<i32>) =
            asked.into_iter().map(|(payment, number)| (payment.0, number as i32)).unzip();
        let connection = self.connection().await?;
        let statement = connection.prepare_cached(ROWS).await?;
        let rows = connection.query(&statement, &[&ids, &numbers]).await?;
        let asked_in = |row: &Row| (PaymentId(row.get("id")), number_in(row, "asked"));
        Ok(rows.iter().map(|row| (asked_in(row), CommittedPayment::from_row(row))).collect())
    }
}

impl CommittedPayment {
    fn from_row(row: &Row) -> Self {
        let claim = match row.get("status") {
            PaymentRowStatus::InProgress => ClaimRow::Standing,
            PaymentRowStatus::Lost => ClaimRow::Lost(seats_in(row, "sold_seats")),
            PaymentRowStatus::Paid => ClaimRow::Paid,
            PaymentRowStatus::Failed | PaymentRowStatus::Withdrawn | PaymentRowStatus::Refunded => {
                ClaimRow::Missing
            }
        };
        Self { attempt: number_in(row, "attempt"), claim, refund: KeptRefund::from_row(row) }
    }
}

impl KeptRefund {
    /// `None` for a payment without this refund.
    fn from_row(row: &Row) -> Option<Self> {
        let state = match row.get::<_, Option<_>>("refund_status")? {
            RefundRowStatus::Begun => RefundRow::Begun,
            RefundRowStatus::Done => RefundRow::Done,
            RefundRowStatus::Refused => RefundRow::Refused,
        };
        let mut seats = seats_in(row, "refund_seats");
        seats.sort();
        Some(Self { state, seats })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_early_leaves_nobody_waiting() {
        let waiting = SharedWaiting::default();
        let (sender, reply) = oneshot::channel();
        let callers = vec![((PaymentId(Uuid::nil()), OWED), sender)];
        *waiting.lock() = Waiting { callers, asking: true };
        let asking = Asking { waiting: waiting.clone(), done: false };
        let task = tokio::spawn(async move {
            let _asking = asking;
            panic!("in the middle");
        });
        assert!(task.await.is_err() && reply.await.is_err());
        assert!(!waiting.lock().asking, "the next caller starts another task");
        let mut asking = Asking { waiting: waiting.clone(), done: false };
        assert!(asking.next_callers().is_none());
        waiting.lock().asking = true;
        drop(asking);
        assert!(waiting.lock().asking, "another task has begun meanwhile");
    }
}
