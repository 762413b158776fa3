//! A match that is over leaves Redis after a while, because PostgreSQL has its sales. First its
//! document says that it is archived, which PostgreSQL and all nodes hear; then the records of its
//! sales go, some at a time, and in the end its keys.

use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::claim::{Claim, ClaimState};
use crate::domain::ids::{MatchId, Partition};
use crate::engine::batch::Operation;
use crate::engine::error::{EngineError, Refusal};
use crate::workers::{LEASE_EVERY, Workers, pause};
use futures::future::join_all;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The time between two searches for matches that are over. Nobody waits for them.
const RETIRE_EVERY: Duration = Duration::from_secs(60);
/// Records in one step: less than 1 ms of Redis.
const STEP: usize = 96;
/// Between two steps, so that most of the time stays for the commands of others.
const STEP_PAUSE: Duration = Duration::from_millis(5);

/// The matches of which nothing is left in Redis, as far as this process knows.
#[derive(Debug, Default)]
pub struct Retired(Mutex<HashSet<MatchId>>);

impl Workers {
    /// Retires matches while the partition is ours.
    pub(super) async fn retire(self: Arc<Self>, partition: Partition, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if !self.owns(partition) {
                pause(LEASE_EVERY, &stop).await;
                continue;
            }
            tokio::select! {
                done = self.retire_once(partition) => if let Err(error) = done {
                    tracing::warn!(%partition, error = format!("{error:#}"), "retiring waits");
                },
                () = stop.cancelled() => return,
            }
            pause(RETIRE_EVERY, &stop).await;
        }
    }

    /// One step for all matches of a partition that are over: archives those that nothing is open
    /// in, and removes what is left of those that PostgreSQL knows as archived. Answers how many
    /// matches have left.
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
        for (id, event) in over.iter().filter(|(id, _)| !open.contains(*id)) {
            if archived.contains(id) {
                self.engine.clear_match(*id).await?;
                self.retired.0.lock().insert(*id);
                left += 1;
            } else if !event.archived && !self.store.is_unsettled(*id).await? {
                self.archive(*id, event.version).await?;
            }
        }
        Ok(left)
    }

    /// The closed matches that have been over for long enough, without those that are gone.
    async fn over(
        &self,
        partition: Partition,
    ) -> Result<HashMap<MatchId, Arc<Match>>, EngineError> {
        let now = self.engine.now_ms(partition).await?;
        let mut over: HashMap<_, _> = self
            .catalog
            .matches()
            .into_iter()
            .filter(|event| event.id.partition() == partition)
            .filter(|event| event.status == MatchStatus::Closed)
            .filter(|event| event.starts_at.as_millisecond() + self.keep_match_ms <= now)
            .map(|event| (event.id, event))
            .collect();
        let retired = self.retired.0.lock();
        over.retain(|id, _| !retired.contains(id));
        Ok(over)
    }

    /// Removes the sales of archived matches; answers the matches in which something stays: what is
    /// no sale, or what PostgreSQL does not have as one.
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
        let is_sale = |one: &Claim| one.state == ClaimState::Confirmed && sold.contains(&one.id);
        let mut open: HashSet<MatchId> =
            claims.iter().filter(|one| !is_sale(one)).map(|one| one.match_id).collect();
        let done: Vec<&Claim> =
            claims.iter().filter(|one| archived.contains(&one.match_id) && is_sale(one)).collect();
        for step in done.chunks(STEP) {
            let removals =
                step.iter().map(|one| self.engine.archive_claim(one.match_id, one.user, one.id));
            for (one, removed) in step.iter().zip(join_all(removals).await) {
                if !removed? {
                    open.insert(one.match_id);
                }
            }
            tokio::time::sleep(STEP_PAUSE).await;
        }
        Ok(open)
    }

    /// Marks a match as archived, if nobody has changed it since.
    async fn archive(&self, id: MatchId, version: u64) -> anyhow::Result<()> {
        let Some(event) = self.engine.fixture(id).await?.filter(|event| event.version == version)
        else {
            return Ok(());
        };
        let event = Match { version: version + 1, archived: true, ..event };
        match self.engine.put_match(&event, Operation::default()).await {
            Ok(_) => tracing::info!(%id, "the match is archived: it leaves Redis"),
            Err(EngineError::Refused(Refusal::Stale | Refusal::NotFound(_))) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        Ok(self.catalog.refresh_match(id).await?)
    }
}
