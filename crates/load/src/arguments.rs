//! The arguments of the command line, and the defaults of each scenario.

use crate::settings::read_file;
use crate::settings::{Arrivals, Cast, Choice, Deed, PausesMs, PersonKind, ScenarioFile, Until};
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of a load test.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("target").required(true).args(["url", "embedded"])))]
pub(crate) struct LoadArguments {
    /// What the people do. With `--file` the default is `rush`.
    #[arg(
        value_enum,
        required = false,
        required_unless_present = "file",
        default_value_if("file", clap::builder::ArgPredicate::IsPresent, "rush")
    )]
    pub(crate) scenario: Scenario,
    /// A scenario file (docs/LOAD.md): kinds of people, arrivals, pauses. Options of the command
    /// line come before its values.
    #[arg(long, value_parser = read_file)]
    pub(crate) file: Option<ScenarioFile>,
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
    /// The match, for a site with many. The default is the first match that is on sale.
    #[arg(long = "match")]
    pub(crate) match_id: Option<uuid::Uuid>,
    /// Number of people: of accounts, and in `map` of event streams.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) people: Option<u32>,
    /// Number of seats that they want: the best of the plan in `rush` and `soak`, and the first of
    /// the plan in other scenarios.
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
    /// When people arrive. `burst` ignores the rate. The default is `poisson`.
    #[arg(long = "arrivals", value_enum)]
    pub(crate) arrivals_given: Option<Arrivals>,
    /// The arrivals after the scenario file was read.
    #[arg(skip)]
    pub(crate) arrivals: Arrivals,
    /// In `rush`: the last step of a purchase. With `hold`, people wish seats without a look at the
    /// map. The default is `ticket`.
    #[arg(long, value_enum)]
    pub(crate) until: Option<Until>,
    /// In `rush`: the share of people who leave the choice to the server, 0 to 1.
    #[arg(long, value_parser = share)]
    pub(crate) best_available: Option<f64>,
    /// In `rush`: the share of people who hold seats and walk away, 0 to 1.
    #[arg(long, value_parser = share)]
    pub(crate) walk_away: Option<f64>,
    /// In `rush`: the share of people who cancel their ticket, 0 to 1.
    #[arg(long, value_parser = share)]
    pub(crate) cancel: Option<f64>,
    /// In `rush`: the mean length of each pause in which a person thinks, in ms.
    #[arg(long, value_parser = positive)]
    pub(crate) think: Option<f64>,
    /// Turns on the waiting room of the private installation, and lets in this many people per
    /// minute. A running installation has its own setting.
    #[arg(long, requires = "embedded")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) queue: Option<u32>,
    /// Requests per second for the list of matches, for the snapshot of the map and for the plan,
    /// each beside the people of `rush`, `hot`, `queue` and `soak`. 0 turns them off. The default
    /// is 10.
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub(crate) probes: Option<u16>,
    /// In `hold-release` and `pay`: finds the greatest sustained rate, without a schedule.
    #[arg(long)]
    pub(crate) saturate: bool,
    /// Writes the result as JSON to this file.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Writes the result as an HTML page without external files.
    #[arg(long)]
    pub(crate) html: Option<PathBuf>,
    /// Prints the result against that of an older run, which `--json` wrote to this file.
    #[arg(long)]
    pub(crate) compare: Option<PathBuf>,
    /// In `compare`: writes the result as Markdown to this file.
    #[arg(long)]
    pub(crate) markdown: Option<PathBuf>,
}

/// What the people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Everybody wants the best seats in the same second, and buys them.
    Rush,
    /// Everybody wants the seats of the same row, and gives them back at once.
    Hot,
    /// Holds one to four seats at random and gives them back.
    HoldRelease,
    /// Event streams on one match while people hold seats.
    Map,
    /// People join the waiting room, and leave when they are let in.
    Queue,
    /// Only the confirmations of payments. All earlier steps are done before the clock starts.
    Pay,
    /// Log-ins, each of which costs the server a password hash.
    LogIn,
    /// Everything mixed at a low rate, for hours, with the drift of memory and latency.
    Soak,
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

impl Scenario {
    /// Returns the name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl LoadArguments {
    /// Takes the values of the scenario file for which there is no option on the command line.
    pub(crate) fn with_file(mut self) -> Self {
        let file = self.file.clone().unwrap_or_default();
        self.people = self.people.or(file.people);
        self.seats = self.seats.or(file.seats);
        self.rate = self.rate.or(file.rate);
        self.duration = self.duration.or(file.duration);
        self.connections = self.connections.or(file.connections);
        self.until = self.until.or(file.until);
        self.queue = self.queue.or(file.queue);
        self.probes = self.probes.or(file.probes);
        self.arrivals = self.arrivals_given.or(file.arrivals).unwrap_or_default();
        self
    }

