//! Which step of a payment may follow which. Entries come in order, and each counts once. All the
//! same one may come late or twice: a dead letter that is replayed, or a log that was put together
//! again by hand. Such an entry must not take a sale back that was made since. What came first is
//! decided by the places in the journal, because a clock may be set back.

use crate::domain::fact::{PaymentFact, PaymentStep};
use crate::domain::ids::{PaymentId, ReservationId, SeatId};
use crate::domain::position::Position;
use crate::store::StoreError;
use crate::store::place::place_in;
use crate::store::reservations::seat_ids;
use deadpool_postgres::Transaction;
use std::collections::HashMap;
use uuid::Uuid;

// The second part: another payment of the same reservation that stands. Money that is owed for what
// could not be given (refund 0) stands for nothing. The third: the payment that it is on.
const KNOWN: &str = "
    select t.id, t.r, p.status, p.refunding, p.last_place, o.id, n.id, n.begun_place
    from unnest($1::uuid[], $2::uuid[]) as t (id, r)
    left join lateral (select * from payments where id = t.id limit 1) p on true
    left join lateral (
        select id from payments where reservation_id = t.r and id <> t.id
            and status in ('IN_PROGRESS', 'PAID', 'REFUNDED')
            and not exists (select from refunds where payment_id = payments.id and number = 0)
        limit 1) o on true
    left join lateral (
        select id, begun_place from payments where reservation_id = t.r
        order by begun_place desc, begun_at desc, id desc limit 1) n on true";

const REFUNDS: &str = "
    select payment_id, number, seats, status from refunds
    where number > 0 and payment_id = any($1)";

/// A step of a payment, and its place in the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub step: PaymentStep,
    pub fact: &'a PaymentFact,
    pub place: Position,
}

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
    /// Of the step that made it so.
    place: Position,
}

/// What is known of the payments of a batch.
#[derive(Debug, Default)]
pub(super) struct Guard {
    payments: HashMap<PaymentId, Known>,
    /// The payment that a reservation is claimed, sold or refunded by.
    standing: HashMap<ReservationId, PaymentId>,
    /// The payment that a reservation is on, and where that one began.
    newest: HashMap<ReservationId, (Position, PaymentId)>,
    /// The seats of refunds, in order, and whether one is over.
    refunds: HashMap<(PaymentId, u32), (Vec<SeatId>, bool)>,
}

impl Guard {
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        payments: &[Told<'_>],
    ) -> Result<Self, StoreError> {
        let ids: Vec<Uuid> = payments.iter().map(|told| told.fact.payment.0).collect();
        let reservations: Vec<Uuid> = payments.iter().map(|told| told.fact.reservation.0).collect();
        let statement = transaction.prepare_cached(KNOWN).await?;
        let mut guard = Self::default();
        for row in transaction.query(&statement, &[&ids, &reservations]).await? {
            let reservation = ReservationId(row.get(1));
            if let Some(other) = row.get::<_, Option<Uuid>>(5) {
                guard.standing.insert(reservation, PaymentId(other));
            }
            if let Some(newest) = row.get::<_, Option<Uuid>>(6) {
                guard.newest.insert(reservation, (place_in(&row, 7), PaymentId(newest)));
            }
            let Some(status) = row.get::<_, Option<&str>>(2) else { continue };
            let (status, refunding) = (status.to_owned(), row.get(3));
            let known = Known { status, refunding, place: place_in(&row, 4) };
            // Money on its way back, or back, may be of a sale that never was.
            let stands =
                known.status == "IN_PROGRESS" || known.status == "PAID" && !known.refunding;
            guard.set(PaymentId(row.get(0)), reservation, known, stands);
        }
        if payments.iter().any(|told| told.fact.money.refund > 0) {
            guard.read_refunds(transaction, &ids).await?;
        }
        Ok(guard)
    }

    async fn read_refunds(
        &mut self,
        transaction: &Transaction<'_>,
        payments: &[Uuid],
    ) -> Result<(), StoreError> {
        let statement = transaction.prepare_cached(REFUNDS).await?;
        for row in transaction.query(&statement, &[&payments]).await? {
            let refund = (PaymentId(row.get(0)), row.get::<_, i32>(1) as u32);
            let over = row.get::<_, &str>(3) != "BEGUN";
            self.refunds.insert(refund, (in_order(&seat_ids(row.get(2))), over));
        }
        Ok(())
    }

