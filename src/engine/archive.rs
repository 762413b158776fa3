//! A match that is over leaves Redis: the records of its sales, then its keys.

use crate::domain::ids::{MatchId, ReservationId, UserId};
use crate::engine::Engine;
use crate::engine::batch::Command;
use crate::engine::error::EngineError;
use crate::engine::seats::refusal;
use crate::redis::keys::MatchKeys;
use fred::prelude::*;

impl Engine {
    /// Takes the record of a sale out of Redis; `false` when it is not a sale, or its match is not
    /// archived.
    pub async fn archive_claim(
        &self,
        match_id: MatchId,
        user: UserId,
        claim: ReservationId,
    ) -> Result<bool, EngineError> {
        let mut command = Command::new("archive", match_id, claim.key());
        command.user = user.key();
        let line = self.batcher.run(command).await?;
        match line.as_str() {
            "archived" => Ok(true),
            "kept" => Ok(false),
            _ => Err(refusal(&line)),
        }
    }

    /// Takes everything of an archived match out of Redis but its document and the word that it is
    /// archived. Nothing writes to the match any more.
    pub async fn clear_match(&self, match_id: MatchId) -> Result<(), EngineError> {
        let (keys, client) = (MatchKeys(match_id), self.match_client(match_id)?);
        for key in [keys.seats(), keys.changes(), keys.queue(), keys.passes()] {
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
