//! How fast the gateway may be asked. Once it has said 429, questions wait for a while, so that the
//! calls that move the money of buyers get through.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long questions wait when a 429 does not say it.
const SLOW: Duration = Duration::from_secs(2);
/// The longest time that a `Retry-After` is believed: outcomes must be asked for within a minute.
const SLOW_MAX: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Takes note of a 429 and of its `Retry-After`, in seconds.
    pub(super) fn slow_down(&self, retry_after_s: Option<u64>, now: Instant) {
        let wait = retry_after_s.map_or(SLOW, Duration::from_secs).clamp(SLOW, SLOW_MAX);
        let mut until = self.0.lock();
        *until = (*until).max(Some(now + wait));
    }

    /// Whether questions have to wait.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        self.0.lock().is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_wants_fewer_calls_is_asked_again_later() {
        let (pace, now) = (Pace::default(), Instant::now());
        assert!(!pace.is_slow(now));
        pace.slow_down(None, now);
        assert!(pace.is_slow(now) && !pace.is_slow(now + SLOW));
        pace.slow_down(Some(86_400), now);
        pace.slow_down(Some(0), now);
        let almost = now + SLOW_MAX - Duration::from_millis(1);
        assert!(pace.is_slow(almost) && !pace.is_slow(now + SLOW_MAX));
    }
}
