//! Lets people in from the waiting rooms of a partition.

use crate::domain::catalog::MatchStatus;
use crate::domain::ids::Partition;
use crate::engine::error::EngineError;
use crate::workers::Workers;

impl Workers {
    /// One step of every waiting room of a partition, which also tells how many wait where nobody
    /// is let in; returns how many people were let in.
    pub async fn admit_once(&self, partition: Partition) -> Result<u64, EngineError> {
        let mut admitted = 0;
        for event in self.catalog.matches() {
            let waits = event.queue.enabled && event.status != MatchStatus::Closed;
            if waits && event.id.partition() == partition {
                admitted += self.engine.admit(event.id).await?;
            }
        }
        Ok(admitted)
    }
}
