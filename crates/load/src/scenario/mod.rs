//! What the people do, and the run of one scenario.

pub(crate) mod checks;
pub(crate) mod engine;
pub(crate) mod finish;
pub(crate) mod history;
pub(crate) mod hold_release;
pub(crate) mod house;
pub(crate) mod journey;
pub(crate) mod line;
pub(crate) mod log_in;
pub(crate) mod map;
pub(crate) mod maps;
pub(crate) mod pay;
pub(crate) mod person;
pub(crate) mod pool;
pub(crate) mod probes;
pub(crate) mod rush;
pub(crate) mod soak;

use crate::arguments::{LoadArguments, Scenario};
use crate::crew::{Crew, Findings, SharedCrew, on_own_thread};
use crate::fanout;
use crate::report::Report;
use crate::scenario::history::History;
use crate::target::{Private, Target};
use crate::venue::Venue;
use anyhow::{Context as _, ensure};
use grandstand::domain::ids::MatchId;
use grandstand::domain::queue::QueueSettings;
use grandstand_embedded::tell;
use std::sync::Arc;

/// Seats that a rush wants: a seat for every fifth person of the default crowd.
const RUSH_SEATS_DEFAULT: u32 = 1000;
/// People whom the waiting room of `queue` lets in per minute.
const ADMISSIONS_PER_MINUTE_DEFAULT: u32 = 60_000;
/// Seats that are blocked with one call.
const CALL_SEATS: usize = 1000;

/// Loads a target with a scenario, and returns the report.
pub(crate) async fn run(target: &Target, arguments: &LoadArguments) -> anyhow::Result<Report> {
    let mut given = arguments.clone();
    if let (Scenario::Engine, Some(private)) = (given.scenario, &target.private) {
        return engine::run(&private.dev, &given).await;
    }
    if let (Scenario::Fanout, Some(private)) = (given.scenario, &target.private) {
        return fanout::run(&private.dev, &given).await;
    }
    let is_rush = given.scenario == Scenario::Rush;
    if is_rush && (target.private.is_some() || !given.sells()) {
        given.seats = given.seats.or(Some(RUSH_SEATS_DEFAULT));
    }
    let venue = prepare(target, &given).await?;
    let numbers = given.numbers();
    tell(format_args!("creating {} people\n", numbers.people));
    // The people of `log-in` sign up there.
    let tokens = match given.scenario {
        Scenario::LogIn => vec![],
        _ => target.tokens(numbers.people).await.context("creating people")?,
    };
    tell(format_args!("loading for {:?}, then waiting for requests under way\n", numbers.duration));
    let crew = Crew::new(target, venue, tokens, given);
    let crew = Arc::new(crew);
    let of_client = crew.clone();
    let (mut findings, history) = on_own_thread(move || people(of_client)).await?;
    if let Some(private) = &target.private {
        let history = history.as_ref().map(AsRef::as_ref);
        finish::of_servers(&mut findings, &crew, private, history).await?;
    }
    Ok(Report::of(&crew, findings, target.name.clone()))
}

/// Runs the scenario. Returns the history of scenarios that keep one.
async fn people(crew: SharedCrew) -> anyhow::Result<(Findings, Option<Arc<History>>)> {
    let findings = match crew.arguments.scenario {
        Scenario::HoldRelease if crew.arguments.saturate => hold_release::saturate(&crew).await?,
        Scenario::HoldRelease => hold_release::run(&crew).await?,
        Scenario::Rush | Scenario::Hot | Scenario::Queue | Scenario::Soak => {
            let (findings, history) = rush::run(&crew).await?;
            return Ok((findings, Some(history)));
        }
        Scenario::Pay => {
            let (findings, history) = pay::run(&crew).await?;
            return Ok((findings, Some(history)));
        }
        Scenario::Map => map::run(&crew).await?,
        Scenario::LogIn => log_in::run(&crew).await?,
        Scenario::Engine | Scenario::Compare | Scenario::Fanout | Scenario::Floor => {
            anyhow::bail!("this scenario has no people")
        }
    };
    Ok((findings, None))
}

/// Visits the venue. On a private installation, turns on the waiting room, and leaves only the
/// wanted seats, as the arguments say.
async fn prepare(target: &Target, arguments: &LoadArguments) -> anyhow::Result<Venue> {
    let has_many_matches = matches!(arguments.scenario, Scenario::HoldRelease | Scenario::Pay);
    let matches = if has_many_matches { arguments.matches } else { 1 } as usize;
    let chooses = matches!(arguments.scenario, Scenario::Rush | Scenario::Soak);
    let seats = if chooses { None } else { arguments.numbers().seats };
    let visit = || Venue::visit(&target.server, arguments.match_id, matches, seats);
    let venue = visit().await.with_context(|| target.name.clone())?;
    let is_queue = arguments.scenario == Scenario::Queue;
    let Some(private) = &target.private else {
        let id = &venue.matches[0];
        ensure!(venue.queue || !is_queue, "the waiting room of the match {id} is off");
        return Ok(venue);
    };
    let id: MatchId = venue.matches[0].parse()?;
    if arguments.scenario == Scenario::Rush && arguments.sells() {
        leave_only_wanted(private, &venue, id, arguments).await?;
    }
    let per_minute = arguments.queue.or(is_queue.then_some(ADMISSIONS_PER_MINUTE_DEFAULT));
    let Some(per_minute) = per_minute else { return Ok(venue) };
    let services = &private.dev.node.services;
    let mut fixture = services.engine.fixture(id).await?.context("the match is gone")?;
    fixture.version += 1;
    fixture.queue = QueueSettings {
        enabled: true,
        admit_per_minute: per_minute,
        max_active: 1_000_000,
        // The rate decides, and not the free seats: a rush wants many people for few seats.
        buyers_per_free_seat: 10.0,
        ..QueueSettings::default()
    };
    services.engine.put_match(&fixture, Default::default()).await?;
    services.catalog.refresh_match(id).await?;
    visit().await
}

/// Blocks all seats that nobody wants, so that the match is sold out with the last wanted seat.
async fn leave_only_wanted(
    private: &Private,
    venue: &Venue,
    id: MatchId,
    arguments: &LoadArguments,
) -> anyhow::Result<()> {
    let seats = arguments.numbers().seats;
    let wanted = rush::wanted_of(venue, arguments.scenario, seats);
    let unwanted = house::House::new(venue, wanted).unwanted();
    let engine = &private.dev.node.services.engine;
    for seats in unwanted.chunks(CALL_SEATS) {
        engine.block(id, seats.to_vec()).await?;
    }
    Ok(())
}
