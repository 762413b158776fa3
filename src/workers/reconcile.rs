//! Finds the payments and refunds of which PostgreSQL has no end, and resumes them until the
//! gateway knows how they ended. It starts from the rows in PostgreSQL, so it also settles what
//! Redis has forgotten.

use crate::checkout::resume::Resumption;
use crate::domain::ids::{Partition, PaymentId};
use crate::domain::money::Attempt;
use crate::engine::command::MissedStep;
use crate::store::unsettled::{Unsettled, UnsettledState};
use crate::workers::{RECONCILE_INTERVAL, Workers};
use futures::StreamExt as _;
use std::time::Duration;

/// The most payments per round, the oldest first. Fewer: payments that can't be settled for a long
/// time keep the others out.
const PAYMENTS_MAX: i64 = 10_000;
/// Payments that are settled at the same time. More: too much for a gateway that has just come
/// back. Fewer: a thousand payments take longer than a minute.
const AT_ONCE_MAX: usize = 32;
/// The log names the oldest payment when it has waited for this time, and after each further one.
const LONG_AGE: Duration = Duration::from_secs(60);

impl Workers {
    /// Resumes every unsettled payment of the partitions that this worker owns, and returns how
    /// many it settled. A payment that can't be settled does not hold up the others.
    pub async fn reconcile_once(&self) -> anyhow::Result<usize> {
        let owned: Vec<Partition> = self.owned.lock().iter().copied().collect();
        if owned.is_empty() {
            return Ok(0);
        }
        let waiting = self.store.unsettled(&owned, self.reconcile_after_ms, PAYMENTS_MAX).await?;
        let resumption = Resumption::new(&self.engine, &self.toss);
        let mut round = futures::stream::iter(waiting)
            .map(|listed| self.reconcile(&resumption, listed))
            .buffer_unordered(AT_ONCE_MAX);
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

    /// Measures how long the oldest of these payments has waited, and how many dead letters there
    /// are. A round of `reconcile_once` may take minutes, so this is a step of its own.
    pub(super) async fn measure_unsettled(&self) -> anyhow::Result<()> {
        let owned: Vec<Partition> = self.owned.lock().iter().copied().collect();
        let (mut oldest_s, mut letters) = (0.0, 0);
        if !owned.is_empty() {
            let oldest = self.store.unsettled(&owned, self.reconcile_after_ms, 1).await?;
            oldest_s = oldest.first().map_or(0.0, |oldest| oldest.age_s);
            oldest.iter().for_each(tell_when_long);
            letters = self.store.dead_letters_in(&owned).await?;
        }
        metrics::gauge!("grandstand_payments_unsettled_seconds").set(oldest_s);
        metrics::gauge!("grandstand_dead_letters").set(letters as f64);
        Ok(())
    }

    async fn reconcile(
        &self,
        resumption: &Resumption,
        listed: Unsettled,
    ) -> (PaymentId, anyhow::Result<bool>) {
        (listed.attempt.payment, self.reconcile_listed(resumption, &listed).await)
    }

    /// The list may be old by now, so the row is read again and must still wait for the same.
    async fn reconcile_listed(
        &self,
        resumption: &Resumption,
        listed: &Unsettled,
    ) -> anyhow::Result<bool> {
        let payment = listed.attempt.payment;
        if !self.owned.lock().contains(&payment.partition()) {
            return Ok(false);
        }
        let newest = self.engine.journal_newest(payment.partition()).await?;
        let now = self.store.unsettled_one(payment).await?;
        let Some(Unsettled { attempt, state, .. }) = now
            .filter(|now| now.attempt.number == listed.attempt.number && now.state == listed.state)
        else {
            return Ok(false);
        };
        // PostgreSQL has missed a fact only when it has read the journal up to here.
        let place = self.position(payment.partition()).await?;
        if place.id >= newest && self.tell_again(&attempt, &state).await? {
            return Ok(true);
        }
        Ok(resumption.resume(&attempt, &state).await?)
    }

    /// PostgreSQL waits for a step that Redis has taken, because its fact was refused or lost, so
    /// the fact is written again. `false`: Redis waits for the step as well.
    async fn tell_again(&self, attempt: &Attempt, state: &UnsettledState) -> anyhow::Result<bool> {
        let missed = match state {
            UnsettledState::Outcome => MissedStep::Outcome,
            UnsettledState::Refund(refund, money) if refund.number > 0 => {
                MissedStep::Refund(money.clone())
            }
            UnsettledState::Refund(..) | UnsettledState::Lost(_) => return Ok(false),
        };
        let written = self.engine.tell_again(attempt, missed).await?;
        if written {
            tracing::warn!(payment = %attempt.payment, "PostgreSQL had missed a fact: told again");
        }
        Ok(written)
    }
}

/// Names a payment in the log, once in each minute that it waits. Only the oldest one is named,
/// because thousands wait while the gateway is away.
fn tell_when_long(oldest: &Unsettled) {
    let (age_s, long_s) = (oldest.age_s as u64, LONG_AGE.as_secs());
    if age_s >= long_s && age_s % long_s < RECONCILE_INTERVAL.as_secs() {
        let (payment, waits_for) = (oldest.attempt.payment, &oldest.state);
        tracing::warn!(%payment, age_s, ?waits_for, "a payment has no end yet");
    }
}
