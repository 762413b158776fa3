//! Claims: the owner of each seat in PostgreSQL, decided in the order of the journal. The primary
//! key is the safety net: if a decision were ever wrong, the transaction would fail, and no seat
//! would be sold twice.

use crate::domain::claim::ReservationStatus;
use crate::domain::fact::{PaymentFact, PaymentStep};
use crate::domain::ids::{MatchId, Partition, PaymentId, ReservationId, SeatId};
use crate::store::columns::seat_in;
use crate::store::guard::{Guard, JournalStep, Ruling};
use crate::store::payments::{self, ChangedPayment};
use crate::store::refunds::{self, ChangedRefund};
use crate::store::status::PaymentRowStatus;
use crate::store::{Store, StoreError, reservations};
use deadpool_postgres::Transaction;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Payments that were refused because an earlier sale has some of their seats: these seats.
pub type Lost = Vec<(PaymentId, Vec<SeatId>)>;

type Seat = (MatchId, SeatId);

// `lateral … limit 1` is one index lookup per seat. A join could read the whole table for each
// batch, because the planner may still take it for the empty table of a minute ago.
const HOLDERS: &str = "
    select t.match_id, t.seat_id, c.reservation_id
    from unnest($1::uuid[], $2::int[]) as t (match_id, seat_id)
    cross join lateral (
        select reservation_id from claims
        where match_id = t.match_id and seat_id = t.seat_id limit 1) c";

const CLAIMED_SEATS: &str = "
    select c.seat_id from unnest($2::int[]) as t (seat)
    cross join lateral (
        select seat_id from claims where match_id = $1 and seat_id = t.seat limit 1) c";

// One index lookup per match, however many seats are sold. Archived matches are left out because
// they are in PostgreSQL alone.
const CLAIMED_MATCHES: &str = "
    with recursive claimed (id) as (
        (select match_id from claims order by match_id limit 1)
        union all
        select (select match_id from claims where match_id > claimed.id order by match_id limit 1)
        from claimed where claimed.id is not null)
    select id from claimed where partition_of(id) = $1 and not exists (
        select 1 from matches m
        where m.id = claimed.id and (m.document ->> 'archived')::boolean)";

const RELEASE: &str = "
    delete from claims where ctid = any (array(
        select c.ctid from unnest($1::uuid[], $2::int[], $3::uuid[]) as t (m, s, r)
        cross join lateral (
            select ctid from claims
            where match_id = t.m and seat_id = t.s and reservation_id = t.r limit 1) c))";

const CLAIM: &str = "
    insert into claims (match_id, seat_id, reservation_id)
    select * from unnest($1::uuid[], $2::int[], $3::uuid[])";

impl Store {
    /// The claimed seats among `seats`.
    pub async fn claimed_among(
        &self,
        fixture: MatchId,
        seats: &[SeatId],
    ) -> Result<HashSet<SeatId>, StoreError> {
        let connection = self.connection().await?;
        let numbers: Vec<i32> = seats.iter().map(|seat| seat.0 as i32).collect();
        let statement = connection.prepare_cached(CLAIMED_SEATS).await?;
        let rows = connection.query(&statement, &[&fixture.0, &numbers]).await?;
        Ok(rows.iter().map(|row| seat_in(row, "seat_id")).collect())
    }

    /// The matches of a partition that have claims, without the archived ones.
    pub(super) async fn claimed_matches(
        &self,
        partition: Partition,
    ) -> Result<Vec<Uuid>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query(CLAIMED_MATCHES, &[&i32::from(partition.0)]).await?;
        Ok(rows.iter().map(|row| row.get("id")).collect())
    }
}

/// The owners of the seats that these steps are about.
pub(super) async fn read_holders(
    transaction: &Transaction<'_>,
    steps: &[JournalStep<'_>],
) -> Result<HashMap<Seat, ReservationId>, StoreError> {
    let seats: HashSet<Seat> = steps.iter().flat_map(|entry| seats_of(entry.fact)).collect();
    let matches: Vec<Uuid> = seats.iter().map(|(id, _)| id.0).collect();
    let numbers: Vec<i32> = seats.iter().map(|(_, seat)| seat.0 as i32).collect();
    if seats.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = transaction.prepare_cached(HOLDERS).await?;
    let rows = transaction.query(&statement, &[&matches, &numbers]).await?;
    let holders = rows.iter().map(|row| {
        let seat = (MatchId(row.get("match_id")), seat_in(row, "seat_id"));
        (seat, ReservationId(row.get("reservation_id")))
    });
    Ok(holders.collect())
}

/// The seats of the reservation, and the seats that a refund takes out of it.
fn seats_of(fact: &PaymentFact) -> impl Iterator<Item = Seat> + '_ {
    let all = fact.seats.iter().chain(&fact.money.part_seats);
    all.map(|seat| (fact.match_id, *seat))
}

/// The effects of a batch, folded: the last state of each row, and the owners before and after.
pub(super) struct Fold<'a> {
    payments: HashMap<PaymentId, ChangedPayment<'a>>,
    reservations: HashMap<ReservationId, (ReservationStatus, &'a PaymentFact)>,
    refunds: HashMap<(PaymentId, u32), ChangedRefund<'a>>,
    before: HashMap<Seat, ReservationId>,
    after: HashMap<Seat, ReservationId>,
    pub lost: Lost,
}

