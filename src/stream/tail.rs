//! One reader per partition and node. It follows the changes of the matches that somebody watches,
//! and two streams that concern every node: `persisted` (how far PostgreSQL is) and `notices`
//! (changes of the catalogue, ended sessions). It keeps its position in each stream itself, so
//! nothing is lost between two reads or across a reconnect.

use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition, SessionId, SiteId, UserId};
use crate::domain::position::StreamId;
use crate::redis::keys::{MatchKeys, PartitionKeys, match_of_changes};
use crate::redis::{BLOCK_TIMEOUT_MS, COMMAND_TIMEOUT_MS, CallMetrics, Link, RawFields, Redis};
use fred::prelude::*;
use fred::types::ClientUnblockFlag;
use metrics::{Counter, Histogram};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Entries of one stream in one read. More make a larger reply at once.
const ENTRIES_PER_READ: u64 = 1000;
/// A blocking read that takes longer may never end, or only when the clock of Redis has caught up
/// after it was set back. The timeout is well below the time after which a node counts as deaf.
const READ_TIMEOUT: Duration = Duration::from_millis(BLOCK_TIMEOUT_MS + COMMAND_TIMEOUT_MS);
/// How often the reader checks that its streams still have the entries that it has read. A longer
/// interval delays the maps after a failover.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

async fn with_timeout<T>(reading: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = || Error::new(ErrorKind::Timeout, "a blocking read did not end");
    tokio::time::timeout(READ_TIMEOUT, reading).await.unwrap_or_else(|_| Err(late()))
}

/// What a reader reports to its node.
#[derive(Debug, Clone)]
pub enum Notice {
    /// An entry of the changes of a match.
    Changes(MatchId, StreamId, Fields),
    /// An entry of `persisted`: how far PostgreSQL has the journal.
    Persisted(Partition, Fields),
    SiteChanged(SiteId),
    MatchChanged(MatchId),
    SessionEnded(SessionId),
    /// An account has this version now: older access tokens of it do not count any more.
    AccountChanged(UserId, u64),
    /// The epoch of a partition, when it is first read and when it changes; `None` when the
    /// partition is not loaded. It is also reported when `persisted` or `notices` have lost entries
    /// that were reported.
    Epoch(Partition, Option<u64>),
    /// The changes of a match have lost entries that were reported.
    Lost(MatchId),
}

/// Takes the notices of a reader. It must not block.
pub type Listener = Arc<dyn Fn(Notice) + Send + Sync>;

#[derive(Clone, Copy)]
enum Order {
    Watch(MatchId, StreamId),
    Unwatch(MatchId),
}

/// The readers of all partitions.
pub struct Tail {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    /// When the last read of each reader ended, with or without entries.
    heard_at: Vec<Arc<Mutex<Instant>>>,
}

impl Tail {
    /// Starts one reader per partition. Each has its own connection, so that a server which is away
    /// delays only its own partitions.
    pub fn start(
        redis: &Redis,
        partitions: u16,
        listener: &Listener,
        stop: &CancellationToken,
    ) -> Self {
        let readers = (0..partitions).map(|number| {
            let (sender, receiver) = mpsc::unbounded_channel();
            let reader = Reader::new(redis.clone(), Partition(number), listener.clone());
            let heard_at = reader.heard_at.clone();
            tokio::spawn(reader.run(receiver, stop.clone()));
            (sender, heard_at)
        });
        let (orders, heard_at) = readers.unzip();
        Self { orders, heard_at }
    }

    /// Whether a read of the streams of a partition has ended within this time.
    pub fn hears(&self, partition: Partition, within: Duration) -> bool {
        let heard_at = self.heard_at.get(usize::from(partition.0));
        heard_at.is_some_and(|at| at.lock().elapsed() < within)
    }

    /// The longest time for which nothing was received for a partition. A read without entries ends
    /// after a second.
    pub fn silence(&self) -> Duration {
        let silences = self.heard_at.iter().map(|at| at.lock().elapsed());
        silences.max().unwrap_or_default()
    }

    /// Follows the changes of a match that come after `from`.
    pub fn watch(&self, id: MatchId, from: StreamId) {
        self.order(id, Order::Watch(id, from));
    }

    /// Stops following a match.
    pub fn unwatch(&self, id: MatchId) {
        self.order(id, Order::Unwatch(id));
    }

    fn order(&self, id: MatchId, order: Order) {
        if let Some(orders) = self.orders.get(usize::from(id.partition().0)) {
            // It fails only at the end of the process, when the reader has ended.
            let _ = orders.send(order);
        }
    }
}

