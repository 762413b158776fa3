//! What the command line says, and what each scenario does when it says nothing.

use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// What to load, and how.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("target").required(true).args(["url", "embedded"])))]
pub struct LoadArguments {
    /// What the people do.
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// A running installation, such as http://127.0.0.1:8080. Turn its rate limits off
    /// (`GRANDSTAND_RATE_LIMITS=off`), or they are what is measured.
    #[arg(long)]
    pub url: Option<String>,
    /// Starts a private installation, loads it, and throws it away.
    #[arg(long)]
    pub embedded: bool,
    /// Where the private installation keeps its data; without it, a directory that is removed at
    /// the end. It should be on a real disk: in memory, an fsync costs nothing.
    #[arg(long, requires = "embedded")]
    pub data: Option<PathBuf>,
    /// People: accounts, and in `watch` event streams.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub people: Option<u32>,
    /// Seats that they want: the best of the plan in `rush`, the first of it elsewhere.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub seats: Option<u32>,
    /// Arrivals per second.
    #[arg(long, value_parser = positive)]
    pub rate: Option<f64>,
    /// Seconds after which nobody arrives any more.
    #[arg(long, value_parser = positive)]
    pub duration: Option<f64>,
    /// Matches that the people spread over: each is one partition's work.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub matches: u32,
    /// Connections; also the most requests in flight.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: Option<u32>,
    /// Whether arrivals come at random (as people do) or evenly.
    #[arg(long, value_enum, default_value = "poisson")]
    pub arrivals: Arrivals,
    /// `hold-release`, `confirm`: no schedule; finds the greatest rate that can be sustained.
    #[arg(long)]
    pub saturate: bool,
    /// Writes the result as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Writes the result as a page that needs nothing else.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// `compare`: writes the result as Markdown.
    #[arg(long)]
    pub markdown: Option<PathBuf>,
}

/// What the people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Hold one to four seats at random, give them back.
    HoldRelease,
    /// Everybody wants the best seats in the same second.
    Rush,
    /// The whole path: hold, reserve, pay at the emulator, confirm.
    Purchase,
    /// The confirmations alone: all else is done before the clock starts.
    Confirm,
    /// Event streams on one match, while seats are held.
    Watch,
    /// Very many event streams on a node of their own, against a plain loop of writes; the numbers
    /// of docs/BENCHMARKS.md (`--embedded` only).
    Fanout,
    /// The plain loop of writes: connects to a reader that `fanout` runs (`--url` only).
    #[value(hide = true)]
    Floor,
    /// The engine without HTTP, from within (`--embedded` only).
    Engine,
    /// The engine and the API against the obvious ways to do it (`--embedded` only).
    Compare,
}

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arrivals {
    Poisson,
    Constant,
}

/// The numbers of a run, all decided.
#[derive(Debug, Clone)]
pub struct Numbers {
    pub people: usize,
    pub seats: Option<usize>,
    /// Arrivals per second.
    pub rate: f64,
    pub duration: Duration,
    pub connections: usize,
}

impl LoadArguments {
    /// The numbers of this run: what was asked for, else what the scenario is made for.
    pub fn numbers(&self) -> Numbers {
        // People, arrivals per second, seconds, connections.
        let (people, rate, seconds, connections) = match self.scenario {
            Scenario::HoldRelease => (256, 2000.0, 20.0, 128),
            // All of them within the first second; the rest is time to finish.
            Scenario::Rush => (5000, 0.0, 60.0, 512),
            Scenario::Purchase => (1000, 50.0, 60.0, 128),
            Scenario::Confirm => (10_000, 500.0, 20.0, 128),
            Scenario::Watch => (1000, 20.0, 20.0, 64),
            Scenario::Fanout | Scenario::Floor => (10_000, 10.0, 5.0, 1),
            Scenario::Engine | Scenario::Compare => (256, 0.0, 10.0, 128),
        };
        let people = self.people.unwrap_or(people) as usize;
        let connections = self.connections.unwrap_or(connections) as usize;
        Numbers {
            people,
            seats: self.seats.map(|seats| seats as usize),
            rate: self.rate.unwrap_or(rate),
            duration: Duration::from_secs_f64(self.duration.unwrap_or(seconds)),
            connections: connections.min(people.max(1)),
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e6 => Ok(number),
        _ => Err("must be a number above 0 and at most 1,000,000".to_owned()),
    }
}
