//! The hub of one node: the feeds of the matches that somebody watches. The readers of the
//! partitions bring it the entries of their streams. A match that nobody watches costs nothing.

use crate::domain::catalog::MatchStatus;
use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::error::{EngineError, Noun, Refusal};
use crate::live::catalog::Catalog;
use crate::live::feeds::{Feeds, Message};
use crate::live::flush_schedule::FlushSchedule;
use crate::live::match_feed::MatchFeed;
use crate::live::shard::Shards;
use crate::stream::tail::Tail;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// Entries that are read when a feed starts, so that clients that return need no snapshot. More
/// delay the start.
const HISTORY_ENTRIES_MAX: u64 = 2000;
/// A feed that nobody has used for this time is dropped. A shorter time reads more snapshots, a
/// longer one keeps maps in memory.
const FEED_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A flush is kept for this time, for clients that return. A phone that has lost its network for
/// longer gets a snapshot. More keeps the changes of rushes that are long over in memory.
const FLUSH_AGE_MAX: Duration = Duration::from_secs(300);
/// The first pause before another attempt to read a snapshot; it doubles up to the longest pause.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Messages that a feed takes at once. More lock its map for longer.
const MESSAGES_MAX: usize = 1000;

/// All feeds of the node.
pub struct Hub {
    engine: Arc<Engine>,
    catalog: Arc<Catalog>,
    feeds: Feeds<OnceLock<Tail>>,
    /// One feed of each partition starts at a time, because two for one match would follow its
    /// stream twice. Only one of all would let a Redis that does not reply stop all others.
    starting: Vec<AsyncMutex<()>>,
    /// The event streams.
    pub shards: Shards,
}

impl Hub {
    /// A hub without feeds.
    pub fn new(engine: Arc<Engine>, catalog: Arc<Catalog>) -> Self {
        let starting = (0..engine.partition_count()).map(|_| AsyncMutex::default()).collect();
        Self {
            engine,
            catalog,
            feeds: Feeds::new(OnceLock::new()),
            starting,
            shards: Shards::default(),
        }
    }

    /// Takes the readers of the streams. They start after the hub, because they need it.
    pub fn set_tail(&self, tail: Tail) {
        let _ = self.feeds.readers.set(tail);
    }

    /// Whether the streams of a partition were read within this time.
    pub fn hears(&self, partition: Partition, within: Duration) -> bool {
        self.feeds.readers.get().is_some_and(|tail| tail.hears(partition, within))
    }

    /// The longest time for which nothing was received from the streams of a partition.
    pub fn silence(&self) -> Duration {
        self.feeds.readers.get().map_or(Duration::ZERO, Tail::silence)
    }

    /// The feed of a match; it starts when it does not run yet.
    pub async fn feed(self: &Arc<Self>, id: MatchId) -> Result<Arc<MatchFeed>, EngineError> {
        match self.current(id) {
            Some(feed) => Ok(feed),
            // In a box, because the calls of Redis would make the future of each caller 6 KiB
            // large, also when the feed runs.
            None => Box::pin(self.start(id)).await,
        }
    }

    async fn start(self: &Arc<Self>, id: MatchId) -> Result<Arc<MatchFeed>, EngineError> {
        let partition = usize::from(id.partition().0);
        let alone = self.starting.get(partition).ok_or(Refusal::NotFound(Noun::Match))?;
        let _alone = alone.lock().await;
        loop {
            if let Some(feed) = self.current(id) {
                return Ok(feed);
            }
            if let Some(outdated) = self.feeds.get(id) {
                self.end(&outdated);
            }
            let (fixture, site) =
                self.catalog.fixture_with_site(id).ok_or(Refusal::NotFound(Noun::Match))?;
            if fixture.archived {
                return Err(Refusal::Archived.into());
            }
            let snapshot = self.engine.snapshot(id).await?;
            let upto = snapshot.position.id;
            let before = self.engine.changes_before(id, upto, HISTORY_ENTRIES_MAX).await?;
            let feed = Arc::new(MatchFeed::new(&fixture, site, &snapshot, &before));
            let receiver = self.feeds.start(&feed, upto);
            tokio::spawn(run(self.clone(), feed.clone(), receiver));
            // The match or its plan may have changed meanwhile, so both are read once more.
            self.follow_match(&feed);
        }
    }

    /// The running feed of a match, unless the match has another plan now.
    fn current(&self, id: MatchId) -> Option<Arc<MatchFeed>> {
        let feed = self.feeds.get(id)?;
        feed.touch();
        (!self.is_outdated(&feed)).then_some(feed)
    }

