//! Claims: who has a seat in PostgreSQL, decided in the order of the journal. The primary key
//! stands behind the decision: if it were ever wrong, the transaction would fail, not sell twice.

use crate::domain::claim::{ReservationStatus, join_seats};
use crate::domain::fact::{PaymentFact, PaymentStep};
use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId};
use crate::domain::position::Position;
use crate::store::StoreError;
use crate::store::apply::Lost;
use crate::store::guard::{Guard, Ruling, Told};
use crate::store::place::text_of;
use crate::store::refunds::{self, Refund};
use deadpool_postgres::Transaction;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

type Seat = (MatchId, SeatId);

// `lateral … limit 1` is one look into the index per seat, whatever the planner thinks of a table
// that was empty a minute ago; a join would read all of it for each batch.
const HOLDERS: &str = "
    select t.m, t.s, c.reservation_id from unnest($1::uuid[], $2::int[]) as t (m, s)
    cross join lateral (
        select reservation_id from claims where match_id = t.m and seat_id = t.s limit 1) c";

const RELEASE: &str = "
    delete from claims where ctid = any (array(
        select c.ctid from unnest($1::uuid[], $2::int[], $3::uuid[]) as t (m, s, r)
        cross join lateral (
            select ctid from claims
            where match_id = t.m and seat_id = t.s and reservation_id = t.r limit 1) c))";

const CLAIM: &str = "
    insert into claims (match_id, seat_id, reservation_id)
    select * from unnest($1::uuid[], $2::int[], $3::uuid[])";

// Seats travel as text because unnest would flatten an array of arrays.
const RESERVATIONS: &str = "
    insert into reservations
        (id, match_id, user_id, status, seats, amount, version, created_at, updated_at)
    select id, match_id, user_id, status, string_to_array(seats, ',')::int[], amount, version,
        to_timestamp(made / 1000.0), to_timestamp(at / 1000.0)
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
        $7::bigint[], $8::float8[], $9::float8[])
        as t (id, match_id, user_id, status, seats, amount, version, made, at)
    on conflict (id) do update set status = excluded.status, seats = excluded.seats,
        amount = excluded.amount, version = excluded.version, updated_at = excluded.updated_at";

// Money that is back stays back, whatever is heard late.
const PAYMENTS: &str = "
    insert into payments (id, reservation_id, order_id, payment_key, method, amount, status, code,
        refunding, attempt, begun_at, updated_at, begun_place, last_place, written_at)
    select id, reservation_id, order_id, key, method, amount, status, code, refunding, attempt,
        to_timestamp(at / 1000.0), to_timestamp(at / 1000.0), begun::bigint[], last::bigint[],
        now()
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[],
        $7::text[], $8::text[], $9::bool[], $10::int[], $11::float8[], $12::text[], $13::text[])
        as t (id, reservation_id, order_id, key, method, amount, status, code, refunding, attempt,
            at, begun, last)
    on conflict (id) do update set payment_key = excluded.payment_key, status = excluded.status,
        code = excluded.code, refunding = excluded.refunding, attempt = excluded.attempt,
        updated_at = excluded.updated_at, written_at = excluded.written_at,
        begun_place = greatest(payments.begun_place, excluded.begun_place),
        last_place = greatest(payments.last_place, excluded.last_place)
    where payments.status <> 'REFUNDED'";

/// Who has the seats that these payments are about.
pub(super) async fn read_holders(
    transaction: &Transaction<'_>,
    payments: &[Told<'_>],
) -> Result<HashMap<Seat, ReservationId>, StoreError> {
    let seats: HashSet<Seat> = payments.iter().flat_map(|told| seats_of(told.fact)).collect();
    let matches: Vec<Uuid> = seats.iter().map(|(id, _)| id.0).collect();
    let numbers: Vec<i32> = seats.iter().map(|(_, seat)| seat.0 as i32).collect();
    if seats.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = transaction.prepare_cached(HOLDERS).await?;
    let rows = transaction.query(&statement, &[&matches, &numbers]).await?;
    let holders = rows.iter().map(|row| {
        let seat = (MatchId(row.get(0)), SeatId(row.get::<_, i32>(1) as u32));
        (seat, ReservationId(row.get(2)))
    });
    Ok(holders.collect())
}

/// The seats of the reservation, and those that a refund takes out of it.
fn seats_of(fact: &PaymentFact) -> impl Iterator<Item = Seat> + '_ {
    let all = fact.seats.iter().chain(&fact.money.part_seats);
    all.map(|seat| (fact.match_id, *seat))
}

