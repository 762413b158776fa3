//! The sales of a partition: the sales that Redis has, and those that only PostgreSQL still has.

use crate::api::Services;
use crate::commands::restore::plan::Plan;
use crate::domain::claim::{Claim, ClaimPayment, ClaimState, Reservation, ReservationStatus};
use crate::domain::fact::{PaymentFact, PaymentStep};
use crate::domain::ids::{MatchId, Partition, ReservationId, SeatId};
use crate::domain::money::Money;
use crate::domain::position::Position;
use crate::gateway::toss::{GatewayStatus, Lookup};
use std::collections::{HashMap, HashSet};

/// The sales on both sides, for the matches that Redis has.
pub(super) struct Sales {
    /// Claims that are PAYING or CONFIRMED, or whose refund is under way.
    claims: Vec<(Claim, ClaimPayment)>,
    /// The reservations of PostgreSQL.
    kept: HashMap<ReservationId, Reservation>,
}

impl Sales {
    pub(super) async fn read(
        services: &Services,
        partition: Partition,
        matches: &HashSet<MatchId>,
    ) -> anyhow::Result<Self> {
        let claims = services.engine.claims_in(partition).await?.into_iter();
        let claims =
            claims.filter(|claim| !matches!(claim.state, ClaimState::Hold | ClaimState::Pending));
        let claims = claims.filter_map(|claim| {
            let payment = claim.payment.clone()?;
            Some((claim, payment))
        });
        let kept = services.store.claimed_reservations(partition).await?.into_iter();
        let kept = kept.filter(|reservation| matches.contains(&reservation.match_id));
        let kept = kept.map(|reservation| (reservation.id, reservation));
        Ok(Self { claims: claims.collect(), kept: kept.collect() })
    }

    pub(super) async fn plan(
        &self,
        services: &Services,
        known: Position,
        plan: &mut Plan,
    ) -> anyhow::Result<()> {
        let at = known.id.ms as i64;
        let live: HashSet<ReservationId> = self.claims.iter().map(|(claim, _)| claim.id).collect();
        // The ended reservations come first, because other buyers may have their seats by now.
        let is_ended = |reservation: &&Reservation| !live.contains(&reservation.id);
        for reservation in self.kept.values().filter(is_ended) {
            self.ended(services, reservation, at, plan).await?;
        }
        for (claim, payment) in &self.claims {
            let kept = self.kept.get(&claim.id);
            if kept.is_some_and(|kept| agrees(claim, payment, kept)) {
                continue;
            }
            let back = kept.and_then(|kept| kept.payment.as_ref());
            let back = back.filter(|kept| kept.id == payment.id);
            let back = back.map(|payment| payment.money.clone()).unwrap_or_default();
            plan.add_line("reservation", claim.id, &describe(claim));
            write_claim(claim, payment, &back, at, plan);
        }
        Ok(())
    }

    /// Plans the end of a reservation that PostgreSQL has and Redis, which is ahead, does not have:
    /// it has ended in between.
    async fn ended(
        &self,
        services: &Services,
        reservation: &Reservation,
        at: i64,
        plan: &mut Plan,
    ) -> anyhow::Result<()> {
        let id = reservation.id;
        let Some(payment) = &reservation.payment else {
            plan.restore.over.push(id);
            return Ok(());
        };
        if reservation.status != ReservationStatus::Confirmed {
            plan.add_line(
                "reservation",
                id,
                "its payment has ended since; the reconciler asks the gateway",
            );
            plan.restore.over.push(id);
            return Ok(());
        }
        // The numbers up to here are those of earlier refunds, which keep their rows.
        let money = Money {
            refund: payment.money.refund + 1,
            part: reservation.amount,
            part_seats: reservation.seats.clone(),
            part_fee: 0,
            ..payment.money.clone()
        };
        let fact = PaymentFact { money, ..fact_of_kept(reservation, payment, at) };
        let resold = self.claims.iter().any(|(claim, _)| {
            claim.match_id == reservation.match_id
                && claim.seats.iter().any(|seat| reservation.seats.contains(seat))
        });
        let is_free = payment.amount == payment.money.taken_out();
        let there = reservation.amount + payment.money.back_fees;
        match services.toss.find_by_order(&payment.id.order_id()).await {
            // A part of it was refunded since, and the rest is the fee.
            Lookup::Found(found) if found.has_money() && found.balance_amount < there => {
                plan.add_line("reservation", id, "was refunded since, with a fee");
                let refunded = refunded_part(fact, there - found.balance_amount);
                plan.restore.payments.extend(refunded_since(refunded, &payment.money));
            }
            looked if is_free || is_canceled(&looked) => {
                plan.add_line("reservation", id, "was refunded since");
                plan.restore.payments.extend(refunded_since(fact, &payment.money));
            }
            Lookup::Unknown { reason } => {
                anyhow::bail!("the gateway gives no clear reply: {reason}")
            }
            Lookup::Found(_) | Lookup::NotFound if resold => {
                plan.add_line(
                    "reservation",
                    id,
                    "other buyers have its seats, so its money is refunded",
                );
                plan.restore.payments.push((PaymentStep::RefundOwed, fact));
            }
            Lookup::Found(_) | Lookup::NotFound => {
                plan.add_line(
                    "look at this",
                    id,
                    "sold and paid in PostgreSQL, but missing in Redis",
                );
            }
        }
        Ok(())
    }
}

/// The fact of a refund that gave back a part of what is left of a sale; the rest is the fee.
fn refunded_part(fact: PaymentFact, part: i64) -> PaymentFact {
    let money = Money { part, part_fee: fact.amount - part, ..fact.money };
    PaymentFact { money, ..fact }
}