    /// Whether the match is gone, is a draft again, or has another plan than the feed. The feed
    /// stays while this node does not know the site of the match, because that passes.
    fn is_outdated(&self, feed: &MatchFeed) -> bool {
        let Some(fixture) = self.catalog.fixture(feed.match_id) else { return true };
        let site = self.catalog.site(fixture.site_id);
        let hidden = fixture.status == MatchStatus::Draft && !feed.is_draft();
        fixture.archived
            || hidden
            || site.is_some_and(|site| site.mark_for(&fixture) != feed.plan())
    }

    /// Takes over a change of the catalogue. Feeds of another plan, and of matches that are gone,
    /// end with their streams. A client that comes back starts a new feed, and gets a snapshot. The
    /// other feeds send the change of their match to their watchers.
    pub fn follow_catalog(&self) {
        for feed in self.feeds.all() {
            if self.is_outdated(&feed) {
                self.end(&feed);
            } else {
                self.follow_match(&feed);
            }
        }
    }

    fn follow_match(&self, feed: &MatchFeed) {
        if feed.follow(&self.catalog) {
            self.feeds.send(feed.match_id, Message::Changed);
        }
    }

    /// Takes an entry of the stream of a match.
    pub fn take_entry(&self, id: MatchId, at: StreamId, fields: Fields) {
        self.feeds.send(id, Message::Entry(at, fields));
    }

    /// Resets the feed of a match, because the stream of the match has lost entries.
    pub fn restart(&self, id: MatchId) {
        self.feeds.send(id, Message::Reset);
    }

    /// Resets all feeds of this partition that belong to a different epoch.
    pub fn reset(&self, partition: Partition, epoch: u64) {
        self.feeds.reset(partition, epoch);
    }

    /// Ends a feed and its streams.
    fn end(&self, feed: &Arc<MatchFeed>) {
        if self.feeds.end(feed) {
            feed.end();
            self.shards.notify(feed.match_id);
        }
    }

    /// Drops the feeds that nobody has used for a minute, and what the others no longer need. So a
    /// match costs its node little when the rush is over.
    pub fn drop_idle(&self) {
        self.feeds.drop_idle(FEED_IDLE_TIMEOUT);
        let Some(time) = Instant::now().checked_sub(FLUSH_AGE_MAX) else { return };
        self.feeds.all().iter().for_each(|feed| feed.forget_before(time));
    }

    /// The number of running feeds.
    pub fn running(&self) -> usize {
        self.feeds.count()
    }
}

/// Runs one feed until it is dropped.
async fn run(hub: Arc<Hub>, feed: Arc<MatchFeed>, mut receiver: mpsc::UnboundedReceiver<Message>) {
    let mut schedule = FlushSchedule::new(Instant::now());
    let mut messages = Vec::new();
    loop {
        let due = feed.has_changes().then(|| schedule.due(feed.watchers()));
        if due.is_some_and(|due| due <= Instant::now()) {
            feed.flush();
            hub.shards.notify(feed.match_id);
            schedule.flushed(Instant::now());
            continue;
        }
        let received = receiver.recv_many(&mut messages, MESSAGES_MAX);
        let received = match due {
            None => received.await,
            Some(due) => match tokio::time::timeout_at(due.into(), received).await {
                Ok(received) => received,
                Err(_) => continue,
            },
        };
        if received == 0 {
            return;
        }
        let (mut entries, mut reset) = (Vec::new(), false);
        for message in messages.drain(..) {
            match message {
                Message::Entry(id, fields) => entries.push((id, fields)),
                Message::Changed => {}
                Message::Reset => reset = true,
            }
        }
        if reset || feed.apply(&entries).is_err() {
            start_again(&hub, &feed).await;
        }
    }
}

/// Resets a feed: tries until Redis returns a snapshot, or until nobody needs the feed any more.
async fn start_again(hub: &Hub, feed: &Arc<MatchFeed>) {
    let mut pause = RETRY_PAUSE;
    while hub.feeds.runs(feed) {
        match hub.engine.snapshot(feed.match_id).await {
            Ok(snapshot) => {
                feed.reset(&snapshot);
                hub.feeds.start_again(feed, snapshot.position.id);
                hub.shards.notify(feed.match_id);
                return;
            }
            Err(error) => {
                tracing::warn!(id = %feed.match_id, %error, "no snapshot of the match yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
            }
        }
    }
}
