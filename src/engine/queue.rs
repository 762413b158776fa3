//! The waiting room of a match: join, look, leave, admit.

use crate::domain::ids::{MatchId, UserId};
use crate::engine::Engine;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::{MatchKeys, PartitionKeys};
use fred::types::Value;

/// A user's place in the queue of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Waiting {
        number: u64,
        serving: u64,
        /// People in front who are still waiting.
        ahead: u64,
    },
    /// May hold seats until `pass_expires_at` (ms of Redis).
    Admitted { pass_expires_at: i64, serving: u64 },
}

impl Engine {
    /// Joins the queue; a user who is in it keeps the number. Refusal: `QueueOff`.
    pub async fn join_queue(&self, match_id: MatchId, user: UserId) -> Result<Place, EngineError> {
        self.place(match_id, user, "join").await?.ok_or_else(|| bad("none"))
    }

    /// A user's place; `None` for someone who has not joined. Refusal: `QueueOff`.
    pub async fn queue_place(
        &self,
        match_id: MatchId,
        user: UserId,
    ) -> Result<Option<Place>, EngineError> {
        self.place(match_id, user, "look").await
    }

    async fn place(
        &self,
        match_id: MatchId,
        user: UserId,
        verb: &str,
    ) -> Result<Option<Place>, EngineError> {
        let keys = MatchKeys(match_id);
        let names = vec![keys.meta(), keys.queue(), keys.passes(), partition_key(match_id)];
        let reply: Vec<String> = self
            .call(
                match_id.partition(),
                &SCRIPTS.queue_place,
                names,
                vec![user.key(), verb.to_owned()],
            )
            .await?;
        let reply: Vec<&str> = reply.iter().map(String::as_str).collect();
        let number = |text: &str| text.parse().map_err(|_| bad(text));
        match reply[..] {
            ["none"] => Ok(None),
            ["off"] => Err(Refusal::QueueOff { ended: false }.into()),
            ["ended"] => Err(Refusal::QueueOff { ended: true }.into()),
            ["not_loaded"] => Err(EngineError::NotLoaded),
            ["waiting", mine, serving, ahead] => Ok(Some(Place::Waiting {
                number: number(mine)?,
                serving: number(serving)?,
                ahead: number(ahead)?,
            })),
            ["admitted", expires, serving] => Ok(Some(Place::Admitted {
                pass_expires_at: expires.parse().map_err(|_| bad(expires))?,
                serving: number(serving)?,
            })),
            _ => Err(bad(&reply.join(" "))),
        }
    }

    /// Leaves the queue and gives the pass back; `false` when there was nothing to leave.
    pub async fn leave_queue(&self, match_id: MatchId, user: UserId) -> Result<bool, EngineError> {
        let keys = MatchKeys(match_id);
        let names = vec![keys.queue(), keys.passes()];
        let word: String =
            self.call(match_id.partition(), &SCRIPTS.queue_leave, names, vec![user.key()]).await?;
        Ok(word == "left")
    }

    /// Lets in as many people as rate and room allow, and tells how many wait; returns how many
    /// were let in.
    pub async fn admit(&self, match_id: MatchId) -> Result<u64, EngineError> {
        let keys = MatchKeys(match_id);
        let names =
            vec![keys.meta(), keys.queue(), keys.passes(), keys.changes(), partition_key(match_id)];
        let reply: Vec<Value> = self
            .call(match_id.partition(), &SCRIPTS.queue_admit, names, Vec::<Value>::new())
            .await?;
        Ok(reply.get(1).and_then(Value::as_u64).unwrap_or(0))
    }
}

/// Where the clock of the match is.
fn partition_key(id: MatchId) -> String {
    PartitionKeys(id.partition()).partition()
}