struct Row<'a> {
    fact: &'a PaymentFact,
    payment: &'static str,
    refunding: bool,
    /// Places in the journal: of the begin, when this batch has it, and of the last step.
    begun: Option<Position>,
    last: Position,
}

/// The effects of a batch, folded: the last state per row, and the change of holders.
pub(super) struct Fold<'a> {
    rows: HashMap<PaymentId, Row<'a>>,
    reservations: HashMap<ReservationId, (ReservationStatus, &'a PaymentFact)>,
    refunds: HashMap<(PaymentId, u32), Refund<'a>>,
    before: HashMap<Seat, ReservationId>,
    after: HashMap<Seat, ReservationId>,
    pub lost: Lost,
}

impl<'a> Fold<'a> {
    /// Errs when a step contradicts what is kept: it must not be applied, and not be forgotten.
    pub(super) fn of(
        payments: &[Told<'a>],
        holders: HashMap<Seat, ReservationId>,
        mut guard: Guard,
    ) -> Result<Self, StoreError> {
        let mut fold = Self {
            rows: HashMap::new(),
            reservations: HashMap::new(),
            refunds: HashMap::new(),
            after: holders.clone(),
            before: holders,
            lost: vec![],
        };
        for told in payments {
            let fact = told.fact;
            match guard.rule(*told) {
                Ruling::Follows => {}
                Ruling::FollowsWithoutClaim if fold.claim(fact) => {}
                Ruling::FollowsWithoutClaim => {
                    let why = format!("payment {} is paid for seats of another", fact.payment);
                    return Err(StoreError::Refused(why));
                }
                Ruling::Stale => continue,
                Ruling::Contradicts(why) => return Err(StoreError::Refused(why)),
            }
            fold.step(*told, guard.is_newest(*told), guard.begins(*told));
            if let Some(row) = fold.rows.get(&fact.payment) {
                guard.note(*told, row.payment, row.refunding);
            }
        }
        Ok(fold)
    }

    /// `newest`: the reservation is on this payment. What is heard of an earlier one says nothing
    /// about the reservation.
    fn step(&mut self, told: Told<'a>, newest: bool, begins: bool) {
        use ReservationStatus::{Cancelled, Confirmed, Paying, Pending};
        let Told { step, fact, place } = told;
        let (reservation, payment, refunding) = match step {
            PaymentStep::Begun => match self.claim(fact) {
                true => (Paying, "IN_PROGRESS", false),
                false => (Cancelled, "LOST", false),
            },
            PaymentStep::Approved => (Confirmed, "PAID", false),
            PaymentStep::RefundOwed => (Cancelled, "PAID", true),
            PaymentStep::RefundBegun => (Confirmed, "PAID", true),
            PaymentStep::RefundRefused | PaymentStep::RefundDone => (Confirmed, "PAID", false),
            PaymentStep::Declined => (Pending, "FAILED", false),
            PaymentStep::Withdrawn => (Pending, "WITHDRAWN", false),
            PaymentStep::Lost => (Cancelled, "FAILED", false),
            PaymentStep::Refunded => (Cancelled, "REFUNDED", false),
        };
        if let Some(refund) = Refund::of(step, fact) {
            self.refunds.insert((fact.payment, refund.number), refund);
        }
        if newest {
            self.release(reservation, fact);
            self.reservations.insert(fact.reservation, (reservation, fact));
        }
        let before = self.rows.get(&fact.payment);
        let begun = begins.then_some(place).or_else(|| before.and_then(|row| row.begun));
        let last = before.map_or(place, |row| row.last.max(place));
        self.rows.insert(fact.payment, Row { fact, payment, refunding, begun, last });
    }

    /// The seats that a reservation does not have any more.
    fn release(&mut self, status: ReservationStatus, fact: &PaymentFact) {
        let over = matches!(status, ReservationStatus::Pending | ReservationStatus::Cancelled);
        for seat in seats_of(fact).filter(|(_, seat)| over || !fact.seats.contains(seat)) {
            if self.after.get(&seat) == Some(&fact.reservation) {
                self.after.remove(&seat);
            }
        }
    }

    /// All seats for this reservation, or none and an entry in `lost`.
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
        if self.rows.is_empty() {
            return Ok(());
        }
        let gone = self.before.iter().filter(|(seat, holder)| self.after.get(seat) != Some(holder));
        let made = self.after.iter().filter(|(seat, holder)| self.before.get(seat) != Some(holder));
        // A seat that changes hands is released before it is claimed; the rest travels together.
        change(transaction, RELEASE, gone).await?;
        futures::try_join!(
            change(transaction, CLAIM, made),
            self.write_reservations(transaction),
            self.write_payments(transaction),
            refunds::write(transaction, self.refunds.values()),
        )?;
        Ok(())
    }

