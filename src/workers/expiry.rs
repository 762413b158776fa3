//! Holds and reservations end at their deadline also when nobody asks for their seats. The look is
//! read-only; the batch script checks each deadline again, so any number of workers may sweep.

use crate::domain::ids::Partition;
use crate::engine::error::EngineError;
use crate::workers::Workers;
use futures::future::join_all;

/// Claims per look: about 2 ms of Redis, so that other commands are not held up.
const CLAIMS: i64 = 256;

impl Workers {
    /// Ends all claims whose deadline has passed; answers how many.
    pub async fn expire_once(&self, partition: Partition) -> Result<usize, EngineError> {
        let mut ended = 0;
        loop {
            let before = ended;
            let due = self.engine.due_claims(partition, CLAIMS).await?;
            let count = due.len();
            let sweeps = due.into_iter().map(|(id, claim)| self.engine.expire(id, claim));
            for swept in join_all(sweeps).await {
                ended += usize::from(swept?);
            }
            if count < CLAIMS as usize || ended == before {
                return Ok(ended);
            }
        }
    }
}
