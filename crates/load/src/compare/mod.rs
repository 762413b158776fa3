//! `compare`: the engine and the API, compared with the obvious solutions, in turns within a run.
//! Other work on the machine slows all of them alike, so the ratios mean more than the rates.

pub(crate) mod baseline;
pub(crate) mod crowd;
pub(crate) mod markdown;
pub(crate) mod push;
pub(crate) mod runs;
pub(crate) mod sheet;

use crate::arguments::{LoadArguments, Scenario};
use crate::fanout::sale::Sale;
use crate::machine::Machine;
use crate::report::write_file;
use crate::scenario;
use crate::scenario::engine;
use crate::scenario::hold_release::{GREATEST, SEAT_OPERATIONS};
use crate::tally::Tally;
use crate::target::{Private, Target};
use anyhow::Context as _;
use baseline::{NaiveRedis, RowLocks};
use grandstand_embedded::{print, tell};
use serde::Serialize;
use sheet::Sheet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Rounds in which each solution is measured. The medians count.
const ROUNDS: usize = 5;
/// The largest number of requests in flight over HTTP.
const IN_FLIGHT_MAX: u32 = 1024;

/// The names of the measured quantities.
pub(crate) mod name {
    pub(crate) const NAIVE: &str = "script per seat, calls/s";
    pub(crate) const ROW_LOCKS: &str = "row locks, transactions/s";
    pub(crate) const ENGINE: &str = "engine, calls/s";
    pub(crate) const ENGINE_SEATS: &str = "engine, seat operations/s";
    pub(crate) const ENGINE_FOUR: &str = "engine with four seats, calls/s";
    pub(crate) const ENGINE_FOUR_SEATS: &str = "engine with four seats, seat operations/s";
    pub(crate) const REST: &str = "REST, requests/s";
    pub(crate) const REST_SEATS: &str = "REST, seat operations/s";
    pub(crate) const CALM: &str = "REST with single seats, requests/s";
    pub(crate) const REFUSED: &str = "REST in a rush, responses/s";
    pub(crate) const LONE_P50: &str = "lone hold, p50 ms";
    pub(crate) const LONE_P99: &str = "lone hold, p99 ms";
    pub(crate) const FRAME: &str = "frame of the map, µs of a core";
    pub(crate) const NCHAN: &str = "message of nchan, µs of a core";
    pub(crate) const RUSH_P99: &str = "rush: hold, p99 ms";
    pub(crate) const RUSH_LAST: &str = "rush: last seat granted, ms";
    pub(crate) const RUSH_LIST: &str = "rush: list of matches, p99 ms";
    pub(crate) const RUSH_SNAPSHOT: &str = "rush: snapshot of the map, p99 ms";
    pub(crate) const RUSH_PLAN: &str = "rush: plan of the site, p99 ms";
    pub(crate) const SELL_OUT: &str = "sell-out: seats/s";
    pub(crate) const SELL_OUT_P99: &str = "sell-out: hold, p99 ms";
}

/// The result of the comparison.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comparison {
    pub(crate) at: jiff::Timestamp,
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    pub(crate) seconds_each: f64,
    pub(crate) sheet: Sheet,
}

