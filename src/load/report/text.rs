//! The result as a table for the terminal.

use crate::load::report::Report;
use std::fmt::Write as _;

/// The whole report.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a text can't fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let machine = &report.machine;
    writeln!(out, "\n{} on {}", report.scenario, report.target)?;
    writeln!(out, "{}, {} build {}", machine.line(), machine.build, machine.grandstand)?;
    let settings = report.settings.iter().map(|one| format!("{} {}", one.name, one.value));
    writeln!(out, "{}; took {:.1} s", settings.collect::<Vec<_>>().join(", "), report.seconds)?;
    if !report.results.is_empty() {
        writeln!(out)?;
    }
    for one in &report.results {
        writeln!(out, "  {:<38} {:>12} {}", one.name, number(one.number), one.unit)?;
    }
    if !report.latencies.is_empty() {
        writeln!(
            out,
            "\n  {:<16} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}   ms from the intended start",
            "step", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
    }
    for one in &report.latencies {
        let columns = [one.p50, one.p90, one.p99, one.p999, one.max];
        write!(out, "  {:<16} {:>9}", one.step, one.count)?;
        for column in columns {
            write!(out, " {column:>9.2}")?;
        }
        writeln!(out)?;
    }
    if !report.answers.is_empty() {
        writeln!(out, "\n  {:<16} {:<9} {:>9}  answer", "step", "kind", "count")?;
    }
    for one in &report.answers {
        writeln!(out, "  {:<16} {:<9} {:>9}  {}", one.step, one.kind, one.count, one.code)?;
    }
    if let Some(usage) = &report.usage {
        writeln!(out, "\n  {}", usage.line())?;
    }
    if !report.checks.is_empty() {
        writeln!(out)?;
    }
    for check in &report.checks {
        let word = if check.passed { "ok    " } else { "FAILED" };
        writeln!(out, "  {word} {}: {}", check.what, check.detail)?;
    }
    writeln!(out)
}

/// A number with as many digits as mean something.
pub fn number(value: f64) -> String {
    if value >= 1000.0 {
        let whole = format!("{value:.0}");
        let mut text = String::new();
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else if value == value.trunc() {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let texts = [0.0, 12.0, 12.34, 1234.5, 1_234_567.0].map(number);
        assert_eq!(texts, ["0", "12", "12.3", "1,234", "1,234,567"]);
    }
}
