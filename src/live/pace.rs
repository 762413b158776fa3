//! How fast a waiting line moves, measured, and how long a place in it will take.

use serde::Serialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// The time over which the pace is measured. It is measured by the clock of this process, because
/// the clock of Redis may be set back, and then the ids of its streams stand still.
const RATE_WINDOW: Duration = Duration::from_secs(60);
/// The shortest time that gives a rate: two admissions within a moment tell nothing.
const RATE_WINDOW_MIN: Duration = Duration::from_secs(5);
/// The slow pace is that of the slowest tenth of such windows within the history.
const SLOW_WINDOW: Duration = Duration::from_secs(30);
const SLOW_WINDOW_PERIOD: Duration = Duration::from_secs(10);
const HISTORY_AGE: Duration = Duration::from_secs(300);
/// Admissions that give a pace, however long ago they were: a room that lets in one person per
/// minute has only one in each window.
const ADMISSIONS_MIN: usize = 6;
/// With fewer admissions in the history, the windows are too short for their number, and the slow
/// pace is two thirds of the usual one.
const SLOW_ADMISSIONS_MIN: usize = 60;
/// A pace that falls by less is noise, and changes no estimate.
const FALL_MIN: f64 = 0.1;
/// The longest wait that is shown: a longer one is shown as this. Nobody can promise it.
pub const WAIT_SECONDS_MAX: u64 = 3_600;

/// A range of waiting time, from the measured pace: half of the people wait shorter than the first
/// number, and 9 of 10 shorter than the second. 3,600 stands for an hour or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eta {
    pub p50_seconds: u64,
    pub p90_seconds: u64,
}

/// People per minute.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rates {
    usual: f64,
    slow: f64,
}

/// The pace of a line.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// When people were let in, and how many. The last admission stays, however old it is.
    admitted: VecDeque<(Instant, u64)>,
    /// The rates that estimates are made with.
    shown: Option<Rates>,
    /// When they last fell.
    fell_at: Option<Instant>,
}

impl Pace {
    /// People were let in.
    pub fn add(&mut self, people: u64, now: Instant) {
        self.admitted.push_back((now, people));
        let is_old = |(at, _): &(Instant, u64)| age(*at, now) > HISTORY_AGE;
        while self.admitted.len() > 1 && self.admitted.front().is_some_and(is_old) {
            self.admitted.pop_front();
        }
    }

    /// Nobody is let in for a reason that everybody is told. What was measured before says nothing
    /// about the time after it.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Measures the pace. Estimates change only here. They rise only when the pace has fallen, and
    /// then `has_fallen` is true.
    pub fn measure(&mut self, now: Instant) {
        let Some(usual) = self.rate(now) else { return };
        let slow = self.slow_rate(now).unwrap_or(usual / 1.5).min(usual);
        let Some(shown) = self.shown else {
            self.shown = Some(Rates { usual, slow });
            return;
        };
        if usual < shown.usual * (1.0 - FALL_MIN) {
            (self.shown, self.fell_at) = (Some(Rates { usual, slow }), Some(now));
        } else {
            let (usual, slow) = (usual.max(shown.usual), slow.max(shown.slow));
            self.shown = Some(Rates { usual, slow });
        }
    }

    /// Whether the pace has fallen within the last minute.
    pub fn has_fallen(&self, now: Instant) -> bool {
        self.fell_at.is_some_and(|at| age(at, now) < RATE_WINDOW)
    }

    /// People let in per minute, as measured over the last minute or the last few admissions.
    /// `None` when the measured time is too short.
    pub fn per_minute(&self, now: Instant) -> Option<u64> {
        self.rate(now).map(|rate| rate.round() as u64)
    }

    /// How long somebody with `ahead` people in front will wait; `None` when nobody can say.
    pub fn eta(&self, ahead: u64) -> Option<Eta> {
        let shown = self.shown.filter(|shown| shown.slow > 0.0)?;
        let seconds = |rate: f64| ((ahead + 1) as f64 * 60.0 / rate).ceil() as u64;
        let (usual, slow) = (seconds(shown.usual), seconds(shown.slow));
        // People are let in at least every few seconds, and not at each moment.
        let slow = slow + RATE_WINDOW_MIN.as_secs();
        Some(Eta {
            p50_seconds: usual.min(WAIT_SECONDS_MAX),
            p90_seconds: slow.min(WAIT_SECONDS_MAX),
        })
    }

    /// People per minute in the last minute, or over the last few admissions. Between two
    /// admissions it stays as it was at the last one, unless the next one is late.
    fn rate(&self, now: Instant) -> Option<f64> {
        let in_window =
            self.admitted.iter().rev().take_while(|(at, _)| age(*at, now) <= RATE_WINDOW);
        let count = in_window.count().max(ADMISSIONS_MIN).min(self.admitted.len());
        if count < 2 {
            return None;
        }
        let recent = self.admitted.range(self.admitted.len() - count..);
        let (first, last) = (recent.clone().next()?.0, self.admitted.back()?.0);
        if age(first, now) < RATE_WINDOW_MIN {
            return None;
        }
        let gap = age(first, last) / (count as u32 - 1);
        if age(last, now) > RATE_WINDOW.max(gap * 3) {
            return Some(0.0);
        }
        let end = if age(last, now) > gap * 2 { now } else { last };
        // The span begins with the first admission, so this admission is not counted.
        let people: u64 = recent.skip(1).map(|(_, people)| people).sum();
        Some(people as f64 * 60.0 / age(first, end).as_secs_f64())
    }

