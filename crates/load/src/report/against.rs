//! A report against an older one (`--compare`): ratios, and what got worse by more than the noise.

use crate::numbers::number;
use crate::report::{FORMAT, Report};
use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;

/// Parts of a run that are compared with the same parts of the other run. More parts show more of
/// the noise, and fewer have more responses each.
const PARTS: usize = 8;
/// Two runs of the same build differ by about this share on a machine that does other work too.
const NOISE_MIN: f64 = 0.1;
/// The noise of a number that has no course.
const NOISE_UNKNOWN: f64 = 0.3;

/// The parts of an older report that are compared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Older {
    #[serde(skip)]
    file: String,
    scenario: String,
    at: jiff::Timestamp,
    seconds: f64,
    machine: OlderMachine,
    settings: Vec<OlderSetting>,
    results: Vec<OlderResult>,
    latencies: Vec<OlderLatency>,
    violations: usize,
    series: OlderSeries,
}

#[derive(Debug, Deserialize)]
struct OlderMachine {
    cpu: String,
    cores: usize,
    grandstand: String,
    build: String,
}

#[derive(Debug, Deserialize)]
struct OlderSetting {
    name: String,
    value: String,
}

#[derive(Debug, Deserialize)]
struct OlderResult {
    name: String,
    number: f64,
    unit: String,
}

#[derive(Debug, Deserialize)]
struct OlderLatency {
    step: String,
    count: u64,
    p50: f64,
    p99: f64,
}

#[derive(Debug, Deserialize)]
struct OlderSeries {
    steps: Vec<OlderStep>,
}

#[derive(Debug, Deserialize)]
struct OlderStep {
    step: String,
    count: Vec<f64>,
    p50: Vec<Option<f64>>,
    p99: Vec<Option<f64>>,
}

/// What a change of a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    More,
    Less,
    Neither,
}

/// A number in both reports.
struct Row {
    name: String,
    before: f64,
    now: f64,
    wanted: Wanted,
    /// The share by which the number changes without a reason.
    noise: f64,
}

/// Reads a report of the same scenario.
///
/// # Errors
///
/// When the file is no report, or a report in another format or of another scenario.
pub(crate) fn read(path: &Path, scenario: &str) -> anyhow::Result<Older> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {file}"))?;
    let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) else {
        bail!("{file} is not a report of `grandstand load --json`, because it is not JSON")
    };
    let Some(format) = value["format"].as_u64() else {
        bail!(
            "{file} has no number `format`: it is from another program, or from a version of \
             `grandstand load` that is too old to compare with"
        )
    };
    ensure!(
        format == u64::from(FORMAT),
        "{file} has format {format}, and this version compares format {FORMAT} only"
    );
    let older: Older = serde_json::from_value(value)
        .with_context(|| format!("{file} is not a complete report of `grandstand load`"))?;
    ensure!(
        older.scenario == scenario,
        "{file} is a report of `{}`, and this run is `{scenario}`",
        older.scenario
    );
    Ok(Older { file, ..older })
}

/// Returns the comparison as a table for the terminal.
pub(crate) fn table(older: &Older, report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = write(&mut out, older, report);
    out
}

fn write(out: &mut String, older: &Older, report: &Report) -> std::fmt::Result {
    let OlderMachine { grandstand, build, .. } = &older.machine;
    let at = older.at.strftime("%Y-%m-%d %H:%M UTC");
    writeln!(out, "against {}, {at}, {build} build {grandstand}", older.file)?;
    for difference in differences(older, report) {
        writeln!(out, "  {difference}, so the numbers are not comparable")?;
    }
    let rows = rows(older, report);
    writeln!(out, "\n  {:<38} {:>12} {:>12} {:>8} {:>6}", "", "before", "now", "ratio", "noise")?;
    for row in &rows {
        let (before, now) = (number(row.before), number(row.now));
        let name = &row.name;
        let noise = match row.wanted {
            Wanted::Neither => String::new(),
            Wanted::More | Wanted::Less => format!("{:.0} %", row.noise * 100.0),
        };
        let ratio = if row.before > 0.0 { format!("{:.2}×", row.ratio()) } else { String::new() };
        let verdict = row.verdict();
        let line = format!("  {name:<38} {before:>12} {now:>12} {ratio:>8} {noise:>6}");
        writeln!(out, "{}", format!("{line}  {verdict}").trim_end())?;
    }
    let worse = rows.iter().filter(|row| row.verdict() == "WORSE").count();
    let (before, now) = (older.violations, report.violations);
    writeln!(out, "\n  {worse} got worse by more than the noise")?;
    writeln!(out, "  {now} violations, {before} before\n")
}

