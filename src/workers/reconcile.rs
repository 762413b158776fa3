//! Payments whose outcome nobody knows, and money that is not back yet: asked about at the gateway
//! until it knows. It starts from the rows in PostgreSQL, so it also settles what Redis has
//! forgotten. Every step is idempotent and names its attempt; two reconcilers at once only ask
//! twice.

use crate::domain::fact::PaymentStep;
use crate::domain::ids::{Partition, PaymentId, SeatId};
use crate::domain::money::{Attempt, Money, Refund};
use crate::engine::command::MissedStep;
use crate::engine::payments::{Outcome, Settled};
use crate::failpoint;
use crate::gateway::toss::{CancelOutcome, GatewayStatus, Lookup, Outcome as Confirmed};
use crate::store::unsettled::{Unsettled, UnsettledState};
use crate::workers::Workers;
use futures::StreamExt as _;

/// Payments per round, the oldest first. Enough that those which can't be settled for long do not
/// keep the others out.
const PAYMENTS: i64 = 10_000;
/// Payments that are asked about at the same time: more is unkind to a gateway that has just come
/// back, fewer would take longer than a minute for a thousand of them.
const AT_ONCE: usize = 32;

impl Workers {
    /// Asks once about every unsettled payment of the partitions that this worker owns; answers how
    /// many were settled. One that can't be settled does not hold up the others.
    pub async fn reconcile_once(&self) -> anyhow::Result<usize> {
        let owned: Vec<Partition> = self.owned.lock().iter().copied().collect();
        if owned.is_empty() {
            return Ok(0);
        }
        let waiting = self.store.unsettled(&owned, self.reconcile_after_ms, PAYMENTS).await?;
        let mut round =
            futures::stream::iter(waiting).map(|one| self.reconcile(one)).buffer_unordered(AT_ONCE);
        let mut settled = 0;
        while let Some((payment, done)) = round.next().await {
            match done {
                Ok(done) => settled += usize::from(done),
                Err(error) => tracing::warn!(
                    %payment,
                    error = format!("{error:#}"),
                    "a payment can't be settled yet"
                ),
            }
        }
        Ok(settled)
    }

    async fn reconcile(&self, listed: Unsettled) -> (PaymentId, anyhow::Result<bool>) {
        let payment = listed.attempt.payment;
        (payment, self.reconcile_listed(&listed).await)
    }

    /// The list may be old by now: only what still waits for the same is acted upon.
    async fn reconcile_listed(&self, listed: &Unsettled) -> anyhow::Result<bool> {
        let payment = listed.attempt.payment;
        if !self.owned.lock().contains(&payment.partition()) {
            return Ok(false);
        }
        let newest = self.engine.journal_newest(payment.partition()).await?;
        let now = self.store.unsettled_one(payment).await?;
        let Some(Unsettled { attempt, state }) = now
            .filter(|now| now.attempt.number == listed.attempt.number && now.state == listed.state)
        else {
            return Ok(false);
        };
        // What PostgreSQL has not read yet is not missing in it.
        let place = self.position(payment.partition()).await?;
        if place.id >= newest && self.tell_again(&attempt, &state).await? {
            return Ok(true);
        }
        match &state {
            UnsettledState::Outcome => self.settle(&attempt).await,
            UnsettledState::Lost(sold) => self.give_up(&attempt, sold).await,
            UnsettledState::Refund(refund, money) => self.refund(&attempt, refund, money).await,
        }
    }

    /// PostgreSQL waits for a step that Redis has taken, because its fact was refused or lost: the
    /// fact is written again. `false` when Redis waits as well.
    async fn tell_again(&self, attempt: &Attempt, state: &UnsettledState) -> anyhow::Result<bool> {
        let what = match state {
            UnsettledState::Outcome => MissedStep::Outcome,
            UnsettledState::Refund(refund, money) if refund.number > 0 => {
                MissedStep::Refund(money.clone())
            }
            UnsettledState::Refund(..) | UnsettledState::Lost(_) => return Ok(false),
        };
        let told = self.engine.tell_again(attempt, what).await?;
        if told {
            tracing::warn!(payment = %attempt.payment, "PostgreSQL had missed a fact: told again");
        }
        Ok(told)
    }

    /// What the gateway says of an attempt; `None` while it does not know either.
    async fn ask(&self, attempt: &Attempt) -> anyhow::Result<Option<Outcome>> {
        if attempt.amount == 0 {
            // What costs nothing is no business of the gateway.
            let waits = self.engine.mark_asked(attempt).await?;
            let withdrawn = || Outcome::Declined("WITHDRAWN".to_owned());
            return Ok(Some(if waits { Outcome::Approved } else { withdrawn() }));
        }
        let order = attempt.payment.order_id();
        // By its key, because the order may have a second payment.
        let found = match self.toss.find_by_key(&attempt.payment_key).await {
            Lookup::Found(found) if found.order_id == order => found,
            Lookup::Found(_) | Lookup::NotFound => {
                return Ok(Some(Outcome::Declined("NOT_FOUND_PAYMENT".to_owned())));
            }
            Lookup::Unknown { .. } => return Ok(None),
        };
        Ok(match found.status {
            // What was given back of it already does not undo the sale.
            GatewayStatus::Done | GatewayStatus::PartialCanceled
                if found.total_amount == attempt.amount =>
            {
                Some(Outcome::Approved)
            }
            // The buyer agreed and our call never arrived. Only what still waits for it is charged.
            GatewayStatus::InProgress | GatewayStatus::Ready => {
                if !self.engine.mark_asked(attempt).await? {
                    return Ok(Some(Outcome::Declined("WITHDRAWN".to_owned())));
                }
                let Attempt { payment_key, amount, number, .. } = attempt;
                match self.toss.confirm(payment_key, &order, *amount, *number).await {
                    Confirmed::Approved(_) => Some(Outcome::Approved),
                    other => declined(other),
                }
            }
            GatewayStatus::Aborted | GatewayStatus::Expired | GatewayStatus::Canceled => {
                Some(Outcome::Declined(found.status.as_str().to_owned()))
            }
            GatewayStatus::WaitingForDeposit => {
                declined(self.toss.refuse_deposit(&attempt.payment_key).await)
            }
            // Another amount than we asked for: it is no payment of this reservation.
            GatewayStatus::Done | GatewayStatus::PartialCanceled => {
                let intent = format!("amount:{}", attempt.payment_key);
                let reason = "another amount than that of the reservation";
                match self.toss.cancel(&attempt.payment_key, &intent, reason, None).await {
                    CancelOutcome::Canceled(_) => {
                        Some(Outcome::Declined("AMOUNT_MISMATCH".to_owned()))
                    }
                    CancelOutcome::Refused { .. } | CancelOutcome::Unknown { .. } => None,
                }
            }
            GatewayStatus::Other(_) => None,
        })
    }

