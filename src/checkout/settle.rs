//! Settles payments that have ended for us and went on at the gateway. A payment that was refused
//! may be approved late, and a sale may be given back in the console of the gateway. If money is
//! involved, it goes back in full, or the reservation ends.

use crate::checkout::refused::tell;
use crate::domain::claim::ClaimState;
use crate::domain::fact::PaymentStep;
use crate::domain::ids::PaymentId;
use crate::domain::money::{Attempt, Money};
use crate::engine::Engine;
use crate::engine::cancellation::{Cancellation, Extent, Right};
use crate::engine::claims::Found;
use crate::engine::command::PaymentOutcome;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::engine::payments::Settled;
use crate::gateway::toss::{CancelOutcome, GatewayPayment, GatewayStatus, Lookup, Toss};
use crate::store::payments::{PaymentRow, Standing};
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;

/// What a webhook, or the list of movements of money, says about a payment. It is never believed,
/// and only says which payments are worth a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rumour {
    pub payment: PaymentId,
    /// The gateway's key of the payment. A message about a deposit has none.
    pub payment_key: Option<String>,
    pub status: Option<GatewayStatus>,
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is nothing to do.
    Agrees,
    /// The steps that settle it are taken, or are in the journal.
    Settled,
    /// It can't be settled now: the gateway gave no reply, or a payment or refund is under way.
    Later,
}

/// Compares payments with the gateway, and settles what does not agree.
#[derive(Clone)]
pub struct Settlement {
    engine: Arc<Engine>,
    store: Store,
    toss: Toss,
}

/// Whether a rumour says the same as the row, so that no look-up is needed.
pub fn agrees(row: &PaymentRow, rumour: &Rumour) -> bool {
    let Some(status) = &rumour.status else { return false };
    let has_none =
        matches!(status, GatewayStatus::Canceled | GatewayStatus::Aborted | GatewayStatus::Expired);
    if rumour.payment_key.as_ref().is_some_and(|key| *key != row.attempt.payment_key) {
        return has_none;
    }
    match row.standing {
        Standing::Waits(_) => false,
        // The reconciler ends it.
        Standing::Ending => true,
        Standing::Refunded if row.fees > 0 && row.back > 0 => {
            *status == GatewayStatus::PartialCanceled
        }
        Standing::Refunded if row.fees > 0 => *status == GatewayStatus::Done,
        Standing::Failed | Standing::Refunded => has_none,
        Standing::Paid if row.attempt.amount + row.fees == 0 => *status == GatewayStatus::Canceled,
        Standing::Paid if row.back > 0 => *status == GatewayStatus::PartialCanceled,
        Standing::Paid => *status == GatewayStatus::Done,
    }
}

/// What the gateway should have of a payment that was paid, in KRW: the seats that are left of the
/// sale, and the fees of the others.
fn left_of(row: &PaymentRow) -> i64 {
    match row.standing {
        Standing::Refunded => row.fees,
        Standing::Waits(_) | Standing::Ending | Standing::Paid | Standing::Failed => {
            row.attempt.amount + row.fees
        }
    }
}

/// Whether the gateway has charged what an attempt asked for. A part that has gone back already
/// does not undo the sale.
pub(super) fn has_charged(found: &GatewayPayment, attempt: &Attempt) -> bool {
    matches!(found.status, GatewayStatus::Done | GatewayStatus::PartialCanceled)
        && found.total_amount == attempt.amount
}

impl Settlement {
    /// With the parts of a node. Failures of its calls to the gateway hold no new payment back.
    pub fn new(engine: &Arc<Engine>, store: &Store, toss: &Toss) -> Self {
        Self { engine: engine.clone(), store: store.clone(), toss: toss.in_background() }
    }