/// Returns what makes the two runs different things.
fn differences(older: &Older, report: &Report) -> Vec<String> {
    let (before, now) = (&older.machine, &report.machine);
    let mut list = Vec::new();
    if (before.cpu.as_str(), before.cores) != (now.cpu.as_str(), now.cores) {
        list.push("the machine is another".to_owned());
    }
    if before.build != now.build {
        list.push(format!("this is a {} build", now.build));
    }
    for setting in &report.settings {
        let before = older.settings.iter().find(|known| known.name == setting.name);
        let before = before.map_or("not set", |known| known.value.as_str());
        if before != setting.value {
            list.push(format!("{} is {}, and was {before}", setting.name, setting.value));
        }
    }
    list
}

fn rows(older: &Older, report: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    for latency in &report.latencies {
        let known = older.latencies.iter().find(|known| known.step == latency.step);
        let Some(known) = known else { continue };
        let before = older.series.steps.iter().find(|step| step.step == latency.step);
        let now = report.series.steps.iter().find(|step| step.step == latency.step);
        let noise_of = |old: fn(&OlderStep) -> Vec<f64>, new: Vec<f64>| {
            before.and_then(|before| noise(&old(before), &new)).unwrap_or(NOISE_UNKNOWN)
        };
        let of_now = |list: Option<&Vec<Option<f64>>>| list.map(|list| known_values(list));
        let counts = now.map(|now| now.count.iter().map(|count| *count as f64).collect());
        let step = latency.step;
        let mut row = |name: String, before: f64, now: f64, wanted, noise| {
            rows.push(Row { name, before, now, wanted, noise });
        };
        // A step outside the measured part has no rate.
        if now.is_some() {
            row(
                format!("{step}, per second"),
                known.count as f64 / older.seconds.max(1e-9),
                latency.count as f64 / report.seconds.max(1e-9),
                Wanted::More,
                noise_of(|step| step.count.clone(), counts.unwrap_or_default()),
            );
        }
        let p50 = of_now(now.map(|now| &now.p50)).unwrap_or_default();
        let noise = noise_of(|step| known_values(&step.p50), p50);
        row(format!("{step}, p50 ms"), known.p50, latency.p50, Wanted::Less, noise);
        let p99 = of_now(now.map(|now| &now.p99)).unwrap_or_default();
        let noise = noise_of(|step| known_values(&step.p99), p99);
        row(format!("{step}, p99 ms"), known.p99, latency.p99, Wanted::Less, noise);
    }
    results(older, report, &mut rows);
    rows
}

/// Adds the results of the scenario. They have no course, so they get the noise of the steps.
fn results(older: &Older, report: &Report, rows: &mut Vec<Row>) {
    let of_steps = |wanted| {
        let same = rows.iter().filter(|row| row.wanted == wanted).map(|row| row.noise);
        same.reduce(f64::max).unwrap_or(NOISE_UNKNOWN)
    };
    let (rates, times) = (of_steps(Wanted::More), of_steps(Wanted::Less));
    for result in &report.results {
        let same = |known: &&OlderResult| known.name == result.name && known.unit == result.unit;
        let Some(known) = older.results.iter().find(same) else { continue };
        let (wanted, noise) = match result.unit {
            "ms" | "µs" | "seconds" => (Wanted::Less, times),
            rate if rate.contains("per second") || rate.contains("/s") => (Wanted::More, rates),
            _ => (Wanted::Neither, rates),
        };
        let name = format!("{}, {}", result.name, result.unit);
        rows.push(Row { name, before: known.number, now: result.number, wanted, noise });
    }
}

