//! The feed of one match: its seat map behind a lock, and the signals for its watchers. It applies
//! the entries of the stream of the match, and sends them to all watchers in flushes.

use crate::domain::best::Wish;
use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::fact::Fields;
use crate::domain::free_seats::SharedSeats;
use crate::domain::ids::{AreaId, BlockId, MatchId, SeatId};
use crate::domain::plan::Group;
use crate::domain::position::{EventId, StreamId};
use crate::engine::snapshot::Snapshot;
use crate::live::catalog::{Catalog, KnownSite};
use crate::live::frame::{self, Frame, Scope, States, Subject};
use crate::live::line::LineView;
use crate::live::match_now::{MatchEvent, MatchNow};
use crate::live::pace::Eta;
use crate::live::proposals::{Choice, Proposals, Seen};
use crate::live::recent_flushes::RecentFlushes;
use crate::live::seat_map::SeatMap;
pub use crate::live::seat_map::{Body, Gap};
use crate::live::sync::Mutex;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The feed of one match.
pub struct MatchFeed {
    pub match_id: MatchId,
    site: Arc<KnownSite>,
    /// The mark of the plan (`KnownSite::mark_for`).
    plan: u32,
    map: Mutex<SeatMap>,
    /// The version of the map.
    version: watch::Sender<u64>,
    /// The AVAILABLE seats; they are at least as new as `version`.
    free: Arc<SharedSeats>,
    proposals: Proposals,
    used_at: parking_lot::Mutex<Instant>,
    /// The number of the last flush.
    flushed: watch::Sender<u64>,
    watchers: AtomicUsize,
    /// The watched sets of blocks, with the number of their watchers.
    block_sets: parking_lot::Mutex<HashMap<Scope, usize>>,
    over: AtomicBool,
}

/// The frames that bring the watchers of a subject to the last flush.
#[derive(Default)]
pub struct Update {
    /// For the watchers at the cursor; `None` when they miss nothing.
    pub for_watchers: Option<Frame>,
    /// For each newcomer: a snapshot, or the changes that it missed.
    pub for_newcomers: Vec<Frame>,
    /// The last event that all of them have seen then.
    pub id: Option<EventId>,
}

impl MatchFeed {
    /// A feed that starts with a snapshot. `before`: the entries of the stream that led to it.
    pub fn new(
        fixture: &Match,
        site: Arc<KnownSite>,
        snapshot: &Snapshot,
        before: &[(StreamId, Fields)],
    ) -> Self {
        let (at, version) = (snapshot.position, snapshot.version);
        let index_of = |seat| site.index.position(seat);
        let recent = RecentFlushes::of_entries(before, at, version, index_of);
        let plan = site.mark_for(fixture);
        let match_event = Arc::new(MatchEvent::new(MatchNow::of(fixture, Some(&site))));
        let free = Arc::new(SharedSeats::new(site.index.seat_count()));
        let map = SeatMap::new(&site.index, plan, snapshot, match_event, recent, free.clone());
        Self {
            match_id: fixture.id,
            plan,
            map: Mutex::new(map),
            version: watch::Sender::new(version),
            free,
            proposals: Proposals::new(site.index.seat_count()),
            used_at: parking_lot::Mutex::new(Instant::now()),
            flushed: watch::Sender::new(0),
            watchers: AtomicUsize::new(0),
            block_sets: parking_lot::Mutex::default(),
            over: AtomicBool::new(false),
            site,
        }
    }

    /// Starts again from a snapshot. Every watcher gets a snapshot.
    pub fn reset(&self, snapshot: &Snapshot) {
        let mut map = self.map.lock();
        let mut recent = std::mem::take(&mut map.recent);
        recent.forget();
        let match_event = map.match_event.clone();
        let (index, free) = (&self.site.index, self.free.clone());
        *map = SeatMap::new(index, self.plan, snapshot, match_event, recent, free);
        self.version.send_replace(map.version);
        self.flushed.send_replace(map.recent.number());
    }

