//! The slow sweep over the movements of money at the gateway, because a webhook may never come:
//! what the list of the last days says is compared with the rows, and what differs is settled.

use crate::checkout::settle::{Rumour, Settlement, Verdict, agrees};
use crate::domain::ids::PaymentId;
use crate::gateway::toss::{GatewayTransaction, Transactions};
use crate::store::payments::Standing;
use crate::workers::{Workers, pause};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Every so many sweeps all of the last days are swept, and else what came since the last one.
const WHOLE_EVERY: u32 = 60;
/// The last days.
const DAYS: i64 = 3;
/// How far a sweep looks back behind the last one: the gateway may list a movement late, and its
/// clock may differ from ours.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// Between two calls to the gateway.
const CALL_EVERY: Duration = Duration::from_millis(200);

/// What earlier sweeps have seen.
#[derive(Default)]
pub struct Swept {
    sweeps: u32,
    /// Where the last one ended.
    upto: Option<Timestamp>,
    /// The movements of payments that were looked up and need nothing more.
    looked: HashSet<String>,
    /// What could not be settled yet, by payment key: the next sweep has it too.
    later: HashMap<String, GatewayTransaction>,
    /// Payments whose money the gateway has, and that have no row.
    rowless: HashSet<PaymentId>,
}

impl Workers {
    /// Sweeps again and again, until `stop`.
    pub(super) async fn sweep_charges(self: Arc<Self>, stop: CancellationToken) {
        let mut swept = Swept::default();
        while !stop.is_cancelled() {
            pause(self.charges_every, &stop).await;
            if self.owned.lock().is_empty() {
                continue;
            }
            let sweep = tokio::select! {
                sweep = self.charges_once(&mut swept) => sweep,
                () = stop.cancelled() => return,
            };
            if let Err(error) = sweep {
                let error = format!("{error:#}");
                tracing::warn!(error, "the charges at the gateway can't be compared");
            }
        }
    }

    /// One sweep over the payments of the partitions that this worker owns. One that can't be
    /// settled does not hold up the others.
    async fn charges_once(&self, swept: &mut Swept) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let days = now - SignedDuration::from_hours(24 * DAYS);
        let whole = swept.sweeps.is_multiple_of(WHOLE_EVERY);
        let from = swept.upto.filter(|_| !whole).map_or(days, |upto| upto - OVERLAP);
        // The gateway's clock may be ahead.
        let new = self.last_movements(from, now + OVERLAP).await?;
        if whole {
            let known: HashSet<&String> = new.values().map(|one| &one.transaction_key).collect();
            swept.looked.retain(|key| known.contains(key));
            swept.rowless.clear();
        }
        let mut last = swept.later.clone();
        last.extend(new);
        let settlement = Settlement::new(&self.engine, &self.store, &self.toss);
        let is_ours = |one: &GatewayTransaction| {
            PaymentId::from_order_id(&one.order_id).is_some_and(|id| self.owns(id.partition()))
        };
        let movements: Vec<GatewayTransaction> = last.into_values().filter(is_ours).collect();
        let mut later = HashMap::new();
        for page in movements.chunks(1_000) {
            let payment = |one: &GatewayTransaction| PaymentId::from_order_id(&one.order_id);
            let ids: Vec<PaymentId> = page.iter().filter_map(payment).collect();
            let rows = settlement.rows(&ids).await?;
            for one in page {
                let Some(payment) = payment(one) else { continue };
                let rumour = Rumour {
                    payment,
                    payment_key: Some(one.payment_key.clone()),
                    status: Some(one.status.clone()),
                };
                let Some(row) = rows.get(&payment) else {
                    match one.has_money() {
                        true => swept.rowless.insert(payment),
                        false => swept.rowless.remove(&payment),
                    };
                    continue;
                };
                swept.rowless.remove(&payment);
                // The reconciler asks about those.
                let waits = matches!(row.standing, Standing::Waits(_))
                    && one.payment_key == row.attempt.payment_key;
                if waits || agrees(row, &rumour) || swept.looked.contains(&one.transaction_key) {
                    continue;
                }
                tokio::time::sleep(CALL_EVERY).await;
                let looked = settlement.look(row, &rumour).await.unwrap_or_else(|error| {
                    let error = format!("{error:#}");
                    tracing::warn!(%payment, error, "a payment can't be settled yet");
                    Verdict::Later
                });
                if looked == Verdict::Agrees {
                    swept.looked.insert(one.transaction_key.clone());
                } else if looked == Verdict::Later {
                    later.insert(one.payment_key.clone(), one.clone());
                }
            }
        }
        let rowless = swept.rowless.len();
        metrics::gauge!("grandstand_charges_without_row").set(rowless as f64);
        if rowless > 0 {
            tracing::error!(rowless, "charges without a row: grandstand verify --gateway");
        }
        swept.later = later;
        swept.sweeps += 1;
        swept.upto = Some(now);
        Ok(())
    }

    /// The last movement of each payment between two times.
    async fn last_movements(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> anyhow::Result<HashMap<String, GatewayTransaction>> {
        let toss = self.toss.in_background();
        let (mut last, mut after) = (HashMap::new(), None::<String>);
        loop {
            let page = match toss.transactions(from, to, after.as_deref()).await {
                Transactions::Page(page) => page,
                Transactions::Unknown { reason } => anyhow::bail!("the list of Toss: {reason}"),
            };
            let Some(end) = page.last().map(|one| one.transaction_key.clone()) else {
                return Ok(last);
            };
            anyhow::ensure!(after.as_ref() != Some(&end), "the same page came twice");
            after = Some(end);
            last.extend(page.into_iter().map(|one| (one.payment_key.clone(), one)));
            tokio::time::sleep(CALL_EVERY).await;
        }
    }
}
