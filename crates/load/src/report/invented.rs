//! The report of an invented run, for the tests of the page and of the comparison.

use crate::arguments::LoadArguments;
use crate::crew::Findings;
use crate::report::Report;
use crate::tally::Tally;
use crate::tally::course::{GaugeSeries, ResponseSeries, Series, StepSeries};
use crate::usage::Usage;
use clap::Parser;
use std::time::Duration;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    arguments: LoadArguments,
}

/// Returns the report of an invented run with this many periods.
pub(crate) fn report(periods: usize) -> Report {
    let given = ["load", "rush", "--embedded"];
    let arguments = Cli::parse_from(given).arguments;
    let mut findings = Findings::default();
    let at = |index: usize| index as f64 / periods as f64;
    let mut report = if periods == 0 {
        Report::without_people(&arguments, &Tally::default(), findings, None, Duration::ZERO)
    } else {
        findings.result("responses", 12_345.6, "per second");
        findings.result("last seat granted after", 431.0, "ms");
        findings.check("no seat was granted twice", true, "1,000 seats".to_owned());
        let history = vec![
            "12.3 ms: seat 17 was held by person 4".to_owned(),
            "12.9 ms: seat 17 was held by person 9 <b>".to_owned(),
        ];
        findings.check_with_history("every map is equal", false, "1 differs".to_owned(), history);
        let tally = Tally::default();
        for step in ["hold", "release", "reserve", "response to frame"] {
            for number in 1..2000_u64 {
                tally.record(step, Duration::from_micros(number * number % 90_001 + 300));
            }
        }
        let usage = Usage { client: 0.3, server: Some(0.9), redis: Some(0.2), postgres: Some(0.1) };
        Report::without_people(&arguments, &tally, findings, Some(usage), Duration::from_secs(3))
    };
    let wave = |index: usize, size: f64| size * (1.2 + (at(index) * 9.0).sin()) * (1.1 - at(index));
    let step = |(step, size): (&'static str, f64)| StepSeries {
        step,
        count: (0..periods).map(|index| wave(index, size) as u64).collect(),
        p50: (0..periods).map(|index| (index % 9 != 8).then(|| wave(index, 9.0) + 1.0)).collect(),
        p99: (0..periods).map(|index| (index % 9 != 8).then(|| wave(index, 70.0) + 3.0)).collect(),
    };
    let sizes =
        [("hold", 900.0), ("release", 300.0), ("reserve", 90.0), ("response to frame", 1e4)];
    let row = |(kind, code, size): (&'static str, &str, f64)| ResponseSeries {
        step: "hold",
        kind,
        code: code.to_owned(),
        count: (0..periods).map(|index| wave(index, size) as u32).collect(),
    };
    let rows = [
        ("success", "201", 90.0),
        ("refusal", "409 SEAT_TAKEN", 700.0),
        ("refusal", "409 SEAT_LIMIT", 100.0),
        ("error", "503 OVERLOADED", 40.0),
    ];
    let gauge = |(name, size): (&'static str, f64)| GaugeSeries {
        name,
        values: (0..periods).map(|index| Some(size * (1.0 - at(index)).powi(3))).collect(),
    };
    report.series = Series {
        period_seconds: 0.05,
        steps: sizes.map(step).into_iter().filter(|step| !step.count.is_empty()).collect(),
        responses: rows.map(row).into_iter().filter(|row| !row.count.is_empty()).collect(),
        gauges: [("seats left", 1000.0), ("waiting", 4000.0), ("people under way", 512.0)]
            .map(gauge)
            .into(),
    };
    report.series.responses.push(ResponseSeries { step: "release", ..row(rows[0]) });
    report
}
