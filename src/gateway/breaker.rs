//! A circuit breaker that refuses *new* payments while the gateway does not reply. So buyers keep
//! their seats and their deadline instead of waiting in PAYING for the end of an outage. Calls
//! about payments under way are always made, because they show when the outage is over.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Consecutive calls without a reply that open the breaker. Fewer: a slow moment stops the sale.
/// More: more buyers wait in vain.
const FAILURES_TO_OPEN: u32 = 5;

/// While the breaker is open, it admits a new payment at this interval, as a trial.
const TRIAL_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    next_trial: Option<Instant>,
}

impl Breaker {
    /// Records the end of a call. Any reply that is not a server error closes the breaker.
    pub(super) fn record(&self, has_replied: bool, now: Instant) {
        let mut state = self.state.lock();
        if has_replied {
            *state = State::default();
            metrics::gauge!("grandstand_gateway_away").set(0.0);
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures == FAILURES_TO_OPEN {
            tracing::error!("the payment gateway does not reply; new payments are refused");
            metrics::gauge!("grandstand_gateway_away").set(1.0);
            state.next_trial = Some(now + TRIAL_INTERVAL);
        }
    }

    /// Whether a new payment may begin. While the breaker is open, true once per interval.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let Some(next_trial) = state.next_trial else { return true };
        let is_trial = now >= next_trial;
        if is_trial {
            state.next_trial = Some(now + TRIAL_INTERVAL);
        }
        is_trial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_after_failures_admits_trials_and_closes_with_a_reply() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..FAILURES_TO_OPEN {
            assert!(breaker.admits(now));
            breaker.record(false, now);
        }
        assert!(!breaker.admits(now));
        let later = now + TRIAL_INTERVAL;
        assert!(breaker.admits(later), "a trial");
        assert!(!breaker.admits(later), "only one trial");
        breaker.record(true, later);
        assert!(breaker.admits(later) && breaker.admits(later));
    }
}