    async fn settle(&self, attempt: &Attempt) -> anyhow::Result<bool> {
        let Some(outcome) = self.ask(attempt).await? else { return Ok(false) };
        let approved = outcome == Outcome::Approved;
        let settled = self.engine.settle_payment(attempt, outcome).await?;
        tracing::info!(payment = %attempt.payment, ?settled, "an unknown outcome is settled");
        match settled {
            Settled::Confirmed(_) | Settled::Pending(_) => Ok(true),
            Settled::Owed => {
                let refund = Refund { payment: attempt.payment, number: 0, amount: None };
                let money = Money {
                    attempt: attempt.number,
                    part: attempt.amount,
                    part_seats: attempt.seats.clone(),
                    ..Money::default()
                };
                self.refund(attempt, &refund, &money).await
            }
            // A later attempt has the money, or it is back already: the journal tells.
            Settled::Over | Settled::Asked if approved => Ok(false),
            Settled::Over | Settled::Asked => {
                self.forget(attempt, PaymentStep::Declined, &Money::default()).await
            }
        }
    }

    async fn refund(
        &self,
        attempt: &Attempt,
        refund: &Refund,
        money: &Money,
    ) -> anyhow::Result<bool> {
        let refused = if money.part == 0 {
            None
        } else {
            match self.give_back(attempt, refund).await {
                CancelOutcome::Canceled(_) => None,
                CancelOutcome::Refused { code, .. } => Some(code),
                CancelOutcome::Unknown { .. } => return Ok(false),
            }
        };
        if refund.number == 0 {
            if let Some(code) = refused {
                tracing::error!(payment = %attempt.payment, code, "money that is owed stays there");
                metrics::counter!("grandstand_refunds_owed_refused_total").increment(1);
                return Ok(false);
            }
            return self.forget(attempt, PaymentStep::Refunded, money).await;
        }
        let kept = refused.is_some();
        let Attempt { match_id, user, reservation, .. } = *attempt;
        let settled = self.engine.settle_refund(match_id, user, reservation, refund, refused);
        if settled.await?.is_some() {
            return Ok(true);
        }
        match refund.amount {
            _ if kept => self.forget(attempt, PaymentStep::RefundRefused, money).await,
            None => self.forget(attempt, PaymentStep::Refunded, money).await,
            Some(part) => {
                let mut left = attempt.clone();
                left.seats.retain(|seat| !money.part_seats.contains(seat));
                left.amount -= part;
                self.forget(&left, PaymentStep::RefundDone, money).await
            }
        }
    }

    /// The claim was refused and the node that asked for it did not tell Redis.
    async fn give_up(&self, attempt: &Attempt, sold: &[SeatId]) -> anyhow::Result<bool> {
        let lost = Outcome::Lost(sold.to_vec());
        self.engine.settle_payment(attempt, lost).await?;
        self.forget(attempt, PaymentStep::Lost, &Money::default()).await
    }

    /// The reservation does not wait for it any more: PostgreSQL hears of the end all the same.
    async fn forget(
        &self,
        attempt: &Attempt,
        fact: PaymentStep,
        money: &Money,
    ) -> anyhow::Result<bool> {
        let money = Money { attempt: attempt.number, ..money.clone() };
        Ok(self.engine.record_orphan_payment(attempt, fact, &money).await?)
    }

    async fn give_back(&self, attempt: &Attempt, refund: &Refund) -> CancelOutcome {
        // Asked first: it may be back by another way, and a refusal is given again for days.
        if refund.amount.is_none()
            && let Lookup::Found(found) = self.toss.find_by_key(&attempt.payment_key).await
            && found.status == GatewayStatus::Canceled
        {
            return CancelOutcome::Canceled(found);
        }
        let reason = match refund.number {
            0 => "the seats could not be given",
            _ => "cancelled by the buyer",
        };
        failpoint::reached("refund.before");
        let outcome =
            self.toss.cancel(&attempt.payment_key, &refund.intent(), reason, refund.amount).await;
        failpoint::reached("refund.after");
        outcome
    }
}

fn declined(outcome: Confirmed) -> Option<Outcome> {
    match outcome {
        Confirmed::Declined { code, .. } => Some(Outcome::Declined(code)),
        Confirmed::Approved(_) | Confirmed::Unknown { .. } => None,
    }
}