    /// The rows of payments in PostgreSQL. A payment without a row is left out.
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
    ///
    /// # Errors
    /// Redis gave no reply.
    pub async fn look(&self, row: &PaymentRow, rumour: &Rumour) -> Result<Verdict, EngineError> {
        // In a halted partition PostgreSQL has lost sales, so a row is no reason to give money
        // back.
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

    async fn settle(
        &self,
        row: &PaymentRow,
        found: &GatewayPayment,
    ) -> Result<Verdict, EngineError> {
        let attempt = &row.attempt;
        let payment = attempt.payment;
        let has_money = found.has_money();
        if found.payment_key != attempt.payment_key {
            // The buyer has paid twice for one order. No row has asked for this payment.
            return match has_money {
                true if self.is_sold_by(row, &found.payment_key).await? => Ok(Verdict::Later),
                true => Ok(self.give_back(found, "stray", "paid twice").await),
                false => Ok(Verdict::Agrees),
            };
        }
        match row.standing {
            Standing::Waits(_) if has_charged(found, attempt) => {
                self.engine.settle_payment(attempt, PaymentOutcome::Approved).await?;
                Ok(Verdict::Settled)
            }
            Standing::Waits(_) | Standing::Ending => Ok(Verdict::Later),
            Standing::Failed if found.status == GatewayStatus::WaitingForDeposit => {
                self.toss.refuse_deposit(&found.payment_key).await;
                Ok(Verdict::Settled)
            }
            Standing::Failed if has_money => {
                let settled = self.engine.settle_payment(attempt, PaymentOutcome::Approved).await?;
                tracing::warn!(%payment, ?settled, "approved after it was refused: it goes back");
                count("approved late");
                Ok(if settled == Settled::Owed { Verdict::Settled } else { Verdict::Later })
            }
            Standing::Refunded if has_money && row.fees == 0 => {
                Ok(self.give_back(found, "again", "refunded before").await)
            }
            Standing::Paid if found.status == GatewayStatus::Canceled && attempt.amount > 0 => {
                self.end_sale(row).await
            }
            Standing::Paid | Standing::Refunded
                if has_money && found.balance_amount != left_of(row) =>
            {
                let (left, there) = (left_of(row), found.balance_amount);
                tracing::warn!(%payment, left, there, "the gateway has another amount of a sale");
                count("another amount");
                Ok(Verdict::Agrees)
            }
            Standing::Failed | Standing::Refunded | Standing::Paid => Ok(Verdict::Agrees),
        }
    }

    /// Whether the reservation of a row is on this payment key in Redis, of which the row does not
    /// know yet.
    async fn is_sold_by(&self, row: &PaymentRow, key: &str) -> Result<bool, EngineError> {
        let Attempt { user, reservation, .. } = row.attempt;
        let claim = match self.engine.claim(user, reservation).await? {
            Some(Found::Live(claim)) => claim,
            Some(Found::Ended(_)) | None => return Ok(false),
        };
        Ok(claim.payment.is_some_and(|payment| payment.key == key))
    }

    /// Gives back all that the gateway has of a payment that no row owes. A repeated call has no
    /// second effect.
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
                tell(order, &found.payment_key, &code);
                Verdict::Later
            }
            CancelOutcome::Unknown { .. } => Verdict::Later,
        }
    }

    /// Ends a sale whose money went back at the gateway without us. Its seats are refunded, and the
    /// reconciler ends this refund, because it finds that the money is back.
    async fn end_sale(&self, row: &PaymentRow) -> Result<Verdict, EngineError> {
        let attempt = &row.attempt;
        let (payment, user) = (attempt.payment, attempt.user);
        tracing::warn!(%payment, "given back at the gateway: the reservation ends");
        count("given back elsewhere");
        let live = match self.engine.claim(user, attempt.reservation).await? {
            Some(Found::Live(claim)) => {
                let is_on_it = claim.payment.as_ref().is_some_and(|found| found.id == payment);
                if !is_on_it || claim.state != ClaimState::Confirmed {
                    return Ok(Verdict::Later);
                }
                true
            }
            Some(Found::Ended(_)) | None => false,
        };
        if live {
            // The money is back whatever the terms say.
            let all = Cancellation {
                extent: Extent::All,
                seats: vec![],
                right: Right::Waived,
                remains: None,
            };
            let (id, none) = (attempt.reservation, Operation::default());
            match self.engine.cancel(attempt.match_id, user, id, all, none).await {
                Ok(_) => return Ok(Verdict::Settled),
                Err(EngineError::Refused(Refusal::Archived | Refusal::NotFound(_))) => {}
                Err(error) => return Err(error),
            }
        }
        // The match has left Redis, so only PostgreSQL has the sale.
        let money = Money {
            attempt: attempt.number,
            refund: row.last_refund + 1,
            part: attempt.amount,
            part_seats: attempt.seats.clone(),
            ..Money::default()
        };
        let noted =
            self.engine.record_orphan_payment(attempt, PaymentStep::Refunded, &money).await?;
        Ok(if noted { Verdict::Settled } else { Verdict::Later })
    }
}

fn count(what: &'static str) {
    metrics::counter!("grandstand_disagreements_settled_total", "what" => what).increment(1);
}