/// Measures all solutions, prints the tables, and writes the requested files. The exit status is 1
/// when a measurement has failed.
pub(crate) async fn run(arguments: &LoadArguments) -> anyhow::Result<ExitCode> {
    let target = Target::start(arguments).await?;
    let compared = compare(&target, arguments).await;
    let stopped = target.stop().await;
    let compared = compared?;
    stopped.context("stopping the private installation")?;
    print(format_args!("\n{}\n", markdown::tables(&compared)));
    if let Some(path) = &arguments.json {
        write_file(path, &serde_json::to_string_pretty(&compared)?)?;
    }
    if let Some(path) = &arguments.markdown {
        let before = std::fs::read_to_string(path).unwrap_or_default();
        write_file(path, &markdown::updated(&before, &compared))?;
    }
    let failed = compared.sheet.has_failures();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn compare(target: &Target, arguments: &LoadArguments) -> anyhow::Result<Comparison> {
    let private = target.private.as_ref().context("compare needs a private installation")?;
    let each = arguments.numbers().duration / 2;
    let dir = private.dir().join("compare");
    let naive = NaiveRedis::start().await;
    let locks = RowLocks::prepare(&private.dev.postgres, &dir).await;
    let mut sale = Sale::new(&private.dev)?;
    let mut sheet = Sheet::default();
    for round in 1..=ROUNDS {
        tell(format_args!("round {round} of {ROUNDS}\n"));
        let measured = match &naive {
            Ok(naive) => naive.measure(each).await,
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        sheet.note([name::NAIVE], measured.map(|rate| [rate]));
        let measured = match &locks {
            Ok(locks) => locks.measure(each).await,
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        sheet.note([name::ROW_LOCKS], measured.map(|rate| [rate]));
        let names = [name::ENGINE, name::ENGINE_SEATS];
        sheet.note(names, of_engine(private, None, each).await);
        let names = [name::ENGINE_FOUR, name::ENGINE_FOUR_SEATS];
        sheet.note(names, of_engine(private, Some(4), each).await);
        sheet.note([name::REST, name::REST_SEATS], rest(target, arguments, each).await);
        sheet.note([name::CALM], crowd::calm(target, each).await.map(|rate| [rate]));
        sheet.note([name::REFUSED], crowd::refused(target, each).await.map(|rate| [rate]));
        sheet.note([name::LONE_P50, name::LONE_P99], lone(target, arguments, each).await);
        sheet.note([name::FRAME], push::node(private, &mut sale, each).await.map(|cost| [cost]));
        sheet.note([name::NCHAN], push::nchan(&dir.join("nginx"), each).await.map(|cost| [cost]));
        scenarios(&mut sheet, &dir).await;
    }
    Ok(Comparison {
        at: jiff::Timestamp::now(),
        machine: Machine::this(),
        rounds: ROUNDS,
        seconds_each: each.as_secs_f64(),
        sheet,
    })
}

/// Returns the calls and the seat operations per second of the engine.
async fn of_engine(
    private: &Private,
    seats_each: Option<usize>,
    time: Duration,
) -> anyhow::Result<[f64; 2]> {
    let tally = Arc::new(Tally::default());
    let measured =
        engine::measure(&private.dev, engine::TASKS_MAX, seats_each, time, &tally).await?;
    // Each hold is followed by its release.
    Ok([2.0 * measured.holds_per_second, measured.seat_operations_per_second])
}

/// Returns the requests and the seat operations per second through REST.
async fn rest(
    target: &Target,
    arguments: &LoadArguments,
    each: Duration,
) -> anyhow::Result<[f64; 2]> {
    let given = LoadArguments {
        scenario: Scenario::HoldRelease,
        saturate: true,
        people: Some(IN_FLIGHT_MAX),
        connections: Some(IN_FLIGHT_MAX),
        duration: Some(each.as_secs_f64() * 2.0),
        ..arguments.clone()
    };
    let report = scenario::run(target, &given).await?;
    let number = |unit: &str| report.number(GREATEST, unit).context("the report has no rate");
    Ok([2.0 * number("holds/s")?, number(SEAT_OPERATIONS)?])
}

/// Returns p50 and p99 of a hold through REST when nobody else sends requests, in ms.
async fn lone(
    target: &Target,
    arguments: &LoadArguments,
    each: Duration,
) -> anyhow::Result<[f64; 2]> {
    let given = LoadArguments {
        scenario: Scenario::HoldRelease,
        // Requests follow each other without a schedule, because a timer would be later than the
        // response that is measured.
        saturate: true,
        people: Some(1),
        connections: Some(1),
        duration: Some(each.as_secs_f64()),
        ..arguments.clone()
    };
    let report = scenario::run(target, &given).await?;
    let hold = report.latencies.iter().find(|latency| latency.step == "hold");
    let hold = hold.context("the report has no holds")?;
    Ok([hold.p50, hold.p99])
}

/// Runs the whole scenarios of a round.
async fn scenarios(sheet: &mut Sheet, dir: &Path) {
    let rush = runs::run(runs::RUSH, dir).await.and_then(|ran| {
        Ok((
            [ran.latency("hold", "p99")?, ran.result("last seat granted after", "ms")?],
            ["list of matches", "snapshot", "plan"].map(|step| ran.latency(step, "p99")),
        ))
    });
    let names = [name::RUSH_LIST, name::RUSH_SNAPSHOT, name::RUSH_PLAN];
    match rush {
        Ok((holds, pages)) => {
            sheet.note([name::RUSH_P99, name::RUSH_LAST], Ok(holds));
            for (name, page) in names.into_iter().zip(pages) {
                sheet.note([name], page.map(|ms| [ms]));
            }
        }
        Err(error) => {
            sheet.note(names, Err(anyhow::anyhow!("{error:#}")));
            sheet.note([name::RUSH_P99, name::RUSH_LAST], Err(error));
        }
    }
    let sold = runs::run(runs::SELL_OUT, dir).await.and_then(|ran| {
        let rate = ran.result("seats paid, confirmed, persisted", "per second")?;
        Ok([rate, ran.latency("hold", "p99")?])
    });
    sheet.note([name::SELL_OUT, name::SELL_OUT_P99], sold);
}

/// Creates a directory and writes a file into it.
fn write_into(dir: &Path, name: &str, text: &str) -> anyhow::Result<std::path::PathBuf> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}
