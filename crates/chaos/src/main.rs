//! The breaker: people buy tickets from real processes on real servers, while a seeded schedule of
//! faults breaks them. Then everything heals, and every promise is checked
//! (docs/RELIABILITY.md, "The breaker").

// They panic when their reader has gone: use `print` and `tell` of `grandstand_embedded`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod apart;
mod attempt;
mod behaviour;
mod check;
mod counts;
mod crowd;
mod database;
mod evidence;
mod exam;
mod fault;
mod fixture;
mod history;
mod inject;
mod inject_redis;
mod leases;
mod leftovers;
mod log;
mod mischief;
mod person;
mod pick;
mod play;
mod postgres;
mod process;
mod queue;
mod report;
mod run;
mod sale;
mod schedule;
mod servers;
mod shrink;
mod soak;
mod sometimes;
mod stall;
mod steps;
mod trace;
mod watcher;
mod wires;
mod world;

use anyhow::{Context as _, Result};
use clap::Parser;
use fault::Kind;
use grandstand_embedded::print;
use parking_lot::Mutex;
use report::Finished;
use run::Exam;
use schedule::Schedule;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Breaks a private installation on purpose, and checks that it keeps its promises.
///
/// The exit status is 0 when it does, 1 when a promise is broken or the run could not end, and 2
/// for wrong arguments.
#[derive(Debug, Parser)]
#[command(name = "grandstand-chaos")]
struct Arguments {
    /// Seeds of the runs: a number, a list, or a range such as 1..20.
    #[arg(long, default_value = "1", value_parser = seeds)]
    seeds: Seeds,
    /// Faults begin during this many seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: u64,
    /// The Redis servers; by default each seed takes the next kind.
    #[arg(long)]
    servers: Option<Kind>,
    /// One fault after the other: measures how long it takes until people can buy again and the
    /// pace is as before. `--seconds` has no meaning then.
    #[arg(long)]
    apart: bool,
    /// No faults for `--seconds`, and at least for two minutes: looks whether memory, files,
    /// connections or streams grow.
    #[arg(long, conflicts_with = "apart")]
    soak: bool,
    /// When the exam is held; `--exam` alone means `only`.
    #[arg(long, value_enum, default_value = "after", default_missing_value = "only")]
    #[arg(num_args = 0..=1, conflicts_with_all = ["apart", "soak"])]
    exam: Exam,
    /// Plays this file again instead of seeds. A failed run writes such a file.
    #[arg(long, conflicts_with_all = IN_A_SCHEDULE)]
    schedule: Option<PathBuf>,
    /// After a failure, tries with fewer and fewer faults.
    #[arg(long)]
    shrink: bool,
    /// Shows the faults of the seeds and ends.
    #[arg(long)]
    dry_run: bool,
    /// Fails when a dangerous state was never seen in all runs together.
    #[arg(long)]
    see_all: bool,
    /// Writes the results to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The program; by default the one beside this one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Logs and schedules of failed runs go below this directory.
    #[arg(long, default_value = "target/chaos")]
    keep: PathBuf,
}

/// What a written schedule says itself.
const IN_A_SCHEDULE: [&str; 5] = ["seeds", "seconds", "servers", "apart", "soak"];

/// A shorter run without faults says nothing.
const SOAK_SECONDS_MIN: u64 = 120;

/// The numbers of `--seeds`.
#[derive(Debug, Clone)]
struct Seeds(Vec<u64>);

fn seeds(text: &str) -> Result<Seeds, String> {
    let wrong = |_| format!("`{text}` is no list of seeds such as 1,2 or 1..20");
    if let Some((first, last)) = text.split_once("..") {
        let (first, last): (u64, u64) =
            (first.parse().map_err(wrong)?, last.parse().map_err(wrong)?);
        return Ok(Seeds((first..=last).collect()));
    }
    text.split(',').map(|seed| seed.parse().map_err(wrong)).collect::<Result<_, _>>().map(Seeds)
}

/// Ends all processes and servers also when it is interrupted: they end with the runtime. Then the
/// results of the runs that have ended are shown.
#[tokio::main]
async fn main() -> Result<ExitCode> {
    let (arguments, runs) = (Arguments::parse(), Mutex::new(Vec::new()));
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        done = play_all(&arguments, &runs) => return done,
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    if !runs.lock().is_empty() {
        finish(&arguments, &runs.lock())?;
    }
    Ok(ExitCode::FAILURE)
}

