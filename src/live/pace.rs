//! When a map may tell its watchers again: at once while little happens, in steps under load.

use std::time::{Duration, Instant};

/// What telling one watcher costs, with as much again for everything else: a frame takes about 5 µs
/// of one core.
const PER_WATCHER: Duration = Duration::from_micros(8);
/// However many watch, nobody waits longer.
const STEP_MAX: Duration = Duration::from_millis(250);
/// The step that the eye still takes for immediate.
const STEP: Duration = Duration::from_millis(50);
/// Steps that a quiet map saves up, to tell single changes at once later.
const SAVED: Duration = Duration::from_secs(1);

/// The pace of one map.
#[derive(Debug)]
pub(super) struct Pace {
    told_at: Instant,
    /// Up to when the steps are used up; one that lies in the past by more than `SAVED` counts as
    /// saved for so long only.
    used_until: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { told_at: now, used_until: now }
    }

    /// The first moment at which the watchers may be told.
    pub(super) fn due(&self, watchers: usize) -> Instant {
        let cost = PER_WATCHER.saturating_mul(watchers as u32).min(STEP_MAX);
        let paced = self.used_until.checked_sub(SAVED).unwrap_or(self.told_at);
        paced.max(self.told_at + cost)
    }

    pub(super) fn told(&mut self, now: Instant) {
        self.told_at = now;
        self.used_until = self.used_until.max(now) + STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells as often as it may for so long, with so many watchers; when it did, in ms.
    fn moments(watchers: usize, span: Duration) -> Vec<u64> {
        let begun = Instant::now();
        let (mut pace, mut now, mut moments) = (Pace::new(begun), begun, vec![]);
        while now < begun + span {
            now = pace.due(watchers).max(now);
            pace.told(now);
            moments.push((now - begun).as_millis() as u64);
        }
        moments
    }

    #[test]
    fn a_quiet_map_is_told_at_once_and_a_busy_one_in_steps() {
        let few = moments(1, Duration::from_secs(3));
        assert!(few[..20].iter().all(|at| *at < 5), "{few:?}");
        assert!(few[21..].windows(2).all(|pair| pair[1] - pair[0] == 50), "{few:?}");
        let many = moments(10_000, Duration::from_secs(1));
        assert!(many.windows(2).all(|pair| pair[1] - pair[0] == 80), "{many:?}");
        let crowd = moments(1_000_000, Duration::from_secs(1));
        assert!(crowd.windows(2).all(|pair| pair[1] - pair[0] == 250), "{crowd:?}");
    }
}
