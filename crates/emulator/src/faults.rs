//! Faults on request for the next calls, for tests and experiments.

use crate::error::{ApiError, Code};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// The calls that a fault can affect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CallKind {
    Confirm,
    Cancel,
    Lookup,
    Transactions,
    Webhook,
}

/// A fault, as it is requested.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fault {
    /// The calls that it affects; every call of the API when absent.
    call: Option<CallKind>,
    #[serde(flatten)]
    kind: FaultKind,
    /// How many calls it affects before it ends; no end when absent.
    count: Option<u32>,
    /// The share of the calls that it affects, 0 to 1; all when absent.
    share: Option<f64>,
    #[serde(skip)]
    window: Option<Window>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
enum FaultKind {
    /// Waits before the effect: `minMs` to `maxMs`, evenly spread. Fixed when `maxMs` is absent.
    Latency { min_ms: u64, max_ms: Option<u64> },
    /// Waits after the effect and before the response.
    SlowAnswer { min_ms: u64, max_ms: Option<u64> },
    /// Cuts the connection before the effect.
    DropBefore,
    /// Cuts the connection after the effect.
    DropAfter,
    /// Sends 500 without the effect.
    ErrorBefore,
    /// Sends 500 after the effect.
    ErrorAfter,
    /// Sends 409, as if a request with the same idempotency key were under way.
    InFlight,
    /// Sends 400 PROVIDER_ERROR without the effect, and keeps it under the idempotency key.
    ProviderError,
    /// Sends any documented code without the effect, and keeps it under the idempotency key.
    Refuse { code: String },
    /// Sends 429 for each call above this number in a minute.
    RateLimit { per_minute: u32 },
    /// Sends each webhook `copies` more times.
    Duplicate { copies: u32 },
    /// Keeps a webhook back until the next webhook has been sent.
    Reorder,
}

/// The minute in which calls are counted.
#[derive(Debug, Clone)]
struct Window {
    since: Instant,
    calls: u32,
}

/// The effects of all faults on a call.
#[derive(Debug, Default)]
pub(crate) struct Draw {
    pub(crate) latency: Duration,
    pub(crate) slow_reply: Duration,
    pub(crate) drop_before: bool,
    pub(crate) drop_after: bool,
    pub(crate) error_after: bool,
    /// A reply from in front of the API: without the effect, and not kept.
    pub(crate) in_front: Option<ApiError>,
    /// A reply of the API itself: without the effect, and kept under the idempotency key.
    pub(crate) refusal: Option<ApiError>,
    pub(crate) copies: u32,
    pub(crate) reorder: bool,
}

#[derive(Default)]
pub(crate) struct Faults {
    active: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.active.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    pub(crate) fn all(&self) -> &[Fault] {
        &self.active
    }

    /// Draws the effects on a call, and counts the call. Several faults add up.
    pub(crate) fn draw(&mut self, call: CallKind) -> Draw {
        let mut draw = Draw::default();
        for fault in &mut self.active {
            if fault.affects(call) {
                fault.kind.clone().act(&mut fault.window, &mut draw);
            }
        }
        self.active.retain(|fault| fault.count != Some(0));
        draw
    }
}

impl Fault {
    fn affects(&mut self, call: CallKind) -> bool {
        let is_its_kind = match self.call {
            Some(wanted) => wanted == call,
            None => (call == CallKind::Webhook) == self.kind.is_of_webhooks(),
        };
        if !is_its_kind || self.share.is_some_and(|share| chance() >= share) {
            return false;
        }
        match &mut self.count {
            Some(0) => return false,
            Some(count) => *count -= 1,
            None => {}
        }
        true
    }
}

impl FaultKind {
    fn is_of_webhooks(&self) -> bool {
        matches!(self, Self::Duplicate { .. } | Self::Reorder)
    }

    fn act(self, window: &mut Option<Window>, draw: &mut Draw) {
        let in_front = |code: Code| Some(ApiError::from(code));
        match self {
            Self::Latency { min_ms, max_ms } => draw.latency += between(min_ms, max_ms),
            Self::SlowAnswer { min_ms, max_ms } => draw.slow_reply += between(min_ms, max_ms),
            Self::DropBefore => draw.drop_before = true,
            Self::DropAfter => draw.drop_after = true,
            Self::ErrorBefore => draw.in_front = in_front(Code::FAILED_INTERNAL_SYSTEM_PROCESSING),
            Self::ErrorAfter => draw.error_after = true,
            Self::InFlight => draw.in_front = in_front(Code::IDEMPOTENT_REQUEST_PROCESSING),
            Self::ProviderError => draw.refusal = Some(Code::PROVIDER_ERROR.into()),
            Self::Refuse { code } => draw.refusal = Some(ApiError::named(&code)),
            Self::RateLimit { per_minute } => {
                if Window::count(window) > per_minute {
                    draw.in_front = in_front(Code::TOO_MANY_REQUESTS);
                }
            }
            Self::Duplicate { copies } => draw.copies += copies,
            Self::Reorder => draw.reorder = true,
        }
    }
}

impl Window {
    /// Counts a call, and returns the number of calls in this minute.
    fn count(window: &mut Option<Self>) -> u32 {
        let now = Instant::now();
        let fresh = || Self { since: now, calls: 0 };
        let current = window.get_or_insert_with(fresh);
        if now.duration_since(current.since) >= Duration::from_secs(60) {
            *current = fresh();
        }
        current.calls = current.calls.saturating_add(1);
        current.calls
    }
}

fn between(min_ms: u64, max_ms: Option<u64>) -> Duration {
    let spread_ms = max_ms.unwrap_or(min_ms).saturating_sub(min_ms);
    Duration::from_millis(min_ms) + Duration::from_millis(spread_ms).mul_f64(chance())
}

/// Returns a random number from 0 to 1, without 1.
fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}
