//! The hub of one node: the maps of the matches that someone watches, fed by the readers of the
//! partitions. A match that nobody watches costs nothing.

use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::error::{EngineError, Noun, Refusal};
use crate::live::catalog::Catalog;
use crate::live::feed::Feed;
use crate::live::pace::Pace;
use crate::live::shard::Shards;
use crate::stream::tail::Tail;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// Entries of the stream that are read when a map starts, for those who return to it.
const HISTORY: u64 = 2000;
/// A map that nobody has asked for in so long is dropped.
const IDLE: Duration = Duration::from_secs(60);

enum Message {
    Entry(StreamId, Fields),
    /// The match has changed besides its seats, and the map knows.
    Changed,
    /// Start anew from a snapshot.
    Reset,
}

struct Running {
    feed: Arc<Feed>,
    sender: mpsc::UnboundedSender<Message>,
}

/// All maps of the node.
pub struct Hub {
    engine: Arc<Engine>,
    catalog: Arc<Catalog>,
    tail: OnceLock<Tail>,
    running: Mutex<HashMap<MatchId, Running>>,
    /// One start at a time: two for one match would follow its stream twice.
    starting: AsyncMutex<()>,
    /// The event streams that were taken over.
    pub shards: Shards,
}

impl Hub {
    /// A hub without maps.
    pub fn new(engine: Arc<Engine>, catalog: Arc<Catalog>) -> Self {
        Self {
            engine,
            catalog,
            tail: OnceLock::new(),
            running: Mutex::default(),
            starting: AsyncMutex::default(),
            shards: Shards::default(),
        }
    }

    /// The readers, once they run: they need the hub first.
    pub fn set_tail(&self, tail: Tail) {
        let _ = self.tail.set(tail);
    }

    /// Whether the streams of a partition were heard of within a time.
    pub fn hears(&self, partition: Partition, within: Duration) -> bool {
        self.tail.get().is_some_and(|tail| tail.hears(partition, within))
    }

    /// The map of a match, started when it does not run yet.
    pub async fn feed(self: &Arc<Self>, id: MatchId) -> Result<Arc<Feed>, EngineError> {
        if let Some(feed) = self.current(id) {
            return Ok(feed);
        }
        let _alone = self.starting.lock().await;
        loop {
            if let Some(feed) = self.current(id) {
                return Ok(feed);
            }
            self.end(id);
            let (event, site) =
                self.catalog.fixture_with_site(id).ok_or(Refusal::NotFound(Noun::Match))?;
            if event.archived {
                return Err(Refusal::Archived.into());
            }
            let snapshot = self.engine.snapshot(id).await?;
            let before = self.engine.changes_before(id, snapshot.position.id, HISTORY).await?;
            let feed = Arc::new(Feed::new(&event, site, &snapshot, &before));
            let (sender, receiver) = mpsc::unbounded_channel();
            self.running.lock().insert(id, Running { feed: feed.clone(), sender });
            self.follow(id, snapshot.position.id);
            tokio::spawn(run(self.clone(), feed.clone(), receiver));
            // The match or its plan may have changed meanwhile, so both are looked at once more.
            self.follow_match(&feed);
        }
    }

    /// The map of a match that runs, unless the match has another plan by now.
    fn current(&self, id: MatchId) -> Option<Arc<Feed>> {
        let feed = self.running.lock().get(&id)?.feed.clone();
        feed.touch();
        (!self.is_outdated(&feed)).then_some(feed)
    }

    /// Whether the match has gone, or has another plan than the map. While the site of a match is
    /// not known, which passes, the map stays.
    fn is_outdated(&self, feed: &Feed) -> bool {
        let Some(event) = self.catalog.fixture(feed.match_id) else { return true };
        event.archived
            || self
                .catalog
                .site(event.site_id)
                .is_some_and(|site| site.mark_for(&event) != feed.plan())
    }

    /// The catalogue has changed: maps of other plans, and of matches that have gone, end with
    /// their streams. Who comes back finds a new map, and gets a snapshot of it. The watchers of
    /// the others are told what has changed of their match.
    pub fn follow_catalog(&self) {
        let feeds: Vec<Arc<Feed>> =
            self.running.lock().values().map(|running| running.feed.clone()).collect();
        for feed in feeds {
            if self.is_outdated(&feed) {
                self.end(feed.match_id);
            } else {
                self.follow_match(&feed);
            }
        }
    }

