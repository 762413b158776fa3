//! The line of a waiting room as everybody sees it: one frame serves all who wait.

use serde::Serialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// The pace is measured over the last minute, by the clock of this process: that of Redis may be
/// set, and then the ids of its streams stand still.
const PACE: Duration = Duration::from_secs(60);
/// No pace from less: two admissions a moment apart say nothing.
const PACE_MIN: Duration = Duration::from_secs(5);
/// A wait longer than this is only "more than": nobody can promise it.
const WAIT_SECONDS_MAX: u64 = 7_200;

/// How far the line has come, and how fast it has moved.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub serving: u64,
    pub waiting: u64,
    /// When people were let in, and how many. The last one stays, however long ago it was.
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
    /// For someone who joins now.
    #[schema(required)]
    eta: Option<Eta>,
    sold_out: bool,
}

impl Line {
    /// The line as everybody sees it. While it does not move nobody can say how long it takes.
    pub fn view(&self, sold_out: bool, moves: bool, now: Instant) -> LineView {
        LineView {
            serving: self.serving,
            waiting: self.waiting,
            admitted_per_minute: self.admitted_per_minute(now),
            eta: self.eta(self.waiting, now).filter(|_| moves),
            sold_out,
        }
    }

    /// The line where it stands, with nothing measured yet.
    pub fn at(serving: u64, waiting: u64) -> Self {
        Self { serving, waiting, admitted: VecDeque::new() }
    }

    /// Takes an entry of the stream: number served, people waiting, people let in now.
    pub fn hear(&mut self, text: &str, now: Instant) {
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
        while self.admitted.len() > 1 && self.admitted.front().is_some_and(|one| is_old(one, now)) {
            self.admitted.pop_front();
        }
    }

    /// People let in per minute, as measured up to now; `None` when too little was seen, and when
    /// there was nobody to let in.
    pub fn admitted_per_minute(&self, now: Instant) -> Option<u64> {
        if self.admitted.back().is_some_and(|last| is_old(last, now)) {
            return (self.waiting > 0).then_some(0);
        }
        let mut recent = self.admitted.iter().skip_while(|one| is_old(one, now));
        // The first admission opens the span, so it does not count into it.
        let span = now.saturating_duration_since(recent.next()?.0);
        if span < PACE_MIN {
            return None;
        }
        let count: u64 = recent.map(|(_, count)| count).sum();
        Some((count as f64 * PACE.as_secs_f64() / span.as_secs_f64()).round() as u64)
    }

    /// How long someone with so many people in front will wait: a range, capped, or nothing.
    pub fn eta(&self, ahead: u64, now: Instant) -> Option<Eta> {
        let pace = self.admitted_per_minute(now).filter(|pace| *pace > 0)?;
        let seconds = (ahead + 1) * 60 / pace;
        // The pace of the next minutes is that of the last one give or take; 1.5 covers a third
        // off.
        Some(Eta {
            p50_seconds: seconds.min(WAIT_SECONDS_MAX),
            p90_seconds: (seconds * 3 / 2 + 1).min(WAIT_SECONDS_MAX),
        })
    }
}

fn is_old((at, _): &(Instant, u64), now: Instant) -> bool {
    now.saturating_duration_since(*at) > PACE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_measured_and_never_made_up() {
        let (mut line, begin) = (Line::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        assert_eq!(line.eta(100, at(0)), None);
        for second in 0..=10 {
            line.hear(&format!("{} 90 10", second * 10), at(second));
        }
        assert_eq!(line.admitted_per_minute(at(10)), Some(600));
        let eta = line.eta(99, at(10)).unwrap();
        assert_eq!(eta.p50_seconds, 10);
        assert!(eta.p90_seconds > eta.p50_seconds);
    }

    #[test]
    fn the_pace_is_that_of_the_last_minute_and_ends_with_the_line() {
        let (mut line, begin) = (Line::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        for second in 0..=10 {
            line.hear(&format!("{} 90 10", second * 10), at(second));
        }
        line.hear("100 91 0", at(15));
        assert_eq!((line.waiting, line.admitted_per_minute(at(20))), (91, Some(300)));
        assert_eq!(line.admitted_per_minute(at(60)), Some(100));
        assert_eq!((line.admitted_per_minute(at(80)), line.eta(5, at(80))), (Some(0), None));
        line.hear("100 91 0", at(200));
        assert_eq!(line.admitted_per_minute(at(200)), Some(0), "nobody was let in for long");
        line.hear("100 0 0", at(201));
        assert_eq!(line.admitted_per_minute(at(201)), None, "there is nobody to let in");
    }
}
