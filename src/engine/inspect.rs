//! Reads a whole partition, for `verify` and for the workers. It reads page by page, so that no
//! command waits for it.

use crate::domain::account::Account;
use crate::domain::claim::Claim;
use crate::domain::ids::{MatchId, Partition, SeatId};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::claim_fields::readable;
use crate::engine::document::decode;
use crate::engine::error::EngineError;
use crate::redis::RawFields;
use crate::redis::keys::{MatchKeys, PartitionKeys};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};

/// Fields per page. More: Redis is occupied for longer, and each search of a worker, which may have
/// many at once, keeps more. Fewer: more calls.
const PAGE_FIELDS: &str = "200";

impl Engine {
    /// All holds and reservations of a partition.
    pub async fn claims_in(&self, partition: Partition) -> Result<Vec<Claim>, EngineError> {
        let all = self.scan(partition, PartitionKeys(partition).claims()).await?;
        Ok(all.iter().flat_map(|(field, text)| readable(field, Some(text))).collect())
    }

    /// The accounts of a partition.
    pub async fn accounts_of(&self, partition: Partition) -> Result<Vec<Account>, EngineError> {
        let all = self.scan(partition, PartitionKeys(partition).accounts()).await?;
        all.iter().map(|(_, text)| decode(text)).collect()
    }

    /// Whether the journal of a partition has an entry. It always has the zero id, which is before
    /// the first entry.
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

    /// The last entry of the journal of a partition; the zero id when it is empty.
    pub async fn journal_newest(&self, partition: Partition) -> Result<StreamId, EngineError> {
        let key = PartitionKeys(partition).journal();
        let last: Vec<(String, RawFields)> =
            self.client(partition)?.xrevrange_values(key, "+", "-", Some(1)).await?;
        Ok(last.first().and_then(|(id, _)| id.parse().ok()).unwrap_or_default())
    }

    /// A page of the holds and reservations of a partition, and the cursor of the next page (`None`
    /// after the last page). A claim that changes meanwhile may be on two pages.
    pub async fn claims_page(
        &self,
        partition: Partition,
        cursor: Option<String>,
    ) -> Result<(Vec<Claim>, Option<String>), EngineError> {
        let key = PartitionKeys(partition).claims();
        let (page, next) = page(&self.client(partition)?, key, cursor).await?;
        let claims = page.iter().flat_map(|(field, text)| readable(field, Some(text)));
        Ok((claims.collect(), next))
    }

    /// A page of the taken seats of a match with their values, in the same way.
    pub async fn seats_page(
        &self,
        id: MatchId,
        cursor: Option<String>,
    ) -> Result<(Vec<(SeatId, String)>, Option<String>), EngineError> {
        let client = self.client(id.partition())?;
        let (page, next) = page(&client, MatchKeys(id).seats(), cursor).await?;
        let seats =
            page.into_iter().filter_map(|(seat, value)| Some((SeatId(seat.parse().ok()?), value)));
        Ok((seats.collect(), next))
    }

    pub(super) async fn scan(
        &self,
        partition: Partition,
        key: String,
    ) -> Result<Vec<(String, String)>, EngineError> {
        // One server: the cursor of another one leaves fields out.
        let client = self.client(partition)?;
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = page(&client, key.clone(), cursor).await?;
            found.extend(page);
            cursor = next;
            if cursor.is_none() {
                // HSCAN may return a field twice while the hash grows.
                found.sort();
                found.dedup();
                return Ok(found);
            }
        }
    }
}

/// A page of a hash, and the cursor of the next one.
async fn page(
    client: &Client,
    key: String,
    cursor: Option<String>,
) -> Result<(Vec<(String, String)>, Option<String>), EngineError> {
    let command = CustomCommand::new_static("HSCAN", ClusterHash::FirstKey, false);
    let cursor = cursor.unwrap_or_else(|| "0".to_owned());
    let arguments = vec![key, cursor, "COUNT".to_owned(), PAGE_FIELDS.to_owned()];
    let (next, page): (String, Vec<String>) = client.custom(command, arguments).await?;
    let pairs = page.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
    Ok((pairs.collect(), (next != "0").then_some(next)))
}