    fn follow_match(&self, feed: &Feed) {
        if feed.follow(&self.catalog) {
            self.send(feed.match_id, Message::Changed);
        }
    }

    fn send(&self, id: MatchId, message: Message) {
        if let Some(running) = self.running.lock().get(&id) {
            let _ = running.sender.send(message);
        }
    }

    fn follow(&self, id: MatchId, from: StreamId) {
        if let Some(tail) = self.tail.get() {
            tail.watch(id, from);
        }
    }

    /// Takes an entry of a match's stream.
    pub fn hear(&self, id: MatchId, at: StreamId, fields: Fields) {
        self.send(id, Message::Entry(at, fields));
    }

    /// The stream of a match has lost entries: its map starts again.
    pub fn restart(&self, id: MatchId) {
        self.send(id, Message::Reset);
    }

    /// The partition stands in an epoch: its maps of another one start anew.
    pub fn reset(&self, partition: Partition, epoch: u64) {
        for (id, running) in self.running.lock().iter() {
            if id.partition() == partition && running.feed.epoch() != epoch {
                let _ = running.sender.send(Message::Reset);
            }
        }
    }

    /// Ends the map of a match with its streams.
    fn end(&self, id: MatchId) {
        let Some(running) = self.running.lock().remove(&id) else { return };
        if let Some(tail) = self.tail.get() {
            tail.unwatch(id);
        }
        running.feed.end();
        self.shards.ring(id);
    }

    /// Whether a map is the one that runs.
    fn runs(&self, feed: &Arc<Feed>) -> bool {
        let running = self.running.lock();
        running.get(&feed.match_id).is_some_and(|one| Arc::ptr_eq(&one.feed, feed))
    }

    /// Drops the maps that nobody has used for a while.
    pub fn drop_idle(&self) {
        self.running.lock().retain(|id, running| {
            let idle = running.feed.idle_since().is_some_and(|at| at.elapsed() > IDLE);
            if idle && let Some(tail) = self.tail.get() {
                tail.unwatch(*id);
            }
            !idle
        });
    }

    /// How many maps run.
    pub fn running(&self) -> usize {
        self.running.lock().len()
    }
}

/// Feeds one map until it is dropped.
async fn run(hub: Arc<Hub>, feed: Arc<Feed>, mut receiver: mpsc::UnboundedReceiver<Message>) {
    let mut pace = Pace::new(Instant::now());
    let mut messages = Vec::new();
    loop {
        let due = feed.has_news().then(|| pace.due(feed.watchers()));
        if due.is_some_and(|due| due <= Instant::now()) {
            feed.flush();
            hub.shards.ring(feed.match_id);
            pace.told(Instant::now());
            continue;
        }
        let heard = receiver.recv_many(&mut messages, 1000);
        let heard = match due {
            None => heard.await,
            Some(due) => match tokio::time::timeout_at(due.into(), heard).await {
                Ok(heard) => heard,
                Err(_) => continue,
            },
        };
        if heard == 0 {
            return;
        }
        let (mut entries, mut anew) = (Vec::new(), false);
        for message in messages.drain(..) {
            match message {
                Message::Entry(id, fields) => entries.push((id, fields)),
                Message::Changed => {}
                Message::Reset => anew = true,
            }
        }
        if anew || feed.hear(&entries).is_err() {
            start_again(&hub, &feed).await;
        }
    }
}

/// Tries until Redis gives a snapshot, or until nobody wants the map any more.
async fn start_again(hub: &Hub, feed: &Arc<Feed>) {
    let mut pause = Duration::from_millis(50);
    while hub.runs(feed) {
        match hub.engine.snapshot(feed.match_id).await {
            Ok(snapshot) => {
                feed.reset(&snapshot);
                hub.follow(feed.match_id, snapshot.position.id);
                hub.shards.ring(feed.match_id);
                return;
            }
            Err(error) => {
                tracing::warn!(id = %feed.match_id, %error, "no snapshot of the match yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}