    /// Applies entries of the stream, in order. The watchers get them at the next flush.
    pub fn apply(&self, entries: &[(StreamId, Fields)]) -> Result<(), Gap> {
        let mut map = self.map.lock();
        for (id, fields) in entries {
            if *id > map.position.id {
                map.apply(&self.site.index, *id, fields)?;
            }
        }
        self.version.send_replace(map.version);
        Ok(())
    }

    /// Takes the match over from the catalogue; returns whether it has changed.
    pub fn follow(&self, catalog: &Catalog) -> bool {
        let mut map = self.map.lock();
        // Read under the lock, so that of two concurrent calls the later one has the newer match.
        let Some(fixture) = catalog.fixture(self.match_id) else { return false };
        let now = MatchNow::of(&fixture, Some(&self.site));
        let changed = map.match_event.now != now;
        if changed {
            map.change_match(MatchEvent::new(now));
        }
        changed
    }

    /// Forgets what nobody needs any more: the flushes of before this time, and old searches for
    /// free seats.
    pub fn forget_before(&self, time: Instant) {
        self.map.lock().recent.forget_before(time);
        self.proposals.forget_old(Instant::now());
    }

    /// Whether its watchers know the match as a draft, because they are administrators.
    pub fn is_draft(&self) -> bool {
        self.map.lock().match_event.now.status == MatchStatus::Draft
    }

    /// Whether there are changes since the last flush.
    pub fn has_changes(&self) -> bool {
        self.map.lock().has_changes()
    }

    /// Makes a flush of the changes since the last one, if there are any.
    pub fn flush(&self) {
        let mut map = self.map.lock();
        if map.flush() {
            self.flushed.send_replace(map.recent.number());
        }
    }

    /// The cursor of a watcher that has seen all flushes.
    pub fn cursor(&self) -> u64 {
        self.map.lock().recent.number()
    }

    /// Brings the watchers of a subject from a cursor to the last flush, and newcomers with them.
    /// A newcomer with an event id gets the changes since that event, if they are still kept.
    pub fn advance(
        &self,
        subject: &Subject,
        cursor: &mut u64,
        newcomers: &[Option<EventId>],
    ) -> Update {
        let index = &self.site.index;
        self.touch();
        let mut map = self.map.lock();
        let for_watchers = match map.recent.after_number(*cursor) {
            Some(missed) => map.frame(index, subject, missed),
            None => Some(map.snapshot(index, subject)),
        };
        *cursor = map.recent.number();
        let for_newcomers = newcomers.iter().map(|last| match map.missed(*last, subject) {
            Some(missed) => map.returned(index, subject, missed),
            None => map.snapshot(index, subject),
        });
        let for_newcomers = for_newcomers.collect();
        Update { for_watchers, for_newcomers, id: Some(map.flushed_id()) }
    }

    /// Waits for the flush after a cursor, or for the end of the match.
    pub async fn wait_for_flush(&self, cursor: u64) {
        let mut flushed = self.flushed.subscribe();
        // It fails only without a sender, and the sender is part of this feed.
        let _ = flushed.wait_for(|number| *number > cursor || self.is_over()).await;
    }

    /// The states of a scope now.
    pub fn states(&self, scope: &Scope) -> States {
        self.touch();
        let map = self.map.lock();
        frame::states(&self.site.index, &map.letters, map.version, scope)
    }

    /// The body of a response with the states of a scope, at most one flush old.
    pub fn body(&self, scope: &Scope, encode: impl FnOnce(&States) -> Vec<u8>) -> Arc<Body> {
        self.touch();
        let mut map = self.map.lock();
        map.body(&self.site.index, scope, encode)
    }

    /// Up to `most` choices that fit a wish, the best first, as far as this node knows. With `keep`
    /// the first choice is kept from other buyers for a moment, because the caller is about to hold
    /// it.
    pub fn propose(&self, wish: &Wish, most: usize, keep: bool) -> Vec<Arc<Choice>> {
        self.touch();
        // The version is read first, so that the free seats are at least as new.
        let (version, site, free) = (self.version(), &*self.site, &*self.free);
        self.proposals.take(wish, most, keep, &Seen { site, free, version })
    }