    /// Takes note of what a step has made of its payment.
    pub(super) fn note(&mut self, told: Told<'_>, status: &str, refunding: bool) {
        let Told { step, fact, place } = told;
        if let Some((refund, seats)) = refund_of(fact) {
            self.refunds.insert(refund, (seats, step != PaymentStep::RefundBegun));
        }
        if self.begins(told) && self.is_newest(told) {
            self.newest.insert(fact.reservation, (place, fact.payment));
        }
        let before = self.payments.get(&fact.payment).map(|known| known.place);
        let owed = step == PaymentStep::RefundOwed
            || step == PaymentStep::Refunded
                && fact.money.refund == 0
                && !fact.money.part_seats.is_empty();
        let place = before.unwrap_or_default().max(place);
        let known = Known { status: status.to_owned(), refunding, place };
        self.set(fact.payment, fact.reservation, known, !owed);
    }

    /// Whether the payment of this step begins with it: also one that is approved, and whose begin
    /// was never heard of.
    pub(super) fn begins(&self, told: Told<'_>) -> bool {
        let unknown = !self.payments.contains_key(&told.fact.payment);
        told.step == PaymentStep::Begun || told.step == PaymentStep::Approved && unknown
    }

    /// Whether a reservation is on the payment of this step, and not on a later one.
    pub(super) fn is_newest(&self, told: Told<'_>) -> bool {
        let newest = self.newest.get(&told.fact.reservation);
        newest.is_none_or(|(begun, newest)| {
            *newest == told.fact.payment || self.begins(told) && *begun < told.place
        })
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

    pub(super) fn rule(&self, told: Told<'_>) -> Ruling {
        use PaymentStep::{
            Approved, Begun, Declined, Lost, RefundBegun, RefundDone, RefundOwed, RefundRefused,
            Refunded, Withdrawn,
        };
        let Told { step, fact, place } = told;
        if let Some((refund, seats)) = refund_of(fact)
            && matches!(step, RefundBegun | RefundDone | RefundRefused)
            && let Some((kept, over)) = self.refunds.get(&refund)
        {
            if *kept != seats {
                return contradicts(step, fact, &format!("refund {} is of other seats", refund.1));
            }
            if *over {
                return Ruling::Stale;
            }
        }
        let other = self.standing.get(&fact.reservation).filter(|id| **id != fact.payment);
        let Some(known) = self.payments.get(&fact.payment) else {
            return match (step, other) {
                // A later payment of the reservation has begun, and ended, since.
                (Begun, None) if !self.is_newest(told) => Ruling::Stale,
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
        let newer = place > known.place;
        match (step, known.status.as_str(), known.refunding) {
            // Not before it was withdrawn.
            (Begun, "WITHDRAWN", _) if newer && other.is_none() => Ruling::Follows,
            (Begun, _, _) => Ruling::Stale,
            (Approved, "IN_PROGRESS", _) => Ruling::Follows,
            (Approved, "WITHDRAWN", _) if newer && other.is_none() => Ruling::FollowsWithoutClaim,
            (Approved, "WITHDRAWN" | "FAILED" | "LOST", _) if newer => {
                contradicts(step, fact, &known.status)
            }
            (Approved, _, _) => Ruling::Stale,
            // The end of an earlier attempt does not end the one that is under way.
            (Declined | Withdrawn | Lost, "IN_PROGRESS" | "LOST", _) if newer => Ruling::Follows,
            (Declined | Withdrawn | Lost, _, _) => Ruling::Stale,
            // A sale that stands is not given back because Redis has forgotten it.
            (RefundOwed, "IN_PROGRESS" | "WITHDRAWN" | "FAILED" | "LOST", _) => Ruling::Follows,
            (RefundOwed, _, _) => Ruling::Stale,
            (RefundBegun, "PAID", false) if newer => Ruling::Follows,
            (RefundBegun, _, _) => Ruling::Stale,
            // The end of an earlier refund does not end the one that is under way.
            (RefundRefused | RefundDone, "PAID", true) if newer => Ruling::Follows,
            (RefundRefused | RefundDone, _, _) => Ruling::Stale,
            (Refunded, "REFUNDED", _) => Ruling::Stale,
            (Refunded, _, _) => Ruling::Follows,
        }
    }
}

/// The refund that a fact is about, and its seats in order.
fn refund_of(fact: &PaymentFact) -> Option<((PaymentId, u32), Vec<SeatId>)> {
    let money = &fact.money;
    let refund = (fact.payment, money.refund);
    (refund.1 > 0 && !money.part_seats.is_empty()).then(|| (refund, in_order(&money.part_seats)))
}

fn in_order(seats: &[SeatId]) -> Vec<SeatId> {
    let mut seats = seats.to_vec();
    seats.sort();
    seats
}

fn contradicts(step: PaymentStep, fact: &PaymentFact, known: &str) -> Ruling {
    Ruling::Contradicts(format!("{step:?} of payment {} contradicts: {known}", fact.payment))
}