    /// People per minute in the slow window that ends at `end`.
    fn window_rate(&self, end: Instant) -> Option<f64> {
        let last = self.admitted.iter().rev().find(|(at, _)| *at <= end)?;
        if age(last.0, end) > SLOW_WINDOW {
            return Some(0.0);
        }
        let mut recent = self
            .admitted
            .iter()
            .skip_while(|(at, _)| age(*at, end) > SLOW_WINDOW)
            .take_while(|(at, _)| *at <= end);
        // The span begins with the first admission, so this admission is not counted.
        let span = age(recent.next()?.0, end);
        if span < RATE_WINDOW_MIN {
            return None;
        }
        let people: u64 = recent.map(|(_, people)| people).sum();
        Some(people as f64 * 60.0 / span.as_secs_f64())
    }

    /// The rate of the slowest tenth of the windows within the history; `None` when they have too
    /// few admissions.
    fn slow_rate(&self, now: Instant) -> Option<f64> {
        if self.admitted.len() < SLOW_ADMISSIONS_MIN {
            return None;
        }
        let begin = self.admitted.front()?.0 + SLOW_WINDOW;
        let mut rates = Vec::new();
        let mut end = now;
        while end >= begin && age(end, now) + SLOW_WINDOW <= HISTORY_AGE {
            rates.extend(self.window_rate(end));
            let Some(before) = end.checked_sub(SLOW_WINDOW_PERIOD) else { break };
            end = before;
        }
        rates.sort_unstable_by(f64::total_cmp);
        rates.get(rates.len() / 10).copied()
    }
}

fn age(at: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds `people` each second, from one second to another, and measures each time.
    fn run(pace: &mut Pace, begin: Instant, seconds: std::ops::Range<u64>, people: u64) {
        for second in seconds {
            let now = begin + Duration::from_secs(second);
            if people > 0 {
                pace.add(people, now);
            }
            pace.measure(now);
        }
    }

    #[test]
    fn an_estimate_is_measured_and_never_guessed() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        assert_eq!(pace.eta(100), None);
        run(&mut pace, begin, 0..5, 10);
        assert_eq!((pace.eta(100), pace.per_minute(begin)), (None, None), "too short a time");
        run(&mut pace, begin, 5..11, 10);
        assert_eq!(pace.per_minute(begin + Duration::from_secs(10)), Some(600));
        let eta = pace.eta(99).unwrap();
        assert_eq!((eta.p50_seconds, eta.p90_seconds), (10, 20));
        let far = pace.eta(1_000_000).unwrap();
        assert_eq!((far.p50_seconds, far.p90_seconds), (3_600, 3_600), "an hour or more");
    }

    /// It has an estimate, and does not seem to slow down between two people.
    #[test]
    fn a_room_that_lets_in_a_person_per_minute_keeps_its_pace() {
        for every in [7, 20, 60, 90] {
            let (mut pace, begin) = (Pace::default(), Instant::now());
            for second in 0..1_800 {
                let now = begin + Duration::from_secs(second);
                if second % every == 0 {
                    pace.add(1, now);
                }
                pace.measure(now);
                assert!(!pace.has_fallen(now), "every {every} s, at {second} s");
                if second > 2 * every {
                    let eta = pace.eta(3).unwrap();
                    assert_eq!(eta.p50_seconds, 4 * every, "every {every} s, at {second} s");
                }
            }
        }
    }

    #[test]
    fn an_uneven_pace_makes_the_range_wider() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        for block in 0..5 {
            run(&mut pace, begin, block * 60..block * 60 + 30, 20);
            run(&mut pace, begin, block * 60 + 30..block * 60 + 60, 4);
        }
        let eta = pace.eta(999).unwrap();
        // 12 people per second on average, 4 in the slow half of each minute.
        assert!((70..=100).contains(&eta.p50_seconds), "{eta:?}");
        assert!(eta.p90_seconds * 2 >= eta.p50_seconds * 3, "{eta:?}");
    }

    /// Whatever the pace does, the estimate of a place rises only when the line says why.
    #[test]
    fn an_estimate_rises_only_with_a_pace_that_has_fallen() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        let (mut last, mut falls) = (u64::MAX, 0);
        let mut seed = 7_u64;
        for second in 0..3_000 {
            let now = begin + Duration::from_secs(second);
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // About 10 people per second, and 3 for some minutes in the middle.
            let usual = if (1_000..1_400).contains(&second) { 3 } else { 10 };
            pace.add((seed >> 33) % (2 * usual + 1), now);
            let fell_before = pace.fell_at;
            pace.measure(now);
            let Some(eta) = pace.eta(500) else { continue };
            if eta.p90_seconds > last {
                assert!(pace.has_fallen(now) && pace.fell_at != fell_before, "at {second}");
                falls += 1;
            }
            last = eta.p90_seconds;
        }
        assert!(falls > 0, "the pace has fallen once");
    }

    #[test]
    fn a_line_that_stands_has_no_estimate_and_no_old_pace() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        run(&mut pace, begin, 0..60, 10);
        assert!(pace.eta(5).is_some());
        run(&mut pace, begin, 60..200, 0);
        let now = begin + Duration::from_secs(200);
        assert_eq!((pace.per_minute(now), pace.eta(5)), (Some(0), None));
        assert!(pace.has_fallen(now) || pace.fell_at.is_some());
        pace.forget();
        assert_eq!((pace.per_minute(now), pace.eta(5)), (None, None));
    }
}
