//! Hints of the gateway: webhooks, which anybody can send. A hint is answered at once and waits
//! here. It leads to a look-up when the row of its payment says something else, and look-ups are
//! few: a stranger must not use up the calls that buyers need.

use crate::api::Services;
use crate::checkout::settle::{Rumour, Verdict, agrees};
use crate::domain::ids::PaymentId;
use crate::store::payments::Standing;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Hints that wait at most. More are dropped, because the sweep of the worker finds the same.
const WAITING_MAX: usize = 10_000;
/// How often hints are compared with the rows.
const COMPARE_EVERY: Duration = Duration::from_millis(100);
/// A payment without an outcome is not looked up before it has waited for this time, because its
/// confirmation is nearly always still under way.
const PATIENCE: Duration = Duration::from_secs(2);
/// A payment is looked up once in this time, however many hints come.
const AGAIN: Duration = Duration::from_secs(5);
/// All hints together cause one look-up in this time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Payment keys of one order that are remembered, and looked up together.
const KEYS_MAX: usize = 4;
/// A look-up without a result is repeated this many times: for a minute, then the sweep has it.
const LOOKS_MAX: u32 = 12;

/// The hints that wait for a comparison or for a look-up.
#[derive(Default)]
pub struct Hints(Mutex<HashMap<PaymentId, Hint>>);

struct Hint {
    /// One for each payment key: an order may be paid twice.
    rumours: Vec<Rumour>,
    /// When it is compared with its row, or looked up.
    due: Instant,
    state: State,
    looks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Its row says something else.
    Differs,
    /// It was looked up, and stays until it may be looked up again.
    Looked,
}

impl Hint {
    fn add(&mut self, rumour: Rumour) {
        if self.state == State::Looked {
            self.state = State::New;
            self.rumours.clear();
        }
        let same = self.rumours.iter().position(|one| one.payment_key == rumour.payment_key);
        if let Some(at) = same {
            if self.rumours[at].status != rumour.status {
                // One of them is not true, or it is the older one: only the gateway can tell.
                self.rumours[at].status = None;
            }
        } else if self.rumours.len() < KEYS_MAX {
            self.rumours.push(rumour);
        }
    }
}

impl Hints {
    /// Takes note of a hint. Does nothing else, so that it may come from anybody.
    pub fn hear(&self, rumour: Rumour) {
        let mut hints = self.0.lock();
        let full = hints.len() >= WAITING_MAX;
        if let Some(hint) = hints.get_mut(&rumour.payment) {
            hint.add(rumour);
        } else if full {
            metrics::counter!("grandstand_gateway_hints_dropped_total").increment(1);
        } else {
            let (due, state) = (Instant::now(), State::New);
            let payment = rumour.payment;
            hints.insert(payment, Hint { rumours: vec![rumour], due, state, looks: 0 });
        }
    }

    fn due(&self, state: State, now: Instant) -> Vec<(PaymentId, Vec<Rumour>)> {
        let hints = self.0.lock();
        let is_due = |(_, hint): &(&PaymentId, &Hint)| hint.state == state && hint.due <= now;
        let mut due: Vec<(&PaymentId, &Hint)> = hints.iter().filter(is_due).collect();
        due.sort_by_key(|(_, hint)| hint.due);
        due.into_iter().map(|(payment, hint)| (*payment, hint.rumours.clone())).collect()
    }

    /// Drops a hint, unless something was heard since these rumours were compared.
    fn drop(&self, payment: PaymentId, rumours: &[Rumour]) {
        let mut hints = self.0.lock();
        if hints.get(&payment).is_some_and(|hint| hint.rumours == rumours) {
            hints.remove(&payment);
        }
    }

    fn set(&self, payment: PaymentId, state: State, due: Instant) {
        if let Some(hint) = self.0.lock().get_mut(&payment) {
            hint.state = state;
            hint.due = due;
        }
    }

    /// After a look-up: the hint stays so that the next one for the same payment has to wait.
    fn looked(&self, payment: PaymentId, rumours: &[Rumour], verdict: Verdict) {
        let now = Instant::now();
        let mut hints = self.0.lock();
        let Some(hint) = hints.get_mut(&payment) else { return };
        hint.looks += 1;
        hint.due = now + AGAIN;
        let has_more = hint.rumours != rumours;
        let again = has_more || verdict == Verdict::Later && hint.looks < LOOKS_MAX;
        hint.state = if again { State::New } else { State::Looked };
    }

    fn forget_looked(&self, now: Instant) {
        self.0.lock().retain(|_, hint| hint.state != State::Looked || hint.due > now);
    }
}

