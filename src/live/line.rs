//! The line of a waiting room as everybody sees it. One frame serves everybody who waits.

use crate::domain::catalog::MatchStatus;
use crate::domain::queue::{LineState, QueueSettings};
use crate::live::match_now::MatchNow;
use crate::live::pace::{Eta, Pace};
use serde::Serialize;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Clients that poll ask again after this time at least. A shorter one shows little more.
const POLL_INTERVAL_MIN: Duration = Duration::from_secs(3);
/// And after this time at most: it is how late somebody may learn that it is their turn.
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(30);
/// The interval grows with the line, so that all people in it make at most so many requests per
/// second, as long as it is not longer than the longest interval.
const POLLS_PER_SECOND_MAX: u64 = 50_000;

/// Why the line moves, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum QueueState {
    /// The sale has not opened yet.
    NotOpen,
    /// People are let in.
    Open,
    /// People are let in more slowly: as many buyers as may are inside, seats run out, or the
    /// measured pace has fallen. Estimates may rise.
    Slowed,
    /// The organiser has paused the admission.
    Paused,
    /// All seats are taken.
    SoldOut,
    /// The sale has ended, and nobody is let in any more.
    Closed,
    /// There is no waiting room any more: everybody may hold seats.
    Off,
}

/// The line and its pace.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub at: LineState,
    pace: Pace,
}

/// What the state of a line follows from, besides the line itself.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    pub fixture: &'a MatchNow,
    pub epoch: u64,
    /// AVAILABLE seats.
    pub available: usize,
    /// Seats in HOLD or PENDING.
    pub unpaid: usize,
}

/// The line as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineView {
    pub state: QueueState,
    /// The number up to which people were let in.
    pub serving: u64,
    /// People who wait.
    pub waiting: u64,
    /// As measured over the last minute; null before there is anything to measure.
    #[schema(required)]
    pub admitted_per_minute: Option<u64>,
    /// The wait of somebody who joins now; null while nobody is let in.
    #[schema(required)]
    pub eta: Option<Eta>,
    pub sold_out: bool,
    /// Some of the taken seats are not paid for yet, so they may come back.
    pub seats_may_return: bool,
    /// How many people joined before the sale opened, and have got their numbers by the draw. Null
    /// before, and where nothing is drawn.
    #[schema(required)]
    pub drawn: Option<u64>,
    /// It rises when Redis has lost its data. Then all places are lost, and people must join again.
    pub epoch: u64,
    /// A client without an event stream asks again after this time, in milliseconds.
    pub poll_after_ms: u64,
}

impl Line {
    /// A line in this state, without any admission yet.
    pub fn at(at: LineState) -> Self {
        Self { at, pace: Pace::default() }
    }

    /// Applies an entry of the stream.
    pub fn apply(&mut self, text: &str, now: Instant) {
        let Some((at, admitted)) = LineState::parse(text) else { return };
        // The time in which nobody waited says nothing about the pace.
        if self.at.waiting == 0 && at.waiting > 0 {
            self.pace.forget();
        }
        self.at = at;
        if admitted > 0 {
            self.pace.add(admitted, now);
        }
    }

    /// Measures the pace, before a frame is made.
    pub fn measure(&mut self, around: Around<'_>, now: Instant) {
        if moves(self.state(around, now)) {
            self.pace.measure(now);
        } else {
            self.pace.forget();
        }
    }

    /// Why the line moves, or does not.
    pub fn state(&self, around: Around<'_>, now: Instant) -> QueueState {
        let (fixture, queue) = (around.fixture, &around.fixture.queue);
        match fixture.status {
            MatchStatus::Closed => QueueState::Closed,
            _ if !queue.enabled => QueueState::Off,
            MatchStatus::Draft | MatchStatus::Announced => QueueState::NotOpen,
            MatchStatus::Open if around.available == 0 => QueueState::SoldOut,
            MatchStatus::Open if queue.paused => QueueState::Paused,
            MatchStatus::Open if self.at.slowed || self.pace.has_fallen(now) => QueueState::Slowed,
            MatchStatus::Open => QueueState::Open,
        }
    }

    /// The line as everybody sees it.
    pub fn view(&self, around: Around<'_>, now: Instant) -> LineView {
        let state = self.state(around, now);
        let ended = matches!(state, QueueState::Closed | QueueState::Off);
        let (moves, waiting) = (moves(state), if ended { 0 } else { self.at.waiting });
        LineView {
            state,
            serving: self.at.serving,
            waiting,
            admitted_per_minute: self.pace.per_minute(now).filter(|_| moves && waiting > 0),
            eta: self.pace.eta(waiting).filter(|_| moves),
            sold_out: around.available == 0,
            seats_may_return: around.unpaid > 0,
            drawn: self.at.drawn,
            epoch: around.epoch,
            poll_after_ms: self.poll_after(state, &around.fixture.queue).as_millis() as u64,
        }
    }

    /// How long somebody with `ahead` people in front will wait.
    pub fn eta(&self, ahead: u64, around: Around<'_>, now: Instant) -> Option<Eta> {
        self.pace.eta(ahead).filter(|_| moves(self.state(around, now)))
    }

    fn poll_after(&self, state: QueueState, queue: &QueueSettings) -> Duration {
        if matches!(state, QueueState::Closed | QueueState::Off) {
            return POLL_INTERVAL_MAX;
        }
        let grown = Duration::from_secs(self.at.waiting / POLLS_PER_SECOND_MAX);
        // An admission must not end between two polls.
        let longest = Duration::from_millis(queue.admission_ttl_ms / 3);
        (POLL_INTERVAL_MIN + grown).min(POLL_INTERVAL_MAX).min(longest)
    }
}

/// Whether people are let in.
fn moves(state: QueueState) -> bool {
    matches!(state, QueueState::Open | QueueState::Slowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who asks as the server says does not miss the turn, however long the line is.
    #[test]
    fn an_admission_outlives_two_polls() {
        let line = Line::at(LineState { waiting: 1_000_000, ..LineState::default() });
        for (admission_ttl_ms, seconds) in [(120_000, 23), (10_000, 3), (30_000, 10)] {
            let queue = QueueSettings { admission_ttl_ms, ..QueueSettings::default() };
            assert_eq!(line.poll_after(QueueState::Open, &queue).as_secs(), seconds);
        }
    }

    /// A crowd that comes to an empty room is not told of a slow pace.
    #[test]
    fn a_time_in_which_nobody_waits_is_no_slow_pace() {
        let (mut line, begin) = (Line::default(), Instant::now());
        let at = |second: u64| begin + Duration::from_secs(second);
        let mut run = |seconds: std::ops::Range<u64>, waiting: u64, admitted: u64| {
            for second in seconds {
                line.apply(&format!("1 {waiting} {admitted} 0 -"), at(second));
                line.pace.measure(at(second));
            }
            (line.pace.eta(599).map(|eta| eta.p50_seconds), line.pace.has_fallen(at(400)))
        };
        assert_eq!(run(0..60, 100, 10), (Some(60), false));
        run(60..61, 0, 10);
        assert_eq!(run(340..400, 6_000, 10), (Some(60), false));
    }
}
