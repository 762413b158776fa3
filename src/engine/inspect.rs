//! Looking at a whole partition, for `verify`: page by page, so that nobody waits for it.

use crate::domain::account::Account;
use crate::domain::claim::Claim;
use crate::domain::fact::Fields;
use crate::domain::ids::Partition;
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::accounts::decode;
use crate::engine::error::EngineError;
use crate::engine::partitions::readable;
use crate::redis::RawFields;
use crate::redis::keys::PartitionKeys;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};

/// Fields per page.
const PAGE: &str = "1000";

impl Engine {
    /// All holds and reservations of a partition.
    pub async fn claims_in(&self, partition: Partition) -> Result<Vec<Claim>, EngineError> {
        let all = self.scan(partition, PartitionKeys(partition).claims()).await?;
        Ok(all.iter().flat_map(|(user, text)| readable(user, Some(text))).collect())
    }

    /// The accounts of a partition.
    pub async fn accounts_of(&self, partition: Partition) -> Result<Vec<Account>, EngineError> {
        let all = self.scan(partition, PartitionKeys(partition).accounts()).await?;
        all.iter().map(|(_, text)| decode(text)).collect()
    }

    /// Whether the journal of a partition has an entry. The zero id, before the first, counts.
    pub async fn journal_has(
        &self,
        partition: Partition,
        id: StreamId,
    ) -> Result<bool, EngineError> {
        let (key, id) = (PartitionKeys(partition).journal(), id.to_string());
        let found: Vec<(String, RawFields)> =
            self.client(partition)?.xrange_values(key, id.as_str(), id.as_str(), Some(1)).await?;
        Ok(!found.is_empty() || id == StreamId::default().to_string())
    }

    /// Up to where the worker has last said that PostgreSQL has the journal.
    pub async fn announced(&self, partition: Partition) -> Result<Option<StreamId>, EngineError> {
        let key = PartitionKeys(partition).persisted();
        let last: Vec<(String, Fields)> =
            self.client(partition)?.xrevrange_values(key, "+", "-", Some(1)).await?;
        Ok(last.first().and_then(|(_, fields)| fields.get("upto")?.parse().ok()))
    }

    async fn scan(
        &self,
        partition: Partition,
        key: String,
    ) -> Result<Vec<(String, String)>, EngineError> {
        let (mut found, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let (next, page) = self.scan_page(partition, key.clone(), &cursor).await?;
            found.extend(page);
            if next == "0" {
                // A field may come twice while the hash grows.
                found.sort();
                found.dedup();
                return Ok(found);
            }
            cursor = next;
        }
    }

    /// Some fields of a hash, and the cursor behind them.
    pub(super) async fn scan_page(
        &self,
        partition: Partition,
        key: String,
        cursor: &str,
    ) -> Result<(String, Vec<(String, String)>), EngineError> {
        let command = CustomCommand::new_static("HSCAN", ClusterHash::FirstKey, false);
        let arguments = vec![key, cursor.to_owned(), "COUNT".to_owned(), PAGE.to_owned()];
        let client = self.client(partition)?;
        let (next, page): (String, Vec<String>) = client.custom(command, arguments).await?;
        let pairs = page.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        Ok((next, pairs.collect()))
    }
}
