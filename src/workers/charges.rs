//! The slow sweep over the movements of money at the gateway, because a webhook may never come:
//! what the list of the last days says is compared with the rows, and what differs is settled.

use crate::checkout::settle::{Rumour, Settlement, Verdict, agrees};
use crate::domain::ids::{Partition, PaymentId};
use crate::gateway::toss::{GatewayTransaction, Transactions};
use crate::store::payment_rows::Standing;
use crate::workers::{Workers, pause};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One worker sweeps for all: the owner of this partition.
const SWEEPER: Partition = Partition(0);
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
}

impl Workers {
    /// Sweeps again and again, until `stop`.
    pub(super) async fn sweep_charges(self: Arc<Self>, stop: CancellationToken) {
        let mut swept = Swept::default();
        while !stop.is_cancelled() {
            pause(self.charges_every, &stop).await;
            if !self.owns(SWEEPER) {
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

    /// One sweep; returns how many payments it settled.
    async fn charges_once(&self, swept: &mut Swept) -> anyhow::Result<usize> {
        let now = Timestamp::now();
        let days = now - SignedDuration::from_hours(24 * DAYS);
        let whole = swept.sweeps.is_multiple_of(WHOLE_EVERY);
        let from = swept.upto.filter(|_| !whole).map_or(days, |upto| upto - OVERLAP);
        // The gateway's clock may be ahead.
        let last = self.last_movements(from, now + OVERLAP).await?;
        if whole {
            swept.looked.retain(|key| last.values().any(|one| one.transaction_key == *key));
        }
        let settlement = Settlement::new(&self.engine, &self.store, &self.toss);
        let (mut settled, mut rowless) = (0, 0_usize);
        let movements: Vec<GatewayTransaction> = last.into_values().collect();
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
                    rowless += 1;
                    continue;
                };
                // The reconciler asks about those.
                let waits = matches!(row.standing, Standing::Waits(_))
                    && one.payment_key == row.attempt.payment_key;
                if waits || agrees(row, &rumour) || swept.looked.contains(&one.transaction_key) {
                    continue;
                }
                tokio::time::sleep(CALL_EVERY).await;
                match settlement.look(row, &rumour).await? {
                    Verdict::Agrees => {
                        swept.looked.insert(one.transaction_key.clone());
                    }
                    Verdict::Settled => settled += 1,
                    Verdict::Later => {}
                }
            }
        }
        metrics::gauge!("grandstand_charges_without_row").set(rowless as f64);
        if rowless > 0 {
            tracing::error!(rowless, "charges without a row: grandstand verify --gateway");
        }
        swept.sweeps += 1;
        swept.upto = Some(now);
        Ok(settled)
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
