//! Which step of a payment may follow which. Entries come in order, and each counts once. All the
//! same one may come late or twice: a dead letter that is replayed, or a log that was put together
//! again by hand. Such an entry must not take a sale back that was made since.

use crate::domain::fact::{PaymentFact, PaymentStep};
use crate::domain::ids::{PaymentId, ReservationId};
use crate::store::StoreError;
use deadpool_postgres::Transaction;
use std::collections::HashMap;
use uuid::Uuid;

// The second part: another payment of the same reservation that stands. Money that is owed for what
// could not be given (refund 0) stands for nothing. The third: the payment that it is on.
const KNOWN: &str = "
    select t.id, t.r, p.status, p.refunding,
        (extract(epoch from p.updated_at)::float8 * 1000)::bigint, o.id, n.id
    from unnest($1::uuid[], $2::uuid[]) as t (id, r)
    left join lateral (select * from payments where id = t.id limit 1) p on true
    left join lateral (
        select id from payments where reservation_id = t.r and id <> t.id
            and status in ('IN_PROGRESS', 'PAID', 'REFUNDED')
            and not exists (select from refunds where payment_id = payments.id and number = 0)
        limit 1) o on true
    left join lateral (
        select id from payments where reservation_id = t.r order by begun_at desc, id desc limit 1
    ) n on true";

/// What a step is to what is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Follows,
    /// It follows, but its seats were never claimed here, or were given back.
    FollowsWithoutClaim,
    /// It had its effect, or something later has.
    Stale,
    Contradicts(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    status: String,
    refunding: bool,
    /// Milliseconds of Redis, of the step that made it so.
    at: i64,
}

/// What is known of the payments of a batch.
#[derive(Debug, Default)]
pub(super) struct Guard {
    payments: HashMap<PaymentId, Known>,
    /// The payment that a reservation is claimed, sold or refunded by.
    standing: HashMap<ReservationId, PaymentId>,
    /// The payment that a reservation is on.
    newest: HashMap<ReservationId, PaymentId>,
}

