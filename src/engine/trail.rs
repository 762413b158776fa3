//! The audit trail, as it goes into the journal.

use crate::domain::ids::Partition;
use crate::domain::trail::TrailEntry;
use crate::engine::Engine;
use crate::engine::document::encode;
use crate::engine::error::EngineError;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::PartitionKeys;

impl Engine {
    /// Adds an entry to the audit trail, through the journal of this partition.
    pub async fn add_to_trail(
        &self,
        partition: Partition,
        entry: &TrailEntry,
    ) -> Result<(), EngineError> {
        let keys = PartitionKeys(partition);
        let names = vec![keys.journal(), keys.partition()];
        let word: String =
            self.call(partition, &SCRIPTS.trail_add, names, vec![encode(entry)?]).await?;
        match word.as_str() {
            "added" => Ok(()),
            "not_loaded" => Err(EngineError::NotLoaded),
            other => Err(bad(other)),
        }
    }
}

/// An entry as the scripts take it that write it in the same step as what it is about; empty when
/// there is none.
pub(super) fn trail_text(entry: Option<&TrailEntry>) -> Result<String, EngineError> {
    entry.map_or(Ok(String::new()), encode)
}
