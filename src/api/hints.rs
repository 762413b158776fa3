//! Hints of the gateway: webhooks, which anybody can send. A hint is answered at once and waits
//! here. It leads to a look-up when the row of its payment says something else, and look-ups are
//! few: a stranger must not use up the calls that buyers need.

use crate::api::App;
use crate::checkout::settle::{Rumour, Verdict, agrees};
use crate::domain::ids::PaymentId;
use crate::store::payment_rows::Standing;
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
/// A look-up without a result is repeated this many times: for a minute, then the sweep has it.
const LOOKS_MAX: u32 = 12;

/// The hints that wait for a comparison or for a look-up.
#[derive(Default)]
pub struct Hints(Mutex<HashMap<PaymentId, Hint>>);

struct Hint {
    rumour: Rumour,
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

impl Hints {
    /// Takes note of a hint. Does nothing else, so that it may come from anybody.
    pub fn hear(&self, rumour: Rumour) {
        let mut hints = self.0.lock();
        let full = hints.len() >= WAITING_MAX;
        if let Some(hint) = hints.get_mut(&rumour.payment) {
            if hint.state == State::Looked {
                hint.state = State::New;
                hint.rumour = rumour;
            } else if hint.rumour != rumour {
                // One of them is not true, or it is the older one: only the gateway can tell.
                hint.rumour = Rumour { payment_key: None, status: None, ..rumour };
            }
        } else if full {
            metrics::counter!("grandstand_gateway_hints_dropped_total").increment(1);
        } else {
            let (due, state) = (Instant::now(), State::New);
            hints.insert(rumour.payment, Hint { rumour, due, state, looks: 0 });
        }
    }

    fn due(&self, state: State, now: Instant) -> Vec<Rumour> {
        let hints = self.0.lock();
        let is_due = |hint: &&Hint| hint.state == state && hint.due <= now;
        let mut due: Vec<&Hint> = hints.values().filter(is_due).collect();
        due.sort_by_key(|hint| hint.due);
        due.into_iter().map(|hint| hint.rumour.clone()).collect()
    }

    fn drop(&self, payment: PaymentId) {
        self.0.lock().remove(&payment);
    }

    fn set(&self, payment: PaymentId, state: State, due: Instant) {
        if let Some(hint) = self.0.lock().get_mut(&payment) {
            hint.state = state;
            hint.due = due;
        }
    }

    /// After a look-up: the hint stays so that the next one for the same payment has to wait.
    fn looked(&self, payment: PaymentId, verdict: Verdict) {
        let now = Instant::now();
        let mut hints = self.0.lock();
        let Some(hint) = hints.get_mut(&payment) else { return };
        hint.looks += 1;
        hint.due = now + AGAIN;
        let again = verdict == Verdict::Later && hint.looks < LOOKS_MAX;
        hint.state = if again { State::New } else { State::Looked };
    }

    fn forget_looked(&self, now: Instant) {
        self.0.lock().retain(|_, hint| hint.state != State::Looked || hint.due > now);
    }
}

/// Compares and looks up until `stop`.
pub async fn watch(app: Arc<App>, stop: CancellationToken) {
    let mut next_look = Instant::now();
    while !stop.is_cancelled() {
        let now = Instant::now();
        app.hints.forget_looked(now);
        if let Err(error) = compare(&app, now).await {
            tracing::warn!(error = format!("{error:#}"), "hints of the gateway wait");
        }
        if now >= next_look
            && let Some(rumour) = app.hints.due(State::Differs, now).first()
        {
            next_look = now + LOOK_EVERY;
            look(&app, rumour).await;
        }
        tokio::select! {
            () = tokio::time::sleep(COMPARE_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn compare(app: &App, now: Instant) -> anyhow::Result<()> {
    let new = app.hints.due(State::New, now);
    if new.is_empty() {
        return Ok(());
    }
    let payments: Vec<PaymentId> = new.iter().map(|rumour| rumour.payment).collect();
    let rows = app.settlement.rows(&payments).await?;
    for rumour in new {
        let payment = rumour.payment;
        match rows.get(&payment) {
            Some(row) if agrees(row, &rumour) => app.hints.drop(payment),
            Some(row) => match row.standing {
                Standing::Waits(since) if since < PATIENCE => {
                    app.hints.set(payment, State::New, now + (PATIENCE - since));
                }
                Standing::Ending => app.hints.drop(payment),
                _ => app.hints.set(payment, State::Differs, now),
            },
            // No payment of ours has begun under this order.
            None => app.hints.drop(payment),
        }
    }
    Ok(())
}

async fn look(app: &App, rumour: &Rumour) {
    let payment = rumour.payment;
    let looked = async {
        let rows = app.settlement.rows(&[payment]).await?;
        let Some(row) = rows.get(&payment) else { return Ok(Verdict::Agrees) };
        app.settlement.look(row, rumour).await
    };
    let verdict = looked.await.unwrap_or_else(|error: anyhow::Error| {
        tracing::warn!(%payment, error = format!("{error:#}"), "a hint can't be settled yet");
        Verdict::Later
    });
    app.hints.looked(payment, verdict);
}
