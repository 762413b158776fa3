//! Requests beside a crowd, at a low and constant rate: the list of matches, the snapshot of the
//! map, and the plan of the site. Everybody who opens the page sends them.

use crate::crew::SharedCrew;
use crate::wire::{Connection, Method};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// Requests of each kind per second, when the settings name no other number.
pub(crate) const PROBES_PER_SECOND_DEFAULT: u16 = 10;

/// The running probes. They end when this value is dropped.
pub(crate) struct Probes(Vec<AbortHandle>);

impl Probes {
    /// Starts the probes.
    pub(crate) fn start(crew: &SharedCrew) -> Self {
        let rate = crew.arguments.probes.unwrap_or(PROBES_PER_SECOND_DEFAULT);
        if rate == 0 {
            return Self(vec![]);
        }
        let every = Duration::from_secs(1) / u32::from(rate);
        let id = &crew.venue.matches[0];
        let paths = [
            ("list of matches", "/api/matches".to_owned()),
            ("snapshot", format!("/api/matches/{id}/seats")),
            ("plan", format!("/api/sites/{}", crew.venue.site)),
        ];
        let start =
            |(step, path)| tokio::spawn(probe(crew.clone(), step, path, every)).abort_handle();
        Self(paths.map(start).into())
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// A request that is late delays the next one, which counts from its intended start all the same.
async fn probe(crew: SharedCrew, step: &'static str, path: String, every: Duration) {
    let mut connection = Connection::new(crew.server.clone());
    let mut since = Instant::now();
    loop {
        tokio::time::sleep_until(since.into()).await;
        let result = connection.call(Method::Get, &path, None, None).await;
        let _ = crew.tally.record_response(step, since, result);
        since += every;
    }
}