    /// Returns the numbers of this run: those of the command line, and the defaults of the
    /// scenario.
    pub(crate) fn numbers(&self) -> Numbers {
        // People, arrivals per second, seconds, connections.
        let (people, rate, seconds, connections) = match self.scenario {
            Scenario::HoldRelease => (256, 2000.0, 20.0, 128),
            Scenario::Rush => self.rush(),
            Scenario::Hot => (5000, 2000.0, 10.0, 256),
            Scenario::Map => (1000, 20.0, 20.0, 64),
            Scenario::Queue => (10_000, 1000.0, 10.0, 256),
            Scenario::Pay => (10_000, 500.0, 20.0, 128),
            Scenario::LogIn => (50, 200.0, 10.0, 256),
            Scenario::Soak => (1000, 10.0, 3600.0, 64),
            Scenario::Fanout | Scenario::Floor => (10_000, 10.0, 5.0, 1),
            Scenario::Engine | Scenario::Compare => (256, 0.0, 10.0, 128),
        };
        let people = self.people.unwrap_or(people) as usize;
        let connections = self.connections.unwrap_or(connections) as usize;
        // In these scenarios a person has many requests under way.
        let few_people = matches!(self.scenario, Scenario::Soak | Scenario::LogIn);
        let connections = if few_people { connections } else { connections.min(people.max(1)) };
        Numbers {
            people,
            seats: self.seats.map(|seats| seats as usize),
            rate: self.rate.unwrap_or(rate),
            duration: Duration::from_secs_f64(self.duration.unwrap_or(seconds)),
            connections,
        }
    }

    /// Returns the defaults of a rush. All people arrive within the first second, or at the rate of
    /// the command line. The other seconds are time to finish.
    fn rush(&self) -> (u32, f64, f64, u32) {
        let people = self.people.unwrap_or(5000);
        let rate = self.rate.unwrap_or(f64::from(people));
        let arriving = f64::from(people) / rate;
        let is_ramp = self.arrivals == Arrivals::Ramp;
        // A ramp has half of its rate on average.
        (people, rate, if is_ramp { 2.0 * arriving } else { arriving + 60.0 }, 512)
    }

    /// Returns the people of this run: those of the scenario file, or those of the scenario.
    pub(crate) fn cast(&self) -> Cast {
        let file = self.file.as_ref();
        let until = self.until.unwrap_or(Until::Ticket);
        let kinds = file.and_then(|file| file.kinds.clone()).unwrap_or_else(|| self.kinds(until));
        let pauses_ms = file.and_then(|file| file.pauses_ms);
        let same = self.think.map(|ms| PausesMs { choice: ms, details: ms, payment: ms });
        Cast { until, kinds, pauses_ms: same.or(pauses_ms).unwrap_or_default() }
    }

    /// Whether people go beyond their holds.
    pub(crate) fn sells(&self) -> bool {
        self.until != Some(Until::Hold)
    }

    fn kinds(&self, until: Until) -> Vec<PersonKind> {
        let kind = PersonKind::new;
        match self.scenario {
            Scenario::Hot => {
                vec![PersonKind { seats: [1, 2], ..kind(1.0, Choice::Blind, Deed::GivesBack) }]
            }
            Scenario::Queue => vec![kind(1.0, Choice::Blind, Deed::Leaves)],
            Scenario::Soak => vec![
                kind(5.0, Choice::Map, Deed::Cancels),
                kind(2.0, Choice::BestAvailable, Deed::Cancels),
                kind(2.0, Choice::Map, Deed::GivesBack),
                kind(1.0, Choice::BestAvailable, Deed::WalksAway),
            ],
            _ => {
                let look = if until == Until::Hold { Choice::Blind } else { Choice::Map };
                let (best, walk) =
                    (self.best_available.unwrap_or(0.0), self.walk_away.unwrap_or(0.0));
                let cancel = self.cancel.unwrap_or(0.0);
                let buy = (1.0 - walk - cancel).max(0.0);
                [(look, 1.0 - best), (Choice::BestAvailable, best)]
                    .into_iter()
                    .flat_map(|(choice, part)| {
                        [(Deed::Buys, buy), (Deed::WalksAway, walk), (Deed::Cancels, cancel)]
                            .map(|(does, share)| kind(part * share, choice, does))
                    })
                    .filter(|kind| kind.weight > 0.0)
                    .collect()
            }
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("must be a number between 0 and 1".to_owned()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e6 => Ok(number),
        _ => Err("must be a number above 0 and at most 1,000,000".to_owned()),
    }
}
