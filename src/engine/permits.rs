//! Counters that all nodes share. They are forgotten when Redis loses its data: then each of them
//! starts again, and allows once more what it had allowed.

use crate::domain::ids::{Partition, UserId};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::PartitionKeys;
use std::time::Duration;

/// How long a caller has to wait for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Engine {
    /// Takes a permit: at most `limit` in a window. All counters with the same `group` are on one
    /// server.
    pub async fn take_permit(
        &self,
        group: &str,
        counter: &str,
        limit: u32,
        window: Duration,
    ) -> Result<Result<(), Wait>, EngineError> {
        let partition = Partition::of_text(group, self.partition_count());
        let keys = vec![PartitionKeys(partition).permits(counter)];
        let arguments = vec![i64::from(limit), window.as_millis() as i64];
        let line: String = self.call(partition, &SCRIPTS.permit_take, keys, arguments).await?;
        granted(&line, "granted")
    }

    /// Notes that a user without a verified e-mail address is about to hold seats: at most `limit`
    /// such users of a block of addresses. The note lives for `life`. A repeated call renews it.
    pub async fn keep_holder(
        &self,
        block: &str,
        user: UserId,
        limit: u32,
        life: Duration,
    ) -> Result<Result<(), Wait>, EngineError> {
        let partition = Partition::of_text(block, self.partition_count());
        let keys = vec![PartitionKeys(partition).holders(block)];
        let life_ms = life.as_millis().to_string();
        let arguments = vec![user.key(), limit.to_string(), life_ms];
        let line: String = self.call(partition, &SCRIPTS.holder_keep, keys, arguments).await?;
        granted(&line, "kept")
    }

    /// Ends the note of a user, who has bought.
    pub async fn end_holder(&self, block: &str, user: UserId) -> Result<(), EngineError> {
        let partition = Partition::of_text(block, self.partition_count());
        let keys = vec![PartitionKeys(partition).holders(block)];
        let line: String =
            self.call(partition, &SCRIPTS.holder_end, keys, vec![user.key()]).await?;
        if line == "ended" { Ok(()) } else { Err(bad(&line)) }
    }
}

/// A reply that is `word`, or says after how many ms to come again.
fn granted(line: &str, word: &str) -> Result<Result<(), Wait>, EngineError> {
    if line == word {
        return Ok(Ok(()));
    }
    let wait_ms = line.strip_prefix("refused ").and_then(|text| text.parse().ok());
    wait_ms.map(|wait_ms| Err(Wait(Duration::from_millis(wait_ms)))).ok_or_else(|| bad(line))
}
