//! The report of a run. The table, the JSON file and the page all show it.

pub(crate) mod against;
mod charts;
pub(crate) mod html;
#[cfg(test)]
mod invented;
mod plot;
pub(crate) mod text;

use crate::arguments::LoadArguments;
use crate::crew::{Check, Crew, Findings};
use crate::machine::Machine;
use crate::tally::course::Series;
use crate::tally::{Kind, Tally};
use crate::usage::Usage;
use anyhow::Context as _;
use clap::ValueEnum as _;
use grandstand_embedded::tell;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// The version of the form of the JSON file. A change that an older reader would misunderstand
/// needs a new number.
pub(crate) const FORMAT: u32 = 2;

/// The report of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The version of the form of this report.
    pub(crate) format: u32,
    pub(crate) scenario: String,
    pub(crate) target: String,
    pub(crate) at: jiff::Timestamp,
    pub(crate) machine: Machine,
    pub(crate) settings: Vec<Setting>,
    /// Time of the measured part.
    pub(crate) seconds: f64,
    pub(crate) results: Vec<RunResult>,
    pub(crate) latencies: Vec<Latency>,
    pub(crate) responses: Vec<Responses>,
    /// Processors in use on average.
    pub(crate) usage: Option<Usage>,
    /// Number of failed checks.
    pub(crate) violations: usize,
    pub(crate) checks: Vec<Check>,
    /// The course of the run.
    pub(crate) series: Series,
}

/// A setting of the run.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// A result of the run.
#[derive(Debug, Serialize)]
pub(crate) struct RunResult {
    pub(crate) name: String,
    pub(crate) number: f64,
    pub(crate) unit: &'static str,
}

/// The latencies of a step, in milliseconds from the intended start.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) step: &'static str,
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// Shares of all responses (0 to 1), and the largest latency within each share.
    pub(crate) percentiles: Vec<(f64, f64)>,
    /// Upper bounds in milliseconds, and numbers of responses. Each bound is a quarter above the
    /// one before it.
    pub(crate) histogram: Vec<(f64, u64)>,
}

/// The responses of a kind to a step.
#[derive(Debug, Serialize)]
pub(crate) struct Responses {
    pub(crate) step: &'static str,
    pub(crate) kind: &'static str,
    /// The status, and the error code if there is one.
    pub(crate) code: String,
    pub(crate) count: u64,
}

impl Report {
    /// Returns the report of a run with people.
    pub(crate) fn of(crew: &Crew, findings: Findings, target: String) -> Self {
        let (time, usage) = crew.measured();
        let mut report = Self::new(&crew.arguments, &crew.tally, findings, usage, time);
        report.target = target;
        let matches = crew.venue.matches.len().to_string();
        report.settings.push(Setting { name: "matches", value: matches });
        report
    }

    /// Returns the report of a run without people and without HTTP.
    pub(crate) fn without_people(
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
        let result = |(name, number, unit)| RunResult { name, number, unit };
        let responses = |(step, kind, code, count): (&'static str, Kind, String, u64)| Responses {
            step,
            kind: kind.word(),
            code,
            count,
        };
        let latencies = tally.latencies();
        Self {
            format: FORMAT,
            scenario: arguments.scenario.name(),
            target: "the engine of a private installation".to_owned(),
            at: jiff::Timestamp::now(),
            machine: Machine::this(),
            settings: settings(arguments),
            seconds: time.as_secs_f64(),
            results: findings.results.into_iter().map(result).collect(),
            latencies: latencies.iter().map(|(step, all)| Latency::of(step, all)).collect(),
            responses: tally.responses().into_iter().map(responses).collect(),
            usage,
            violations: findings.checks.iter().filter(|check| !check.passed).count(),
            checks: findings.checks,
            series: tally.series(),
        }
    }

    /// Whether all checks have passed.
    pub(crate) fn passed(&self) -> bool {
        self.violations == 0
    }

    /// Returns the result with this name and unit.
    pub(crate) fn number(&self, name: &str, unit: &str) -> Option<f64> {
        let mut results = self.results.iter();
        let found = results.find(|result| result.name == name && result.unit == unit);
        found.map(|result| result.number)
    }
}

/// Writes a file and prints its name.
pub(crate) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    tell(format_args!("wrote {}\n", path.display()));
    Ok(())
}

fn settings(arguments: &LoadArguments) -> Vec<Setting> {
    let numbers = arguments.numbers();
    let arrivals = match (arguments.saturate, arguments.arrivals.to_possible_value()) {
        (true, _) => "as fast as the responses arrive".to_owned(),
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

/// Returns points that are denser towards 1, up to the share of a single response.
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
    use crate::tally::new_histogram;

    #[test]
    fn bars_and_percentiles_count_every_response() {
        let mut all = new_histogram();
        for value in 1..=10_000_u64 {
            all.record(value).unwrap();
        }
        let bars = histogram(&all);
        assert_eq!(bars.iter().map(|(_, count)| count).sum::<u64>(), 10_000);
        assert!(bars.is_sorted_by(|left, right| left.0 < right.0));
        let points = percentiles(&all);
        assert!(points.is_sorted_by(|left, right| left.0 < right.0 && left.1 <= right.1));
        let latency = Latency::of("hold", &all);
        assert!((latency.p50 - 5.0).abs() < 0.02 && (latency.max - 10.0).abs() < 0.02);
        assert!(percentiles(&new_histogram()).len() == 1);
    }
}