async fn play_all(arguments: &Arguments, runs: &Mutex<Vec<Finished>>) -> Result<ExitCode> {
    let schedules = schedules(arguments)?;
    if arguments.dry_run {
        for schedule in &schedules {
            print(format_args!("{}\n", serde_json::to_string_pretty(schedule)?));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let binary = binary(arguments)?;
    for schedule in &schedules {
        let (run, dir) = attempt::attempt(schedule, &binary, arguments.exam).await?;
        print(format_args!(
            "{}
",
            run.line()
        ));
        if !run.violations.is_empty() {
            report_failure(arguments, &run, dir.path())?;
            if arguments.shrink {
                let small = shrink::shrink(schedule, async |schedule| {
                    let (again, _) = attempt::attempt(schedule, &binary, arguments.exam).await?;
                    Ok(shrink::is_the_same(&run.violations, &again.violations))
                })
                .await?;
                let small = serde_json::to_string_pretty(&small)?;
                std::fs::write(kept(arguments, schedule).join("shrunk.json"), &small)?;
                print(format_args!(
                    "it also fails with only these faults (shrunk.json):\n{small}\n"
                ));
            }
        }
        runs.lock().push(run);
    }
    finish(arguments, &runs.lock())
}

/// Writes the results; the exit status.
fn finish(arguments: &Arguments, runs: &[Finished]) -> Result<ExitCode> {
    print(report::summary(runs));
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report::as_json(runs))?)
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    let mut failed = runs.iter().any(|run| !run.violations.is_empty());
    if arguments.see_all {
        for name in sometimes::WANTED {
            if runs.iter().all(|run| run.seen[name] == 0) {
                print(format_args!("invariant 28: no run has seen {name}\n"));
                failed = true;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The schedules of the seeds. Each seed takes the next kind of servers.
fn schedules(arguments: &Arguments) -> Result<Vec<Schedule>> {
    if let Some(path) = &arguments.schedule {
        return Ok(vec![Schedule::read(path)?]);
    }
    let kinds = [Kind::Single, Kind::Sentinel, Kind::Single, Kind::Cluster];
    let kind_of = |seed: u64| arguments.servers.unwrap_or(kinds[seed as usize % kinds.len()]);
    let seeds = &arguments.seeds.0;
    let of = |(number, seed): (usize, &u64)| {
        let kind = kind_of(*seed);
        if arguments.apart {
            let run = seeds[..number].iter().filter(|other| kind_of(**other) == kind).count();
            Schedule::apart(*seed, kind, run)
        } else if arguments.soak {
            Schedule::soak(*seed, kind, arguments.seconds.max(SOAK_SECONDS_MIN))
        } else {
            Schedule::of(*seed, kind, arguments.seconds * 1_000)
        }
    };
    Ok(seeds.iter().enumerate().map(of).collect())
}

fn binary(arguments: &Arguments) -> Result<PathBuf> {
    let beside = || -> Result<PathBuf> {
        let own = std::env::current_exe()?;
        Ok(own.with_file_name("grandstand"))
    };
    let binary = arguments.binary.clone().map_or_else(beside, Ok)?;
    anyhow::ensure!(
        binary.exists(),
        "the program {} is not there; `make breaker` builds it",
        binary.display()
    );
    Ok(binary)
}

/// Shows the violations, and keeps the logs and the schedule.
fn report_failure(arguments: &Arguments, run: &Finished, dir: &Path) -> Result<()> {
    print(&run.details);
    let keep = kept(arguments, &run.schedule);
    std::fs::create_dir_all(&keep)?;
    for entry in std::fs::read_dir(dir)?.flatten().filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), keep.join(entry.file_name()))?;
    }
    let schedule = keep.join("schedule.json");
    std::fs::write(&schedule, serde_json::to_string_pretty(&run.schedule)?)?;
    print(format_args!(
        "its schedule: {}\nits logs are in {}; again: --schedule {}\n",
        serde_json::to_string(&run.schedule)?,
        keep.display(),
        schedule.display()
    ));
    Ok(())
}

/// Where all that is about a failed run stays.
fn kept(arguments: &Arguments, schedule: &Schedule) -> PathBuf {
    arguments.keep.join(format!("seed-{}", schedule.seed))
}