/// The position of a reader in a stream.
#[derive(Clone, Copy)]
struct Cursor {
    id: StreamId,
    /// Whether the stream had an entry with this id.
    is_entry: bool,
}

struct Reader {
    redis: Redis,
    /// Opened again after each failure, because a client that has failed may stay stuck, and
    /// because another server may have the partition now.
    link: Option<Link>,
    partition: Partition,
    listener: Listener,
    /// By key of the stream.
    cursors: HashMap<String, Cursor>,
    /// Whether the epoch was ever read.
    epoch_known: bool,
    epoch: Option<u64>,
    checked_at: Option<Instant>,
    heard_at: Arc<Mutex<Instant>>,
    metrics: ReaderMetrics,
}

/// The metrics of all readers of a node.
#[derive(Clone)]
struct ReaderMetrics {
    /// Checks of the streams. A blocking read takes as long as nothing comes, which says nothing.
    checks: CallMetrics,
    failed_reads: Counter,
    lag: Histogram,
}

impl ReaderMetrics {
    fn new() -> Self {
        Self {
            checks: CallMetrics::new("streams"),
            failed_reads: metrics::counter!("grandstand_redis_errors_total", "call" => "read"),
            lag: metrics::histogram!("grandstand_reader_lag_seconds"),
        }
    }
}

type Entries = HashMap<String, Vec<(String, Fields)>>;

