//! The client: one thread with a runtime of its own, and the people on it.

use crate::load::arguments::{LoadArguments, Numbers};
use crate::load::tally::Tally;
use crate::load::usage::{Meter, Usage};
use crate::load::venue::Venue;
use crate::load::wire::Place;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What everybody on the crew works with.
pub struct Crew {
    pub place: Place,
    pub venue: Venue,
    /// Access tokens, one per person.
    pub tokens: Vec<String>,
    pub arguments: LoadArguments,
    pub numbers: Numbers,
    pub tally: Tally,
    /// Whether nobody else uses the target.
    pub private: bool,
    /// Processes of a private Redis and PostgreSQL.
    pub servers: Option<(u32, u32)>,
    measured: Mutex<Option<(Duration, Option<Usage>)>>,
}

/// What a scenario found, beside what the tally has.
#[derive(Debug, Default)]
pub struct Findings {
    pub checks: Vec<Check>,
    /// What it comes down to: name, number, unit.
    pub results: Vec<(String, f64, &'static str)>,
}

/// Something that must be true.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    pub what: String,
    pub passed: bool,
    pub detail: String,
}

impl Findings {
    /// Notes a result.
    pub fn result(&mut self, name: &str, number: f64, unit: &'static str) {
        self.results.push((name.to_owned(), number, unit));
    }

    /// Notes a check.
    pub fn check(&mut self, what: &str, passed: bool, detail: String) {
        self.checks.push(Check { what: what.to_owned(), passed, detail });
    }
}

impl Crew {
    /// A crew that has not begun.
    pub fn new(
        place: Place,
        venue: Venue,
        tokens: Vec<String>,
        arguments: LoadArguments,
        servers: Option<(u32, u32)>,
    ) -> Self {
        let numbers = arguments.numbers();
        let private = arguments.embedded;
        let (tally, measured) = (Tally::default(), Mutex::default());
        Self { place, venue, tokens, arguments, numbers, tally, private, servers, measured }
    }

    /// The token of a person; there are more people than tokens only where that does no harm.
    pub fn token(&self, person: usize) -> &str {
        &self.tokens[person % self.tokens.len()]
    }

    /// Runs the part of a scenario that counts, and keeps how long it took and what it used.
    pub async fn measure<T>(&self, work: impl Future<Output = T>) -> T {
        let meter = Meter::start(self.servers);
        let begun = Instant::now();
        let done = work.await;
        *self.measured.lock() = Some((begun.elapsed(), meter.stop()));
        done
    }

    /// How long the part that counts took, and what it used.
    pub fn measured(&self) -> (Duration, Option<Usage>) {
        self.measured.lock().unwrap_or_default()
    }
}

/// Runs something on the thread of the client and waits for its end.
pub async fn on_own_thread<T, F>(work: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<T>
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

/// Starts `count` people at once and waits for all of them.
pub async fn all<F>(count: usize, person: impl Fn(usize) -> F) -> anyhow::Result<()>
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
pub type SharedCrew = Arc<Crew>;
