//! One reader per partition and node. It follows the streams of changes of the matches that
//! someone watches, and the two streams that concern every node: what PostgreSQL has committed, and
//! notices (catalogue, ended sessions). It keeps the last id itself: nothing is lost between two
//! reads or across a reconnect.

use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition, SessionId, SiteId};
use crate::domain::position::StreamId;
use crate::redis::keys::{MatchKeys, PartitionKeys, match_of_changes};
use crate::redis::{BLOCK_MS, COMMAND_TIMEOUT_MS, Link, RawFields, Redis};
use fred::prelude::*;
use fred::types::ClientUnblockFlag;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Entries per stream and read.
const ENTRIES: u64 = 1000;
/// A blocking read that has not ended after so long may never end, or (when the clock of Redis went
/// back) not for as long as that. Well below the time after which a node counts as deaf.
const STUCK: Duration = Duration::from_millis(BLOCK_MS + COMMAND_TIMEOUT_MS);
/// How often it is looked at whether this is still the same log.
const LOOK_EVERY: Duration = Duration::from_secs(1);

async fn unstuck<T>(reading: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = || Error::new(ErrorKind::Timeout, "a blocking read did not end");
    tokio::time::timeout(STUCK, reading).await.unwrap_or_else(|_| Err(late()))
}

/// What a reader tells its node.
#[derive(Debug, Clone)]
pub enum Told {
    Changes(MatchId, StreamId, Fields),
    /// PostgreSQL has the journal up to an id; fields of the entry.
    Persisted(Partition, Fields),
    SiteChanged(SiteId),
    MatchChanged(MatchId),
    SessionEnded(SessionId),
    /// The epoch when it was first seen and each time it changes; `None`: not loaded. Also when
    /// the streams of the partition have lost entries that were told.
    Epoch(Partition, Option<u64>),
    /// The changes of a match have lost entries that were told.
    Lost(MatchId),
}

/// Takes what a reader tells; must not block.
pub type Listener = Arc<dyn Fn(Told) + Send + Sync>;

#[derive(Clone, Copy)]
enum Order {
    Watch(MatchId, StreamId),
    Unwatch(MatchId),
}

/// The readers of all partitions.
pub struct Tail {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    /// When each reader was last told what is in its streams, be it nothing.
    heard_at: Vec<Arc<Mutex<Instant>>>,
}

impl Tail {
    /// Starts one reader per partition. Each connects by itself, so that a server which is away
    /// keeps only its own partitions waiting.
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

    /// Whether the reader of a partition was told within a time what is in its streams.
    pub fn hears(&self, partition: Partition, within: Duration) -> bool {
        let heard_at = self.heard_at.get(usize::from(partition.0));
        heard_at.is_some_and(|at| at.lock().elapsed() < within)
    }

    /// Follows the changes of a match from behind `from`.
    pub fn watch(&self, id: MatchId, from: StreamId) {
        self.order(id, Order::Watch(id, from));
    }

    /// Stops following a match.
    pub fn unwatch(&self, id: MatchId) {
        self.order(id, Order::Unwatch(id));
    }

    fn order(&self, id: MatchId, order: Order) {
        if let Some(orders) = self.orders.get(usize::from(id.partition().0)) {
            // A reader that has ended is being shut down: nobody listens any more.
            let _ = orders.send(order);
        }
    }
}

/// Where a reader stands in a stream.
#[derive(Clone, Copy)]
struct Place {
    id: StreamId,
    /// Whether an entry with this id was there when it was set.
    is_entry: bool,
}

struct Reader {
    redis: Redis,
    /// Closed and opened again after each failure, because a client that has failed once may stay
    /// stuck, and because another server may have the partition by then.
    link: Option<Link>,
    partition: Partition,
    listener: Listener,
    places: HashMap<String, Place>,
    /// Whether the epoch was ever looked at.
    known: bool,
    epoch: Option<u64>,
    looked_at: Option<Instant>,
    heard_at: Arc<Mutex<Instant>>,
}

type Entries = HashMap<String, Vec<(String, Fields)>>;

