//! Payments whose outcome nobody knows, and refunds that are not done: asked about at the gateway
//! until it knows. It starts from the claims in PostgreSQL, so it also settles what Redis has
//! forgotten. Every step is idempotent; two reconcilers at once only ask twice.

use crate::domain::claim::{ClaimState, refund_intent};
use crate::domain::ids::SeatId;
use crate::engine::payments::{Forgotten, Outcome, Settled};
use crate::engine::reservations::Found;
use crate::gateway::toss::{CancelOutcome, GatewayStatus, Lookup, Outcome as Confirmed};
use crate::store::reservations::Unsettled;
use crate::workers::Workers;

/// Payments per round.
const PAYMENTS: i64 = 200;

impl Workers {
    /// Asks about every unsettled payment once; answers how many were settled. One that can't be
    /// settled does not hold up the others.
    pub async fn reconcile_once(&self) -> anyhow::Result<usize> {
        let mut settled = 0;
        for one in self.store.unsettled(self.reconcile_after_ms, PAYMENTS).await? {
            if !self.lease(one.payment.partition()).await {
                continue;
            }
            match self.reconcile(&one).await {
                Ok(done) => settled += usize::from(done),
                Err(error) => tracing::warn!(
                    payment = %one.payment,
                    error = format!("{error:#}"),
                    "a payment can't be settled yet"
                ),
            }
        }
        Ok(settled)
    }

    async fn reconcile(&self, one: &Unsettled) -> anyhow::Result<bool> {
        if one.refunding {
            return self.refund(one).await;
        }
        match &one.sold {
            Some(sold) => self.give_up(one, sold).await,
            None => self.settle(one).await,
        }
    }

    /// What the gateway says of a payment; `None` while it does not know either.
    async fn ask(&self, one: &Unsettled) -> anyhow::Result<Option<Outcome>> {
        let order = one.payment.order_id();
        let found = match self.toss.find_by_order(&order).await {
            Lookup::Found(found) => found,
            Lookup::NotFound => {
                return Ok(Some(Outcome::Declined("NOT_FOUND_PAYMENT".to_owned())));
            }
            Lookup::Unknown { .. } => return Ok(None),
        };
        Ok(match found.status {
            GatewayStatus::Done if found.total_amount == one.amount => Some(Outcome::Approved),
            // The buyer agreed and our call never arrived. Only what still waits for it is charged.
            GatewayStatus::InProgress | GatewayStatus::Ready => {
                if !self.waits_for_money(one).await? {
                    return Ok(Some(Outcome::Declined("WITHDRAWN".to_owned())));
                }
                match self.toss.confirm(&one.payment_key, &order, one.amount).await {
                    Confirmed::Approved(_) => Some(Outcome::Approved),
                    Confirmed::Declined { code, .. } => Some(Outcome::Declined(code)),
                    Confirmed::Unknown { .. } => None,
                }
            }
            GatewayStatus::Aborted | GatewayStatus::Expired | GatewayStatus::Canceled => {
                Some(Outcome::Declined(found.status.as_str().to_owned()))
            }
            _ => None,
        })
    }

    /// Whether the reservation is PAYING by this very payment.
    async fn waits_for_money(&self, one: &Unsettled) -> anyhow::Result<bool> {
        let Some(Found::Live(claim)) = self.engine.claim(one.reservation).await? else {
            return Ok(false);
        };
        let same = claim.payment.is_some_and(|payment| payment.id == one.payment);
        Ok(same && claim.state == ClaimState::Paying)
    }

    async fn settle(&self, one: &Unsettled) -> anyhow::Result<bool> {
        let Some(outcome) = self.ask(one).await? else { return Ok(false) };
        let approved = outcome == Outcome::Approved;
        let settled =
            self.engine.settle_payment(one.match_id, one.reservation, one.payment, outcome).await?;
        tracing::info!(payment = %one.payment, ?settled, "an unknown outcome is settled");
        match settled {
            Settled::Confirmed(_) => Ok(true),
            // Paid for what can't be given any more.
            Settled::Pending(_) | Settled::Over if approved => match self.give_back(one).await {
                CancelOutcome::Canceled(_) => self.forget(one, "payment_refunded").await,
                CancelOutcome::Refused { .. } | CancelOutcome::Unknown { .. } => Ok(false),
            },
            Settled::Pending(_) => Ok(true),
            Settled::Over => self.forget(one, "payment_declined").await,
        }
    }

    async fn refund(&self, one: &Unsettled) -> anyhow::Result<bool> {
        let refused = match self.give_back(one).await {
            CancelOutcome::Canceled(_) => None,
            CancelOutcome::Refused { code, .. } => Some(code),
            CancelOutcome::Unknown { .. } => return Ok(false),
        };
        let given = refused.is_none();
        let noted =
            self.engine.settle_refund(one.match_id, one.reservation, one.payment, refused).await?;
        if noted.is_none() && given {
            return self.forget(one, "payment_refunded").await;
        }
        Ok(true)
    }

    /// The claim was refused and the node that asked for it did not tell Redis.
    async fn give_up(&self, one: &Unsettled, sold: &[SeatId]) -> anyhow::Result<bool> {
        let lost = Outcome::Lost(sold.to_vec());
        self.engine.settle_payment(one.match_id, one.reservation, one.payment, lost).await?;
        self.forget(one, "payment_lost").await
    }

    /// Redis does not know the reservation: PostgreSQL hears of the end all the same.
    async fn forget(&self, one: &Unsettled, fact: &'static str) -> anyhow::Result<bool> {
        let forgotten = Forgotten {
            match_id: one.match_id,
            user: one.user,
            reservation: one.reservation,
            payment: one.payment,
            seats: one.seats.clone(),
            amount: one.amount,
            method: one.method.clone(),
            payment_key: one.payment_key.clone(),
            fact,
        };
        Ok(self.engine.forget_payment(&forgotten).await?)
    }

    async fn give_back(&self, one: &Unsettled) -> CancelOutcome {
        let intent = refund_intent(one.payment);
        self.toss.cancel(&one.payment_key, &intent, "cancelled by the buyer", None).await
    }
}
