//! The hub of one node: the maps of the matches that someone watches, fed by the readers of the
//! partitions. A match that nobody watches costs nothing.

use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::error::{EngineError, Refusal};
use crate::live::catalog::Catalog;
use crate::live::feed::Feed;
use crate::stream::tail::Tail;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// The least time between two flushes of a match: an idle match is told at once, a busy one in
/// steps that the eye still takes for immediate.
const TICK: Duration = Duration::from_millis(50);
/// A map that nobody has asked for in so long is dropped.
const IDLE: Duration = Duration::from_secs(60);

enum Message {
    Entry(StreamId, Fields),
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
        }
    }

    /// The readers, once they run: they need the hub first.
    pub fn set_tail(&self, tail: Tail) {
        let _ = self.tail.set(tail);
    }

    /// The map of a match, started when it does not run yet.
    pub async fn feed(self: &Arc<Self>, id: MatchId) -> Result<Arc<Feed>, EngineError> {
        if let Some(running) = self.running.lock().get(&id) {
            running.feed.touch();
            return Ok(running.feed.clone());
        }
        let _alone = self.starting.lock().await;
        if let Some(running) = self.running.lock().get(&id) {
            running.feed.touch();
            return Ok(running.feed.clone());
        }
        let (_, site) = self.catalog.event_with_site(id).ok_or(Refusal::NotFound)?;
        let snapshot = self.engine.snapshot(id).await?;
        let feed = Arc::new(Feed::new(id, site, &snapshot));
        let (sender, receiver) = mpsc::unbounded_channel();
        self.running.lock().insert(id, Running { feed: feed.clone(), sender });
        self.follow(id, snapshot.position.id);
        tokio::spawn(run(self.clone(), feed.clone(), receiver));
        Ok(feed)
    }

    fn follow(&self, id: MatchId, from: StreamId) {
        if let Some(tail) = self.tail.get() {
            tail.watch(id, from);
        }
    }

    /// Takes an entry of a match's stream.
    pub fn hear(&self, id: MatchId, at: StreamId, fields: Fields) {
        if let Some(running) = self.running.lock().get(&id) {
            let _ = running.sender.send(Message::Entry(at, fields));
        }
    }

    /// The partition stands in an epoch: its maps of another one start anew.
    pub fn reset(&self, partition: Partition, epoch: u64) {
        for (id, running) in self.running.lock().iter() {
            if id.partition() == partition && running.feed.epoch() != epoch {
                let _ = running.sender.send(Message::Reset);
            }
        }
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
    let mut messages = Vec::new();
    loop {
        if receiver.recv_many(&mut messages, 1000).await == 0 {
            return;
        }
        let began = Instant::now();
        let (mut entries, mut anew) = (Vec::new(), false);
        for message in messages.drain(..) {
            match message {
                Message::Entry(id, fields) => entries.push((id, fields)),
                Message::Reset => anew = true,
            }
        }
        if anew || feed.apply(&entries).is_err() {
            restart(&hub, &feed).await;
        }
        tokio::time::sleep(TICK.saturating_sub(began.elapsed())).await;
    }
}

/// Tries until Redis gives a snapshot; a match that is gone stays as it was until it is dropped.
async fn restart(hub: &Hub, feed: &Feed) {
    let mut pause = Duration::from_millis(50);
    loop {
        match hub.engine.snapshot(feed.match_id).await {
            Ok(snapshot) => {
                feed.reset(&snapshot);
                hub.follow(feed.match_id, snapshot.position.id);
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
