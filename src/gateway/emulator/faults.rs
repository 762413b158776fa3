//! Faults on request: what goes wrong with the next calls, for tests and for trying things out.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::error::{ApiError, Code};

/// The calls that a fault can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum CallKind {
    Confirm,
    Cancel,
    Lookup,
    Transactions,
    Webhook,
}

/// One fault, as it is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fault {
    /// The calls that it meets; every call of the API when absent.
    call: Option<CallKind>,
    #[serde(flatten)]
    kind: FaultKind,
    /// How many calls it meets before it ends; no end when absent.
    count: Option<u32>,
    /// The share of the calls that it meets, 0 to 1; all when absent.
    share: Option<f64>,
    #[serde(skip)]
    window: Option<Window>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
enum FaultKind {
    /// Wait before the effect: `minMs` to `maxMs`, evenly spread; fixed when `maxMs` is absent.
    Latency { min_ms: u64, max_ms: Option<u64> },
    /// Wait after the effect, before the answer.
    SlowAnswer { min_ms: u64, max_ms: Option<u64> },
    /// Cut the connection; nothing happened.
    DropBefore,
    /// Cut the connection; the effect happened.
    DropAfter,
    /// 500; nothing happened.
    ErrorBefore,
    /// 500; the effect happened.
    ErrorAfter,
    /// 409, as if the same idempotency key were in work.
    InFlight,
    /// 400 PROVIDER_ERROR; nothing happened, and the idempotency key remembers it.
    ProviderError,
    /// Any documented code; nothing happened, and the idempotency key remembers it.
    Refuse { code: String },
    /// 429 for calls above so many in a minute.
    RateLimit { per_minute: u32 },
    /// Webhooks: deliver each of them `copies` more times.
    Duplicate { copies: u32 },
    /// Webhooks: keep one back until the next one has been sent.
    Reorder,
}

/// A minute in which calls are counted.
#[derive(Debug, Clone)]
struct Window {
    since: Instant,
    calls: u32,
}

/// What the faults do to one call.
#[derive(Debug, Default)]
pub(super) struct Draw {
    pub(super) latency: Duration,
    pub(super) slow_answer: Duration,
    pub(super) drop_before: bool,
    pub(super) drop_after: bool,
    pub(super) error_after: bool,
    /// An answer that comes from in front of the API: no effect, no memory of it.
    pub(super) in_front: Option<ApiError>,
    /// An answer of the API itself: no effect, and the idempotency key remembers it.
    pub(super) refusal: Option<ApiError>,
    pub(super) copies: u32,
    pub(super) reorder: bool,
}

#[derive(Default)]
pub(super) struct Faults {
    active: Vec<Fault>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.active.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.active.clear();
    }

    pub(super) fn all(&self) -> &[Fault] {
        &self.active
    }

    /// Draws what happens to one call, and counts it. Several faults add up.
    pub(super) fn draw(&mut self, call: CallKind) -> Draw {
        let mut draw = Draw::default();
        for fault in &mut self.active {
            if fault.meets(call) {
                fault.kind.clone().act(&mut fault.window, &mut draw);
            }
        }
        self.active.retain(|fault| fault.count != Some(0));
        draw
    }
}

impl Fault {
    fn meets(&mut self, call: CallKind) -> bool {
        let is_for_it = match self.call {
            Some(wanted) => wanted == call,
            None => (call == CallKind::Webhook) == self.kind.is_of_webhooks(),
        };
        if !is_for_it || self.share.is_some_and(|share| chance() >= share) {
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
            Self::SlowAnswer { min_ms, max_ms } => draw.slow_answer += between(min_ms, max_ms),
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
    /// Counts a call, and gives the number of calls in the minute that it falls in.
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

/// A number from 0 up to 1, without 1.
fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}