/// Compares and looks up until `stop`.
pub async fn watch(services: Arc<Services>, stop: CancellationToken) {
    let mut next_look = Instant::now();
    while !stop.is_cancelled() {
        let now = Instant::now();
        services.hints.forget_looked(now);
        let mut wait = COMPARE_EVERY;
        if let Err(error) = compare(&services, now).await {
            tracing::warn!(error = format!("{error:#}"), "hints of the gateway wait");
            wait = AGAIN;
        }
        if now >= next_look
            && let Some((payment, rumours)) = services.hints.due(State::Differs, now).first()
        {
            next_look = now + LOOK_EVERY * rumours.len() as u32;
            look(&services, *payment, rumours).await;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn compare(services: &Services, now: Instant) -> anyhow::Result<()> {
    let new = services.hints.due(State::New, now);
    if new.is_empty() {
        return Ok(());
    }
    let payments: Vec<PaymentId> = new.iter().map(|(payment, _)| *payment).collect();
    let rows = services.settlement.rows(&payments).await?;
    for (payment, rumours) in new {
        match rows.get(&payment) {
            Some(row) if rumours.iter().all(|rumour| agrees(row, rumour)) => {
                services.hints.drop(payment, &rumours);
            }
            Some(row) => match row.standing {
                Standing::Waits(since) if since < PATIENCE => {
                    services.hints.set(payment, State::New, now + (PATIENCE - since));
                }
                _ => services.hints.set(payment, State::Differs, now),
            },
            // No payment of ours has begun under this order.
            None => services.hints.drop(payment, &rumours),
        }
    }
    Ok(())
}

async fn look(services: &Services, payment: PaymentId, rumours: &[Rumour]) {
    let looked = async {
        let mut verdict = Verdict::Agrees;
        for rumour in rumours {
            // The rumour before may have changed it.
            let rows = services.settlement.rows(&[payment]).await?;
            let Some(row) = rows.get(&payment) else { break };
            if !agrees(row, rumour)
                && services.settlement.look(row, rumour).await? == Verdict::Later
            {
                verdict = Verdict::Later;
            }
        }
        Ok(verdict)
    };
    let verdict = looked.await.unwrap_or_else(|error: anyhow::Error| {
        tracing::warn!(%payment, error = format!("{error:#}"), "a hint can't be settled yet");
        Verdict::Later
    });
    services.hints.looked(payment, rumours, verdict);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Partition;
    use crate::gateway::toss::GatewayStatus;

    fn rumour(payment: PaymentId, key: &str, status: GatewayStatus) -> Rumour {
        Rumour { payment, payment_key: Some(key.to_owned()), status: Some(status) }
    }

    #[test]
    fn what_is_heard_while_a_hint_is_compared_is_not_lost() {
        let (hints, payment) = (Hints::default(), PaymentId::new(Partition(0)));
        hints.hear(rumour(payment, "a", GatewayStatus::Done));
        let (_, compared) = hints.due(State::New, Instant::now()).remove(0);
        hints.hear(rumour(payment, "a", GatewayStatus::Canceled));
        hints.drop(payment, &compared);
        let (_, now) = hints.due(State::New, Instant::now()).remove(0);
        assert_eq!(now[0].status, None, "only the gateway can tell which of the two it is");
        hints.looked(payment, &compared, Verdict::Agrees);
        let later = Instant::now() + AGAIN;
        assert_eq!(hints.due(State::New, later).len(), 1, "it was looked up too early");
        hints.looked(payment, &now, Verdict::Agrees);
        assert_eq!(hints.due(State::New, later).len(), 0);
        // The next one waits until the payment may be looked up again.
        hints.hear(rumour(payment, "a", GatewayStatus::Canceled));
        assert_eq!(hints.due(State::New, Instant::now()).len(), 0);
        assert_eq!(hints.due(State::New, later + AGAIN).len(), 1);
    }

    #[test]
    fn a_flood_of_hints_stays_small() {
        let (hints, payment) = (Hints::default(), PaymentId::new(Partition(0)));
        for number in 0..100 {
            hints.hear(rumour(payment, &number.to_string(), GatewayStatus::Done));
        }
        let due = hints.due(State::New, Instant::now());
        assert_eq!((due.len(), due[0].1.len()), (1, KEYS_MAX));
        for _ in 0..WAITING_MAX + 10 {
            hints.hear(rumour(PaymentId::new(Partition(0)), "a", GatewayStatus::Done));
        }
        assert_eq!(hints.0.lock().len(), WAITING_MAX);
    }
}
