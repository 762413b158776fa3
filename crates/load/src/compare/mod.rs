//! `compare`: the engine and the API, compared with the obvious solutions, in turns within a run.
//! Other work on the machine slows all of them alike, so the ratios mean more than the rates.

pub(crate) mod baseline;
pub(crate) mod markdown;

use crate::arguments::{LoadArguments, Scenario};
use crate::machine::Machine;
use crate::report::text::number;
use crate::report::write_file;
use crate::scenario;
use crate::scenario::engine;
use crate::scenario::hold_release::{GREATEST, SEAT_OPERATIONS};
use crate::tally::Tally;
use crate::target::{Private, Target};
use anyhow::Context as _;
use baseline::{NaiveRedis, RowLocks};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Rounds in which each solution is measured. The medians count.
const ROUNDS: usize = 5;
/// The largest number of requests in flight over HTTP.
const IN_FLIGHT_MAX: u32 = 1024;

/// A solution: the median of its rounds, and the median of its ratios to the first solution in the
/// same round. Other work on the machine slows a whole round, so the ratios are more stable.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Way {
    pub(crate) rate: f64,
    pub(crate) against: f64,
}

/// The result of the comparison.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comparison {
    pub(crate) at: jiff::Timestamp,
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    pub(crate) seconds_each: f64,
    /// Seat operations per second with a script per seat, without durability.
    pub(crate) naive: Way,
    /// Transactions per second in PostgreSQL.
    pub(crate) row_locks: Way,
    /// Seat operations per second of the engine without HTTP, one to four seats per hold.
    pub(crate) engine: Way,
    /// The same with four seats per hold.
    pub(crate) engine_four: Way,
    pub(crate) rest_holds: Way,
    pub(crate) rest_seat_operations: Way,
    /// Latency of a single hold through REST, in ms.
    pub(crate) lone_p50: f64,
    pub(crate) lone_p99: f64,
}

#[derive(Default)]
struct Rounds {
    naive: Vec<f64>,
    row_locks: Vec<f64>,
    engine: Vec<f64>,
    engine_four: Vec<f64>,
    rest_holds: Vec<f64>,
    rest_seat_operations: Vec<f64>,
    lone_p50: Vec<f64>,
    lone_p99: Vec<f64>,
}

impl Rounds {
    fn way(&self, rates: &[f64]) -> Way {
        let against = rates.iter().zip(&self.naive).map(|(rate, naive)| rate / naive).collect();
        Way { rate: median(rates.to_vec()), against: median(against) }
    }
}

/// Measures all solutions, prints the table, and writes the requested files.
pub(crate) async fn run(arguments: &LoadArguments) -> anyhow::Result<ExitCode> {
    let target = Target::start(arguments).await?;
    let compared = compare(&target, arguments).await;
    let stopped = target.stop().await;
    let compared = compared?;
    stopped.context("stopping the private installation")?;
    println!("\n{}", markdown::table(&compared));
    if let Some(path) = &arguments.json {
        write_file(path, &serde_json::to_string_pretty(&compared)?)?;
    }
    if let Some(path) = &arguments.markdown {
        let before = std::fs::read_to_string(path).unwrap_or_default();
        write_file(path, &markdown::updated(&before, &compared))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn compare(target: &Target, arguments: &LoadArguments) -> anyhow::Result<Comparison> {
    let private = target.private.as_ref().context("compare needs a private installation")?;
    let each = arguments.numbers().duration / 2;
    let naive = NaiveRedis::start().await?;
    let locks = RowLocks::prepare(&private.dev.postgres, &work_dir(private)).await?;
    let mut rounds = Rounds::default();
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        note("one script per seat", &mut rounds.naive, naive.measure(each).await?);
        note("row locks", &mut rounds.row_locks, locks.measure(each).await?);
        let tally = Arc::new(Tally::default());
        let measured = engine::measure(&private.dev, engine::TASKS_MAX, None, each, &tally).await?;
        note("engine", &mut rounds.engine, measured.seat_operations_per_second);
        let four = engine::measure(&private.dev, engine::TASKS_MAX, Some(4), each, &tally).await?;
        note("engine, four seats", &mut rounds.engine_four, four.seat_operations_per_second);
        rest(target, arguments, each, &mut rounds).await?;
        lone(target, arguments, each, &mut rounds).await?;
    }
    Ok(Comparison {
        at: jiff::Timestamp::now(),
        machine: Machine::this(),
        rounds: ROUNDS,
        seconds_each: each.as_secs_f64(),
        naive: rounds.way(&rounds.naive),
        row_locks: rounds.way(&rounds.row_locks),
        engine: rounds.way(&rounds.engine),
        engine_four: rounds.way(&rounds.engine_four),
        rest_holds: rounds.way(&rounds.rest_holds),
        rest_seat_operations: rounds.way(&rounds.rest_seat_operations),
        lone_p50: median(rounds.lone_p50),
        lone_p99: median(rounds.lone_p99),
    })
}

async fn rest(
    target: &Target,
    arguments: &LoadArguments,
    each: Duration,
    rounds: &mut Rounds,
) -> anyhow::Result<()> {
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
    note("holds through REST", &mut rounds.rest_holds, number("holds/s")?);
    rounds.rest_seat_operations.push(number(SEAT_OPERATIONS)?);
    Ok(())
}

async fn lone(
    target: &Target,
    arguments: &LoadArguments,
    each: Duration,
    rounds: &mut Rounds,
) -> anyhow::Result<()> {
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
    let hold = report
        .latencies
        .iter()
        .find(|latency| latency.step == "hold")
        .context("the report has no holds")?;
    note("p50 of a lone hold, ms", &mut rounds.lone_p50, hold.p50);
    rounds.lone_p99.push(hold.p99);
    Ok(())
}

/// Prints a value and adds it to its list.
fn note(name: &str, list: &mut Vec<f64>, value: f64) {
    eprintln!("  {name}: {}", number(value));
    list.push(value);
}

fn median(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(0.0)
}

fn work_dir(private: &Private) -> std::path::PathBuf {
    private.dir().join("compare")
}

/// Creates a directory and writes a file into it.
fn write_into(dir: &Path, name: &str, text: &str) -> anyhow::Result<std::path::PathBuf> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}
