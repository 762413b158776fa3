//! The line of a waiting room as everybody sees it: one frame serves all who wait.

use crate::domain::position::StreamId;
use serde::Serialize;
use std::collections::VecDeque;
use utoipa::ToSchema;

/// The pace is measured over so long.
const PACE_MS: u64 = 60_000;
/// No pace from less: two admissions a moment apart say nothing.
const PACE_MS_MIN: u64 = 5_000;
/// A wait longer than this is only "more than": nobody can promise it.
const WAIT_SECONDS_MAX: u64 = 7_200;

/// How far the line has come, and how fast it has moved.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub serving: u64,
    pub waiting: u64,
    /// When people were let in (ms of Redis), and how many.
    admitted: VecDeque<(u64, u64)>,
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
    admitted_per_minute: Option<u64>,
    /// For someone who joins now.
    eta: Option<Eta>,
    sold_out: bool,
}

impl Line {
    /// The line as everybody sees it. Nobody is let in while it does not move: then a pace that was
    /// measured before says nothing.
    pub fn view(&self, sold_out: bool, moves: bool) -> LineView {
        LineView {
            serving: self.serving,
            waiting: self.waiting,
            admitted_per_minute: self.admitted_per_minute().filter(|_| moves),
            eta: self.eta(self.waiting).filter(|_| moves),
            sold_out,
        }
    }

    /// The line where it stands, with nothing measured yet.
    pub fn at(serving: u64, waiting: u64) -> Self {
        Self { serving, waiting, admitted: VecDeque::new() }
    }

    /// Takes an entry of the stream: number served, people waiting, people let in now.
    pub fn hear(&mut self, id: StreamId, text: &str) {
        let mut part = text.split(' ').filter_map(|part| part.parse::<u64>().ok());
        let (Some(serving), Some(waiting), Some(count)) = (part.next(), part.next(), part.next())
        else {
            return;
        };
        self.serving = serving;
        self.waiting = waiting;
        if count > 0 {
            self.admitted.push_back((id.ms, count));
        }
        while self.admitted.front().is_some_and(|(at, _)| id.ms - at > PACE_MS) {
            self.admitted.pop_front();
        }
    }

    /// People let in per minute, as measured; `None` when too little was seen.
    pub fn admitted_per_minute(&self) -> Option<u64> {
        let ((first, _), (last, _)) = (self.admitted.front()?, self.admitted.back()?);
        let span = last - first;
        if span < PACE_MS_MIN {
            return None;
        }
        // The first admission opens the span, so it does not count into it.
        let count: u64 = self.admitted.iter().skip(1).map(|(_, count)| count).sum();
        Some(count * 60_000 / span)
    }

    /// How long someone with so many people in front will wait: a range, capped, or nothing.
    pub fn eta(&self, ahead: u64) -> Option<Eta> {
        let pace = self.admitted_per_minute().filter(|pace| *pace > 0)?;
        let seconds = (ahead + 1) * 60 / pace;
        // The pace of the next minutes is that of the last one give or take; 1.5 covers a third
        // off.
        Some(Eta {
            p50_seconds: seconds.min(WAIT_SECONDS_MAX),
            p90_seconds: (seconds * 3 / 2 + 1).min(WAIT_SECONDS_MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_measured_and_never_made_up() {
        let mut line = Line::default();
        assert_eq!(line.eta(100), None);
        for second in 0..=10 {
            line.hear(StreamId { ms: 1000 * second, seq: 0 }, &format!("{} 90 10", second * 10));
        }
        assert_eq!(line.admitted_per_minute(), Some(600));
        let eta = line.eta(99).unwrap();
        assert_eq!(eta.p50_seconds, 10);
        assert!(eta.p90_seconds > eta.p50_seconds);
    }
}
