//! Lets people in from the waiting rooms of a partition.

use crate::domain::catalog::MatchStatus;
use crate::domain::ids::Partition;
use crate::engine::error::EngineError;
use crate::workers::Workers;

impl Workers {
    /// One step of every open waiting room of a partition; answers how many people were let in.
    pub async fn admit_once(&self, partition: Partition) -> Result<u64, EngineError> {
        let mut admitted = 0;
        for event in self.catalog.matches() {
            let open = event.queue.enabled && event.status == MatchStatus::Open;
            if open && event.id.partition() == partition {
                admitted += self.engine.admit(event.id).await?;
            }
        }
        Ok(admitted)
    }
}
