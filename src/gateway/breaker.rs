//! A circuit breaker that holds back *new* payments while the gateway does not answer, so that
//! buyers keep their seats with a deadline instead of waiting in PAYING for an outage to end.
//! Calls about payments under way are never held back: they are how we learn that it is over.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So many calls without an answer, one after another, open the breaker. Lower: one slow moment
/// stops the sale; higher: more buyers wait in vain.
const FAILURES_TO_OPEN: u32 = 5;

/// While open, one new payment is let through each time this has passed.
const TRIAL_EVERY: Duration = Duration::from_secs(2);

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
    /// Takes note of the end of one call; any answer that is not a server error closes the breaker.
    pub(super) fn record(&self, answered: bool, now: Instant) {
        let mut state = self.state.lock();
        if answered {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures == FAILURES_TO_OPEN {
            tracing::error!("the payment gateway does not answer; new payments are held back");
            state.next_trial = Some(now + TRIAL_EVERY);
        }
    }

    /// Whether a new payment may begin; while open, true once per trial period.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let Some(next_trial) = state.next_trial else { return true };
        let is_trial = now >= next_trial;
        if is_trial {
            state.next_trial = Some(now + TRIAL_EVERY);
        }
        is_trial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_lets_trials_through_and_closes_with_an_answer() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..FAILURES_TO_OPEN {
            assert!(breaker.admits(now));
            breaker.record(false, now);
        }
        assert!(!breaker.admits(now));
        let later = now + TRIAL_EVERY;
        assert!(breaker.admits(later), "one trial");
        assert!(!breaker.admits(later), "and only one");
        breaker.record(true, later);
        assert!(breaker.admits(later) && breaker.admits(later));
    }
}
