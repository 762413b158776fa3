//! Payments whose outcome nobody knows, and refunds that are not done: asked about at the gateway
//! until it knows. It starts from the claims in PostgreSQL, so it also settles what Redis has
//! forgotten. Every step is idempotent; two reconcilers at once only ask twice.

use crate::domain::claim::refund_intent;
use crate::domain::ids::SeatId;
use crate::engine::payments::{Outcome, Settled};
use crate::gateway::toss::GatewayStatus;
use crate::gateway::toss::{CancelOutcome, Lookup, Outcome as Confirmed};
use crate::store::reservations::Unsettled;
use crate::workers::Workers;

/// Payments per round.
const PAYMENTS: i64 = 200;

impl Workers {
    /// Asks about every unsettled payment once; answers how many were settled.
    pub async fn reconcile_once(&self) -> anyhow::Result<usize> {
        let mut settled = 0;
        for one in self.store.unsettled(self.reconcile_after_ms, PAYMENTS).await? {
            if !self.lease(one.payment.partition()).await {
                continue;
            }
            let done = if one.refunding {
                self.refund(&one).await?
            } else if let Some(sold) = &one.sold {
                self.give_up(&one, sold).await?
            } else {
                self.settle(&one).await?
            };
            settled += usize::from(done);
        }
        Ok(settled)
    }

    async fn settle(&self, one: &Unsettled) -> anyhow::Result<bool> {
        let order = one.payment.order_id();
        let outcome = match self.toss.find_by_order(&order).await {
            Lookup::Found(found) => match found.status {
                GatewayStatus::Done => Outcome::Approved,
                // The buyer agreed and our call never arrived: the same call again, same key.
                GatewayStatus::InProgress | GatewayStatus::Ready => {
                    match self.toss.confirm(&one.payment_key, &order, one.amount).await {
                        Confirmed::Approved(_) => Outcome::Approved,
                        Confirmed::Declined { code, .. } => Outcome::Declined(code),
                        Confirmed::Unknown { .. } => return Ok(false),
                    }
                }
                GatewayStatus::Aborted | GatewayStatus::Expired | GatewayStatus::Canceled => {
                    Outcome::Declined(found.status.as_str().to_owned())
                }
                _ => return Ok(false),
            },
            Lookup::NotFound => Outcome::Declined("NOT_FOUND_PAYMENT".to_owned()),
            Lookup::Unknown { .. } => return Ok(false),
        };
        let approved = outcome == Outcome::Approved;
        let settled =
            self.engine.settle_payment(one.match_id, one.reservation, one.payment, outcome).await?;
        tracing::info!(payment = %one.payment, ?settled, "an unknown outcome is settled");
        if approved && !matches!(settled, Settled::Confirmed(_)) {
            // Paid for what can't be given any more.
            self.give_back(one).await;
        }
        Ok(true)
    }

    /// The claim was refused and the node that asked for it did not tell Redis.
    async fn give_up(&self, one: &Unsettled, sold: &[SeatId]) -> anyhow::Result<bool> {
        let lost = Outcome::Lost(sold.to_vec());
        self.engine.settle_payment(one.match_id, one.reservation, one.payment, lost).await?;
        Ok(true)
    }

    async fn refund(&self, one: &Unsettled) -> anyhow::Result<bool> {
        let refused = match self.give_back(one).await {
            CancelOutcome::Canceled(_) => None,
            CancelOutcome::Refused { code, .. } => Some(code),
            CancelOutcome::Unknown { .. } => return Ok(false),
        };
        self.engine.settle_refund(one.match_id, one.reservation, one.payment, refused).await?;
        Ok(true)
    }

    async fn give_back(&self, one: &Unsettled) -> CancelOutcome {
        let intent = refund_intent(one.payment);
        self.toss.cancel(&one.payment_key, &intent, "cancelled by the buyer", None).await
    }
}