impl Guard {
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        payments: &[(PaymentStep, &PaymentFact)],
    ) -> Result<Self, StoreError> {
        let ids: Vec<Uuid> = payments.iter().map(|(_, fact)| fact.payment.0).collect();
        let reservations: Vec<Uuid> = payments.iter().map(|(_, fact)| fact.reservation.0).collect();
        let statement = transaction.prepare_cached(KNOWN).await?;
        let mut guard = Self::default();
        for row in transaction.query(&statement, &[&ids, &reservations]).await? {
            let reservation = ReservationId(row.get(1));
            if let Some(other) = row.get::<_, Option<Uuid>>(5) {
                guard.standing.insert(reservation, PaymentId(other));
            }
            if let Some(newest) = row.get::<_, Option<Uuid>>(6) {
                guard.newest.insert(reservation, PaymentId(newest));
            }
            let Some(status) = row.get::<_, Option<&str>>(2) else { continue };
            let known = Known { status: status.to_owned(), refunding: row.get(3), at: row.get(4) };
            // Money on its way back, or back, may be of a sale that never was.
            let stands = status == "IN_PROGRESS" || status == "PAID" && !known.refunding;
            guard.set(PaymentId(row.get(0)), reservation, known, stands);
        }
        Ok(guard)
    }

    /// Takes note of what a step has made of its payment.
    pub(super) fn note(
        &mut self,
        step: PaymentStep,
        fact: &PaymentFact,
        status: &str,
        refunding: bool,
    ) {
        if step == PaymentStep::Begun {
            self.newest.insert(fact.reservation, fact.payment);
        }
        let owed = step == PaymentStep::RefundOwed
            || step == PaymentStep::Refunded && fact.money.refund == 0 && fact.money.part > 0;
        let known = Known { status: status.to_owned(), refunding, at: fact.at };
        self.set(fact.payment, fact.reservation, known, !owed);
    }

    /// Whether a reservation is on the payment of this step, and not on a later one.
    pub(super) fn is_newest(&self, step: PaymentStep, fact: &PaymentFact) -> bool {
        let newest = self.newest.get(&fact.reservation);
        step == PaymentStep::Begun || newest.is_none_or(|newest| *newest == fact.payment)
    }

    fn set(&mut self, id: PaymentId, of: ReservationId, known: Known, may_stand: bool) {
        let stands = matches!(known.status.as_str(), "IN_PROGRESS" | "PAID" | "REFUNDED");
        if stands && may_stand {
            self.standing.insert(of, id);
        } else if self.standing.get(&of) == Some(&id) {
            self.standing.remove(&of);
        }
        self.payments.insert(id, known);
    }

    /// Whether a payment has its claim and waits for its outcome.
    pub(super) fn expects(&self, fact: &PaymentFact) -> bool {
        self.payments.get(&fact.payment).is_some_and(|known| known.status == "IN_PROGRESS")
    }

    pub(super) fn rule(&self, step: PaymentStep, fact: &PaymentFact) -> Ruling {
        use PaymentStep::{
            Approved, Begun, Declined, Lost, RefundBegun, RefundDone, RefundOwed, RefundRefused,
            Refunded, Withdrawn,
        };
        let other = self.standing.get(&fact.reservation).filter(|id| **id != fact.payment);
        let Some(known) = self.payments.get(&fact.payment) else {
            return match (step, other) {
                (Begun, None)
                | (RefundOwed | RefundBegun | RefundRefused | RefundDone | Refunded, _) => {
                    Ruling::Follows
                }
                (Approved, None) => Ruling::FollowsWithoutClaim,
                (Begun | Approved, Some(other)) => {
                    contradicts(step, fact, &format!("{other} stands"))
                }
                (Declined | Withdrawn | Lost, None) => Ruling::Follows,
                // What never began here has ended, and the reservation goes on with another.
                (Declined | Withdrawn | Lost, Some(_)) => Ruling::Stale,
            };
        };
        let newer = fact.at > known.at;
        match (step, known.status.as_str(), known.refunding) {
            // Not before it was withdrawn; a begin is never as old as the end of the one before.
            (Begun, "WITHDRAWN", _) if fact.at >= known.at && other.is_none() => Ruling::Follows,
            (Begun, _, _) => Ruling::Stale,
            (Approved, "IN_PROGRESS", _) => Ruling::Follows,
            (Approved, "WITHDRAWN", _) if newer && other.is_none() => Ruling::FollowsWithoutClaim,
            (Approved, "WITHDRAWN" | "FAILED" | "LOST", _) if newer => {
                contradicts(step, fact, &known.status)
            }
            (Approved, _, _) => Ruling::Stale,
            // The end of an earlier attempt does not end the one that is under way.
            (Declined | Withdrawn | Lost, "IN_PROGRESS" | "LOST", _) if fact.at >= known.at => {
                Ruling::Follows
            }
            (Declined | Withdrawn | Lost, _, _) => Ruling::Stale,
            // A sale that stands is not given back because Redis has forgotten it.
            (RefundOwed, "IN_PROGRESS" | "WITHDRAWN" | "FAILED" | "LOST", _) => Ruling::Follows,
            (RefundOwed, _, _) => Ruling::Stale,
            (RefundBegun, "PAID", false) if fact.at >= known.at => Ruling::Follows,
            (RefundBegun, _, _) => Ruling::Stale,
            // The end of an earlier refund does not end the one that is under way.
            (RefundRefused | RefundDone, "PAID", true) if fact.at >= known.at => Ruling::Follows,
            (RefundRefused | RefundDone, _, _) => Ruling::Stale,
            (Refunded, "REFUNDED", _) => Ruling::Stale,
            (Refunded, _, _) => Ruling::Follows,
        }
    }
}

fn contradicts(step: PaymentStep, fact: &PaymentFact, known: &str) -> Ruling {
    Ruling::Contradicts(format!("{step:?} of payment {} contradicts: {known}", fact.payment))
}
