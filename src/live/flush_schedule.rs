//! When a map may flush its changes to the watchers: at once while little happens, at intervals
//! under load.

use std::time::{Duration, Instant};

/// The cost of one frame for one watcher: about 5 µs of a core, rounded up for everything else. A
/// greater value delays the frames of large crowds, a smaller one uses up the core.
const WATCHER_COST: Duration = Duration::from_micros(8);
/// The longest interval, however many people watch.
const FLUSH_INTERVAL_MAX: Duration = Duration::from_millis(250);
/// The interval under load. People take this delay for immediate.
const FLUSH_INTERVAL: Duration = Duration::from_millis(50);
/// How much unused time a quiet map accumulates, to flush single changes at once later.
const SAVED_TIME_MAX: Duration = Duration::from_secs(1);

/// The schedule of one map.
#[derive(Debug)]
pub(super) struct FlushSchedule {
    flushed_at: Instant,
    /// The time up to which the intervals of earlier flushes reach. When it lies in the past, the
    /// difference is unused time, of which at most `SAVED_TIME_MAX` counts.
    used_until: Instant,
}

impl FlushSchedule {
    pub(super) fn new(now: Instant) -> Self {
        Self { flushed_at: now, used_until: now }
    }

    /// The earliest time of the next flush.
    pub(super) fn due(&self, watchers: usize) -> Instant {
        let cost = WATCHER_COST.saturating_mul(watchers as u32).min(FLUSH_INTERVAL_MAX);
        let earliest = self.used_until.checked_sub(SAVED_TIME_MAX).unwrap_or(self.flushed_at);
        earliest.max(self.flushed_at + cost)
    }

    pub(super) fn flushed(&mut self, now: Instant) {
        self.flushed_at = now;
        self.used_until = self.used_until.max(now) + FLUSH_INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flushes as often as it may during `span`; returns the times of the flushes in ms.
    fn moments(watchers: usize, span: Duration) -> Vec<u64> {
        let begun = Instant::now();
        let (mut schedule, mut now) = (FlushSchedule::new(begun), begun);
        let mut moments = vec![];
        while now < begun + span {
            now = schedule.due(watchers).max(now);
            schedule.flushed(now);
            moments.push((now - begun).as_millis() as u64);
        }
        moments
    }

    #[test]
    fn a_quiet_map_flushes_at_once_and_a_busy_map_at_intervals() {
        let few = moments(1, Duration::from_secs(3));
        assert!(few[..20].iter().all(|at| *at < 5), "{few:?}");
        assert!(few[21..].windows(2).all(|pair| pair[1] - pair[0] == 50), "{few:?}");
        let many = moments(10_000, Duration::from_secs(1));
        assert!(many.windows(2).all(|pair| pair[1] - pair[0] == 80), "{many:?}");
        let crowd = moments(1_000_000, Duration::from_secs(1));
        assert!(crowd.windows(2).all(|pair| pair[1] - pair[0] == 250), "{crowd:?}");
    }
}
