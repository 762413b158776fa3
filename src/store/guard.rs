//! Which step of a payment may follow which. Entries come in order, and each counts once. Yet an
//! entry may come late or twice, because a dead letter is replayed or somebody has repaired a log
//! by hand. Such an entry must not undo a later sale. The order of two steps is decided by their
//! positions in the journal, because a clock may be set back.

use crate::domain::fact::{PaymentFact, PaymentStep};
use crate::domain::ids::{PaymentId, ReservationId, SeatId};
use crate::domain::position::Position;
use crate::store::StoreError;
use crate::store::columns::{number_in, position_in_array, seats_in};
use crate::store::status::{PaymentRowStatus, RefundRowStatus};
use deadpool_postgres::Transaction;
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

// `other`: another payment of the same reservation that is still valid. One whose money is owed
// because its seats could not be given (refund 0) is not.
// `newest`: the reservation's current payment.
const KNOWN: &str = "
    select t.id, t.reservation_id, p.status, p.refunding, p.last_place,
        other.id as other_id, newest.id as newest_id, newest.begun_place
    from unnest($1::uuid[], $2::uuid[]) as t (id, reservation_id)
    left join lateral (select * from payments where id = t.id limit 1) p on true
    left join lateral (
        select id from payments where reservation_id = t.reservation_id and id <> t.id
            and status in ('IN_PROGRESS', 'PAID', 'REFUNDED')
            and not exists (select from refunds where payment_id = payments.id and number = 0)
        limit 1) other on true
    left join lateral (
        select id, begun_place from payments where reservation_id = t.reservation_id
        order by begun_place desc, begun_at desc, id desc limit 1) newest on true";

const REFUNDS: &str = "
    select payment_id, number, seats, status from refunds
    where number > 0 and payment_id = any($1)";

/// A step of a payment, and its position in the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct JournalStep<'a> {
    pub step: PaymentStep,
    pub fact: &'a PaymentFact,
    pub position: Position,
}

/// What to do with a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// Apply it.
    Follows,
    /// Claim its seats first and apply it: they were never claimed here, or were given back.
    FollowsWithoutClaim,
    /// Ignore it: it has had its effect, or a later step has.
    Stale,
    /// Refuse it, for this reason.
    Contradicts(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    status: PaymentRowStatus,
    refunding: bool,
    /// The position of the step that made it so.
    position: Position,
}

/// The state of the payments of a batch: as PostgreSQL has it, then as the steps change it.
#[derive(Debug, Default)]
pub(super) struct Guard {
    payments: HashMap<PaymentId, Known>,
    /// By reservation: the payment that has claimed, bought or refunded its seats.
    standing: HashMap<ReservationId, PaymentId>,
    /// By reservation: its current payment, and the position at which that payment began.
    newest: HashMap<ReservationId, (Position, PaymentId)>,
    /// The seats of each refund, sorted, and whether the refund is over.
    refunds: HashMap<(PaymentId, u32), (Vec<SeatId>, bool)>,
}

impl Guard {
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        steps: &[JournalStep<'_>],
    ) -> Result<Self, StoreError> {
        let ids: Vec<Uuid> = steps.iter().map(|entry| entry.fact.payment.0).collect();
        let reservations: Vec<Uuid> = steps.iter().map(|entry| entry.fact.reservation.0).collect();
        let statement = transaction.prepare_cached(KNOWN).await?;
        let mut guard = Self::default();
        for row in transaction.query(&statement, &[&ids, &reservations]).await? {
            let reservation = ReservationId(row.get("reservation_id"));
            if let Some(other) = row.get::<_, Option<Uuid>>("other_id") {
                guard.standing.insert(reservation, PaymentId(other));
            }
            if let Some(newest) = row.get::<_, Option<Uuid>>("newest_id") {
                let begun = position_in_array(&row, "begun_place");
                guard.newest.insert(reservation, (begun, PaymentId(newest)));
            }
            let Some(known) = Known::from_row(&row) else { continue };
            // A payment that is refunding or refunded may never have had the seats.
            let stands = known.status == PaymentRowStatus::InProgress
                || known.status == PaymentRowStatus::Paid && !known.refunding;
            guard.set(PaymentId(row.get("id")), reservation, known, stands);
        }
        if steps.iter().any(|entry| entry.fact.money.refund > 0) {
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
            let refund = (PaymentId(row.get("payment_id")), number_in(&row, "number"));
            let over = row.get::<_, RefundRowStatus>("status") != RefundRowStatus::Begun;
            self.refunds.insert(refund, (in_order(&seats_in(&row, "seats")), over));
        }
        Ok(())
    }

    /// Remembers the state of a payment after a step.
    pub(super) fn note(
        &mut self,
        entry: JournalStep<'_>,
        status: PaymentRowStatus,
        refunding: bool,
    ) {
        let JournalStep { step, fact, position } = entry;
        if let Some((refund, seats)) = refund_of(fact) {
            self.refunds.insert(refund, (seats, step != PaymentStep::RefundBegun));
        }
        if self.begins(entry) && self.is_newest(entry) {
            self.newest.insert(fact.reservation, (position, fact.payment));
        }
        let before = self.payments.get(&fact.payment).map(|known| known.position);
        let owed = step == PaymentStep::RefundOwed
            || step == PaymentStep::Refunded
                && fact.money.refund == 0
                && !fact.money.part_seats.is_empty();
        let position = before.unwrap_or_default().max(position);
        let known = Known { status, refunding, position };
        self.set(fact.payment, fact.reservation, known, !owed);
    }

