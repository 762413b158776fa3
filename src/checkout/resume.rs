//! Ends payments and refunds that were interrupted, from what PostgreSQL knows of them, so also
//! when Redis has forgotten them. Every step is idempotent and names its attempt, so two processes
//! that take the same step do no harm.

use crate::checkout::cancel::{GivenBack, give_back};
use crate::checkout::confirm::{Charge, charge};
use crate::checkout::refused::tell;
use crate::checkout::settle::has_charged;
use crate::domain::fact::PaymentStep;
use crate::domain::ids::SeatId;
use crate::domain::money::{Attempt, Money, Refund};
use crate::engine::Engine;
use crate::engine::command::PaymentOutcome;
use crate::engine::error::EngineError;
use crate::engine::payments::Settled;
use crate::gateway::toss::{CancelOutcome, ConfirmOutcome, GatewayStatus, Lookup, Toss};
use crate::store::unsettled::UnsettledState;
use std::sync::Arc;

/// The code of an attempt that its reservation does not wait for any more.
const WITHDRAWN: &str = "WITHDRAWN";
/// The code of an attempt that the gateway does not know.
const NOT_FOUND: &str = "NOT_FOUND_PAYMENT";
/// The code of a payment of another amount than that of the reservation.
const OTHER_AMOUNT: &str = "AMOUNT_MISMATCH";

/// Ends what was interrupted.
pub struct Resumption {
    engine: Arc<Engine>,
    toss: Toss,
}

impl Resumption {
    /// With the parts of a node.
    pub fn new(engine: &Arc<Engine>, toss: &Toss) -> Self {
        Self { engine: engine.clone(), toss: toss.clone() }
    }

    /// Takes the next steps of an attempt that waits for `state`. `false`: it still waits.
    ///
    /// # Errors
    /// Redis gave no reply.
    pub async fn resume(
        &self,
        attempt: &Attempt,
        state: &UnsettledState,
    ) -> Result<bool, EngineError> {
        match state {
            UnsettledState::Outcome => self.settle(attempt).await,
            UnsettledState::Lost(sold) => self.give_up(attempt, sold).await,
            UnsettledState::Refund(refund, money) => self.refund(attempt, refund, money).await,
        }
    }

    async fn settle(&self, attempt: &Attempt) -> Result<bool, EngineError> {
        let Some(outcome) = self.outcome(attempt).await? else { return Ok(false) };
        let approved = outcome == PaymentOutcome::Approved;
        let settled = self.engine.settle_payment(attempt, outcome).await?;
        tracing::info!(payment = %attempt.payment, ?settled, "an unknown outcome is settled");
        match settled {
            Settled::Confirmed(_) | Settled::Pending(_) => Ok(true),
            // The journal has the refund. PostgreSQL decides whether the money goes back, because
            // it may have the sale and Redis may have forgotten it. Then a later round finds the
            // row of the refund.
            Settled::Owed => Ok(true),
            // A later attempt has the money, or it is back already. The journal has which.
            Settled::Over | Settled::Asked if approved => Ok(false),
            Settled::Over | Settled::Asked => {
                self.record_end(attempt, PaymentStep::Declined, &Money::default()).await
            }
        }
    }

    /// The outcome of an attempt at the gateway. `None` while the gateway does not know it either.
    async fn outcome(&self, attempt: &Attempt) -> Result<Option<PaymentOutcome>, EngineError> {
        if attempt.amount == 0 {
            return self.charge_if_awaited(attempt).await;
        }
        // By its key, because the order may have a second payment.
        let found = match self.toss.find_by_key(&attempt.payment_key).await {
            Lookup::Found(found) if found.order_id == attempt.payment.order_id() => found,
            Lookup::Found(_) | Lookup::NotFound => {
                return Ok(Some(PaymentOutcome::Declined(NOT_FOUND.to_owned())));
            }
            Lookup::Unknown { .. } => return Ok(None),
        };
        Ok(match found.status {
            GatewayStatus::Done | GatewayStatus::PartialCanceled
                if has_charged(&found, attempt) =>
            {
                Some(PaymentOutcome::Approved)
            }
            GatewayStatus::Done | GatewayStatus::PartialCanceled => {
                self.refuse_other_amount(attempt).await
            }
            // The buyer agreed and our call never arrived.
            GatewayStatus::InProgress | GatewayStatus::Ready => {
                self.charge_if_awaited(attempt).await?
            }
            GatewayStatus::Aborted | GatewayStatus::Expired | GatewayStatus::Canceled => {
                Some(PaymentOutcome::Declined(found.status.as_str().to_owned()))
            }
            GatewayStatus::WaitingForDeposit => {
                match self.toss.refuse_deposit(&attempt.payment_key).await {
                    ConfirmOutcome::Declined { code, .. } => Some(PaymentOutcome::Declined(code)),
                    ConfirmOutcome::Approved(_) | ConfirmOutcome::Unknown { .. } => None,
                }
            }
            GatewayStatus::Other(_) => None,
        })
    }

