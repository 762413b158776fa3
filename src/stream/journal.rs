//! The journal of a partition and its dead letters, for the worker that owns the partition.

use crate::domain::fact::{Fields, NOT_TEXT};
use crate::domain::ids::Partition;
use crate::domain::position::{Position, StreamId};
use crate::redis::keys::PartitionKeys;
use crate::redis::{BLOCK_TIMEOUT_MS, Link, RawFields, Redis};
use fred::prelude::*;
use std::collections::HashMap;

/// Dead letters in one read. More block Redis for longer.
const DEAD_LETTERS_PER_PAGE: u64 = 1000;

/// Reader of one partition's journal.
pub struct Journal {
    partition: Partition,
    redis: Redis,
    /// The connection for the blocking reads. It closes when the journal is dropped.
    reader: Link,
}

impl Journal {
    /// Opens the journal of a partition, with a connection of its own.
    ///
    /// # Errors
    /// The server that has the partition can't be reached.
    pub async fn open(redis: &Redis, partition: Partition) -> Result<Self, Error> {
        Ok(Self { partition, redis: redis.clone(), reader: redis.reader(partition).await? })
    }

    fn client(&self) -> Result<Client, Error> {
        self.redis.client(self.partition)
    }

    /// Reads up to `count` entries behind `after`; waits up to a second for the first entry.
    pub async fn read(
        &self,
        after: StreamId,
        count: u64,
    ) -> Result<Vec<(StreamId, Fields)>, Error> {
        if !self.redis.leads_to(self.partition, &self.reader) {
            return Err(Error::new(ErrorKind::Cluster, "another server has the partition now"));
        }
        let key = PartitionKeys(self.partition).journal();
        let reply: Result<HashMap<String, Vec<(String, RawFields)>>, Error> = self
            .reader
            .xread_map(Some(count), Some(BLOCK_TIMEOUT_MS), key.clone(), after.to_string())
            .await;
        let mut streams = match reply {
            Err(error) if *error.kind() == ErrorKind::Parse => return Ok(vec![]),
            other => other?,
        };
        let entries = streams.remove(&key).unwrap_or_default();
        Ok(entries
            .into_iter()
            .filter_map(|(id, fields)| Some((id.parse().ok()?, text_of(fields))))
            .collect())
    }

    /// The dead letters of the partition: the id of each in the stream of dead letters, by its
    /// position in the journal.
    pub async fn dead_letters(&self) -> Result<HashMap<Position, String>, Error> {
        let key = PartitionKeys(self.partition).dead_letters();
        let (mut found, mut from) = (HashMap::new(), "-".to_owned());
        loop {
            let page: Vec<(String, Fields)> = self
                .client()?
                .xrange_values(key.clone(), from.as_str(), "+", Some(DEAD_LETTERS_PER_PAGE))
                .await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            from = format!("({last}");
            found.extend(page.into_iter().filter_map(|(id, fields)| {
                let epoch = fields.get("epoch")?.parse().ok()?;
                Some((Position { epoch, id: fields.get("entry")?.parse().ok()? }, id))
            }));
        }
    }

    /// Writes an entry that could not be applied, with the reason, to the stream of dead letters;
    /// returns its id in that stream.
    pub async fn keep_dead_letter(
        &self,
        position: Position,
        fields: &Fields,
        reason: &str,
    ) -> Result<String, Error> {
        let key = PartitionKeys(self.partition).dead_letters();
        let parts: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let values = vec![
            ("epoch", position.epoch.to_string()),
            ("entry", position.id.to_string()),
            ("reason", reason.to_owned()),
            ("fields", parts.join("\n")),
        ];
        self.client()?.xadd(key, false, None::<()>, "*", values).await
    }
}

/// The scripts write only text. An entry with other bytes must not look like an empty journal, so
/// it is marked, and `Fact::parse` refuses it.
fn text_of(fields: RawFields) -> Fields {
    let mut text = Fields::new();
    for (name, value) in fields {
        let (name, value) = match (String::from_utf8(name), String::from_utf8(value)) {
            (Ok(name), Ok(value)) => (name, value),
            (name, value) => {
                text.insert(NOT_TEXT.to_owned(), String::new());
                let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                (
                    name.unwrap_or_else(|error| lossy(error.into_bytes())),
                    value.unwrap_or_else(|error| lossy(error.into_bytes())),
                )
            }
        };
        text.insert(name, value);
    }
    text
}
