//! What is over for us and not over at the gateway. A payment that was refused may be approved
//! late, and a sale may be given back in the console of the gateway. Each such disagreement with
//! money in it is settled here: by a refund in full, or by the end of the reservation.

use crate::domain::claim::ClaimState;
use crate::domain::fact::PaymentStep;
use crate::domain::ids::PaymentId;
use crate::domain::money::{Attempt, Money};
use crate::engine::Engine;
use crate::engine::claims::Found;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::payments::{Outcome, Settled};
use crate::gateway::toss::{CancelOutcome, GatewayPayment, GatewayStatus, Lookup, Toss};
use crate::store::payments::{PaymentRow, Standing};
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;

/// What somebody says of a payment at the gateway: a webhook, or the list of movements of money.
/// It is never believed, and only says which payments are worth a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rumour {
    pub payment: PaymentId,
    /// The gateway's key of it, where it is told.
    pub payment_key: Option<String>,
    /// Where it is told.
    pub status: Option<GatewayStatus>,
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is to be done.
    Agrees,
    /// What was wrong has been set right, or is on its way to it.
    Settled,
    /// It can't be settled now: the gateway or Redis gave no reply, or something is under way.
    Later,
}

/// Compares payments with the gateway, and settles what does not agree.
#[derive(Clone)]
pub struct Settlement {
    engine: Arc<Engine>,
    store: Store,
    toss: Toss,
}

/// Whether a rumour is what the row says anyway, so that no look-up is needed.
pub fn agrees(row: &PaymentRow, rumour: &Rumour) -> bool {
    let Some(status) = &rumour.status else { return false };
    let has_none =
        matches!(status, GatewayStatus::Canceled | GatewayStatus::Aborted | GatewayStatus::Expired);
    if rumour.payment_key.as_ref().is_some_and(|key| *key != row.attempt.payment_key) {
        return has_none;
    }
    match row.standing {
        Standing::Waits(_) => false,
        // The reconciler sees to it.
        Standing::Ending => true,
        Standing::Failed | Standing::Refunded => has_none,
        Standing::Paid if row.attempt.amount == 0 => *status == GatewayStatus::Canceled,
        Standing::Paid if row.back > 0 => *status == GatewayStatus::PartialCanceled,
        Standing::Paid => *status == GatewayStatus::Done,
    }
}

impl Settlement {
    /// Settles in the background: how its calls to the gateway end holds no payment back.
    pub fn new(engine: &Arc<Engine>, store: &Store, toss: &Toss) -> Self {
        Self { engine: engine.clone(), store: store.clone(), toss: toss.in_background() }
    }

    /// How some payments stand in PostgreSQL; those without a row are left out.
    ///
    /// # Errors
    /// PostgreSQL is away.
    pub async fn rows(
        &self,
        payments: &[PaymentId],
    ) -> Result<HashMap<PaymentId, PaymentRow>, StoreError> {
        self.store.payment_rows(payments).await
    }

    /// Looks the payment of a rumour up at the gateway, and settles what does not agree with its
    /// row.
    pub async fn look(&self, row: &PaymentRow, rumour: &Rumour) -> anyhow::Result<Verdict> {
        // Where PostgreSQL has forgotten sales, what it says is no reason to give money back.
        if self.engine.partition_state(rumour.payment.partition()).await?.halted.is_some() {
            return Ok(Verdict::Later);
        }
        let looked = match &rumour.payment_key {
            Some(key) => self.toss.find_by_key(key).await,
            None => self.toss.find_by_order(&rumour.payment.order_id()).await,
        };
        match looked {
            Lookup::Found(found) if found.order_id == rumour.payment.order_id() => {
                self.settle(row, &found).await
            }
            Lookup::Found(_) | Lookup::NotFound => Ok(Verdict::Agrees),
            Lookup::Unknown { .. } => Ok(Verdict::Later),
        }
    }

