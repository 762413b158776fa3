//! The pace of look-ups at the gateway. After a 429, look-ups pause for a while, so that the
//! gateway accepts the calls that move the money of buyers.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Look-ups pause this long after a 429 without `Retry-After`.
const LOOKUP_PAUSE: Duration = Duration::from_secs(2);
/// A longer `Retry-After` is cut to this pause, because unknown outcomes must be looked up within a
/// minute.
const LOOKUP_PAUSE_MAX: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Records a 429 and its `Retry-After`, in seconds.
    pub(super) fn slow_down(&self, retry_after_s: Option<u64>, now: Instant) {
        let pause = retry_after_s
            .map_or(LOOKUP_PAUSE, Duration::from_secs)
            .clamp(LOOKUP_PAUSE, LOOKUP_PAUSE_MAX);
        let mut until = self.0.lock();
        *until = (*until).max(Some(now + pause));
    }

    /// Whether look-ups have to wait.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        self.0.lock().is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_429_look_ups_pause_for_2_to_20_seconds() {
        let (pace, now) = (Pace::default(), Instant::now());
        assert!(!pace.is_slow(now));
        pace.slow_down(None, now);
        assert!(pace.is_slow(now) && !pace.is_slow(now + LOOKUP_PAUSE));
        pace.slow_down(Some(86_400), now);
        pace.slow_down(Some(0), now);
        let almost = now + LOOKUP_PAUSE_MAX - Duration::from_millis(1);
        assert!(pace.is_slow(almost) && !pace.is_slow(now + LOOKUP_PAUSE_MAX));
    }
}
