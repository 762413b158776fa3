//! Ends holds and reservations at their deadline, also when nobody asks for their seats. The search
//! only reads, and the batch script checks each deadline again. So any number of workers may do it.

use crate::domain::ids::{MatchId, Partition};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::partitions::{Due, DueWork};
use crate::workers::Workers;
use futures::future::{join, join_all};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// Deadlines that are read at once. Each has up to one batch of fields.
const DEADLINES_PER_PAGE: usize = 64;
/// Fields whose claims end at once. They take less than 1 ms of Redis.
const FIELDS_PER_STEP: usize = 96;
/// The pause between two steps. When very many claims are due at once, it leaves half of the time
/// of Redis to the commands of buyers, and 24,000 claims still end in about a second
/// (`benches/expiry_wave.rs`).
const STEP_PAUSE: Duration = Duration::from_millis(1);

/// The value of a seat that is held begins with it.
const HOLD_LETTER: char = 'H';

impl Workers {
    /// Ends all claims of a partition whose deadline has passed; returns how many.
    pub async fn expire_once(&self, partition: Partition) -> Result<usize, EngineError> {
        expire_due(&self.engine, partition).await
    }
}

/// Ends all claims of a partition whose deadline has passed; returns how many. A claim that can't
/// be ended keeps its deadline, and does not stop the others.
pub async fn expire_due(engine: &Engine, partition: Partition) -> Result<usize, EngineError> {
    expire_until(engine, partition, engine.now_ms(partition).await?).await
}

/// Like `expire_due`, with the caller's clock. A wrong clock does no harm, because the script
/// checks each deadline by the clock of the partition.
pub async fn expire_until(
    engine: &Engine,
    partition: Partition,
    now: i64,
) -> Result<usize, EngineError> {
    let (mut ended, mut left, mut fault) = (0, 0, None);
    loop {
        let due = engine.due(partition, now, left, DEADLINES_PER_PAGE).await?;
        let more = due.len() == DEADLINES_PER_PAGE;
        let mut swept = sweep(engine, partition, &due).await?;
        ended += swept.ended;
        fault = swept.fault.take().or(fault);
        let stays = |due: &Due| {
            let still = |id| swept.closed.contains(&id);
            due.fields().any(|field| swept.kept.contains(field))
                || due.closed_match().is_some_and(still)
        };
        let (kept, done): (Vec<Due>, Vec<Due>) = due.into_iter().partition(stays);
        // Those that a failover has brought back stay, too, and are looked at in the next round.
        left += kept.len() + done.len();
        left -= forget(engine, partition, done).await?;
        if !more {
            return fault.map_or(Ok(ended), Err);
        }
    }
}

/// Deletes deadlines, a few fields at a time; returns how many.
async fn forget(
    engine: &Engine,
    partition: Partition,
    due: Vec<Due>,
) -> Result<usize, EngineError> {
    let (mut step, mut fields, mut forgotten) = (vec![], 0, 0);
    for due in due {
        fields += due.fields().count();
        step.push(due);
        if fields >= FIELDS_PER_STEP {
            forgotten += engine.forget_due(partition, std::mem::take(&mut step)).await?;
            fields = 0;
        }
    }
    if !step.is_empty() {
        forgotten += engine.forget_due(partition, step).await?;
    }
    Ok(forgotten)
}

#[derive(Default)]
struct Swept {
    ended: usize,
    /// Fields with a claim that could not be ended, although its deadline has passed.
    kept: HashSet<String>,
    /// Matches of which holds were ended, because their sale has ended. A failover may bring them
    /// back, so they are looked at until there are none.
    closed: HashSet<MatchId>,
    fault: Option<EngineError>,
}

async fn sweep(engine: &Engine, partition: Partition, due: &[Due]) -> Result<Swept, EngineError> {
    let mut all = Swept::default();
    // By the deadlines and not by a clock. A clock that was set back, or that of another server,
    // could pass over a claim whose deadline is then forgotten.
    let until = due.iter().map(Due::at).max().unwrap_or_default();
    let fields: BTreeSet<&str> = due.iter().flat_map(Due::fields).collect();
    let fields: Vec<&str> = fields.into_iter().collect();
    for (number, step) in fields.chunks(FIELDS_PER_STEP).enumerate() {
        if number > 0 {
            tokio::time::sleep(STEP_PAUSE).await;
        }
        let DueWork { claims, conduct } = engine.due_work(partition, step, until).await?;
        let sweeps =
            claims.iter().map(|(_, claim)| engine.expire(claim.match_id, claim.user, claim.id));
        let forgets = conduct.iter().map(|(user, id)| engine.forget_conduct(*id, *user));
        let (swept, forgotten) = join(join_all(sweeps), join_all(forgets)).await;
        for ((field, _), swept) in claims.iter().zip(swept) {
            if let Ok(true) = swept {
                all.ended += 1;
            } else {
                all.kept.insert((*field).to_owned());
                all.fault = swept.err().or(all.fault);
            }
        }
        for ((user, _), forgotten) in conduct.iter().zip(forgotten) {
            if let Err(error) = forgotten {
                all.kept.insert(user.key());
                all.fault = Some(error);
            }
        }
    }
    for id in due.iter().filter_map(Due::closed_match) {
        let ended = end_holds(engine, id).await?;
        all.ended += ended;
        if ended > 0 {
            all.closed.insert(id);
        }
    }
    Ok(all)
}

/// Ends the holds of a match whose sale has ended; returns how many. The script ends none of a
/// match that was opened again.
async fn end_holds(engine: &Engine, id: MatchId) -> Result<usize, EngineError> {
    let (mut ended, mut cursor) = (0, None);
    loop {
        let (seats, next) = engine.seats_page(id, cursor).await?;
        let values = seats.iter().filter_map(|(_, value)| value.strip_prefix(HOLD_LETTER));
        let fields: BTreeSet<String> = values.map(str::to_owned).collect();
        let fields: Vec<String> = fields.into_iter().collect();
        for step in fields.chunks(FIELDS_PER_STEP) {
            let holds = engine.holds_in(id, step.to_vec()).await?;
            let ends = holds.iter().map(|hold| engine.expire(id, hold.user, hold.id));
            for swept in join_all(ends).await {
                ended += usize::from(swept?);
            }
            tokio::time::sleep(STEP_PAUSE).await;
        }
        cursor = next;
        if cursor.is_none() {
            return Ok(ended);
        }
    }
}
