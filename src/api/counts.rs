//! How many seats of each match are taken. The list of matches shows how many are left.

use crate::api::Services;
use crate::domain::catalog::MatchStatus;
use crate::domain::ids::MatchId;
use futures::future::join_all;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The greatest age of the counts. Longer: people choose a match that is sold out. Shorter: more
/// calls to Redis, one for each match.
const COUNTS_TTL: Duration = Duration::from_secs(2);

/// The counts that this node knows. However many people look, Redis is asked once per
/// `COUNTS_TTL`.
#[derive(Default)]
pub struct SeatCounts {
    counts: Mutex<Option<(Instant, Arc<Counts>)>>,
}

/// How many seats of each match are taken.
pub struct Counts {
    pub taken: HashMap<MatchId, u32>,
    /// Whether all matches were counted. A match is missing while its part of Redis gives no reply.
    pub whole: bool,
}

impl SeatCounts {
    /// The seats that are not AVAILABLE, of all matches that are or were on sale. Archived matches
    /// are left out, and matches whose part of Redis gives no reply.
    pub async fn read(&self, services: &Services) -> Arc<Counts> {
        // Callers that come meanwhile wait for this one, and get the same counts.
        let mut known = self.counts.lock().await;
        if let Some((at, counts)) = &*known
            && at.elapsed() < COUNTS_TTL
        {
            return counts.clone();
        }
        let matches = services.catalog.matches();
        let asked = matches
            .iter()
            .filter(|fixture| fixture.status != MatchStatus::Draft && !fixture.archived);
        // A partition that is known to be away is not asked, because all lists would wait for it.
        let count = async |id: MatchId| match services.health.replies(id.partition()) {
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
