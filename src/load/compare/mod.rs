//! `compare`: placeholder until the baselines are there.

use crate::load::arguments::LoadArguments;
use std::process::ExitCode;

/// Runs the comparison.
pub async fn run(_arguments: &LoadArguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet")
}
