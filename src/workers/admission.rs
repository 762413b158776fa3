//! Lets people out of the waiting rooms of a partition into the sale.

use crate::domain::catalog::MatchStatus;
use crate::domain::ids::Partition;
use crate::engine::error::EngineError;
use crate::workers::Workers;

impl Workers {
    /// Does one step of every waiting room of a partition, and returns how many people were let in.
    /// The step also publishes how many wait, even when nobody is let in.
    pub async fn admit_once(&self, partition: Partition) -> Result<u64, EngineError> {
        let mut admitted = 0;
        for fixture in self.catalog.matches() {
            let waits = fixture.queue.enabled && fixture.status != MatchStatus::Closed;
            if waits && fixture.id.partition() == partition {
                admitted += self.engine.admit(fixture.id).await?;
            }
        }
        Ok(admitted)
    }
}
