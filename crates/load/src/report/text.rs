//! The report as a table for the terminal.

use crate::numbers::number;
use crate::report::{Report, Responses};
use std::fmt::Write as _;

/// Returns the whole report.
pub(crate) fn table(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let machine = &report.machine;
    writeln!(out, "\n{} on {}", report.scenario, report.target)?;
    writeln!(out, "{}, {} build {}", machine.line(), machine.build, machine.grandstand)?;
    let settings =
        report.settings.iter().map(|setting| format!("{} {}", setting.name, setting.value));
    writeln!(out, "{}; took {:.1} s", settings.collect::<Vec<_>>().join(", "), report.seconds)?;
    if !report.results.is_empty() {
        writeln!(out)?;
    }
    for result in &report.results {
        writeln!(out, "  {:<38} {:>12} {}", result.name, number(result.number), result.unit)?;
    }
    if !report.latencies.is_empty() {
        writeln!(
            out,
            "\n  {:<17} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}   ms from the intended start",
            "step", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
    }
    for latency in &report.latencies {
        let columns = [latency.p50, latency.p90, latency.p99, latency.p999, latency.max];
        write!(out, "  {:<17} {:>9}", latency.step, latency.count)?;
        for column in columns {
            write!(out, " {column:>9.2}")?;
        }
        writeln!(out)?;
    }
    if !report.responses.is_empty() {
        writeln!(out, "\n  {:<17} {:<9} {:>9}  response", "step", "kind", "count")?;
    }
    for Responses { step, kind, code, count } in &report.responses {
        writeln!(out, "  {step:<17} {kind:<9} {count:>9}  {code}")?;
    }
    if let Some(usage) = &report.usage {
        writeln!(out, "\n  {}", usage.line())?;
    }
    if !report.checks.is_empty() {
        writeln!(out)?;
    }
    for check in &report.checks {
        let word = if check.passed { "ok    " } else { "FAILED" };
        writeln!(out, "  {word} {}: {}", check.condition, check.detail)?;
        for line in check.history.iter().filter(|_| !check.passed) {
            writeln!(out, "           {line}")?;
        }
    }
    writeln!(out)
}
