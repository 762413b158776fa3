//! Holds and reservations end at their deadline also when nobody asks for their seats. The look is
//! read-only; the batch script checks each deadline again, so any number of workers may sweep.

use crate::domain::ids::Partition;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::workers::Workers;
use futures::future::join_all;
use std::time::Duration;

/// Users per look.
const LOOK: i64 = 960;
/// Claims that end in one step: less than 1 ms of Redis.
const STEP: usize = 96;
/// Between two steps. When very many are due at once, half of the time stays for the commands of
/// others, and 24,000 still end in about a second (`benches/expiry_wave.rs`).
const PAUSE: Duration = Duration::from_millis(1);

impl Workers {
    /// Ends all claims whose deadline has passed; answers how many.
    pub async fn expire_once(&self, partition: Partition) -> Result<usize, EngineError> {
        expire_due(&self.engine, partition).await
    }
}

/// Ends all claims of a partition whose deadline has passed; answers how many.
pub async fn expire_due(engine: &Engine, partition: Partition) -> Result<usize, EngineError> {
    let mut ended = 0;
    loop {
        let before = ended;
        let (due, more) = engine.due_claims(partition, LOOK).await?;
        for (number, step) in due.chunks(STEP).enumerate() {
            if number > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let sweeps = step.iter().map(|one| engine.expire(one.match_id, one.user, one.id));
            for swept in join_all(sweeps).await {
                ended += usize::from(swept?);
            }
        }
        if !more || ended == before {
            return Ok(ended);
        }
    }
}
