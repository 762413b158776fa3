//! The line of a waiting room as everybody sees it. One frame serves everybody who waits.

use serde::Serialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// The time over which admissions are counted. It is measured by the clock of this process, because
/// the clock of Redis may be set back, and then the ids of its streams stand still.
const RATE_WINDOW: Duration = Duration::from_secs(60);
/// The shortest time that gives a rate: two admissions within a moment tell nothing.
const RATE_WINDOW_MIN: Duration = Duration::from_secs(5);
/// The longest wait that is shown. A longer one is shown as this, because nobody can promise it.
const WAIT_SECONDS_MAX: u64 = 7_200;

/// The state of a waiting line, and how fast it moves.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub serving: u64,
    pub waiting: u64,
    /// When people were let in, and how many. The last admission stays, however old it is.
    admitted: VecDeque<(Instant, u64)>,
}

/// A range of waiting time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eta {
    pub p50_seconds: u64,
    pub p90_seconds: u64,
}

/// The line as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineView {
    serving: u64,
    waiting: u64,
    #[schema(required)]
    admitted_per_minute: Option<u64>,
    /// The wait of somebody who joins now.
    #[schema(required)]
    eta: Option<Eta>,
    sold_out: bool,
}

impl Line {
    /// The line as everybody sees it. There is no estimate while the line does not move.
    pub fn view(&self, sold_out: bool, moves: bool, now: Instant) -> LineView {
        LineView {
            serving: self.serving,
            waiting: self.waiting,
            admitted_per_minute: self.admitted_per_minute(now),
            eta: self.eta(self.waiting, now).filter(|_| moves),
            sold_out,
        }
    }

    /// A line with these numbers, and without any admission yet.
    pub fn at(serving: u64, waiting: u64) -> Self {
        Self { serving, waiting, admitted: VecDeque::new() }
    }

    /// Applies an entry of the stream: number served, people waiting, people let in now.
    pub fn apply(&mut self, text: &str, now: Instant) {
        let mut part = text.split(' ').filter_map(|part| part.parse::<u64>().ok());
        let (Some(serving), Some(waiting), Some(count)) = (part.next(), part.next(), part.next())
        else {
            return;
        };
        self.serving = serving;
        self.waiting = waiting;
        if count > 0 {
            self.admitted.push_back((now, count));
        }
        while self.admitted.len() > 1
            && self.admitted.front().is_some_and(|first| is_old(first, now))
        {
            self.admitted.pop_front();
        }
    }

    /// People let in per minute, as measured up to now. `None` when the measured time is too short,
    /// and when nobody waits.
    pub fn admitted_per_minute(&self, now: Instant) -> Option<u64> {
        if self.admitted.back().is_some_and(|last| is_old(last, now)) {
            return (self.waiting > 0).then_some(0);
        }
        let mut recent = self.admitted.iter().skip_while(|admission| is_old(admission, now));
        // The span begins with the first admission, so this admission is not counted.
        let span = now.saturating_duration_since(recent.next()?.0);
        if span < RATE_WINDOW_MIN {
            return None;
        }
        let count: u64 = recent.map(|(_, count)| count).sum();
        Some((count as f64 * RATE_WINDOW.as_secs_f64() / span.as_secs_f64()).round() as u64)
    }

    /// How long somebody with `ahead` people in front will wait; `None` when nobody can say.
    pub fn eta(&self, ahead: u64, now: Instant) -> Option<Eta> {
        let rate = self.admitted_per_minute(now).filter(|rate| *rate > 0)?;
        let seconds = (ahead + 1) * 60 / rate;
        // The rate of the next minutes is about that of the last minute. A factor of 1.5 covers a
        // rate that is a third lower.
        Some(Eta {
            p50_seconds: seconds.min(WAIT_SECONDS_MAX),
            p90_seconds: (seconds * 3 / 2 + 1).min(WAIT_SECONDS_MAX),
        })
    }
}

fn is_old((at, _): &(Instant, u64), now: Instant) -> bool {
    now.saturating_duration_since(*at) > RATE_WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_measured_and_never_guessed() {
        let (mut line, begin) = (Line::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        assert_eq!(line.eta(100, at(0)), None);
        for second in 0..=10 {
            line.apply(&format!("{} 90 10", second * 10), at(second));
        }
        assert_eq!(line.admitted_per_minute(at(10)), Some(600));
        let eta = line.eta(99, at(10)).unwrap();
        assert_eq!(eta.p50_seconds, 10);
        assert!(eta.p90_seconds > eta.p50_seconds);
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute_and_ends_with_the_line() {
        let (mut line, begin) = (Line::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        for second in 0..=10 {
            line.apply(&format!("{} 90 10", second * 10), at(second));
        }
        line.apply("100 91 0", at(15));
        assert_eq!((line.waiting, line.admitted_per_minute(at(20))), (91, Some(300)));
        assert_eq!(line.admitted_per_minute(at(60)), Some(100));
        assert_eq!((line.admitted_per_minute(at(80)), line.eta(5, at(80))), (Some(0), None));
        line.apply("100 91 0", at(200));
        assert_eq!(line.admitted_per_minute(at(200)), Some(0), "nobody was let in for long");
        line.apply("100 0 0", at(201));
        assert_eq!(line.admitted_per_minute(at(201)), None, "there is nobody to let in");
    }
}
