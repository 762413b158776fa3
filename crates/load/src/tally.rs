//! The numbers of a run: latencies by step, and responses by kind.

use crate::wire::{Failure, Response};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The largest latency that is kept. Latencies are in microseconds, with three significant digits.
const LATENCY_US_MAX: u64 = 120_000_000;

/// The meaning of a response for the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The request had its effect.
    Success,
    /// A refusal that is part of the game: the seats are taken, for example.
    Refusal,
    /// The server, a limit or the network failed.
    Error,
    /// There was no response, so the outcome is unknown.
    Unknown,
}

impl Kind {
    /// Returns the word for reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refusal => "refusal",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// Latencies and responses of a run.
#[derive(Default)]
pub(crate) struct Tally {
    latencies: Mutex<BTreeMap<&'static str, Histogram<u64>>>,
    responses: Mutex<BTreeMap<(&'static str, Kind, String), u64>>,
}

/// A success, or the kind and the code of another result.
pub(crate) type Recorded = Result<Response, (Kind, String)>;

#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
}

impl Tally {
    /// Records the result of a step whose intended start was `since`.
    pub(crate) fn record_response(
        &self,
        step: &'static str,
        since: Instant,
        result: Result<Response, Failure>,
    ) -> Recorded {
        let recorded = classify(result);
        let (kind, code) = match &recorded {
            Ok(response) => (Kind::Success, response.status.to_string()),
            Err((kind, code)) => (*kind, code.clone()),
        };
        // A refusal is a normal response. The latency of a failure means nothing.
        if matches!(kind, Kind::Success | Kind::Refusal) {
            self.record(step, since.elapsed());
        }
        *self.responses.lock().entry((step, kind, code)).or_default() += 1;
        recorded
    }

    /// Records a time.
    pub(crate) fn record(&self, step: &'static str, time: Duration) {
        let mut latencies = self.latencies.lock();
        let histogram = latencies.entry(step).or_insert_with(new_histogram);
        histogram.saturating_record(time.as_micros().max(1) as u64);
    }

    /// Keeps the latest value of a quantity over time.
    pub(crate) fn gauge(&self, name: &'static str, value: f64) {
        let _ = (name, value);
    }

    /// Returns how many responses of this kind a step got.
    pub(crate) fn count(&self, step: &str, kind: Kind) -> u64 {
        let responses = self.responses.lock();
        let counted = responses.iter();
        let of_step = counted.filter(|((name, its_kind, _), _)| *name == step && *its_kind == kind);
        of_step.map(|(_, count)| count).sum()
    }

    /// Returns all responses: step, kind, status or code, count.
    pub(crate) fn responses(&self) -> Vec<(&'static str, Kind, String, u64)> {
        let responses = self.responses.lock();
        let rows = responses.iter();
        rows.map(|((step, kind, code), count)| (*step, *kind, code.clone(), *count)).collect()
    }

    /// Returns the latencies of all steps.
    pub(crate) fn latencies(&self) -> Vec<(&'static str, Histogram<u64>)> {
        let latencies = self.latencies.lock();
        latencies.iter().map(|(step, histogram)| (*step, histogram.clone())).collect()
    }
}

fn classify(result: Result<Response, Failure>) -> Recorded {
    let response = match result {
        Ok(response) => response,
        Err(error @ Failure::NoConnection(_)) => return Err((Kind::Error, error.to_string())),
        Err(error @ Failure::NoResponse(_)) => return Err((Kind::Unknown, error.to_string())),
    };
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    let problem: Option<Problem> = serde_json::from_slice(&response.body).ok();
    let code = problem.and_then(|problem| problem.code).unwrap_or_else(|| "no code".to_owned());
    // Other codes mean a fault of the test: a bad token, an unreadable request, or a limit that was
    // left on.
    let is_refusal = matches!(response.status, 402 | 403 | 404 | 409);
    let kind = if is_refusal { Kind::Refusal } else { Kind::Error };
    Err((kind, format!("{} {code}", response.status)))
}

/// Returns an empty histogram of microseconds.
pub(crate) fn new_histogram() -> Histogram<u64> {
    // Fails only when the bounds contradict each other, and these do not.
    let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
    histogram.unwrap_or_else(|error| unreachable!("constant bounds: {error}"))
}