    async fn settle(&self, row: &PaymentRow, found: &GatewayPayment) -> anyhow::Result<Verdict> {
        let attempt = &row.attempt;
        let payment = attempt.payment;
        let has_money = found.has_money();
        if found.payment_key != attempt.payment_key {
            // The buyer has paid twice for one order: what no row has asked for goes back.
            return match has_money {
                true if self.is_sold_by(row, &found.payment_key).await? => Ok(Verdict::Later),
                true => Ok(self.give_back(found, "stray", "paid twice").await),
                false => Ok(Verdict::Agrees),
            };
        }
        match row.standing {
            Standing::Waits(_)
                if found.status == GatewayStatus::Done && found.total_amount == attempt.amount =>
            {
                self.engine.settle_payment(attempt, Outcome::Approved).await?;
                Ok(Verdict::Settled)
            }
            Standing::Waits(_) | Standing::Ending => Ok(Verdict::Later),
            Standing::Failed if found.status == GatewayStatus::WaitingForDeposit => {
                self.toss.refuse_deposit(&found.payment_key).await;
                Ok(Verdict::Settled)
            }
            Standing::Failed if has_money => {
                let settled = self.engine.settle_payment(attempt, Outcome::Approved).await?;
                tracing::warn!(%payment, ?settled, "approved after it was refused: it goes back");
                count("approved late");
                Ok(if settled == Settled::Owed { Verdict::Settled } else { Verdict::Later })
            }
            Standing::Refunded if has_money => {
                Ok(self.give_back(found, "again", "refunded before").await)
            }
            Standing::Paid if found.status == GatewayStatus::Canceled && attempt.amount > 0 => {
                self.end_sale(row).await
            }
            Standing::Paid if has_money && found.balance_amount != attempt.amount => {
                let (left, there) = (attempt.amount, found.balance_amount);
                tracing::warn!(%payment, left, there, "the gateway has another amount of a sale");
                count("another amount");
                Ok(Verdict::Agrees)
            }
            Standing::Failed | Standing::Refunded | Standing::Paid => Ok(Verdict::Agrees),
        }
    }

    /// Whether Redis has the reservation of a row with another payment key than the row.
    async fn is_sold_by(&self, row: &PaymentRow, key: &str) -> anyhow::Result<bool> {
        let Attempt { user, reservation, .. } = row.attempt;
        let claim = match self.engine.claim(user, reservation).await? {
            Some(Found::Live(claim)) => claim,
            Some(Found::Ended(_)) | None => return Ok(false),
        };
        Ok(claim.payment.is_some_and(|payment| payment.key == key))
    }

    /// Gives back all that the gateway has of a payment, when no row says that it is owed. The same
    /// call again has no second effect.
    async fn give_back(&self, found: &GatewayPayment, why: &str, reason: &'static str) -> Verdict {
        let intent = format!("{why}:{}", found.payment_key);
        let (order, amount) = (&found.order_id, found.balance_amount);
        match self.toss.cancel(&found.payment_key, &intent, reason, None).await {
            CancelOutcome::Canceled(_) => {
                tracing::warn!(order, amount, reason, "money that belongs to no sale is back");
                count(reason);
                Verdict::Settled
            }
            CancelOutcome::Refused { code, .. } => {
                tracing::error!(order, amount, code, "money that belongs to no sale stays there");
                metrics::counter!("grandstand_refunds_owed_refused_total").increment(1);
                Verdict::Later
            }
            CancelOutcome::Unknown { .. } => Verdict::Later,
        }
    }

    /// The money of a sale went back at the gateway, without us: the sale is over. Its seats go
    /// the way of a refund, which the reconciler ends, because it finds that the money is back.
    async fn end_sale(&self, row: &PaymentRow) -> anyhow::Result<Verdict> {
        let attempt = &row.attempt;
        let (payment, user) = (attempt.payment, attempt.user);
        tracing::warn!(%payment, "given back at the gateway: the reservation ends");
        count("given back elsewhere");
        let live = match self.engine.claim(user, attempt.reservation).await? {
            Some(Found::Live(claim)) => {
                let mine = claim.payment.as_ref().is_some_and(|one| one.id == payment);
                if !mine || claim.state != ClaimState::Confirmed {
                    return Ok(Verdict::Later);
                }
                true
            }
            Some(Found::Ended(_)) | None => false,
        };
        if live {
            match self.engine.cancel(attempt.match_id, user, attempt.reservation, &[]).await {
                Ok(_) => return Ok(Verdict::Settled),
                Err(EngineError::Refused(Refusal::Archived | Refusal::NotFound(_))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The match has left Redis: only the books have the sale.
        let money = Money {
            attempt: attempt.number,
            refund: row.last_refund + 1,
            part: attempt.amount,
            part_seats: attempt.seats.clone(),
            ..Money::default()
        };
        let told =
            self.engine.record_orphan_payment(attempt, PaymentStep::Refunded, &money).await?;
        Ok(if told { Verdict::Settled } else { Verdict::Later })
    }
}

fn count(what: &'static str) {
    metrics::counter!("grandstand_disagreements_settled_total", "what" => what).increment(1);
}
