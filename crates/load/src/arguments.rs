//! The arguments of the command line, and the defaults of each scenario.

use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of a load test.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("target").required(true).args(["url", "embedded"])))]
pub(crate) struct LoadArguments {
    /// What the people do.
    #[arg(value_enum)]
    pub(crate) scenario: Scenario,
    /// Loads a running installation, such as http://127.0.0.1:8080. Turn its rate limits off
    /// (`GRANDSTAND_RATE_LIMITS=off`); otherwise the test measures the limits.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Starts a private installation, loads it, and removes it.
    #[arg(long)]
    pub(crate) embedded: bool,
    /// Folder for the data of the private installation. The default is a temporary folder that is
    /// removed at the end. It should be on a real disk, because in memory an fsync costs nothing.
    #[arg(long, requires = "embedded")]
    pub(crate) data: Option<PathBuf>,
    /// Number of people: of accounts, and in `watch` of event streams.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) people: Option<u32>,
    /// Number of seats that they want: the best of the plan in `rush`, and the first of the plan in
    /// other scenarios.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seats: Option<u32>,
    /// Arrivals per second.
    #[arg(long, value_parser = positive)]
    pub(crate) rate: Option<f64>,
    /// Seconds in which people arrive.
    #[arg(long, value_parser = positive)]
    pub(crate) duration: Option<f64>,
    /// Number of matches. The people spread over them. Each match has a partition of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) matches: u32,
    /// Number of connections, which is also the largest number of requests in flight.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: Option<u32>,
    /// Whether people arrive at random times (as real people do) or evenly.
    #[arg(long, value_enum, default_value = "poisson")]
    pub(crate) arrivals: Arrivals,
    /// In `hold-release` and `confirm`: finds the greatest sustained rate, without a schedule.
    #[arg(long)]
    pub(crate) saturate: bool,
    /// Writes the result as JSON to this file.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Writes the result as an HTML page without external files.
    #[arg(long)]
    pub(crate) html: Option<PathBuf>,
    /// In `compare`: writes the result as Markdown to this file.
    #[arg(long)]
    pub(crate) markdown: Option<PathBuf>,
}

/// What the people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Holds one to four seats at random and gives them back.
    HoldRelease,
    /// Everybody wants the best seats in the same second.
    Rush,
    /// The whole purchase: hold, reserve, pay at the emulator, confirm.
    Purchase,
    /// Only the confirmations. All earlier steps are done before the clock starts.
    Confirm,
    /// Event streams on one match while people hold seats.
    Watch,
    /// Very many event streams on a separate node, compared with a plain loop of writes; for the
    /// numbers of docs/BENCHMARKS.md (`--embedded` only).
    Fanout,
    /// The plain loop of writes. It connects to a reader that `fanout` runs (`--url` only).
    #[value(hide = true)]
    Floor,
    /// The engine without HTTP, in the process of the load test (`--embedded` only).
    Engine,
    /// The engine and the API, compared with the obvious solutions (`--embedded` only).
    Compare,
}

/// The distances between arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    Poisson,
    Constant,
}

/// The numbers of a run, with the defaults of its scenario.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    pub(crate) people: usize,
    pub(crate) seats: Option<usize>,
    /// Arrivals per second.
    pub(crate) rate: f64,
    pub(crate) duration: Duration,
    pub(crate) connections: usize,
}

impl LoadArguments {
    /// Returns the numbers of this run: those of the command line, and the defaults of the
    /// scenario.
    pub(crate) fn numbers(&self) -> Numbers {
        // People, arrivals per second, seconds, connections.
        let (people, rate, seconds, connections) = match self.scenario {
            Scenario::HoldRelease => (256, 2000.0, 20.0, 128),
            // All people arrive within the first second. The other seconds are time to finish.
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
