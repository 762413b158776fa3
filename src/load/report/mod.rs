//! The result of a run, the same for the table, the JSON file and the page.

pub mod html;
pub mod plot;
pub mod text;

use crate::load::arguments::LoadArguments;
use crate::load::crew::{Check, Crew, Findings};
use crate::load::machine::Machine;
use crate::load::tally::{Kind, Tally};
use crate::load::usage::Usage;
use clap::ValueEnum as _;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Everything that a run tells.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub scenario: String,
    pub target: String,
    pub at: jiff::Timestamp,
    pub machine: Machine,
    pub settings: Vec<Setting>,
    /// How long the part that counts took.
    pub seconds: f64,
    pub results: Vec<Outcome>,
    pub latencies: Vec<Latency>,
    pub answers: Vec<Answers>,
    /// Processors in use on average.
    pub usage: Option<Usage>,
    pub checks: Vec<Check>,
}

/// A number of the run that was set.
#[derive(Debug, Serialize)]
pub struct Setting {
    pub name: &'static str,
    pub value: String,
}

/// What the run came down to.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub name: String,
    pub number: f64,
    pub unit: &'static str,
}

/// The latency of one step, in milliseconds from the moment it was meant to begin.
#[derive(Debug, Serialize)]
pub struct Latency {
    pub step: &'static str,
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    /// Share of all answers (0 to 1) and the latency that so many had at most.
    pub percentiles: Vec<(f64, f64)>,
    /// Upper bound in milliseconds and number of answers; bounds grow by a quarter.
    pub histogram: Vec<(f64, u64)>,
}

/// Answers of one kind to one step.
#[derive(Debug, Serialize)]
pub struct Answers {
    pub step: &'static str,
    pub kind: &'static str,
    /// Status, and the code of a problem.
    pub code: String,
    pub count: u64,
}

impl Report {
    /// The report of a run of people.
    pub fn of(crew: &Crew, findings: Findings, target: String) -> Self {
        let (time, usage) = crew.measured();
        let mut report = Self::new(&crew.arguments, &crew.tally, findings, usage, time);
        report.target = target;
        let matches = crew.venue.matches.len().to_string();
        report.settings.push(Setting { name: "matches", value: matches });
        report
    }

    /// The report of a run without people and without HTTP.
    pub fn from_within(
        arguments: &LoadArguments,
        tally: &Tally,
        findings: Findings,
        usage: Option<Usage>,
        time: Duration,
    ) -> Self {
        Self::new(arguments, tally, findings, usage, time)
    }

    fn new(
        arguments: &LoadArguments,
        tally: &Tally,
        findings: Findings,
        usage: Option<Usage>,
        time: Duration,
    ) -> Self {
        let scenario = arguments.scenario.to_possible_value();
        let outcome = |(name, number, unit)| Outcome { name, number, unit };
        let answer = |(step, kind, code, count): (&'static str, Kind, String, u64)| Answers {
            step,
            kind: kind.word(),
            code,
            count,
        };
        let latencies = tally.latencies();
        Self {
            scenario: scenario.map_or_else(String::new, |value| value.get_name().to_owned()),
            target: "the engine of a private installation".to_owned(),
            at: jiff::Timestamp::now(),
            machine: Machine::this(),
            settings: settings(arguments),
            seconds: time.as_secs_f64(),
            results: findings.results.into_iter().map(outcome).collect(),
            latencies: latencies.iter().map(|(step, all)| Latency::of(step, all)).collect(),
            answers: tally.answers().into_iter().map(answer).collect(),
            usage,
            checks: findings.checks,
        }
    }

    /// Whether everything that must be true is.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    /// A result by its name and unit.
    pub fn number(&self, name: &str, unit: &str) -> Option<f64> {
        let mut results = self.results.iter();
        results.find(|one| one.name == name && one.unit == unit).map(|one| one.number)
    }
}

fn settings(arguments: &LoadArguments) -> Vec<Setting> {
    let numbers = arguments.numbers();
    let arrivals = match (arguments.saturate, arguments.arrivals.to_possible_value()) {
        (true, _) => "as fast as the answers come".to_owned(),
        (false, Some(value)) => value.get_name().to_owned(),
        (false, None) => String::new(),
    };
    let mut list = vec![
        ("people", numbers.people.to_string()),
        ("connections", numbers.connections.to_string()),
        ("duration", format!("{:?}", numbers.duration)),
        ("arrivals", arrivals),
    ];
    if numbers.rate > 0.0 && !arguments.saturate {
        list.push(("rate", format!("{} per second", numbers.rate)));
    }
    if let Some(seats) = numbers.seats {
        list.push(("seats", seats.to_string()));
    }
    list.into_iter().map(|(name, value)| Setting { name, value }).collect()
}

impl Latency {
    fn of(step: &'static str, all: &Histogram<u64>) -> Self {
        let at = |share: f64| ms(all.value_at_quantile(share));
        Self {
            step,
            count: all.len(),
            mean: all.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(all.max()),
            percentiles: percentiles(all),
            histogram: histogram(all),
        }
    }
}

/// Denser towards 1, up to the share that one single answer has.
fn percentiles(all: &Histogram<u64>) -> Vec<(f64, f64)> {
    let mut points = vec![];
    let mut rest = 1.0_f64;
    while rest * all.len() as f64 >= 1.0 {
        points.push((1.0 - rest, ms(all.value_at_quantile(1.0 - rest))));
        rest *= 0.8;
    }
    points.push((1.0 - 0.5 / all.len().max(1) as f64, ms(all.max())));
    points
}

fn histogram(all: &Histogram<u64>) -> Vec<(f64, u64)> {
    let mut bars: Vec<(f64, u64)> = vec![];
    let mut bound = 10.0_f64;
    let mut next = 0;
    for value in all.iter_recorded() {
        while value.value_iterated_to() as f64 > bound {
            if next > 0 || !bars.is_empty() {
                bars.push((bound / 1000.0, next));
            }
            next = 0;
            bound *= 1.25;
        }
        next += value.count_at_value();
    }
    bars.push((bound / 1000.0, next));
    bars
}

fn ms(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::new_histogram;

    #[test]
    fn bars_and_percentiles_account_for_every_answer() {
        let mut all = new_histogram();
        for value in 1..=10_000_u64 {
            all.record(value).unwrap();
        }
        let bars = histogram(&all);
        assert_eq!(bars.iter().map(|(_, count)| count).sum::<u64>(), 10_000);
        assert!(bars.is_sorted_by(|one, other| one.0 < other.0));
        let points = percentiles(&all);
        assert!(points.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1));
        let latency = Latency::of("hold", &all);
        assert!((latency.p50 - 5.0).abs() < 0.02 && (latency.max - 10.0).abs() < 0.02);
        assert!(percentiles(&new_histogram()).len() == 1);
    }
}