impl<'a> Fold<'a> {
    /// Folds the steps of a batch.
    ///
    /// # Errors
    /// `Refused` when a step contradicts the rows: it must neither be applied nor be forgotten.
    pub(super) fn of(
        steps: &[JournalStep<'a>],
        holders: HashMap<Seat, ReservationId>,
        mut guard: Guard,
    ) -> Result<Self, StoreError> {
        let mut fold = Self {
            payments: HashMap::new(),
            reservations: HashMap::new(),
            refunds: HashMap::new(),
            after: holders.clone(),
            before: holders,
            lost: vec![],
        };
        for entry in steps {
            let fact = entry.fact;
            match guard.rule(*entry) {
                Ruling::Follows => {}
                Ruling::FollowsWithoutClaim if fold.claim(fact) => {}
                Ruling::FollowsWithoutClaim => {
                    let why = format!("payment {} is paid for seats of another", fact.payment);
                    return Err(StoreError::Refused(why));
                }
                Ruling::Stale => continue,
                Ruling::Contradicts(why) => return Err(StoreError::Refused(why)),
            }
            fold.step(*entry, guard.is_newest(*entry), guard.begins(*entry));
            if let Some(payment) = fold.payments.get(&fact.payment) {
                guard.note(*entry, payment.status, payment.refunding);
            }
        }
        Ok(fold)
    }

    /// Applies a step. `newest`: this is the reservation's current payment; a step of an earlier
    /// payment must not change the reservation. `begins`: the payment begins with this step.
    fn step(&mut self, entry: JournalStep<'a>, newest: bool, begins: bool) {
        use PaymentRowStatus::{Failed, InProgress, Lost, Paid, Refunded, Withdrawn};
        use ReservationStatus::{Cancelled, Confirmed, Paying, Pending};
        let JournalStep { step, fact, position } = entry;
        let (reservation, status, refunding) = match step {
            PaymentStep::Begun => match self.claim(fact) {
                true => (Paying, InProgress, false),
                false => (Cancelled, Lost, false),
            },
            PaymentStep::Approved => (Confirmed, Paid, false),
            PaymentStep::RefundOwed => (Cancelled, Paid, true),
            PaymentStep::RefundBegun => (Confirmed, Paid, true),
            PaymentStep::RefundRefused | PaymentStep::RefundDone => (Confirmed, Paid, false),
            PaymentStep::Declined => (Pending, Failed, false),
            PaymentStep::Withdrawn => (Pending, Withdrawn, false),
            PaymentStep::Lost => (Cancelled, Failed, false),
            PaymentStep::Refunded => (Cancelled, Refunded, false),
        };
        if let Some(refund) = ChangedRefund::of(step, fact) {
            self.refunds.insert((fact.payment, refund.number), refund);
        }
        if newest {
            self.release(reservation, fact);
            self.reservations.insert(fact.reservation, (reservation, fact));
        }
        let before = self.payments.get(&fact.payment);
        let begun = begins.then_some(position).or_else(|| before.and_then(|row| row.begun));
        let last = before.map_or(position, |row| row.last.max(position));
        let changed = ChangedPayment { fact, status, refunding, begun, last };
        self.payments.insert(fact.payment, changed);
    }

    /// Releases the seats that a reservation no longer has.
    fn release(&mut self, status: ReservationStatus, fact: &PaymentFact) {
        let over = matches!(status, ReservationStatus::Pending | ReservationStatus::Cancelled);
        for seat in seats_of(fact).filter(|(_, seat)| over || !fact.seats.contains(seat)) {
            if self.after.get(&seat) == Some(&fact.reservation) {
                self.after.remove(&seat);
            }
        }
    }

    /// Claims all seats for this reservation, or none of them; then `lost` gets an entry.
    fn claim(&mut self, fact: &PaymentFact) -> bool {
        let sold: Vec<SeatId> = seats_of(fact)
            .filter(|seat| self.after.get(seat).is_some_and(|other| *other != fact.reservation))
            .map(|(_, seat)| seat)
            .collect();
        if !sold.is_empty() {
            self.lost.push((fact.payment, sold));
            return false;
        }
        self.after.extend(seats_of(fact).map(|seat| (seat, fact.reservation)));
        true
    }

    pub(super) async fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        if self.payments.is_empty() {
            return Ok(());
        }
        let gone = self.before.iter().filter(|(seat, holder)| self.after.get(seat) != Some(holder));
        let made = self.after.iter().filter(|(seat, holder)| self.before.get(seat) != Some(holder));
        // Before the claims, because a seat that changes hands must be free before it is claimed.
        // The other statements travel together.
        change(transaction, RELEASE, gone).await?;
        let reservations: Vec<_> = self.reservations.values().copied().collect();
        let payments: Vec<_> = self.payments.values().collect();
        let refunds: Vec<_> = self.refunds.values().collect();
        futures::try_join!(
            change(transaction, CLAIM, made),
            reservations::write(transaction, &reservations),
            payments::write(transaction, &payments),
            refunds::write(transaction, &refunds),
        )?;
        Ok(())
    }
}

async fn change<'a>(
    transaction: &Transaction<'_>,
    statement: &str,
    holders: impl Iterator<Item = (&'a Seat, &'a ReservationId)>,
) -> Result<(), StoreError> {
    let (mut matches, mut seats, mut reservations) = (Vec::new(), Vec::new(), Vec::new());
    for ((match_id, seat), reservation) in holders {
        matches.push(match_id.0);
        seats.push(seat.0 as i32);
        reservations.push(reservation.0);
    }
    if !matches.is_empty() {
        let statement = transaction.prepare_cached(statement).await?;
        transaction.execute(&statement, &[&matches, &seats, &reservations]).await?;
    }
    Ok(())
}
