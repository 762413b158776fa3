//! The slow sweep over the movements of money at the gateway, because a webhook may never come. The
//! list of the last days is compared with the rows in PostgreSQL, and a difference is settled.

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

/// One of this many sweeps is over all of the last days, the others only over the movements since
/// the sweep before. Fewer: more calls to the gateway. More: a late change is found later.
const WHOLE_INTERVAL_SWEEPS: u32 = 60;
/// How many of the last days a whole sweep covers.
const WHOLE_DAYS: i64 = 3;
/// How far a sweep goes back before the end of the last sweep, because the gateway may list a
/// movement late, and its clock may differ from ours.
const OVERLAP_TIME: SignedDuration = SignedDuration::from_mins(5);
/// The pause between two calls to the gateway, so that buyers do not wait for the sweep.
const CALL_PAUSE: Duration = Duration::from_millis(200);

/// The most payments of one query to PostgreSQL.
const QUERY_PAYMENTS_MAX: usize = 1_000;

/// What earlier sweeps found.
#[derive(Default)]
pub struct Swept {
    sweeps: u32,
    /// Where the last sweep ended.
    upto: Option<Timestamp>,
    /// Movements whose payments were looked up and agree.
    agreed: HashSet<String>,
    /// Movements that could not be settled yet, by payment key. The next sweep has them again.
    later: HashMap<String, GatewayTransaction>,
    /// Payments without a row whose money the gateway has.
    rowless: HashSet<PaymentId>,
}

impl Workers {
    /// Sweeps at the interval of the settings, until `stop`.
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

    /// One sweep over the payments of the partitions that this worker owns. A payment that can't be
    /// settled does not hold up the others.
    async fn charges_once(&self, swept: &mut Swept) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let days = now - SignedDuration::from_hours(24 * WHOLE_DAYS);
        let whole = swept.sweeps.is_multiple_of(WHOLE_INTERVAL_SWEEPS);
        let from = swept.upto.filter(|_| !whole).map_or(days, |upto| upto - OVERLAP_TIME);
        // The gateway's clock may be ahead.
        let new = self.last_movements(from, now + OVERLAP_TIME).await?;
        if whole {
            let known: HashSet<&String> =
                new.values().map(|movement| &movement.transaction_key).collect();
            swept.agreed.retain(|key| known.contains(key));
            swept.rowless.clear();
        }
        let mut last = swept.later.clone();
        last.extend(new);
        let settlement = Settlement::new(&self.engine, &self.store, &self.toss);
        let payment = |movement: &GatewayTransaction| PaymentId::from_order_id(&movement.order_id);
        let is_ours = |movement: &GatewayTransaction| {
            payment(movement).is_some_and(|id| self.owns(id.partition()))
        };
        let movements: Vec<GatewayTransaction> = last.into_values().filter(is_ours).collect();
        let mut later = HashMap::new();
        for page in movements.chunks(QUERY_PAYMENTS_MAX) {
            let ids: Vec<PaymentId> = page.iter().filter_map(payment).collect();
            let rows = settlement.rows(&ids).await?;
            for movement in page {
                let Some(payment) = payment(movement) else { continue };
                let rumour = Rumour {
                    payment,
                    payment_key: Some(movement.payment_key.clone()),
                    status: Some(movement.status.clone()),
                };
                let Some(row) = rows.get(&payment) else {
                    match movement.has_money() {
                        true => swept.rowless.insert(payment),
                        false => swept.rowless.remove(&payment),
                    };
                    continue;
                };
                swept.rowless.remove(&payment);
                // The reconciler settles a payment that waits for its outcome.
                let waits = matches!(row.standing, Standing::Waits(_))
                    && movement.payment_key == row.attempt.payment_key;
                if waits || agrees(row, &rumour) || swept.agreed.contains(&movement.transaction_key)
                {
                    continue;
                }
                tokio::time::sleep(CALL_PAUSE).await;
                let looked = settlement.look(row, &rumour).await.unwrap_or_else(|error| {
                    let error = format!("{error:#}");
                    tracing::warn!(%payment, error, "a payment can't be settled yet");
                    Verdict::Later
                });
                if looked == Verdict::Agrees {
                    swept.agreed.insert(movement.transaction_key.clone());
                } else if looked == Verdict::Later {
                    later.insert(movement.payment_key.clone(), movement.clone());
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
            let Some(end) = page.last().map(|movement| movement.transaction_key.clone()) else {
                return Ok(last);
            };
            anyhow::ensure!(after.as_ref() != Some(&end), "the same page came twice");
            after = Some(end);
            last.extend(page.into_iter().map(|movement| (movement.payment_key.clone(), movement)));
            tokio::time::sleep(CALL_PAUSE).await;
        }
    }
}
