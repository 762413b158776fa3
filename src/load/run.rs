//! One run, from the start of the target to the report.

use crate::commands::verify::verify;
use crate::load::arguments::{LoadArguments, Scenario};
use crate::load::compare;
use crate::load::crew::{Crew, Findings, on_own_thread};
use crate::load::fanout::{self, floor};
use crate::load::report::{Report, html, text};
use crate::load::scenario::{confirm, engine, hold_release, purchase, rush, watch};
use crate::load::target::{Private, Target};
use crate::load::venue::Venue;
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Runs a scenario; status 1 when something that must be true is not.
pub async fn run(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    use Scenario::{Compare, Engine, Fanout, Floor};
    let from_within = matches!(arguments.scenario, Engine | Compare | Fanout);
    ensure!(arguments.embedded || !from_within, "this scenario needs --embedded");
    raise_file_limit();
    if arguments.scenario == Floor {
        return floor::write(&arguments);
    }
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its numbers say nothing about the speed of a release");
    }
    if arguments.scenario == Scenario::Compare {
        return compare::run(&arguments).await;
    }
    let target = Target::start(&arguments).await?;
    let report = loaded(&target, &arguments).await;
    let stopped = target.stop().await;
    let report = report?;
    stopped.context("stopping the private installation")?;
    print!("{}", text::table(&report));
    write_files(&report, &arguments)?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Loads a target with a scenario.
pub async fn loaded(target: &Target, arguments: &LoadArguments) -> anyhow::Result<Report> {
    let numbers = arguments.numbers();
    if let (Scenario::Engine, Some(private)) = (arguments.scenario, &target.private) {
        return engine::run(&private.dev, arguments).await;
    }
    if let (Scenario::Fanout, Some(private)) = (arguments.scenario, &target.private) {
        return fanout::run(&private.dev, arguments).await;
    }
    eprintln!("making {} people", numbers.people);
    let tokens = target.tokens(numbers.people).await.context("making people")?;
    let (place, servers) = (target.place.clone(), target.servers());
    let given = arguments.clone();
    eprintln!("loading, for at most {:?} and what is then under way", numbers.duration);
    let (crew, mut findings) = on_own_thread(move || async move {
        let many = matches!(given.scenario, Scenario::HoldRelease | Scenario::Confirm);
        let matches = if many { given.matches } else { 1 };
        let seats = if given.scenario == Scenario::Rush { None } else { numbers.seats };
        let venue = Venue::visit(&place, matches as usize, seats).await?;
        let crew = Arc::new(Crew::new(place, venue, tokens, given, servers));
        let findings = match crew.arguments.scenario {
            Scenario::HoldRelease if crew.arguments.saturate => {
                hold_release::saturate(&crew).await?
            }
            Scenario::HoldRelease => hold_release::run(&crew).await?,
            Scenario::Rush => rush::run(&crew).await?,
            Scenario::Purchase => purchase::run(&crew).await?,
            Scenario::Confirm => confirm::run(&crew).await?,
            Scenario::Watch => watch::run(&crew).await?,
            Scenario::Engine | Scenario::Compare | Scenario::Fanout | Scenario::Floor => {
                anyhow::bail!("it has no people")
            }
        };
        Ok((crew, findings))
    })
    .await?;
    if let Some(private) = &target.private {
        audit(private, &mut findings).await?;
    }
    Ok(Report::of(&crew, findings, target.name.clone()))
}

/// A private installation is looked at from within: Redis and PostgreSQL must agree.
async fn audit(private: &Private, findings: &mut Findings) -> anyhow::Result<()> {
    let services = &private.dev.node.services;
    let mut found = verify(&services.engine, &services.store).await?;
    for _ in 0..100 {
        if found.backlog == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        found = verify(&services.engine, &services.store).await?;
    }
    let wrong = found.disagreements.len();
    let detail = format!("{} taken seats compared, {wrong} disagree", found.seats);
    findings.check("Redis and PostgreSQL agree", wrong == 0 && found.backlog == 0, detail);
    Ok(())
}

fn write_files(report: &Report, arguments: &LoadArguments) -> anyhow::Result<()> {
    if let Some(path) = &arguments.json {
        write(path, &serde_json::to_string_pretty(report)?)?;
    }
    if let Some(path) = &arguments.html {
        write(path, &html::page(report))?;
    }
    Ok(())
}

/// Writes a file and says so.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// Many connections need many files: as many as the system lets us have.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = rustix::process::Rlimit { current: limit.maximum, ..limit };
    if setrlimit(Resource::Nofile, most).is_err() {
        eprintln!("the limit of open files stays at {:?}", limit.current);
    }
}
