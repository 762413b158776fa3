//! The event streams of HTTP/1.1: bare connections, spread over a few tasks. Each task writes the
//! same bytes to all connections that watch the same; a task per connection would cost its wake
//! and its buffers for each frame.

use crate::domain::ids::MatchId;
use crate::live::frame::Subject;
use crate::live::group::Group;
pub use crate::live::group::{Pipe, STILL_HERE, Watcher};
use crate::live::sync::Mutex;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// More tasks than cores only take turns, and a few are enough to fill a network.
const SHARDS_MAX: usize = 4;
/// How often connections are looked at that nothing is written to.
const INSPECTION: Duration = Duration::from_secs(1);
/// How often connections are looked at that could not take a frame.
const COLLECTION: Duration = Duration::from_millis(50);

/// All shards of a node.
pub struct Shards {
    shards: Vec<Arc<Shard<TcpStream>>>,
    next: AtomicUsize,
}

impl Default for Shards {
    fn default() -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(SHARDS_MAX);
        let shards = (0..count).map(|_| Arc::default()).collect();
        Self { shards, next: AtomicUsize::new(0) }
    }
}

impl Shards {
    /// Starts the tasks; at `stop` all streams end.
    pub fn start(&self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let run = |shard: &Arc<Shard<TcpStream>>| {
            let desk = Desk::new(shard.clone());
            tokio::spawn(desk.run(stop.clone()))
        };
        self.shards.iter().map(run).collect()
    }

    /// Takes a connection over; `head` goes out first.
    pub fn take(&self, stream: TcpStream, head: Bytes, watcher: Watcher) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        self.shards[next].take(stream, head, watcher);
    }

    /// A map has something to tell.
    pub fn ring(&self, id: MatchId) {
        for shard in &self.shards {
            shard.ring(id);
        }
    }
}

/// What others tell the task of a shard.
pub(super) struct Shard<P> {
    inbox: Mutex<Inbox<P>>,
    bell: Notify,
}

struct Inbox<P> {
    /// `None` once the shard has ended: a connection that comes later ends at once.
    newcomers: Option<Vec<(P, Bytes, Watcher)>>,
    rung: Vec<MatchId>,
}

impl<P> Default for Shard<P> {
    fn default() -> Self {
        let inbox = Inbox { newcomers: Some(Vec::new()), rung: Vec::new() };
        Self { inbox: Mutex::new(inbox), bell: Notify::new() }
    }
}

impl<P: Pipe> Shard<P> {
    pub(super) fn take(&self, pipe: P, head: Bytes, watcher: Watcher) {
        if let Some(newcomers) = &mut self.inbox.lock().newcomers {
            newcomers.push((pipe, head, watcher));
        }
        self.bell.notify_one();
    }

    pub(super) fn ring(&self, id: MatchId) {
        let mut inbox = self.inbox.lock();
        if !inbox.rung.contains(&id) {
            inbox.rung.push(id);
        }
        drop(inbox);
        self.bell.notify_one();
    }
}

/// What the task of a shard works with.
pub(super) struct Desk<P> {
    shard: Arc<Shard<P>>,
    groups: HashMap<MatchId, HashMap<Subject, Group<P>>>,
    /// Whether a connection may owe something.
    owing: bool,
}

impl<P: Pipe> Desk<P> {
    pub(super) fn new(shard: Arc<Shard<P>>) -> Self {
        Self { shard, groups: HashMap::new(), owing: false }
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut inspection = interval(INSPECTION);
        inspection.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut collection = interval(COLLECTION);
        collection.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.end(),
                () = self.wait() => self.turn().await,
                _ = inspection.tick() => self.inspect().await,
                _ = collection.tick(), if self.owing => self.collect().await,
            }
        }
    }

    /// Waits until somebody told something.
    pub(super) async fn wait(&self) {
        self.shard.bell.notified().await;
    }

    /// Does what was told: new connections, and maps with news.
    pub(super) async fn turn(&mut self) {
        let (newcomers, rung) = {
            let mut inbox = self.shard.inbox.lock();
            let newcomers = inbox.newcomers.as_mut().map(std::mem::take).unwrap_or_default();
            (newcomers, std::mem::take(&mut inbox.rung))
        };
        for id in rung {
            for group in self.groups.get_mut(&id).into_iter().flat_map(HashMap::values_mut) {
                group.tell().await;
                self.owing |= group.owes();
            }
        }
        let mut by_subject: HashMap<(MatchId, Subject), Vec<_>> = HashMap::new();
        for newcomer in newcomers {
            let watcher = &newcomer.2;
            let key = (watcher.watching.match_id, watcher.subject.clone());
            by_subject.entry(key).or_default().push(newcomer);
        }
        for ((id, subject), newcomers) in by_subject {
            self.welcome(id, subject, newcomers).await;
        }
    }

    async fn welcome(
        &mut self,
        id: MatchId,
        subject: Subject,
        newcomers: Vec<(P, Bytes, Watcher)>,
    ) {
        let Some((_, _, first)) = newcomers.first() else { return };
        let feed = first.watching.feed().clone();
        let groups = self.groups.entry(id).or_default();
        let group = groups
            .entry(subject.clone())
            .or_insert_with(|| Group::new(feed.clone(), subject.clone()));
        if !group.is_of(&feed) {
            // The map was dropped and made again: because nobody watched it, because the match
            // has another plan, or because the match has gone.
            group.end();
            *group = Group::new(feed, subject);
        }
        group.welcome(newcomers).await;
        self.owing |= group.owes();
    }

    /// Looks at the connections that could not take a frame.
    pub(super) async fn collect(&mut self) {
        self.owing = false;
        for group in self.groups.values_mut().flat_map(HashMap::values_mut) {
            group.collect().await;
            self.owing |= group.owes();
        }
    }

    async fn inspect(&mut self) {
        for group in self.groups.values_mut().flat_map(HashMap::values_mut) {
            group.inspect().await;
        }
        for groups in self.groups.values_mut() {
            groups.retain(|_, group| !group.is_empty());
        }
        self.groups.retain(|_, groups| !groups.is_empty());
    }

    /// Ends all streams, and those that come later.
    pub(super) fn end(&mut self) {
        self.shard.inbox.lock().newcomers = None;
        for group in self.groups.values_mut().flat_map(HashMap::values_mut) {
            group.end();
        }
        self.groups.clear();
    }
}