fn is_canceled(looked: &Lookup) -> bool {
    matches!(looked, Lookup::Found(found) if found.status == GatewayStatus::Canceled)
}

/// The steps that end a sale whose money went back since. A refund that was under way in PostgreSQL
/// is this one, or it has ended before.
fn refunded_since(mut fact: PaymentFact, kept: &Money) -> Vec<(PaymentStep, PaymentFact)> {
    let mut steps = Vec::new();
    if is_same_refund(kept, &fact.money) {
        fact.money.refund = kept.refund;
    } else {
        steps.extend(over(kept, &fact));
    }
    steps.push((PaymentStep::Refunded, fact));
    steps
}

/// The end of the refund that is under way in PostgreSQL, if there is one. What went back is
/// written under another number, so this row counts for nothing. Refund 0 ends by itself.
fn over(kept: &Money, fact: &PaymentFact) -> Option<(PaymentStep, PaymentFact)> {
    let money = Money { back: 0, back_seats: vec![], back_fees: 0, ..kept.clone() };
    let refused = PaymentFact { money, ..fact.clone() };
    let is_begun = kept.refund > 0 && !kept.part_seats.is_empty();
    is_begun.then_some((PaymentStep::RefundRefused, refused))
}

/// Whether the refund that is under way in PostgreSQL is of the same seats and amounts.
fn is_same_refund(kept: &Money, now: &Money) -> bool {
    kept.refund > 0
        && sorted(&kept.part_seats) == sorted(&now.part_seats)
        && (kept.part, kept.part_fee) == (now.part, now.part_fee)
}

fn sorted(seats: &[SeatId]) -> Vec<SeatId> {
    let mut seats = seats.to_vec();
    seats.sort();
    seats
}

fn describe(claim: &Claim) -> String {
    let state = match claim.state {
        ClaimState::Paying => "PAYING",
        ClaimState::Refunding => "CONFIRMED, refund under way",
        ClaimState::Hold | ClaimState::Pending | ClaimState::Confirmed => "CONFIRMED",
    };
    format!("{state}, {} seats, {} KRW", claim.seats.len(), claim.amount)
}

/// Whether PostgreSQL and Redis agree about a reservation.
fn agrees(claim: &Claim, payment: &ClaimPayment, kept: &Reservation) -> bool {
    let paying = claim.state == ClaimState::Paying;
    let kept_payment = kept.payment.as_ref();
    paying == (kept.status == ReservationStatus::Paying)
        && (claim.state == ClaimState::Refunding) == kept.refunding
        && sorted(&claim.seats) == sorted(&kept.seats)
        && claim.amount == kept.amount
        && kept_payment.is_some_and(|kept| {
            let (kept_money, money) = (&kept.money, &payment.money);
            let is_other = !kept_money.part_seats.is_empty() && kept_money.refund != money.refund;
            kept.id == payment.id && kept_money.attempt == money.attempt && !is_other
        })
}

/// Plans the steps that lead to the current state of a claim. `kept` is the money that has gone
/// back according to PostgreSQL.
fn write_claim(claim: &Claim, payment: &ClaimPayment, kept: &Money, at: i64, plan: &mut Plan) {
    let restore = &mut plan.restore;
    let money = &payment.money;
    let whole = PaymentFact {
        payment: payment.id,
        reservation: claim.id,
        match_id: claim.match_id,
        user: claim.user,
        // With all the money, but without the refunded seats, because other buyers may have them.
        seats: claim.seats.clone(),
        amount: payment.amount,
        method: payment.method.clone(),
        key: payment.key.clone(),
        version: claim.version as i64,
        at,
        code: None,
        money: Money { attempt: money.attempt, ..Money::default() },
        terms: claim.refund_terms.clone(),
        bill: claim.bill.clone(),
    };
    if claim.state == ClaimState::Paying {
        restore.payments.push((PaymentStep::Begun, whole));
        return;
    }
    restore.payments.push((PaymentStep::Approved, whole.clone()));
    let left = PaymentFact { amount: claim.amount, ..whole };
    let under_way = claim.state == ClaimState::Refunding;
    let seats = money.back_seats.iter().filter(|seat| !kept.back_seats.contains(seat));
    let mut done = Money {
        attempt: money.attempt,
        refund: money.refund - u32::from(under_way),
        part: money.back - kept.back,
        part_seats: seats.copied().collect(),
        part_fee: money.back_fees - kept.back_fees,
        ..Money::default()
    };
    if is_same_refund(kept, &done) {
        done.refund = kept.refund;
    } else if !under_way || money.refund != kept.refund {
        restore.refunds.extend(over(kept, &left));
    }
    // Also of seats that cost nothing.
    if !done.part_seats.is_empty() {
        let fact = PaymentFact { money: done, ..left.clone() };
        restore.refunds.push((PaymentStep::RefundBegun, fact.clone()));
        restore.refunds.push((PaymentStep::RefundDone, fact));
    }
    if under_way {
        let fact = PaymentFact { money: money.clone(), ..left };
        restore.refunds.push((PaymentStep::RefundBegun, fact));
    }
}

fn fact_of_kept(reservation: &Reservation, payment: &ClaimPayment, at: i64) -> PaymentFact {
    PaymentFact {
        payment: payment.id,
        reservation: reservation.id,
        match_id: reservation.match_id,
        user: reservation.user,
        seats: reservation.seats.clone(),
        amount: reservation.amount,
        method: payment.method.clone(),
        key: payment.key.clone(),
        version: 0,
        at,
        code: None,
        money: payment.money.clone(),
        terms: reservation.refund_terms.clone(),
        bill: reservation.bill.clone(),
    }
}
