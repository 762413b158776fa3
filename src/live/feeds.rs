//! The running feeds of a node. A feed that starts, starts again or ends gives its order to the
//! readers of the streams under the lock, so that they follow exactly the feeds that run.

use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition};
use crate::domain::position::StreamId;
use crate::live::match_feed::MatchFeed;
use crate::live::sync::Mutex;
use crate::stream::tail::Tail;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;

/// What a feed hears.
pub(super) enum Message {
    Entry(StreamId, Fields),
    /// The match has changed besides its seats, and the feed has the change.
    Changed,
    /// Start again from a snapshot.
    Reset,
}

/// The readers of the streams, as the feeds use them.
pub(super) trait Readers {
    /// Follows the stream of a match from this entry on.
    fn watch(&self, id: MatchId, from: StreamId);
    fn unwatch(&self, id: MatchId);
}

/// They start after the feeds, because they need them.
impl Readers for OnceLock<Tail> {
    fn watch(&self, id: MatchId, from: StreamId) {
        if let Some(tail) = self.get() {
            tail.watch(id, from);
        }
    }

    fn unwatch(&self, id: MatchId) {
        if let Some(tail) = self.get() {
            tail.unwatch(id);
        }
    }
}

struct Running {
    feed: Arc<MatchFeed>,
    sender: mpsc::UnboundedSender<Message>,
}

/// The running feeds, at most one for each match.
pub(super) struct Feeds<R> {
    running: Mutex<HashMap<MatchId, Running>>,
    pub(super) readers: R,
}

impl<R: Readers> Feeds<R> {
    pub(super) fn new(readers: R) -> Self {
        Self { running: Mutex::new(HashMap::new()), readers }
    }

    /// The running feed of a match.
    pub(super) fn get(&self, id: MatchId) -> Option<Arc<MatchFeed>> {
        self.running.lock().get(&id).map(|running| running.feed.clone())
    }

    pub(super) fn all(&self) -> Vec<Arc<MatchFeed>> {
        self.running.lock().values().map(|running| running.feed.clone()).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.running.lock().len()
    }

    /// Starts a feed, which follows the stream from this entry on. Returns what it hears.
    pub(super) fn start(
        &self,
        feed: &Arc<MatchFeed>,
        from: StreamId,
    ) -> mpsc::UnboundedReceiver<Message> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut running = self.running.lock();
        running.insert(feed.match_id, Running { feed: feed.clone(), sender });
        self.readers.watch(feed.match_id, from);
        receiver
    }

    /// Lets a feed follow the stream from this entry on, unless it has ended.
    pub(super) fn start_again(&self, feed: &Arc<MatchFeed>, from: StreamId) {
        let running = self.running.lock();
        if is_same(running.get(&feed.match_id), feed) {
            self.readers.watch(feed.match_id, from);
        }
    }

    /// Ends a feed. Returns `false` when it has ended before; its match may have another one then.
    pub(super) fn end(&self, feed: &Arc<MatchFeed>) -> bool {
        let mut running = self.running.lock();
        if !is_same(running.get(&feed.match_id), feed) {
            return false;
        }
        running.remove(&feed.match_id);
        self.readers.unwatch(feed.match_id);
        true
    }

    /// Whether a feed is the running feed of its match.
    pub(super) fn runs(&self, feed: &Arc<MatchFeed>) -> bool {
        is_same(self.running.lock().get(&feed.match_id), feed)
    }

    pub(super) fn send(&self, id: MatchId, message: Message) {
        if let Some(running) = self.running.lock().get(&id) {
            let _ = running.sender.send(message);
        }
    }

    /// Resets all feeds of this partition that belong to a different epoch.
    pub(super) fn reset(&self, partition: Partition, epoch: u64) {
        for (id, running) in self.running.lock().iter() {
            if id.partition() == partition && running.feed.epoch() != epoch {
                let _ = running.sender.send(Message::Reset);
            }
        }
    }

    /// Drops the feeds that nobody has used for this time.
    pub(super) fn drop_idle(&self, longer_than: Duration) {
        self.running.lock().retain(|id, running| {
            let idle = running.feed.idle_since().is_some_and(|at| at.elapsed() > longer_than);
            if idle {
                self.readers.unwatch(*id);
            }
            !idle
        });
    }
}

fn is_same(running: Option<&Running>, feed: &Arc<MatchFeed>) -> bool {
    running.is_some_and(|running| Arc::ptr_eq(&running.feed, feed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::shuffle::{ORDERS, fixture, site, snapshot};

    /// Whether the readers follow the match, by their last order.
    #[derive(Default)]
    struct LastOrder(shuttle::sync::Mutex<bool>);

    impl Readers for LastOrder {
        fn watch(&self, _: MatchId, _: StreamId) {
            *self.0.lock().unwrap() = true;
        }

        fn unwatch(&self, _: MatchId) {
            *self.0.lock().unwrap() = false;
        }
    }

    /// The plan of a match changes, which two notices tell, and a client comes back. Whatever comes
    /// first: the new feed runs, and hears of changes.
    #[test]
    fn a_feed_that_runs_is_followed_in_any_order_of_ends_and_starts() {
        let site = site();
        let run_once = move || {
            let match_of_all = fixture(&site);
            let feed = || Arc::new(MatchFeed::new(&match_of_all, site.clone(), &snapshot(0), &[]));
            let (old, new) = (feed(), feed());
            let feeds = shuttle::sync::Arc::new(Feeds::new(LastOrder::default()));
            feeds.start(&old, StreamId::default());
            let end = |old: &Arc<MatchFeed>| {
                let (feeds, old) = (feeds.clone(), old.clone());
                shuttle::thread::spawn(move || feeds.end(&old))
            };
            let (first, second, again) = (end(&old), end(&old), {
                let (feeds, old) = (feeds.clone(), old.clone());
                shuttle::thread::spawn(move || feeds.start_again(&old, StreamId::default()))
            });
            feeds.end(&old);
            feeds.start(&new, StreamId::default());
            first.join().unwrap();
            second.join().unwrap();
            again.join().unwrap();
            assert!(feeds.runs(&new), "it is ended by a notice about the feed before it");
            assert!(*feeds.readers.0.lock().unwrap(), "it hears nothing");
        };
        shuttle::check_random(run_once, ORDERS);
    }
}
