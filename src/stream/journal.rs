//! The journal of a partition, for its worker: read, trim, announce.

use crate::domain::fact::Fields;
use crate::domain::ids::{Partition, PaymentId, SeatId};
use crate::domain::position::StreamId;
use crate::redis::keys::PartitionKeys;
use crate::redis::{BLOCK_MS, connect, connect_reader};
use crate::stream::persisted::lost_text;
use fred::prelude::*;
use std::collections::HashMap;

/// Announcements that are kept: a node that was away reads the last one, which says it all.
const ANNOUNCEMENTS: i64 = 1000;

/// Reader of one partition's journal.
pub struct Journal {
    partition: Partition,
    reader: Client,
    writer: Client,
}

impl Journal {
    /// Opens the journal of a partition on connections of its own.
    pub async fn open(redis_url: &str, partition: Partition) -> Result<Self, Error> {
        let reader = connect_reader(redis_url).await?;
        let writer = connect(redis_url).await?;
        Ok(Self { partition, reader, writer })
    }

    /// Up to `count` entries behind `after`; waits up to a second for the first one.
    pub async fn read(
        &self,
        after: StreamId,
        count: u64,
    ) -> Result<Vec<(StreamId, Fields)>, Error> {
        let key = PartitionKeys(self.partition).journal();
        let answer: Result<HashMap<String, Vec<(String, Fields)>>, Error> = self
            .reader
            .xread_map(Some(count), Some(BLOCK_MS), key.clone(), after.to_string())
            .await;
        let mut streams = match answer {
            Err(error) if *error.kind() == ErrorKind::Parse => return Ok(vec![]),
            other => other?,
        };
        let entries = streams.remove(&key).unwrap_or_default();
        Ok(entries
            .into_iter()
            .filter_map(|(id, fields)| Some((id.parse().ok()?, fields)))
            .collect())
    }

    /// Whether the log still has the entry up to which PostgreSQL has it. A log that lost its tail
    /// in a failover goes on with greater ids, so the ids alone would not tell.
    pub async fn has(&self, id: StreamId) -> Result<bool, Error> {
        if id == StreamId::default() {
            return Ok(true);
        }
        let key = PartitionKeys(self.partition).journal();
        let id = id.to_string();
        let found: Vec<(String, Fields)> =
            self.writer.xrange_values(key, id.as_str(), id.as_str(), Some(1)).await?;
        Ok(!found.is_empty())
    }

    /// The id of the newest entry ever appended; zero for a journal that never had one.
    pub async fn newest(&self) -> Result<StreamId, Error> {
        let key = PartitionKeys(self.partition).journal();
        let exists: i64 = self.writer.exists(key.clone()).await?;
        if exists == 0 {
            return Ok(StreamId::default());
        }
        let info: HashMap<String, Value> = self.writer.xinfo_stream(key, false, None).await?;
        let id = info.get("last-generated-id").and_then(Value::as_string);
        Ok(id.and_then(|id| id.parse().ok()).unwrap_or_default())
    }

    /// Drops entries before `upto`: only ever what PostgreSQL has committed. The last one stays: by
    /// it one sees that this is still the same log.
    pub async fn trim(&self, upto: StreamId) -> Result<(), Error> {
        let key = PartitionKeys(self.partition).journal();
        let _: i64 = self.writer.xtrim(key, ("MINID", "=", upto.to_string())).await?;
        Ok(())
    }

    /// Tells every node that PostgreSQL has the journal up to `upto`, and which payments it refused
    /// because an earlier sale has the seats; answers the id of the announcement, which has the
    /// time of Redis.
    pub async fn announce(
        &self,
        upto: StreamId,
        lost: &[(PaymentId, Vec<SeatId>)],
    ) -> Result<StreamId, Error> {
        let key = PartitionKeys(self.partition).persisted();
        let fields = vec![("upto", upto.to_string()), ("lost", lost_text(lost))];
        let cap = ("MAXLEN", "~", ANNOUNCEMENTS);
        let id: String = self.writer.xadd(key, false, cap, "*", fields).await?;
        Ok(id.parse().unwrap_or_default())
    }
}
