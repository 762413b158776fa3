//! The journal of a partition, for its worker: read, trim, announce.

use crate::domain::fact::{Fields, NOT_TEXT};
use crate::domain::ids::{Partition, PaymentId, SeatId};
use crate::domain::position::{Position, StreamId};
use crate::redis::keys::PartitionKeys;
use crate::redis::{BLOCK_MS, RawFields, connect, connect_reader};
use crate::stream::persisted::lost_text;
use fred::prelude::*;
use std::collections::HashMap;

/// Announcements that are kept: a node that was away reads the last one, which says it all.
const ANNOUNCEMENTS: i64 = 1000;

/// Dead letters per look.
const PAGE: u64 = 1000;

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
        let answer: Result<HashMap<String, Vec<(String, RawFields)>>, Error> = self
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
            .filter_map(|(id, fields)| Some((id.parse().ok()?, text_of(fields))))
            .collect())
    }

    /// The dead letters of the partition: their ids in their stream, by their place in the journal.
    pub async fn dead_letters(&self) -> Result<HashMap<Position, String>, Error> {
        let key = PartitionKeys(self.partition).dead_letters();
        let (mut found, mut from) = (HashMap::new(), "-".to_owned());
        loop {
            let page: Vec<(String, Fields)> =
                self.writer.xrange_values(key.clone(), from.as_str(), "+", Some(PAGE)).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            from = format!("({last}");
            found.extend(page.into_iter().filter_map(|(id, fields)| {
                let epoch = fields.get("epoch")?.parse().ok()?;
                Some((Position { epoch, id: fields.get("entry")?.parse().ok()? }, id))
            }));
        }
    }

    /// Keeps an entry that could not be applied, with the reason; answers its id in the stream of
    /// dead letters.
    pub async fn keep_dead_letter(
        &self,
        place: Position,
        fields: &Fields,
        reason: &str,
    ) -> Result<String, Error> {
        let key = PartitionKeys(self.partition).dead_letters();
        let parts: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let values = vec![
            ("epoch", place.epoch.to_string()),
            ("entry", place.id.to_string()),
            ("reason", reason.to_owned()),
            ("fields", parts.join("\n")),
        ];
        self.writer.xadd(key, false, None::<()>, "*", values).await
    }

    /// Whether the log still has the entry up to which PostgreSQL has it. A log that lost its tail
    /// in a failover goes on with greater ids, so the ids alone would not tell.
    pub async fn has(&self, id: StreamId) -> Result<bool, Error> {
        if id == StreamId::default() {
            return Ok(true);
        }
        let key = PartitionKeys(self.partition).journal();
        let id = id.to_string();
        let found: Vec<(String, RawFields)> =
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

/// The scripts write text alone. What is none must not look like an empty journal: it is marked,
/// and `Fact::parse` refuses it.
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