impl Reader {
    fn new(redis: Redis, partition: Partition, listener: Listener) -> Self {
        Self {
            redis,
            link: None,
            partition,
            listener,
            cursors: HashMap::new(),
            epoch_known: false,
            epoch: None,
            checked_at: None,
            heard_at: Arc::new(Mutex::new(Instant::now())),
            metrics: ReaderMetrics::new(),
        }
    }

    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.read(&mut orders, &stop).await {
                Ok(entries) => {
                    *self.heard_at.lock() = Instant::now();
                    self.report(entries);
                }
                Err(error) => {
                    tracing::warn!(partition = %self.partition, %error, "reading streams failed");
                    self.metrics.failed_reads.increment(1);
                    self.link = None;
                    // Another server may reply next, so the next read begins with a check.
                    self.checked_at = None;
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn client(&mut self) -> Result<Client, Error> {
        let moved = |link: &Link| !self.redis.leads_to(self.partition, link);
        if self.link.as_ref().is_some_and(moved) {
            (self.link, self.checked_at) = (None, None);
        }
        if self.link.is_none() {
            self.link = Some(self.redis.reader(self.partition).await?);
        }
        let link = self.link.as_ref().map(|link| Client::clone(link));
        link.ok_or_else(|| Error::new(ErrorKind::IO, "no connection"))
    }

    async fn read(
        &mut self,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        stop: &CancellationToken,
    ) -> Result<Entries, Error> {
        let client = self.client().await?;
        self.check_streams(&client).await?;
        while let Ok(order) = orders.try_recv() {
            self.obey(order);
        }
        let (keys, ids): (Vec<String>, Vec<String>) =
            self.cursors.iter().map(|(key, cursor)| (key.clone(), cursor.id.to_string())).unzip();
        let reading = client.xread_map(Some(ENTRIES_PER_READ), Some(BLOCK_TIMEOUT_MS), keys, ids);
        let reading = with_timeout(reading);
        tokio::pin!(reading);
        // An order ends the blocking read, because it must not wait.
        let reply = tokio::select! {
            reply = &mut reading => reply,
            order = orders.recv() => {
                if let Some(order) = order { self.obey(order); }
                let _ = client.unblock_self(Some(ClientUnblockFlag::Timeout)).await;
                reading.await
            }
            () = stop.cancelled() => return Ok(Entries::new()),
        };
        match reply {
            Err(error) if *error.kind() == ErrorKind::Parse => Ok(Entries::new()),
            other => other,
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Watch(id, from) => {
                // The zero id is the start of a stream, and not an entry.
                let cursor = Cursor { id: from, is_entry: from != StreamId::default() };
                self.cursors.insert(MatchKeys(id).changes(), cursor);
            }
            Order::Unwatch(id) => {
                self.cursors.remove(&MatchKeys(id).changes());
            }
        }
    }

    /// Checks that the streams are still the same. After a wipe or a failover they begin again with
    /// smaller ids, or lack their last entries, and a read could wait for ever. Either the epoch
    /// has changed then, or the entry at a cursor is missing.
    async fn check_streams(&mut self, client: &Client) -> Result<(), Error> {
        if self.checked_at.is_some_and(|at| at.elapsed() < CHECK_INTERVAL) {
            return Ok(());
        }
        let keys = PartitionKeys(self.partition);
        // A closed partition has its epoch, but no layout.
        let begun = Instant::now();
        let read: Result<(Option<u64>, Option<String>), Error> =
            client.hmget(keys.partition(), vec!["epoch", "layout"]).await;
        self.metrics.checks.record(begun, &read);
        let (epoch, layout) = read?;
        let epoch = epoch.filter(|_| layout.is_some());
        let lost = self.lost_streams(client).await?;
        let mut changed = !self.epoch_known || epoch != self.epoch;
        for key in lost {
            match match_of_changes(&key) {
                Some(id) => {
                    // The hub reads a snapshot, and then follows the match from there.
                    self.cursors.remove(&key);
                    (self.listener)(Notice::Lost(id));
                }
                None => changed = true,
            }
        }
        if changed {
            (self.epoch_known, self.epoch) = (true, epoch);
            for key in [keys.persisted(), keys.notices()] {
                let cursor = end_of(client, &key).await?;
                self.cursors.insert(key, cursor);
            }
            (self.listener)(Notice::Epoch(self.partition, epoch));
        }
        self.checked_at = Some(Instant::now());
        Ok(())
    }

    /// The streams that no longer have the entry at the cursor of this reader.
    async fn lost_streams(&self, client: &Client) -> Result<Vec<String>, Error> {
        let read = self.cursors.iter().filter(|(_, cursor)| cursor.is_entry);
        let checks = read.map(async |(key, cursor)| {
            let id = cursor.id.to_string();
            let found: Vec<(String, RawFields)> =
                client.xrange_values(key, &id, &id, Some(1)).await?;
            Ok::<_, Error>(found.is_empty().then(|| key.clone()))
        });
        Ok(futures::future::try_join_all(checks).await?.into_iter().flatten().collect())
    }

    fn report(&mut self, entries: Entries) {
        for (key, list) in entries {
            self.measure_lag(&key, &list);
            for (id, fields) in list {
                let Ok(id) = id.parse::<StreamId>() else { continue };
                // An order may have moved or removed the cursor during the read.
                match self.cursors.get_mut(&key) {
                    Some(cursor) if cursor.id < id => *cursor = Cursor { id, is_entry: true },
                    _ => continue,
                }
                if let Some(notice) = self.parse(&key, id, fields) {
                    (self.listener)(notice);
                }
            }
        }
    }

    /// Measures how late the oldest entry of a read is, by the clock of this machine. The first
    /// entries of a stream may be from long ago, and so may notices, which are read from the start.
    fn measure_lag(&self, key: &str, list: &[(String, Fields)]) {
        let follows = self.cursors.get(key).is_some_and(|cursor| cursor.is_entry);
        let oldest = list.first().and_then(|(id, _)| id.parse::<StreamId>().ok());
        if let Some(id) = oldest.filter(|_| follows && !key.ends_with(":notices")) {
            let now_ms = jiff::Timestamp::now().as_millisecond() as u64;
            self.metrics.lag.record(now_ms.saturating_sub(id.ms) as f64 / 1000.0);
        }
    }

    fn parse(&self, key: &str, id: StreamId, fields: Fields) -> Option<Notice> {
        if let Some(match_id) = match_of_changes(key) {
            return Some(Notice::Changes(match_id, id, fields));
        }
        if key.ends_with(":persisted") {
            return Some(Notice::Persisted(self.partition, fields));
        }
        if let Some(site) = fields.get("site") {
            return SiteId::from_key(site).map(Notice::SiteChanged);
        }
        if let Some(id) = fields.get("match") {
            return MatchId::from_key(id).map(Notice::MatchChanged);
        }
        if let Some(user) = fields.get("account") {
            let version = fields.get("version").and_then(|text| text.parse().ok());
            return UserId::from_key(user)
                .zip(version)
                .map(|(id, version)| Notice::AccountChanged(id, version));
        }
        fields.get("revoked").and_then(|id| SessionId::from_key(id)).map(Notice::SessionEnded)
    }
}

/// A cursor before the last entry, so that the last entry, which is the current state, is reported.
/// Notices are reported from the start, because a node that starts late must know the ended
/// sessions.
async fn end_of(client: &Client, key: &str) -> Result<Cursor, Error> {
    if key.ends_with(":notices") {
        return Ok(Cursor { id: StreamId::default(), is_entry: false });
    }
    let last: Vec<(String, Fields)> = client.xrevrange_values(key, "+", "-", Some(1)).await?;
    let id: Option<StreamId> = last.first().and_then(|(id, _)| id.parse().ok());
    let before = |id: StreamId| StreamId { ms: id.ms.saturating_sub(1), seq: 0 };
    Ok(Cursor { id: id.map_or(StreamId::default(), before), is_entry: false })
}
