//! The numbers of a run: latencies by step, responses by kind, and gauges; in all, and over time.
//! Recording is cheap, because the client shares its cores with the server.

pub(crate) mod course;
pub(crate) mod glance;
mod periods;

use crate::wire::{Failure, Response};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use periods::{Clock, LATENCY_US_MAX, Latencies, Periods};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The gauge that falls to zero when a sale is sold out. It shows the progress better than time.
pub(crate) const SEATS_LEFT: &str = "seats left";

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

/// Latencies, responses and gauges of a run. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    clock: Clock,
    /// Whether the course is no longer kept: the measured part is over.
    is_over: bool,
    steps: Vec<Step>,
    gauges: Vec<Gauge>,
}

struct Gauge {
    name: &'static str,
    last: f64,
    most: f64,
    course: Periods<Option<f64>>,
}

struct Step {
    name: &'static str,
    latencies: Histogram<u64>,
    course: Periods<Latencies>,
    responses: Vec<Counted>,
}

/// The responses with the same kind and code.
struct Counted {
    kind: Kind,
    code: String,
    count: u64,
    course: Periods<u32>,
}

/// A success, or the kind and the code of another result.
pub(crate) type Recorded = Result<Response, (Kind, String)>;

#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
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
        let status;
        let (kind, code) = match &recorded {
            Ok(response) => {
                status = response.status.to_string();
                (Kind::Success, status.as_str())
            }
            Err((kind, code)) => (*kind, code.as_str()),
        };
        let now = Instant::now();
        let mut state = self.0.lock();
        // A refusal is a normal response. The latency of a failure means nothing.
        if matches!(kind, Kind::Success | Kind::Refusal) {
            state.latency(step, now.saturating_duration_since(since), now);
        }
        state.response(step, kind, code, now);
        drop(state);
        recorded
    }

    /// Records a time.
    pub(crate) fn record(&self, step: &'static str, time: Duration) {
        self.0.lock().latency(step, time, Instant::now());
    }

    /// Records the value of a quantity at this moment: "seats left", for example.
    pub(crate) fn gauge(&self, name: &'static str, value: f64) {
        let mut state = self.0.lock();
        let Some(index) = state.index(Instant::now()) else { return };
        let found = state.gauges.iter().position(|gauge| gauge.name == name);
        let at = found.unwrap_or_else(|| {
            state.gauges.push(Gauge { name, last: value, most: value, course: Periods::default() });
            state.gauges.len() - 1
        });
        let gauge = &mut state.gauges[at];
        (gauge.last, gauge.most) = (value, gauge.most.max(value));
        *gauge.course.at(index) = Some(value);
    }

    /// Starts or ends the measured part. Outside it, responses count, but the course does not show
    /// them.
    pub(crate) fn keep_course(&self, keep: bool) {
        self.0.lock().is_over = !keep;
    }

    /// Returns how many responses of this kind a step got.
    pub(crate) fn count(&self, step: &str, kind: Kind) -> u64 {
        let state = self.0.lock();
        let of_step = state.steps.iter().filter(|known| known.name == step);
        let counted = of_step.flat_map(|step| &step.responses);
        counted.filter(|counted| counted.kind == kind).map(|counted| counted.count).sum()
    }

    /// Returns all responses: step, kind, status or code, count.
    pub(crate) fn responses(&self) -> Vec<(&'static str, Kind, String, u64)> {
        let state = self.0.lock();
        let row = |step: &'static str, row: &Counted| (step, row.kind, row.code.clone(), row.count);
        let rows = state
            .steps
            .iter()
            .flat_map(|step| step.responses.iter().map(|all| row(step.name, all)));
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    }

    /// Returns the latencies of all steps.
    pub(crate) fn latencies(&self) -> Vec<(&'static str, Histogram<u64>)> {
        let state = self.0.lock();
        let timed = state.steps.iter().filter(|step| !step.latencies.is_empty());
        let mut all: Vec<_> = timed.map(|step| (step.name, step.latencies.clone())).collect();
        all.sort_by_key(|(name, _)| *name);
        all
    }
}

