//! The event streams of HTTP/1.1: bare connections, spread over a few tasks, the shards. Each task
//! writes the same bytes to all connections with the same subject. A task per connection would cost
//! a wake-up and buffers per frame and connection.

use crate::domain::ids::MatchId;
use crate::live::frame::Subject;
use crate::live::group::Group;
pub use crate::live::group::{HEARTBEAT_FRAME, Pipe, Watcher};
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

/// The most shards. More tasks than cores only take turns, and a few can fill a network.
const SHARDS_MAX: usize = 4;
/// How often all connections are checked: for connections that are gone, and for heartbeats.
const INSPECT_INTERVAL: Duration = Duration::from_secs(1);
/// How often a connection with unsent bytes is tried again. Slow browsers see changes this much
/// later; a shorter interval costs time for each of them.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

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
            let task = ShardTask::new(shard.clone());
            tokio::spawn(task.run(stop.clone()))
        };
        self.shards.iter().map(run).collect()
    }

    /// Takes a connection over. `head` is sent first.
    pub fn take(&self, stream: TcpStream, head: Bytes, watcher: Watcher) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        self.shards[next].take(stream, head, watcher);
    }

    /// Tells all shards that the feed of a match has flushed, started again, or ended.
    pub fn notify(&self, id: MatchId) {
        for shard in &self.shards {
            shard.notify(id);
        }
    }
}

/// The inbox of a shard's task, with the signal that wakes the task.
pub(super) struct Shard<P> {
    inbox: Mutex<Inbox<P>>,
    wake: Notify,
}

struct Inbox<P> {
    /// `None` once the shard has ended: a connection that comes later ends at once.
    newcomers: Option<Vec<(P, Bytes, Watcher)>>,
    flushed: Vec<MatchId>,
}

impl<P> Default for Shard<P> {
    fn default() -> Self {
        let inbox = Inbox { newcomers: Some(Vec::new()), flushed: Vec::new() };
        Self { inbox: Mutex::new(inbox), wake: Notify::new() }
    }
}

impl<P: Pipe> Shard<P> {
    pub(super) fn take(&self, pipe: P, head: Bytes, watcher: Watcher) {
        if let Some(newcomers) = &mut self.inbox.lock().newcomers {
            newcomers.push((pipe, head, watcher));
        }
        self.wake.notify_one();
    }

    pub(super) fn notify(&self, id: MatchId) {
        let mut inbox = self.inbox.lock();
        if !inbox.flushed.contains(&id) {
            inbox.flushed.push(id);
        }
        drop(inbox);
        self.wake.notify_one();
    }
}

/// The task of a shard.
pub(super) struct ShardTask<P> {
    shard: Arc<Shard<P>>,
    groups: HashMap<MatchId, HashMap<Subject, Group<P>>>,
    /// Whether a connection may have unsent bytes.
    has_unsent: bool,
}

impl<P: Pipe> ShardTask<P> {
    pub(super) fn new(shard: Arc<Shard<P>>) -> Self {
        Self { shard, groups: HashMap::new(), has_unsent: false }
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut inspections = interval(INSPECT_INTERVAL);
        inspections.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retries = interval(RETRY_INTERVAL);
        retries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.end(),
                () = self.wait() => self.turn().await,
                _ = inspections.tick() => self.inspect().await,
                _ = retries.tick(), if self.has_unsent => self.retry().await,
            }
        }
    }

    /// Waits until the inbox gets something.
    pub(super) async fn wait(&self) {
        self.shard.wake.notified().await;
    }

    /// Empties the inbox: takes new connections, and sends new flushes.
    pub(super) async fn turn(&mut self) {
        let (newcomers, flushed) = {
            let mut inbox = self.shard.inbox.lock();
            let newcomers = inbox.newcomers.as_mut().map(std::mem::take).unwrap_or_default();
            (newcomers, std::mem::take(&mut inbox.flushed))
        };
        for id in flushed {
            for group in self.groups.get_mut(&id).into_iter().flat_map(HashMap::values_mut) {
                group.update().await;
                self.has_unsent |= group.has_unsent();
            }
        }
        let mut by_subject: HashMap<(MatchId, Subject), Vec<_>> = HashMap::new();
        for newcomer in newcomers {
            let watcher = &newcomer.2;
            let key = (watcher.watching.match_id, watcher.subject.clone());
            by_subject.entry(key).or_default().push(newcomer);
        }
        for ((id, subject), newcomers) in by_subject {
            self.add(id, subject, newcomers).await;
        }
    }

    async fn add(&mut self, id: MatchId, subject: Subject, newcomers: Vec<(P, Bytes, Watcher)>) {
        let Some((_, _, first)) = newcomers.first() else { return };
        let feed = first.watching.feed().clone();
        let groups = self.groups.entry(id).or_default();
        let group = groups
            .entry(subject.clone())
            .or_insert_with(|| Group::new(feed.clone(), subject.clone()));
        if !group.is_of(&feed) {
            // The match has a new feed, because nobody watched the old one, or because the match
            // got another plan or was deleted.
            group.end();
            *group = Group::new(feed, subject);
        }
        group.add(newcomers).await;
        self.has_unsent |= group.has_unsent();
    }

    /// Sends unsent bytes again.
    pub(super) async fn retry(&mut self) {
        self.has_unsent = false;
        for group in self.groups.values_mut().flat_map(HashMap::values_mut) {
            group.retry().await;
            self.has_unsent |= group.has_unsent();
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

    /// Ends all streams, and the streams that come later.
    pub(super) fn end(&mut self) {
        self.shard.inbox.lock().newcomers = None;
        for group in self.groups.values_mut().flat_map(HashMap::values_mut) {
            group.end();
        }
        self.groups.clear();
    }
}
