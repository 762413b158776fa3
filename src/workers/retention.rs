//! Archives matches: a match that has been over for some days leaves Redis, because PostgreSQL has
//! its sales. First its document is marked as archived, and the mark reaches PostgreSQL and all
//! nodes. Then the records of its sales are removed, some at a time, and in the end its keys.

use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::claim::{Claim, ClaimState};
use crate::domain::ids::{MatchId, Partition};
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::workers::{LEASE_INTERVAL, Workers, pause};
use futures::future::join_all;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The time between two searches for matches that are over. Nobody waits for them.
const RETIRE_INTERVAL: Duration = Duration::from_secs(60);
/// Records that are removed at once. They take less than 1 ms of Redis.
const RECORDS_PER_STEP: usize = 96;
/// The pause between two steps. It leaves most of the time of Redis to the commands of buyers.
const STEP_PAUSE: Duration = Duration::from_millis(5);

/// A match that was removed is looked at again after this time, because a failover may have brought
/// it back. That reads all claims of its partition.
const RETIRED_AGE_MAX: Duration = Duration::from_secs(3600);

/// The matches that this process has removed from Redis, or found removed, and when.
#[derive(Debug, Default)]
pub struct Retired(Mutex<HashMap<MatchId, Instant>>);

impl Retired {
    fn add(&self, id: MatchId, now: Instant) {
        self.0.lock().insert(id, now);
    }

    fn has(&self, id: MatchId, now: Instant) -> bool {
        self.0.lock().get(&id).is_some_and(|at| now < *at + RETIRED_AGE_MAX)
    }
}

impl Workers {
    /// Retires matches, while this worker owns the partition.
    pub(super) async fn retire(self: Arc<Self>, partition: Partition, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if !self.owns(partition) {
                pause(LEASE_INTERVAL, &stop).await;
                continue;
            }
            tokio::select! {
                done = self.retire_once(partition) => if let Err(error) = done {
                    tracing::warn!(%partition, error = format!("{error:#}"), "archiving waits");
                },
                () = stop.cancelled() => return,
            }
            pause(RETIRE_INTERVAL, &stop).await;
        }
    }

    /// Does one step for all matches of a partition that are over. A match without open claims and
    /// payments is archived. A match that PostgreSQL has as archived is removed. Returns how many
    /// matches have left Redis.
    pub async fn retire_once(&self, partition: Partition) -> anyhow::Result<usize> {
        let over = self.over(partition).await?;
        if over.is_empty() {
            return Ok(0);
        }
        let archived =
            self.store.archived_matches(&over.keys().copied().collect::<Vec<_>>()).await?;
        let mut open = HashSet::new();
        let mut cursor = None;
        loop {
            let (mut claims, next) = self.engine.claims_page(partition, cursor).await?;
            claims.retain(|claim| over.contains_key(&claim.match_id));
            open.extend(self.remove(claims, &archived).await?);
            if next.is_none() {
                break;
            }
            cursor = next;
        }
        let mut left = 0;
        for (id, fixture) in over.iter().filter(|(id, _)| !open.contains(*id)) {
            if archived.contains(id) {
                self.engine.clear_match(*id).await?;
                self.retired.add(*id, Instant::now());
                left += 1;
            } else if !fixture.archived && !self.store.is_unsettled(*id).await? {
                self.archive(*id, fixture.version).await?;
            }
        }
        Ok(left)
    }

    /// The closed matches that started more than `keep_match_ms` ago and are still in Redis.
    async fn over(
        &self,
        partition: Partition,
    ) -> Result<HashMap<MatchId, Arc<Match>>, EngineError> {
        let now = self.engine.now_ms(partition).await?;
        let mut over: HashMap<_, _> = self
            .catalog
            .matches()
            .into_iter()
            .filter(|fixture| fixture.id.partition() == partition)
            .filter(|fixture| fixture.status == MatchStatus::Closed)
            .filter(|fixture| fixture.starts_at.as_millisecond() + self.keep_match_ms <= now)
            .map(|fixture| (fixture.id, fixture))
            .collect();
        let looked_at = Instant::now();
        over.retain(|id, _| !self.retired.has(*id, looked_at));
        Ok(over)
    }

    /// Removes the sales of archived matches; returns the matches in which a claim stays, because
    /// it is not a sale, or because PostgreSQL does not have it as a sale.
    async fn remove(
        &self,
        claims: Vec<Claim>,
        archived: &HashSet<MatchId>,
    ) -> anyhow::Result<HashSet<MatchId>> {
        let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let sold = self.store.confirmed(&ids).await?;
        let is_sale =
            |claim: &Claim| claim.state == ClaimState::Confirmed && sold.contains(&claim.id);
        let mut open: HashSet<MatchId> =
            claims.iter().filter(|claim| !is_sale(claim)).map(|claim| claim.match_id).collect();
        let done: Vec<&Claim> = claims
            .iter()
            .filter(|claim| archived.contains(&claim.match_id) && is_sale(claim))
            .collect();
        for step in done.chunks(RECORDS_PER_STEP) {
            let removals = step
                .iter()
                .map(|sale| self.engine.archive_claim(sale.match_id, sale.user, sale.id));
            for (sale, removed) in step.iter().zip(join_all(removals).await) {
                if !removed? {
                    open.insert(sale.match_id);
                }
            }
            tokio::time::sleep(STEP_PAUSE).await;
        }
        Ok(open)
    }

    /// Marks a match as archived, unless somebody has changed it since.
    async fn archive(&self, id: MatchId, version: u64) -> anyhow::Result<()> {
        let Some(fixture) =
            self.engine.fixture(id).await?.filter(|fixture| fixture.version == version)
        else {
            return Ok(());
        };
        let fixture = Match { version: version + 1, archived: true, ..fixture };
        match self.engine.put_match(&fixture, Operation::default()).await {
            Ok(_) => tracing::info!(%id, "the match is archived: it leaves Redis"),
            Err(EngineError::Refused(Refusal::Stale | Refusal::NotFound(_))) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        Ok(self.catalog.refresh_match(id).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_that_was_removed_is_looked_at_again_after_an_hour() {
        let (retired, id, now) = (Retired::default(), MatchId::new(Partition(0)), Instant::now());
        assert!(!retired.has(id, now));
        retired.add(id, now);
        assert!(retired.has(id, now + RETIRED_AGE_MAX - Duration::from_millis(1)));
        assert!(!retired.has(id, now + RETIRED_AGE_MAX));
    }
}
