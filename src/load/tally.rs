//! What was measured: latencies by step, and answers by kind.

use crate::load::wire::{Answer, Trouble};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Latencies are kept in microseconds up to this, with three digits.
const LATENCY_US_MAX: u64 = 120_000_000;

/// What an answer means for the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It did what was asked.
    Success,
    /// A fair no: the seats are taken, for example.
    Refusal,
    /// The server, a limit or the network failed.
    Error,
    /// There was no answer, so nobody knows what happened.
    Unknown,
}

impl Kind {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refusal => "refusal",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// Latencies and answers of one run.
#[derive(Default)]
pub struct Tally {
    latencies: Mutex<BTreeMap<&'static str, Histogram<u64>>>,
    answers: Mutex<BTreeMap<(&'static str, Kind, String), u64>>,
}

/// A success with its data, or the kind of what came instead.
pub type Heard = Result<Answer, (Kind, String)>;

#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
}

impl Tally {
    /// Notes the answer of a step that was meant to begin at `since`.
    pub fn hear(
        &self,
        step: &'static str,
        since: Instant,
        answer: Result<Answer, Trouble>,
    ) -> Heard {
        let heard = sorted(answer);
        let (kind, code) = match &heard {
            Ok(answer) => (Kind::Success, answer.status.to_string()),
            Err((kind, code)) => (*kind, code.clone()),
        };
        // A refusal is an answer like any other; what failed has no latency worth the name.
        if matches!(kind, Kind::Success | Kind::Refusal) {
            self.record(step, since.elapsed());
        }
        *self.answers.lock().entry((step, kind, code)).or_default() += 1;
        heard
    }

    /// Notes a time.
    pub fn record(&self, step: &'static str, time: Duration) {
        let mut latencies = self.latencies.lock();
        let histogram = latencies.entry(step).or_insert_with(new_histogram);
        histogram.saturating_record(time.as_micros().max(1) as u64);
    }

    /// How many answers of a kind a step got.
    pub fn count(&self, step: &str, kind: Kind) -> u64 {
        let answers = self.answers.lock();
        let of_step = answers.iter().filter(|((of, is, _), _)| *of == step && *is == kind);
        of_step.map(|(_, count)| count).sum()
    }

    /// All answers: step, kind, status or code, count.
    pub fn answers(&self) -> Vec<(&'static str, Kind, String, u64)> {
        let answers = self.answers.lock();
        answers.iter().map(|((step, kind, code), n)| (*step, *kind, code.clone(), *n)).collect()
    }

    /// The latencies of all steps.
    pub fn latencies(&self) -> Vec<(&'static str, Histogram<u64>)> {
        let latencies = self.latencies.lock();
        latencies.iter().map(|(step, histogram)| (*step, histogram.clone())).collect()
    }
}

fn sorted(answer: Result<Answer, Trouble>) -> Heard {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error @ Trouble::NoConnection(_)) => return Err((Kind::Error, error.to_string())),
        Err(error @ Trouble::NoAnswer(_)) => return Err((Kind::Unknown, error.to_string())),
    };
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    let code = problem.and_then(|problem| problem.code).unwrap_or_else(|| "no code".to_owned());
    // A token that does not work, a request that the server can't read or a limit that was left on
    // is a fault of the test, not a fair answer.
    let fair = matches!(answer.status, 402 | 403 | 404 | 409);
    let kind = if fair { Kind::Refusal } else { Kind::Error };
    Err((kind, format!("{} {code}", answer.status)))
}

/// An empty histogram of microseconds.
pub fn new_histogram() -> Histogram<u64> {
    // Fails only when the bounds contradict each other, which these do not.
    let made = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
    made.unwrap_or_else(|error| unreachable!("constant bounds: {error}"))
}
