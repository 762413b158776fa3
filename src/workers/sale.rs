//! Opens and ends sales at their times. The seat batch decides by the same times and the same
//! clock, so nobody gets a seat too early or too late while a worker is away. The worker makes the
//! change known: to the watchers, in PostgreSQL, and to the waiting room.

use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::ids::{MatchId, Partition};
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::workers::Workers;

impl Workers {
    /// Changes the status of the matches of a partition whose sale has opened or ended by the clock
    /// of the partition. Returns how many were changed. Redis is asked only when a time has come.
    pub async fn follow_sales_once(&self, partition: Partition) -> Result<usize, EngineError> {
        let times = self.catalog.matches_of(partition);
        let times = times
            .iter()
            .filter_map(|fixture| fixture.changes_at().map(|at| (fixture.id, at.as_millisecond())));
        // A reading that is a little behind only makes this worker a step late.
        let now_ms = match self.clocks.expected(partition) {
            Some(now_ms) => now_ms,
            None => self.engine.now_ms(partition).await?,
        };
        let due: Vec<MatchId> = times.filter(|(_, at)| *at <= now_ms).map(|(id, _)| id).collect();
        let (mut changed, mut fault) = (0, None);
        // A match that fails does not stop the others.
        for id in due {
            match self.follow_sale(id).await {
                Ok(has_changed) => changed += usize::from(has_changed),
                Err(error) => fault = Some(error),
            }
        }
        fault.map_or(Ok(changed), Err)
    }

    /// Changes the status of a match if its time has come. When somebody else has changed the match
    /// in the meantime, the next step looks at the match again.
    async fn follow_sale(&self, id: MatchId) -> Result<bool, EngineError> {
        // Not from the catalogue of this node, which may not have read the last change yet.
        let fixture = self.engine.fixture(id).await?;
        let now_ms = self.engine.now_ms(id.partition()).await?;
        let due = fixture
            .map(|fixture| (fixture.status_at(now_ms), fixture))
            .filter(|(status, fixture)| *status != fixture.status);
        let changed = match due {
            Some((status, fixture)) => self.change_status(fixture, status).await?,
            None => false,
        };
        self.catalog.refresh_match(id).await?;
        Ok(changed)
    }

    async fn change_status(&self, old: Match, status: MatchStatus) -> Result<bool, EngineError> {
        let fixture = Match { version: old.version + 1, status, ..old };
        match self.engine.put_match(&fixture, Operation::default()).await {
            Ok(id) => {
                tracing::info!(%id, status = status.word(), "the time of a sale has come");
                Ok(true)
            }
            Err(EngineError::Refused(Refusal::Stale | Refusal::NotFound(_))) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
