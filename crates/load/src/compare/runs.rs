//! Whole scenarios of `grandstand load`, each in a process and an installation of its own.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// Everybody wants the best thousand seats in the same second.
pub(crate) const RUSH: &[&str] =
    &["rush", "--people", "5000", "--seats", "1000", "--connections", "512", "--until", "hold"];
/// The whole path from the map to the ticket, without pauses, until a stadium is sold out.
pub(crate) const SELL_OUT: &[&str] =
    &["rush", "--people", "50000", "--seats", "25000", "--connections", "512", "--until", "ticket"];

/// The report of a run.
pub(crate) struct Ran(Value);

/// Runs a scenario, and reads its report.
///
/// # Errors
///
/// When the run did not end with a report, or a check has failed.
pub(crate) async fn run(scenario: &[&str], dir: &Path) -> anyhow::Result<Ran> {
    std::fs::create_dir_all(dir)?;
    let file = dir.join("report.json");
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(scenario).arg("--embedded").arg("--json").arg(&file);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("starting the scenario")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // The arguments, or the run itself: both begin their message with these words.
    let is_message =
        |line: &&str| ["error: ", "grandstand load: "].iter().any(|word| line.starts_with(word));
    let last = errors.lines().find(is_message).unwrap_or("it ended without a message");
    let text = std::fs::read_to_string(&file).map_err(|_| anyhow::anyhow!("no report: {last}"))?;
    let report: Value = serde_json::from_str(&text)?;
    let violations = report["violations"].as_u64().context("a report without violations")?;
    ensure!(violations == 0, "{violations} checks of the run failed");
    ensure!(output.status.success(), "the run failed: {last}");
    Ok(Ran(report))
}

impl Ran {
    /// Returns a result of the scenario.
    pub(crate) fn result(&self, name: &str, unit: &str) -> anyhow::Result<f64> {
        let list = self.0["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = list.iter().find(|result| result["name"] == name && result["unit"] == unit);
        found
            .and_then(|result| result["number"].as_f64())
            .with_context(|| format!("the report has no result \"{name}\" in \"{unit}\""))
    }

    /// Returns the latency of a step in ms, such as its `p99`.
    pub(crate) fn latency(&self, step: &str, percentile: &str) -> anyhow::Result<f64> {
        let list = self.0["latencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = list.iter().find(|latency| latency["step"] == step);
        found
            .and_then(|latency| latency[percentile].as_f64())
            .with_context(|| format!("the report has no step \"{step}\""))
    }
}