    /// Charges an attempt that its reservation still waits for. Redis notes this first, so that
    /// the process that began the attempt can't take it back meanwhile.
    async fn charge_if_awaited(
        &self,
        attempt: &Attempt,
    ) -> Result<Option<PaymentOutcome>, EngineError> {
        if !self.engine.mark_asked(attempt).await? {
            return Ok(Some(PaymentOutcome::Declined(WITHDRAWN.to_owned())));
        }
        Ok(match charge(&self.toss, attempt).await {
            Charge::Approved => Some(PaymentOutcome::Approved),
            Charge::Declined { code, .. } => Some(PaymentOutcome::Declined(code)),
            Charge::Unknown { .. } => None,
        })
    }

    /// The gateway has charged another amount than we asked for, so it is no payment of this
    /// reservation, and goes back.
    async fn refuse_other_amount(&self, attempt: &Attempt) -> Option<PaymentOutcome> {
        let intent = format!("amount:{}", attempt.payment_key);
        let reason = "another amount than that of the reservation";
        match self.toss.cancel(&attempt.payment_key, &intent, reason, None).await {
            CancelOutcome::Canceled(_) => Some(PaymentOutcome::Declined(OTHER_AMOUNT.to_owned())),
            CancelOutcome::Refused { .. } | CancelOutcome::Unknown { .. } => None,
        }
    }

    /// PostgreSQL refused the claim, and the node that asked for it did not tell Redis.
    async fn give_up(&self, attempt: &Attempt, sold: &[SeatId]) -> Result<bool, EngineError> {
        self.engine.settle_payment(attempt, PaymentOutcome::Lost(sold.to_vec())).await?;
        self.record_end(attempt, PaymentStep::Lost, &Money::default()).await
    }

    async fn refund(
        &self,
        attempt: &Attempt,
        refund: &Refund,
        money: &Money,
    ) -> Result<bool, EngineError> {
        let given_back = match self.is_back_already(attempt, money).await {
            true => GivenBack::Back,
            false => give_back(&self.toss, &attempt.payment_key, refund, money.part).await,
        };
        let refused = match given_back {
            GivenBack::Back => None,
            GivenBack::Refused(code) => Some(code),
            GivenBack::Unknown { .. } => return Ok(false),
        };
        if refund.number == 0 {
            if let Some(code) = refused {
                tell(&attempt.payment.order_id(), &attempt.payment_key, &code);
                return Ok(false);
            }
            return self.record_end(attempt, PaymentStep::Refunded, money).await;
        }
        let kept = refused.is_some();
        let Attempt { match_id, user, reservation, .. } = *attempt;
        let settled = self.engine.settle_refund(match_id, user, reservation, refund, refused);
        if settled.await?.is_some() {
            return Ok(true);
        }
        if kept {
            return self.record_end(attempt, PaymentStep::RefundRefused, money).await;
        }
        if is_whole(attempt, money) {
            return self.record_end(attempt, PaymentStep::Refunded, money).await;
        }
        let mut left = attempt.clone();
        left.seats.retain(|seat| !money.part_seats.contains(seat));
        left.amount -= money.part + money.part_fee;
        self.record_end(&left, PaymentStep::RefundDone, money).await
    }

    /// Whether a refund of the whole payment is done already: the money may have gone back another
    /// way, and a gateway that has once refused an intent repeats its refusal for days.
    async fn is_back_already(&self, attempt: &Attempt, money: &Money) -> bool {
        if money.part == 0 || !is_whole(attempt, money) {
            return false;
        }
        let looked = self.toss.find_by_key(&attempt.payment_key).await;
        matches!(looked, Lookup::Found(found) if found.status == GatewayStatus::Canceled)
    }

    /// Writes the end of an attempt to the journal although its reservation does not wait for it
    /// any more.
    async fn record_end(
        &self,
        attempt: &Attempt,
        fact: PaymentStep,
        money: &Money,
    ) -> Result<bool, EngineError> {
        let money = Money { attempt: attempt.number, ..money.clone() };
        self.engine.record_orphan_payment(attempt, fact, &money).await
    }
}

/// Whether a refund is of all seats that are left of a sale.
fn is_whole(attempt: &Attempt, money: &Money) -> bool {
    money.part_seats.len() == attempt.seats.len()
}
