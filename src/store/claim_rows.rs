//! A payment and its last refund as they are committed: the last word before money moves, and
//! before a caller is told that a sale is kept. Every confirmation asks for it, so the ones that
//! wait are asked for together: no timer, one question at a time, and whatever came meanwhile goes
//! into the next.

use crate::domain::ids::{PaymentId, SeatId};
use crate::store::reservations::seat_ids;
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// An answer takes milliseconds; without one the caller says that payments pause.
const ANSWER: Duration = Duration::from_secs(3);

const ROWS: &str = "
    select t.id, p.attempt, p.status, case when p.status = 'LOST' then array(
        select seat_id from claims
        where match_id = p.match_id and seat_id = any (p.seats)
            and reservation_id <> p.reservation_id) end,
        f.number, f.status, f.seats
    from unnest($1::uuid[]) as t (id)
    cross join lateral (
        select x.status, x.attempt, r.match_id, r.seats, x.reservation_id
        from payments x join lateral (
            select match_id, seats from reservations where id = x.reservation_id limit 1
        ) r on true
        where x.id = t.id limit 1) p
    left join lateral (
        select number, status, seats from refunds
        where payment_id = t.id order by number desc limit 1) f on true";

/// What PostgreSQL says of an attempt to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRow {
    /// The seats are claimed for it, and it has no outcome yet: it may be charged.
    Standing,
    /// An earlier sale has these seats.
    Lost(Vec<SeatId>),
    /// It is paid, and its seats are sold.
    Paid,
    /// No such attempt, or one that has ended: it must not be charged.
    Missing,
}

/// What PostgreSQL says of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundRow {
    /// It has begun: the money may go back.
    Begun,
    /// The money is back.
    Done,
    /// No such refund of these seats, or one that was refused: no money may go back for it.
    Missing,
}

/// A payment as it is committed.
#[derive(Debug, Clone)]
struct PaymentRow {
    attempt: u32,
    claim: ClaimRow,
    last_refund: Option<LastRefund>,
}

/// The refund of a payment with the greatest number.
#[derive(Debug, Clone)]
struct LastRefund {
    number: u32,
    state: RefundRow,
    /// In order.
    seats: Vec<SeatId>,
}

/// Nothing when there is no such payment.
type Answer = Result<Option<PaymentRow>, StoreError>;

type Line = Vec<(PaymentId, oneshot::Sender<Answer>)>;

/// Who waits for an answer, and whether somebody is asking.
#[derive(Default)]
pub(super) struct Waiting {
    line: Line,
    asking: bool,
}

pub(super) type SharedWaiting = std::sync::Arc<Mutex<Waiting>>;

/// The task that asks for all who wait. If it ends in the middle, by a panic or with its runtime,
/// those who wait hear that nobody asked, and the next caller starts another task.
struct Asking {
    waiting: SharedWaiting,
    done: bool,
}

impl Asking {
    /// Those who wait now; `None` when there are none, and then nobody asks any more.
    fn line(&mut self) -> Option<Line> {
        let mut waiting = self.waiting.lock();
        let line = std::mem::take(&mut waiting.line);
        waiting.asking = !line.is_empty();
        self.done = line.is_empty();
        waiting.asking.then_some(line)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.done {
            let mut waiting = self.waiting.lock();
            waiting.line.clear();
            waiting.asking = false;
        }
    }
}

impl Store {
    /// The claim of one attempt to pay as it is committed.
    pub async fn claim_row(
        &self,
        payment: PaymentId,
        attempt: u32,
    ) -> Result<ClaimRow, StoreError> {
        let row = self.payment_row(payment).await?;
        let row = row.filter(|row| row.attempt == attempt);
        Ok(row.map_or(ClaimRow::Missing, |row| row.claim))
    }

    /// One refund of a payment, of just these seats, as it is committed.
    pub async fn refund_row(
        &self,
        payment: PaymentId,
        number: u32,
        seats: &[SeatId],
    ) -> Result<RefundRow, StoreError> {
        let mut seats = seats.to_vec();
        seats.sort();
        let last = self.payment_row(payment).await?.and_then(|row| row.last_refund);
        let same = last.filter(|last| last.number == number && last.seats == seats);
        Ok(same.map_or(RefundRow::Missing, |last| last.state))
    }

    async fn payment_row(&self, payment: PaymentId) -> Answer {
        let (sender, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.claim_rows.lock();
            waiting.line.push((payment, sender));
            !std::mem::replace(&mut waiting.asking, true)
        };
        if first {
            // Not in the caller: it may go away, and the others wait.
            tokio::spawn(self.clone().answer_all());
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Away("nobody asked".to_owned())))
    }

    async fn answer_all(self) {
        let mut asking = Asking { waiting: self.claim_rows.clone(), done: false };
        while let Some(line) = asking.line() {
            self.answer(line).await;
        }
    }

    async fn answer(&self, line: Line) {
        let ids: Vec<Uuid> = line.iter().map(|(payment, _)| payment.0).collect();
        // Whoever comes meanwhile waits for this answer: it must not be waited for for ever.
        let asked = tokio::time::timeout(ANSWER, self.read_rows(&ids)).await;
        match asked.unwrap_or_else(|_| Err(StoreError::Away("no answer".to_owned()))) {
            Ok(rows) => {
                for (payment, sender) in line {
                    let _ = sender.send(Ok(rows.get(&payment.0).cloned()));
                }
            }
            Err(error) => {
                for (_, sender) in line {
                    let _ = sender.send(Err(StoreError::Away(error.to_string())));
                }
            }
        }
    }

    async fn read_rows(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, PaymentRow>, StoreError> {
        let connection = self.connection().await?;
        let statement = connection.prepare_cached(ROWS).await?;
        let rows = connection.query(&statement, &[&ids]).await?;
        let rows = rows.iter().map(|row| {
            let last_refund = row.get::<_, Option<i32>>(4).map(|number| {
                let state = match row.get(5) {
                    "BEGUN" => RefundRow::Begun,
                    "DONE" => RefundRow::Done,
                    _ => RefundRow::Missing,
                };
                let mut seats = seat_ids(row.get(6));
                seats.sort();
                LastRefund { number: number as u32, state, seats }
            });
            // Refund 0 is money that was taken for seats which could not be given.
            let owed = last_refund.as_ref().is_some_and(|last| last.number == 0);
            let claim = match row.get(2) {
                "IN_PROGRESS" => ClaimRow::Standing,
                "LOST" => ClaimRow::Lost(seat_ids(row.get(3))),
                "PAID" if !owed => ClaimRow::Paid,
                _ => ClaimRow::Missing,
            };
            (row.get(0), PaymentRow { attempt: row.get::<_, i32>(1) as u32, claim, last_refund })
        });
        Ok(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_in_the_middle_leaves_nobody_waiting() {
        let waiting = SharedWaiting::default();
        let (sender, answer) = oneshot::channel();
        *waiting.lock() = Waiting { line: vec![(PaymentId(Uuid::nil()), sender)], asking: true };
        let asking = Asking { waiting: waiting.clone(), done: false };
        let task = tokio::spawn(async move {
            let _asking = asking;
            panic!("in the middle");
        });
        assert!(task.await.is_err() && answer.await.is_err());
        assert!(!waiting.lock().asking, "the next caller starts another task");
        let mut asking = Asking { waiting: waiting.clone(), done: false };
        assert!(asking.line().is_none());
        waiting.lock().asking = true;
        drop(asking);
        assert!(waiting.lock().asking, "another task has begun meanwhile");
    }
}