    /// Whether the payment of this step begins with it. An approval counts as the begin of a payment
    /// whose real begin the journal has lost.
    pub(super) fn begins(&self, entry: JournalStep<'_>) -> bool {
        let unknown = !self.payments.contains_key(&entry.fact.payment);
        entry.step == PaymentStep::Begun || entry.step == PaymentStep::Approved && unknown
    }

    /// Whether the payment of this step is the reservation's current payment.
    pub(super) fn is_newest(&self, entry: JournalStep<'_>) -> bool {
        let newest = self.newest.get(&entry.fact.reservation);
        newest.is_none_or(|(begun, newest)| {
            *newest == entry.fact.payment || self.begins(entry) && *begun < entry.position
        })
    }

    fn set(&mut self, id: PaymentId, of: ReservationId, known: Known, may_stand: bool) {
        use PaymentRowStatus::{InProgress, Paid, Refunded};
        let stands = matches!(known.status, InProgress | Paid | Refunded);
        if stands && may_stand {
            self.standing.insert(of, id);
        } else if self.standing.get(&of) == Some(&id) {
            self.standing.remove(&of);
        }
        self.payments.insert(id, known);
    }

    /// Whether a payment has its claim and waits for its outcome.
    pub(super) fn expects(&self, fact: &PaymentFact) -> bool {
        let known = self.payments.get(&fact.payment);
        known.is_some_and(|known| known.status == PaymentRowStatus::InProgress)
    }

    /// Decides what to do with a step.
    pub(super) fn rule(&self, entry: JournalStep<'_>) -> Ruling {
        use PaymentStep::{RefundBegun, RefundDone, RefundRefused};
        let JournalStep { step, fact, .. } = entry;
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
        match self.payments.get(&fact.payment) {
            None => self.rule_first(entry, other),
            Some(known) => rule_next(entry, *known, other.is_some()),
        }
    }

    /// Decides about the first known step of a payment. `other`: another payment of the reservation
    /// that has its seats.
    fn rule_first(&self, entry: JournalStep<'_>, other: Option<&PaymentId>) -> Ruling {
        use PaymentStep::{
            Approved, Begun, Declined, Lost, RefundBegun, RefundDone, RefundOwed, RefundRefused,
            Refunded, Withdrawn,
        };
        let JournalStep { step, fact, .. } = entry;
        match (step, other) {
            // A later payment of the reservation has begun since, and ended.
            (Begun, None) if !self.is_newest(entry) => Ruling::Stale,
            (Begun, None)
            | (RefundOwed | RefundBegun | RefundRefused | RefundDone | Refunded, _) => {
                Ruling::Follows
            }
            (Approved, None) => Ruling::FollowsWithoutClaim,
            (Begun | Approved, Some(other)) => contradicts(step, fact, &format!("{other} stands")),
            (Declined | Withdrawn | Lost, None) => Ruling::Follows,
            // The payment never began here, and another payment has the reservation.
            (Declined | Withdrawn | Lost, Some(_)) => Ruling::Stale,
        }
    }
}

impl Known {
    /// `None` for a payment without a row.
    fn from_row(row: &Row) -> Option<Self> {
        let status = row.get::<_, Option<_>>("status")?;
        let position = position_in_array(row, "last_place");
        Some(Self { status, refunding: row.get("refunding"), position })
    }
}

/// Decides about a later step of a payment. `taken`: another payment of the reservation has its seats.
fn rule_next(entry: JournalStep<'_>, known: Known, taken: bool) -> Ruling {
    use PaymentRowStatus as Status;
    use PaymentStep::{
        Approved, Begun, Declined, Lost, RefundBegun, RefundDone, RefundOwed, RefundRefused,
        Refunded, Withdrawn,
    };
    let JournalStep { step, fact, position } = entry;
    let newer = position > known.position;
    match (step, known.status, known.refunding) {
        // A withdrawn payment may begin again, and this begin is not the one that was withdrawn.
        (Begun, Status::Withdrawn, _) if newer && !taken => Ruling::Follows,
        (Begun, _, _) => Ruling::Stale,
        (Approved, Status::InProgress, _) => Ruling::Follows,
        (Approved, Status::Withdrawn, _) if newer && !taken => Ruling::FollowsWithoutClaim,
        (Approved, Status::Withdrawn | Status::Failed | Status::Lost, _) if newer => {
            contradicts(step, fact, known.status.word())
        }
        (Approved, _, _) => Ruling::Stale,
        // The end of an earlier attempt does not end the current one.
        (Declined | Withdrawn | Lost, Status::InProgress | Status::Lost, _) if newer => {
            Ruling::Follows
        }
        (Declined | Withdrawn | Lost, _, _) => Ruling::Stale,
        // A sale that stands is not given back because Redis has forgotten it.
        (RefundOwed, Status::Paid | Status::Refunded, _) => Ruling::Stale,
        (RefundOwed, Status::InProgress | Status::Withdrawn | Status::Failed | Status::Lost, _) => {
            Ruling::Follows
        }
        (RefundBegun, Status::Paid, false) if newer => Ruling::Follows,
        (RefundBegun, _, _) => Ruling::Stale,
        // The end of an earlier refund does not end the current one.
        (RefundRefused | RefundDone, Status::Paid, true) if newer => Ruling::Follows,
        (RefundRefused | RefundDone, _, _) => Ruling::Stale,
        (Refunded, Status::Refunded, _) => Ruling::Stale,
        (Refunded, _, _) => Ruling::Follows,
    }
}

/// The refund that a fact is about, and its seats, sorted.
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