    /// Whether the map shows a seat as free.
    pub fn is_free(&self, seat: SeatId) -> bool {
        self.site.index.position(seat).is_some_and(|position| self.free.contains(position))
    }

    /// How many places without seats an area has left, or one of its blocks.
    pub fn places_left(&self, area: AreaId, block: Option<BlockId>) -> usize {
        let free = self.free.copy();
        let is_there =
            |places: &Group| places.area == area && block.is_none_or(|block| block == places.block);
        let places = self.site.index.places().filter(is_there);
        places.flat_map(|places| free.runs(places.positions)).map(|run| run.len()).sum()
    }

    /// The site whose plan the map has.
    pub fn site(&self) -> &Arc<KnownSite> {
        &self.site
    }

    /// The line of the waiting room as everybody sees it.
    pub fn line(&self) -> LineView {
        self.touch();
        self.map.lock().line()
    }

    /// How long somebody with `ahead` people in front will wait.
    pub fn eta(&self, ahead: u64) -> Option<Eta> {
        self.map.lock().eta(ahead)
    }

    /// Marks the feed as used now, so that it is not dropped.
    pub fn touch(&self) {
        *self.used_at.lock() = Instant::now();
    }

    /// The epoch of the map.
    pub fn epoch(&self) -> u64 {
        self.map.lock().position.epoch
    }

    /// The version of the map.
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Waits until the map is at `version` or later; `false` when it is not within `timeout`.
    pub async fn wait_for_version(&self, version: u64, timeout: Duration) -> bool {
        let mut versions = self.version.subscribe();
        let reached = versions.wait_for(|current| *current >= version);
        matches!(tokio::time::timeout(timeout, reached).await, Ok(Ok(_)))
    }

    /// The number of watchers.
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// When it was last used; `None` while somebody watches.
    pub fn idle_since(&self) -> Option<Instant> {
        (self.watchers() == 0).then(|| *self.used_at.lock())
    }

    /// The mark of the plan that the map was made with.
    pub fn plan(&self) -> u32 {
        self.plan
    }

    /// Ends the feed and its streams, because the match is gone or has another plan.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.flushed.send_modify(|_| {});
    }

    /// Whether the feed has ended.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// The most sets of blocks that are watched in one match. Each set has frames of its own, so more
/// of them cost more than the whole match does.
const BLOCK_SETS_MAX: usize = 200;

/// Counts as one watcher of a feed until it is dropped.
pub struct Watching {
    feed: Arc<MatchFeed>,
    /// The set of blocks that it watches, if it is one.
    blocks: Option<Scope>,
}

impl Watching {
    /// One more watcher of a feed.
    pub fn new(feed: Arc<MatchFeed>) -> Self {
        feed.watchers.fetch_add(1, Ordering::Relaxed);
        Self { feed, blocks: None }
    }

    /// The subject that it gets: the one that it wishes, or the whole match when too many different
    /// sets of blocks are watched already.
    pub fn subject(&mut self, wish: Subject) -> Subject {
        let Subject::Seats(scope @ Scope::Blocks(_)) = &wish else { return wish };
        let mut sets = self.feed.block_sets.lock();
        if sets.len() >= BLOCK_SETS_MAX && !sets.contains_key(scope) {
            return Subject::Seats(Scope::Match);
        }
        *sets.entry(scope.clone()).or_default() += 1;
        self.blocks = Some(scope.clone());
        drop(sets);
        wish
    }

    /// The feed.
    pub fn feed(&self) -> &Arc<MatchFeed> {
        &self.feed
    }
}

impl Deref for Watching {
    type Target = MatchFeed;
    fn deref(&self) -> &MatchFeed {
        &self.feed
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.feed.watchers.fetch_sub(1, Ordering::Relaxed);
        let Some(scope) = &self.blocks else { return };
        let mut sets = self.feed.block_sets.lock();
        if let Some(count) = sets.get_mut(scope) {
            *count -= 1;
            if *count == 0 {
                sets.remove(scope);
            }
        }
    }
}
