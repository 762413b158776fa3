//! Holds and reservations end at their deadline also when nobody asks for their seats. The look is
//! read-only; the batch script checks each deadline again, so any number of workers may sweep.

use crate::domain::ids::Partition;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::partitions::Due;
use crate::workers::Workers;
use futures::future::join_all;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// Deadlines per look, each of up to one batch of users.
const LOOK: usize = 64;
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

/// Ends all claims of a partition whose deadline has passed by now; answers how many. A claim that
/// can't be ended keeps its deadline, and does not keep others from ending.
pub async fn expire_due(engine: &Engine, partition: Partition) -> Result<usize, EngineError> {
    expire_until(engine, partition, engine.now_ms(partition).await?).await
}

/// The same by a clock that may be wrong: only the script's own says what has passed.
pub async fn expire_until(
    engine: &Engine,
    partition: Partition,
    now: i64,
) -> Result<usize, EngineError> {
    let (mut ended, mut left, mut fault) = (0, 0, None);
    loop {
        let due = engine.due(partition, now, left, LOOK).await?;
        let more = due.len() == LOOK;
        let mut swept = sweep(engine, partition, &due).await?;
        ended += swept.ended;
        fault = swept.fault.take().or(fault);
        let (kept, done): (Vec<Due>, Vec<Due>) =
            due.into_iter().partition(|due| due.users().any(|user| swept.kept.contains(user)));
        left += kept.len();
        if !done.is_empty() {
            engine.forget_due(partition, done).await?;
        }
        if !more {
            return fault.map_or(Ok(ended), Err);
        }
    }
}

#[derive(Default)]
struct Swept {
    ended: usize,
    /// Users with a claim that has not ended, though its deadline has passed.
    kept: HashSet<String>,
    fault: Option<EngineError>,
}

async fn sweep(engine: &Engine, partition: Partition, due: &[Due]) -> Result<Swept, EngineError> {
    let mut all = Swept::default();
    // By the deadlines themselves: a clock that another server has, or that was set back, must not
    // pass over a claim whose deadline is then forgotten.
    let until = due.iter().map(Due::at).max().unwrap_or_default();
    let users: BTreeSet<&str> = due.iter().flat_map(Due::users).collect();
    let users: Vec<&str> = users.into_iter().collect();
    for (number, step) in users.chunks(STEP).enumerate() {
        if number > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let claims = engine.due_claims(partition, step, until).await?;
        let sweeps = claims.iter().map(|one| engine.expire(one.match_id, one.user, one.id));
        for (claim, swept) in claims.iter().zip(join_all(sweeps).await) {
            if let Ok(true) = swept {
                all.ended += 1;
            } else {
                all.kept.insert(claim.user.key());
                all.fault = swept.err().or(all.fault);
            }
        }
    }
    Ok(all)
}