impl Reader {
    fn new(redis: Redis, partition: Partition, listener: Listener) -> Self {
        Self {
            redis,
            link: None,
            partition,
            listener,
            places: HashMap::new(),
            known: false,
            epoch: None,
            looked_at: None,
            heard_at: Arc::new(Mutex::new(Instant::now())),
        }
    }

    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.read(&mut orders, &stop).await {
                Ok(entries) => {
                    *self.heard_at.lock() = Instant::now();
                    self.tell_all(entries);
                }
                Err(error) => {
                    tracing::warn!(partition = %self.partition, %error, "reading streams failed");
                    self.link = None;
                    // Another server may answer next: the next read begins with a look at it.
                    self.looked_at = None;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn client(&mut self) -> Result<Client, Error> {
        let moved = |link: &Link| !self.redis.leads_to(self.partition, link);
        if self.link.as_ref().is_some_and(moved) {
            (self.link, self.looked_at) = (None, None);
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
        self.look_at_log(&client).await?;
        while let Ok(order) = orders.try_recv() {
            self.obey(order);
        }
        let (keys, ids): (Vec<String>, Vec<String>) =
            self.places.iter().map(|(key, place)| (key.clone(), place.id.to_string())).unzip();
        let reading = client.xread_map(Some(ENTRIES), Some(BLOCK_MS), keys, ids);
        let reading = unstuck(reading);
        tokio::pin!(reading);
        // A new order must not wait for the end of a blocking read: the read is cut short.
        let answer = tokio::select! {
            answer = &mut reading => answer,
            order = orders.recv() => {
                if let Some(order) = order { self.obey(order); }
                let _ = client.unblock_self(Some(ClientUnblockFlag::Timeout)).await;
                reading.await
            }
            () = stop.cancelled() => return Ok(Entries::new()),
        };
        match answer {
            Err(error) if *error.kind() == ErrorKind::Parse => Ok(Entries::new()),
            other => other,
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Watch(id, from) => {
                // Without any entry yet the place is the begin of the stream.
                let place = Place { id: from, is_entry: from != StreamId::default() };
                self.places.insert(MatchKeys(id).changes(), place);
            }
            Order::Unwatch(id) => {
                self.places.remove(&MatchKeys(id).changes());
            }
        }
    }

    /// After a wipe or a failover the streams begin again below the ids seen before, or lack the
    /// last entries, and a read would wait for ever. That this is another log is said by the epoch,
    /// or by a place whose entry is not there any more.
    async fn look_at_log(&mut self, client: &Client) -> Result<(), Error> {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        let keys = PartitionKeys(self.partition);
        // A partition that is closed keeps its epoch and has no layout.
        let (epoch, layout): (Option<u64>, Option<String>) =
            client.hmget(keys.partition(), vec!["epoch", "layout"]).await?;
        let epoch = epoch.filter(|_| layout.is_some());
        let lost = self.lost_places(client).await?;
        let mut another = !self.known || epoch != self.epoch;
        for key in lost {
            match match_of_changes(&key) {
                Some(id) => {
                    // The new snapshot will say from where to follow it.
                    self.places.remove(&key);
                    (self.listener)(Told::Lost(id));
                }
                None => another = true,
            }
        }
        if another {
            (self.known, self.epoch) = (true, epoch);
            for key in [keys.persisted(), keys.notices()] {
                let place = end_of(client, &key).await?;
                self.places.insert(key, place);
            }
            (self.listener)(Told::Epoch(self.partition, epoch));
        }
        self.looked_at = Some(Instant::now());
        Ok(())
    }

    /// The streams that do not have the entry any more at which this reader stands.
    async fn lost_places(&self, client: &Client) -> Result<Vec<String>, Error> {
        let read = self.places.iter().filter(|(_, place)| place.is_entry);
        let looks = read.map(async |(key, place)| {
            let id = place.id.to_string();
            let found: Vec<(String, RawFields)> =
                client.xrange_values(key, &id, &id, Some(1)).await?;
            Ok::<_, Error>(found.is_empty().then(|| key.clone()))
        });
        Ok(futures::future::try_join_all(looks).await?.into_iter().flatten().collect())
    }

    fn tell_all(&mut self, entries: Entries) {
        for (key, list) in entries {
            for (id, fields) in list {
                let Ok(id) = id.parse::<StreamId>() else { continue };
                // An order may have moved or removed the place while the read was under way.
                match self.places.get_mut(&key) {
                    Some(place) if place.id < id => *place = Place { id, is_entry: true },
                    _ => continue,
                }
                if let Some(told) = self.understand(&key, id, fields) {
                    (self.listener)(told);
                }
            }
        }
    }

    fn understand(&self, key: &str, id: StreamId, fields: Fields) -> Option<Told> {
        if let Some(match_id) = match_of_changes(key) {
            return Some(Told::Changes(match_id, id, fields));
        }
        if key.ends_with(":persisted") {
            return Some(Told::Persisted(self.partition, fields));
        }
        if let Some(site) = fields.get("site") {
            return SiteId::from_key(site).map(Told::SiteChanged);
        }
        if let Some(event) = fields.get("match") {
            return MatchId::from_key(event).map(Told::MatchChanged);
        }
        fields.get("revoked").and_then(|id| SessionId::from_key(id)).map(Told::SessionEnded)
    }
}

/// The place before the last entry, so that the last one is told again: it is what stands. Notices
/// are told from the start: ended sessions must be known to a node that starts late.
async fn end_of(client: &Client, key: &str) -> Result<Place, Error> {
    if key.ends_with(":notices") {
        return Ok(Place { id: StreamId::default(), is_entry: false });
    }
    let last: Vec<(String, Fields)> = client.xrevrange_values(key, "+", "-", Some(1)).await?;
    let id: Option<StreamId> = last.first().and_then(|(id, _)| id.parse().ok());
    let before = |id: StreamId| StreamId { ms: id.ms.saturating_sub(1), seq: 0 };
    Ok(Place { id: id.map_or(StreamId::default(), before), is_entry: false })
}
