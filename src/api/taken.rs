//! How many seats of each match are taken: what the list of matches says is left.

use crate::api::Services;
use crate::domain::catalog::MatchStatus;
use crate::domain::ids::MatchId;
use futures::future::join_all;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Counts are so old at the most. Longer: people choose a match that is sold out. Shorter: more
/// calls to Redis, one for each match.
const FRESH: Duration = Duration::from_secs(2);

/// The counts that this node knows. However many people look, Redis is asked once in `FRESH`.
#[derive(Default)]
pub struct Taken {
    counts: Mutex<Option<(Instant, Arc<Counts>)>>,
}

/// How many seats of each match are taken.
pub struct Counts {
    pub taken: HashMap<MatchId, u32>,
    /// Whether no match is missing because its part of Redis does not answer.
    pub whole: bool,
}

impl Taken {
    /// Seats that are not AVAILABLE, of all matches that are or were on sale; without those that
    /// are archived, and those whose part of Redis does not answer.
    pub async fn counts(&self, services: &Services) -> Arc<Counts> {
        // Who comes meanwhile waits for the one who asks, and has the same answer.
        let mut known = self.counts.lock().await;
        if let Some((at, counts)) = &*known
            && at.elapsed() < FRESH
        {
            return counts.clone();
        }
        let matches = services.catalog.matches();
        let asked = matches
            .iter()
            .filter(|fixture| fixture.status != MatchStatus::Draft && !fixture.archived);
        // Whoever is known to be away is not waited for: all lists would be late.
        let count = async |id: MatchId| match services.health.answers(id.partition()) {
            true => services.engine.taken(id).await.ok().map(|taken| (id, taken)),
            false => None,
        };
        let found = join_all(asked.map(|fixture| count(fixture.id))).await;
        let whole = found.iter().all(Option::is_some);
        let counts = Arc::new(Counts { taken: found.into_iter().flatten().collect(), whole });
        *known = Some((Instant::now(), Arc::clone(&counts)));
        counts
    }
}