fn known_values(list: &[Option<f64>]) -> Vec<f64> {
    list.iter().map(|value| value.unwrap_or(0.0)).collect()
}

/// Returns the noise between two courses. Each part of a run is compared with the same part of the
/// other run, because a rush is slower at its begin in every run. The noise is three times the
/// standard error of these ratios, because a table has many rows.
fn noise(before: &[f64], now: &[f64]) -> Option<f64> {
    let (before, now) = (parts(before), parts(now));
    let both = before.iter().zip(&now).filter(|(before, now)| **before > 0.0 && **now > 0.0);
    let ratios: Vec<f64> = both.map(|(before, now)| (now / before).ln()).collect();
    let count = ratios.len() as f64;
    if count < 3.0 {
        return None;
    }
    let mean = ratios.iter().sum::<f64>() / count;
    let squares: f64 = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    Some(((3.0 * error).exp() - 1.0).max(NOISE_MIN))
}

/// Returns the means of the parts of a course, without its empty periods.
fn parts(course: &[f64]) -> Vec<f64> {
    let each = course.len().div_ceil(PARTS).max(1);
    let mean = |part: &[f64]| {
        let known: Vec<f64> = part.iter().copied().filter(|value| *value > 0.0).collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    };
    course.chunks(each).map(mean).collect()
}

impl Row {
    fn ratio(&self) -> f64 {
        self.now / self.before
    }

    /// Returns the word for a change beyond the noise.
    fn verdict(&self) -> &'static str {
        if self.before <= 0.0 || self.now <= 0.0 {
            return "";
        }
        let grown = self.ratio() > 1.0 + self.noise;
        let shrunk = self.ratio() < 1.0 / (1.0 + self.noise);
        match self.wanted {
            Wanted::More if shrunk => "WORSE",
            Wanted::Less if grown => "WORSE",
            Wanted::More if grown => "better",
            Wanted::Less if shrunk => "better",
            Wanted::More | Wanted::Less | Wanted::Neither => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::invented;

    fn error_of(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        format!("{:#}", read(file.path(), "rush").unwrap_err())
    }

    #[test]
    fn a_foreign_or_older_file_gets_a_clear_line() {
        assert!(error_of("seats").contains("not JSON"));
        assert!(error_of("{\"rest_holds\": 3}").contains("has no number `format`"));
        assert!(error_of("{\"format\": 1}").contains("has format 1"));
        assert!(error_of("{\"format\": 2}").contains("not a complete report"));
        let map = serde_json::to_string(&invented::report(60)).unwrap().replace("rush", "map");
        assert!(error_of(&map).contains("is a report of `map`, and this run is `rush`"));
    }

    #[test]
    fn only_a_change_beyond_the_noise_is_marked() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let before = invented::report(60);
        std::fs::write(file.path(), serde_json::to_string(&before).unwrap()).unwrap();
        let older = read(file.path(), "rush").unwrap();
        let mut now = invented::report(60);
        let same = table(&older, &now);
        assert!(same.contains("0 got worse") && same.contains("1 violations, 1 before"), "{same}");
        assert!(!same.contains("not comparable"), "{same}");
        now.latencies[0].p99 *= 1.5;
        now.results[1].number *= 0.5;
        let changed = table(&older, &now);
        let line =
            |part: &str| changed.lines().find(|line| line.contains(part)).unwrap().to_owned();
        assert!(line("hold, p99 ms").ends_with("10 %  WORSE"), "{changed}");
        assert!(line("last seat granted after, ms").ends_with("better"), "{changed}");
        assert!(changed.contains("1 got worse"), "{changed}");
    }

    #[test]
    fn parts_that_disagree_are_noise() {
        let steady = [100.0; 80];
        assert_eq!(noise(&steady, &steady), Some(NOISE_MIN));
        let restless: Vec<f64> =
            (0..80).map(|at| if (at / 10) % 2 == 0 { 60.0 } else { 140.0 }).collect();
        assert!(noise(&steady, &restless).is_some_and(|noise| noise > 0.3));
        assert_eq!(noise(&steady, &[]), None);
    }
}