    async fn write_reservations(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let rows = || self.reservations.values();
        let ids: Vec<Uuid> = rows().map(|(_, fact)| fact.reservation.0).collect();
        let matches: Vec<Uuid> = rows().map(|(_, fact)| fact.match_id.0).collect();
        let users: Vec<Uuid> = rows().map(|(_, fact)| fact.user.0).collect();
        let status: Vec<&str> = rows().map(|(status, _)| status.word()).collect();
        let seats: Vec<String> = rows().map(|(_, fact)| join_seats(&fact.seats)).collect();
        let amounts: Vec<i64> = rows().map(|(_, fact)| fact.amount).collect();
        let versions: Vec<i64> = rows().map(|(_, fact)| fact.version).collect();
        let made: Vec<f64> = rows().map(|(_, fact)| fact.reservation.made_at() as f64).collect();
        let at: Vec<f64> = rows().map(|(_, fact)| fact.at as f64).collect();
        let statement = transaction.prepare_cached(RESERVATIONS).await?;
        transaction
            .execute(
                &statement,
                &[&ids, &matches, &users, &status, &seats, &amounts, &versions, &made, &at],
            )
            .await?;
        Ok(())
    }

    async fn write_payments(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let rows: Vec<&Row> = self.rows.values().collect();
        let ids: Vec<Uuid> = rows.iter().map(|row| row.fact.payment.0).collect();
        let reservations: Vec<Uuid> = rows.iter().map(|row| row.fact.reservation.0).collect();
        let orders: Vec<String> = rows.iter().map(|row| row.fact.payment.order_id()).collect();
        let keys: Vec<&str> = rows.iter().map(|row| row.fact.key.as_str()).collect();
        let methods: Vec<&str> = rows.iter().map(|row| row.fact.method.as_str()).collect();
        let amounts: Vec<i64> = rows.iter().map(|row| row.fact.amount).collect();
        let status: Vec<&str> = rows.iter().map(|row| row.payment).collect();
        let codes: Vec<Option<&str>> = rows.iter().map(|row| row.fact.code.as_deref()).collect();
        let refunding: Vec<bool> = rows.iter().map(|row| row.refunding).collect();
        let attempts: Vec<i32> = rows.iter().map(|row| row.fact.money.attempt as i32).collect();
        let at: Vec<f64> = rows.iter().map(|row| row.fact.at as f64).collect();
        let begun: Vec<String> =
            rows.iter().map(|row| row.begun.map_or_else(|| "{}".to_owned(), text_of)).collect();
        let last: Vec<String> = rows.iter().map(|row| text_of(row.last)).collect();
        let statement = transaction.prepare_cached(PAYMENTS).await?;
        transaction
            .execute(
                &statement,
                &[
                    &ids,
                    &reservations,
                    &orders,
                    &keys,
                    &methods,
                    &amounts,
                    &status,
                    &codes,
                    &refunding,
                    &attempts,
                    &at,
                    &begun,
                    &last,
                ],
            )
            .await?;
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
