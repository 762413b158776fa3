//! How many seats of each match are taken: what the list of matches says is left.

use crate::domain::catalog::MatchStatus;
use crate::domain::ids::MatchId;
use crate::engine::Engine;
use crate::live::catalog::Catalog;
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

type Counts = HashMap<MatchId, u32>;

impl Taken {
    /// Seats that are not AVAILABLE, of all matches that are or were on sale; without those that
    /// are archived, and those whose part of Redis does not answer.
    pub async fn counts(&self, engine: &Engine, catalog: &Catalog) -> Arc<Counts> {
        // Who comes meanwhile waits for the one who asks, and has the same answer.
        let mut known = self.counts.lock().await;
        if let Some((at, counts)) = &*known
            && at.elapsed() < FRESH
        {
            return counts.clone();
        }
        let matches = catalog.matches();
        let asked =
            matches.iter().filter(|event| event.status != MatchStatus::Draft && !event.archived);
        let count = async |id| engine.taken(id).await.ok().map(|taken| (id, taken));
        let found = join_all(asked.map(|event| count(event.id))).await;
        let counts = Arc::new(found.into_iter().flatten().collect());
        *known = Some((Instant::now(), Arc::clone(&counts)));
        counts
    }
}
