//! The slow sweep over the movements of money at the gateway, because a webhook may never come. The
//! list of the last days is compared with the rows in PostgreSQL, and a difference is settled.

use crate::checkout::settle::{Rumour, Settlement, Verdict, agrees};
use crate::domain::ids::PaymentId;
use crate::gateway::toss::{GatewayTransaction, Transactions};
use crate::store::payments::{PaymentRow, Standing};
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
        if whole {
            swept.rowless.clear();
        }
        let settlement = Settlement::new(&self.engine, &self.store, &self.toss);
        // The gateway's clock may be ahead.
        let listed = self.differing(&settlement, swept, (from, now + OVERLAP_TIME)).await?;
        if whole {
            swept.agreed = listed.agreed;
        }
        let movements: Vec<GatewayTransaction> = listed.differing.into_values().collect();
        let mut later = HashMap::new();
        for page in movements.chunks(QUERY_PAYMENTS_MAX) {
            // Read again, because the list has taken a while.
            let rows = settlement.rows(&payments_of(page)).await?;
            for movement in page {
                let row = payment_of(movement).and_then(|payment| rows.get(&payment));
                let Some(row) = row.filter(|row| differs(row, movement)) else { continue };
                tokio::time::sleep(CALL_PAUSE).await;
                match look(&settlement, row, movement).await {
                    Verdict::Agrees => {
                        swept.agreed.insert(movement.transaction_key.clone());
                    }
                    Verdict::Later => {
                        later.insert(movement.payment_key.clone(), movement.clone());
                    }
                    Verdict::Settled => {}
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

    /// Compares the movements between two times with the rows, page by page. A worker must not keep
    /// the list, because it has every sale of the last days.
    async fn differing(
        &self,
        settlement: &Settlement,
        swept: &mut Swept,
        (from, to): (Timestamp, Timestamp),
    ) -> anyhow::Result<Listed> {
        let toss = self.toss.in_background();
        let is_ours = |movement: &GatewayTransaction| {
            payment_of(movement).is_some_and(|id| self.owns(id.partition()))
        };
        let mut listed = Listed { differing: swept.later.clone(), ..Listed::default() };
        listed.differing.retain(|_, movement| is_ours(movement));
        let mut after = None::<String>;
        loop {
            let page = match toss.transactions(from, to, after.as_deref()).await {
                Transactions::Page(page) => page,
                Transactions::Unknown { reason } => anyhow::bail!("the list of Toss: {reason}"),
            };
            let Some(end) = page.last().map(|movement| movement.transaction_key.clone()) else {
                return Ok(listed);
            };
            anyhow::ensure!(after.as_ref() != Some(&end), "the same page came twice");
            after = Some(end);
            let page: Vec<GatewayTransaction> = page.into_iter().filter(is_ours).collect();
            for part in page.chunks(QUERY_PAYMENTS_MAX) {
                let rows = settlement.rows(&payments_of(part)).await?;
                part.iter().for_each(|movement| listed.note(movement, &rows, swept));
            }
            tokio::time::sleep(CALL_PAUSE).await;
        }
    }
}

/// What a list of movements says that the rows do not.
#[derive(Default)]
struct Listed {
    /// By payment key: the last movement, where it does not agree with the row.
    differing: HashMap<String, GatewayTransaction>,
    /// The movements whose payments were looked up before, and agree.
    agreed: HashSet<String>,
}

impl Listed {
    /// Takes the next movement, in their order: it counts in the place of all earlier ones of its
    /// payment.
    fn note(
        &mut self,
        movement: &GatewayTransaction,
        rows: &HashMap<PaymentId, PaymentRow>,
        swept: &mut Swept,
    ) {
        let Some(payment) = payment_of(movement) else { return };
        self.differing.remove(&movement.payment_key);
        let Some(row) = rows.get(&payment) else {
            match movement.has_money() {
                true => swept.rowless.insert(payment),
                false => swept.rowless.remove(&payment),
            };
            return;
        };
        swept.rowless.remove(&payment);
        if swept.agreed.contains(&movement.transaction_key) {
            self.agreed.insert(movement.transaction_key.clone());
        } else if differs(row, movement) {
            self.differing.insert(movement.payment_key.clone(), movement.clone());
        }
    }
}

fn payment_of(movement: &GatewayTransaction) -> Option<PaymentId> {
    PaymentId::from_order_id(&movement.order_id)
}

fn payments_of(movements: &[GatewayTransaction]) -> Vec<PaymentId> {
    movements.iter().filter_map(payment_of).collect()
}

fn rumour_of(row: &PaymentRow, movement: &GatewayTransaction) -> Rumour {
    Rumour {
        payment: row.attempt.payment,
        payment_key: Some(movement.payment_key.clone()),
        status: Some(movement.status.clone()),
    }
}

/// Whether a movement is not what the row says. The reconciler settles a payment that waits for its
/// outcome.
fn differs(row: &PaymentRow, movement: &GatewayTransaction) -> bool {
    let waits = matches!(row.standing, Standing::Waits(_))
        && movement.payment_key == row.attempt.payment_key;
    !waits && !agrees(row, &rumour_of(row, movement))
}

async fn look(settlement: &Settlement, row: &PaymentRow, movement: &GatewayTransaction) -> Verdict {
    let looked = settlement.look(row, &rumour_of(row, movement)).await;
    looked.unwrap_or_else(|error| {
        let (payment, error) = (row.attempt.payment, format!("{error:#}"));
        tracing::warn!(%payment, error, "a payment can't be settled yet");
        Verdict::Later
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{MatchId, Partition, ReservationId, UserId};
    use crate::domain::money::Attempt;
    use crate::gateway::toss::GatewayStatus;

    const HOME: Partition = Partition(1);

    fn row(standing: Standing) -> PaymentRow {
        let attempt = Attempt {
            match_id: MatchId::new(HOME),
            user: UserId::new(HOME),
            reservation: ReservationId::new(HOME),
            payment: PaymentId::new(HOME),
            number: 1,
            seats: vec![],
            amount: 1_000,
            method: "CARD".to_owned(),
            payment_key: "key".to_owned(),
        };
        PaymentRow { attempt, standing, back: 0, fees: 0, last_refund: 0 }
    }

    fn movement(number: usize, payment: PaymentId, status: GatewayStatus) -> GatewayTransaction {
        GatewayTransaction {
            transaction_key: number.to_string(),
            payment_key: "key".to_owned(),
            order_id: payment.order_id(),
            status,
        }
    }

    /// Of ten thousand sales that agree nothing is kept, wherever a page ends.
    #[test]
    fn only_a_payment_whose_last_movement_differs_is_kept() {
        use GatewayStatus::{Canceled, Done};
        let (mut listed, mut swept) = (Listed::default(), Swept::default());
        let mut note = |rows: &HashMap<_, _>, all: Vec<GatewayTransaction>| {
            all.iter().for_each(|movement| listed.note(movement, rows, &mut swept));
            listed.differing.len()
        };
        for _ in 0..10_000 {
            let sold = row(Standing::Paid);
            let payment = sold.attempt.payment;
            let rows = [(payment, sold)].into();
            assert_eq!(note(&rows, vec![movement(1, payment, Done)]), 0);
        }
        let back = row(Standing::Refunded);
        let payment = back.attempt.payment;
        let rows = [(payment, back)].into();
        assert_eq!(note(&rows, vec![movement(2, payment, Done)]), 1, "its refund may come later");
        assert_eq!(note(&rows, vec![movement(3, payment, Canceled)]), 0, "it came");
        let waits = row(Standing::Waits(Duration::ZERO));
        let rows = [(payment, PaymentRow { attempt: rows[&payment].attempt.clone(), ..waits })];
        assert_eq!(note(&rows.into(), vec![movement(4, payment, Done)]), 0, "the reconciler's");
        assert_eq!(note(&HashMap::new(), vec![movement(5, payment, Done)]), 0, "without a row");
        assert_eq!(swept.rowless.len(), 1);
    }

    /// A payment that was looked up and agrees is not looked up again, and is forgotten when the
    /// list of the last days does not have it any more.
    #[test]
    fn what_was_looked_up_is_remembered_while_it_is_listed() {
        let sold = row(Standing::Paid);
        let payment = sold.attempt.payment;
        let rows = [(payment, sold)].into();
        let agreed = HashSet::from(["7".to_owned(), "8".to_owned()]);
        let mut swept = Swept { agreed, ..Swept::default() };
        let mut listed = Listed::default();
        listed.note(&movement(7, payment, GatewayStatus::Canceled), &rows, &mut swept);
        assert!(listed.differing.is_empty());
        assert_eq!(listed.agreed, HashSet::from(["7".to_owned()]));
        listed.note(&movement(9, payment, GatewayStatus::Canceled), &rows, &mut swept);
        assert_eq!(listed.differing["key"].transaction_key, "9");
    }
}
