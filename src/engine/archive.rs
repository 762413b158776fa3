//! A match that is over leaves Redis: the records of its sales, then its keys.

use crate::domain::ids::{MatchId, ReservationId, UserId};
use crate::engine::Engine;
use crate::engine::command::SeatCommand;
use crate::engine::error::{EngineError, Noun};
use crate::engine::reply::refusal;
use crate::redis::keys::MatchKeys;
use fred::prelude::*;

impl Engine {
    /// Takes the record of a sale out of Redis. Returns `false` when it is not a sale, or its match
    /// is not archived.
    pub async fn archive_claim(
        &self,
        match_id: MatchId,
        user: UserId,
        claim: ReservationId,
    ) -> Result<bool, EngineError> {
        match self.batcher.run(match_id, SeatCommand::Archive { claim, user }).await?.as_str() {
            "archived" => Ok(true),
            "kept" => Ok(false),
            reply => Err(refusal(reply, Noun::Match)),
        }
    }

    /// Takes everything of an archived match out of Redis but its document and its status. Nothing
    /// writes to the match any more.
    pub async fn clear_match(&self, match_id: MatchId) -> Result<(), EngineError> {
        let (keys, client) = (MatchKeys(match_id), self.match_client(match_id)?);
        let run_time =
            [keys.seats(), keys.changes(), keys.queue(), keys.passes(), keys.check_ins()];
        for key in run_time {
            let _: i64 = client.unlink(key).await?;
        }
        let mut fields: Vec<String> = client.hkeys(keys.meta()).await?;
        fields.retain(|field| field != "status");
        if !fields.is_empty() {
            let _: i64 = client.hdel(keys.meta(), fields).await?;
        }
        Ok(())
    }
}
