//! What the people do, and the run of one scenario.

pub(crate) mod confirm;
pub(crate) mod engine;
pub(crate) mod hold_release;
pub(crate) mod person;
pub(crate) mod purchase;
pub(crate) mod rush;
pub(crate) mod watch;

use crate::arguments::{LoadArguments, Scenario};
use crate::crew::{Crew, Findings, on_own_thread};
use crate::fanout;
use crate::report::Report;
use crate::target::{Private, Target};
use crate::venue::Venue;
use anyhow::Context as _;
use grandstand::commands::verify::verify;
use std::sync::Arc;
use std::time::Duration;

/// Loads a target with a scenario, and returns the report.
pub(crate) async fn run(target: &Target, arguments: &LoadArguments) -> anyhow::Result<Report> {
    let numbers = arguments.numbers();
    if let (Scenario::Engine, Some(private)) = (arguments.scenario, &target.private) {
        return engine::run(&private.dev, arguments).await;
    }
    if let (Scenario::Fanout, Some(private)) = (arguments.scenario, &target.private) {
        return fanout::run(&private.dev, arguments).await;
    }
    eprintln!("creating {} people", numbers.people);
    let tokens = target.tokens(numbers.people).await.context("creating people")?;
    let (server, pids) = (target.server.clone(), target.server_pids());
    let given = arguments.clone();
    eprintln!("loading for {:?}, then waiting for requests under way", numbers.duration);
    let (crew, mut findings) = on_own_thread(move || async move {
        let has_many_matches = matches!(given.scenario, Scenario::HoldRelease | Scenario::Confirm);
        let matches = if has_many_matches { given.matches } else { 1 };
        let seats = if given.scenario == Scenario::Rush { None } else { numbers.seats };
        let venue = Venue::visit(&server, matches as usize, seats).await?;
        let crew = Arc::new(Crew::new(server, venue, tokens, given, pids));
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
                anyhow::bail!("this scenario has no people")
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

/// Checks that Redis and PostgreSQL of a private installation agree, once the journal is empty.
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
