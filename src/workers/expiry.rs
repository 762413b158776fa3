//! Holds and reservations end at their deadline also when nobody asks for their seats. The look is
//! read-only; the batch script checks each deadline again, so any number of workers may sweep.

use crate::domain::ids::Partition;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::partitions::Due;
use crate::workers::Workers;
use futures::future::join_all;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Deadlines per look, each of up to one batch of users.
const LOOK: i64 = 64;
/// Users in one step: their claims end in less than 1 ms of Redis.
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

/// Ends all claims of a partition whose deadline has passed; answers how many. A claim that can't
/// be ended keeps its deadline, and does not keep others from ending.
pub async fn expire_due(engine: &Engine, partition: Partition) -> Result<usize, EngineError> {
    let mut ended = 0;
    loop {
        let due = engine.due(partition, LOOK).await?;
        let (swept, mut failed) = sweep(engine, partition, &due).await?;
        ended += swept;
        let done = |due: &Due| !due.users().any(|user| failed.contains_key(user));
        let done: Vec<Due> = due.into_iter().filter(done).collect();
        if done.is_empty() {
            return failed.drain().next().map_or(Ok(ended), |(_, error)| Err(error));
        }
        engine.forget_due(partition, done).await?;
    }
}

/// How many claims have ended, and the users of whom one could not be ended.
async fn sweep(
    engine: &Engine,
    partition: Partition,
    due: &[Due],
) -> Result<(usize, HashMap<String, EngineError>), EngineError> {
    let (mut ended, mut failed) = (0, HashMap::new());
    let users: BTreeSet<&str> = due.iter().flat_map(Due::users).collect();
    let users: Vec<&str> = users.into_iter().collect();
    for (number, step) in users.chunks(STEP).enumerate() {
        if number > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let claims = engine.due_claims(partition, step).await?;
        let sweeps = claims.iter().map(|one| engine.expire(one.match_id, one.user, one.id));
        for (claim, swept) in claims.iter().zip(join_all(sweeps).await) {
            match swept {
                Ok(swept) => ended += usize::from(swept),
                Err(error) => drop(failed.insert(claim.user.key(), error)),
            }
        }
    }
    Ok((ended, failed))
}
