//! A run, from the start of the target to the report.

use crate::arguments::{LoadArguments, Scenario};
use crate::compare;
use crate::fanout::floor;
use crate::report::{Report, against, html, text, write_file};
use crate::scenario;
use crate::target::Target;
use anyhow::{Context as _, ensure};
use grandstand_embedded::{print, tell};
use std::process::ExitCode;

/// Runs a scenario. The exit status is 1 when a check has failed.
pub(crate) async fn run(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    use Scenario::{Compare, Engine, Fanout, Floor};
    let needs_private = matches!(arguments.scenario, Engine | Compare | Fanout);
    ensure!(arguments.embedded || !needs_private, "this scenario needs --embedded");
    raise_file_limit();
    if arguments.scenario == Floor {
        return floor::write(&arguments);
    }
    if cfg!(debug_assertions) {
        tell("this is a debug build: a release is much faster than these numbers\n");
    }
    if arguments.scenario == Scenario::Compare {
        return compare::run(&arguments).await;
    }
    let name = arguments.scenario.name();
    // A file that can't be compared is found before the run.
    let older = arguments.compare.as_deref().map(|path| against::read(path, &name)).transpose()?;
    let target = Target::start(&arguments).await?;
    let report = scenario::run(&target, &arguments).await;
    let stopped = target.stop().await;
    let report = report?;
    stopped.context("stopping the private installation")?;
    print(text::table(&report));
    if let Some(older) = &older {
        print(against::table(older, &report));
    }
    write_files(&report, &arguments)?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_files(report: &Report, arguments: &LoadArguments) -> anyhow::Result<()> {
    if let Some(path) = &arguments.json {
        write_file(path, &serde_json::to_string_pretty(report)?)?;
    }
    if let Some(path) = &arguments.html {
        write_file(path, &html::page(report))?;
    }
    Ok(())
}

/// Raises the limit of open files as far as the system allows, because each connection is a file.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    if setrlimit(Resource::Nofile, raised).is_err() {
        tell(format_args!("the limit of open files stays at {:?}\n", limit.current));
    }
}