impl State {
    /// Returns the number of the current period, or nothing outside the measured part.
    fn index(&mut self, now: Instant) -> Option<usize> {
        if self.is_over {
            return None;
        }
        let mut index = self.clock.index(now);
        while Clock::is_full(index) {
            self.clock.double();
            for step in &mut self.steps {
                step.course.halve();
                step.responses.iter_mut().for_each(|all| all.course.halve());
            }
            self.gauges.iter_mut().for_each(|gauge| gauge.course.halve());
            index = self.clock.index(now);
        }
        Some(index)
    }

    /// Returns a step. There are only a few, so a search in a list is the fastest.
    fn step(&mut self, name: &'static str) -> &mut Step {
        let found = self.steps.iter().position(|step| step.name == name);
        let at = found.unwrap_or_else(|| {
            let (course, responses) = Default::default();
            self.steps.push(Step { name, latencies: new_histogram(), course, responses });
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }

    fn latency(&mut self, step: &'static str, time: Duration, now: Instant) {
        let index = self.index(now);
        let step = self.step(step);
        let microseconds = time.as_micros().max(1) as u64;
        step.latencies.saturating_record(microseconds);
        if let Some(index) = index {
            step.course.at(index).record(microseconds);
        }
    }

    fn response(&mut self, step: &'static str, kind: Kind, code: &str, now: Instant) {
        let index = self.index(now);
        let responses = &mut self.step(step).responses;
        let found = responses.iter().position(|all| all.kind == kind && all.code == code);
        let at = found.unwrap_or_else(|| {
            let (code, course) = (code.to_owned(), Periods::default());
            responses.push(Counted { kind, code, count: 0, course });
            responses.len() - 1
        });
        let counted = &mut responses[at];
        counted.count += 1;
        if let Some(index) = index {
            *counted.course.at(index) += 1;
        }
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
    let code = problem.and_then(|problem| problem.code).unwrap_or(Cow::Borrowed("no code"));
    // Other codes mean a fault of the test: a bad token, an unreadable request, or a limit that was
    // left on.
    let is_refusal = matches!(response.status, 402 | 403 | 404 | 409);
    let kind = if is_refusal { Kind::Refusal } else { Kind::Error };
    Err((kind, format!("{} {code}", response.status)))
}

/// Returns an empty histogram of microseconds, with three significant digits.
pub(crate) fn new_histogram() -> Histogram<u64> {
    // Fails only when the bounds contradict each other, and these do not.
    let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
    histogram.unwrap_or_else(|error| unreachable!("constant bounds: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_counts_each_response_and_ends_with_the_measured_part() {
        let tally = Tally::default();
        let response = |status| {
            let body = bytes::Bytes::from_static(b"{\"code\":\"SEAT_TAKEN\"}");
            Ok(Response { status, body })
        };
        for left in (0..3_u32).rev() {
            assert!(tally.record_response("hold", Instant::now(), response(201)).is_ok());
            tally.gauge("seats left", f64::from(left));
        }
        let refused = tally.record_response("hold", Instant::now(), response(409));
        assert_eq!(refused.unwrap_err(), (Kind::Refusal, "409 SEAT_TAKEN".to_owned()));
        tally.keep_course(false);
        tally.record("hold", Duration::from_millis(1));
        let series = tally.series();
        assert_eq!(series.steps[0].count.iter().sum::<u64>(), 4);
        assert_eq!(series.responses.iter().flat_map(|all| &all.count).sum::<u32>(), 4);
        assert_eq!(series.gauges[0].values.last(), Some(&Some(0.0)));
        assert_eq!((tally.count("hold", Kind::Success), tally.latencies()[0].1.len()), (3, 5));
    }
}
