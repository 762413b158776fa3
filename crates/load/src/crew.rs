//! The crew: everything that the people of a run share, and the thread on which they run.

use crate::arguments::{LoadArguments, Numbers};
use crate::live::Live;
use crate::tally::Tally;
use crate::target::Target;
use crate::usage::{Meter, Usage};
use crate::venue::Venue;
use crate::wire::ServerAddress;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state that all people of a run share.
pub(crate) struct Crew {
    pub(crate) server: ServerAddress,
    /// The operations listener of a private installation.
    pub(crate) operations: Option<ServerAddress>,
    pub(crate) venue: Venue,
    /// Access tokens, one per person.
    pub(crate) tokens: Vec<String>,
    pub(crate) arguments: LoadArguments,
    pub(crate) numbers: Numbers,
    pub(crate) tally: Tally,
    /// Whether the target is a private installation, which nobody else uses.
    pub(crate) private: bool,
    /// Process ids of a private Redis and PostgreSQL.
    pub(crate) server_pids: Option<(u32, u32)>,
    /// The payment emulator, once somebody has paid there.
    pub(crate) emulator: Mutex<Option<ServerAddress>>,
    measured: Mutex<Option<(Duration, Option<Usage>)>>,
}

/// The findings of a scenario, beside the numbers of the tally.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) checks: Vec<Check>,
    /// Results: name, number, unit.
    pub(crate) results: Vec<(String, f64, &'static str)>,
}

/// A condition that must be true.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Check {
    pub(crate) condition: String,
    pub(crate) passed: bool,
    pub(crate) detail: String,
    /// The requests that concern the seats of a failed check, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<String>,
}

impl Findings {
    /// Adds a result.
    pub(crate) fn result(&mut self, name: &str, number: f64, unit: &'static str) {
        self.results.push((name.to_owned(), number, unit));
    }

    /// Adds a check.
    pub(crate) fn check(&mut self, condition: &str, passed: bool, detail: String) {
        self.check_with_history(condition, passed, detail, vec![]);
    }

    /// Adds a check with the history of the seats that it concerns.
    pub(crate) fn check_with_history(
        &mut self,
        condition: &str,
        passed: bool,
        detail: String,
        history: Vec<String>,
    ) {
        self.checks.push(Check { condition: condition.to_owned(), passed, detail, history });
    }
}

impl Crew {
    /// Returns a crew whose run has not begun.
    pub(crate) fn new(
        target: &Target,
        venue: Venue,
        tokens: Vec<String>,
        arguments: LoadArguments,
    ) -> Self {
        let (server, operations) = (target.server.clone(), target.operations());
        let server_pids = target.server_pids();
        let numbers = arguments.numbers();
        let private = arguments.embedded;
        let (tally, emulator, measured) = Default::default();
        Self {
            server,
            operations,
            venue,
            tokens,
            arguments,
            numbers,
            tally,
            private,
            server_pids,
            emulator,
            measured,
        }
    }

    /// Returns the token of a person. People may share a token in scenarios where that does no
    /// harm.
    pub(crate) fn token(&self, person: usize) -> &str {
        &self.tokens[person % self.tokens.len()]
    }

    /// Runs the measured part of a scenario, and keeps its time and its use of the processors.
    pub(crate) async fn measure<T>(&self, work: impl Future<Output = T>) -> T {
        let meter = Meter::start(self.server_pids);
        let begun = Instant::now();
        let name = self.arguments.scenario.name();
        let live = Live::start(&self.tally, &name, self.numbers.duration);
        let result = work.await;
        let took = begun.elapsed();
        *self.measured.lock() = Some((took, meter.stop()));
        drop(live);
        result
    }

    /// Returns the time of the measured part, and its use of the processors.
    pub(crate) fn measured(&self) -> (Duration, Option<Usage>) {
        self.measured.lock().unwrap_or_default()
    }
}

/// Runs `work` on the thread of the client, and waits for its end.
pub(crate) async fn on_own_thread<T, F>(
    work: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("load-client".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(work()),
            Err(error) => Err(error.into()),
        };
        let _ = sender.send(result);
    })?;
    receiver.await?
}

/// Starts `count` people at the same time, and waits for all of them.
pub(crate) async fn all<F>(count: usize, person: impl Fn(usize) -> F) -> anyhow::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(person(number))).collect();
    for task in tasks {
        task.await?;
    }
    Ok(())
}

/// The crew, shared by its people.
pub(crate) type SharedCrew = Arc<Crew>;
