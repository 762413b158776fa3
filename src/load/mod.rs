//! The load-test harness.

use clap::Args;
use std::process::ExitCode;

/// What to load, and how.
#[derive(Debug, Args)]
pub struct LoadArguments {
    /// The scenario.
    pub scenario: String,
}

/// Runs a scenario.
pub async fn run(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("there is no scenario {}", arguments.scenario)
}
