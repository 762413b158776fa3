//! The seat map of one match in memory, with the place in the stream at which it stands. It hears
//! the entries of the stream, and tells them to all watchers in flushes.

use crate::domain::best::Wish;
use crate::domain::catalog::Match;
use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, SeatId};
use crate::domain::position::{EventId, StreamId};
use crate::engine::snapshot::Snapshot;
use crate::live::catalog::{Catalog, KnownSite};
use crate::live::frame::{self, Frame, Scope, States, Subject};
use crate::live::line::Eta;
use crate::live::map::Map;
pub use crate::live::map::{Body, Gap};
use crate::live::match_now::{MatchNow, Told};
use crate::live::past::Past;
use crate::live::sync::Mutex;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A proposal is somebody's for so long: longer than a hold takes to show on the map.
const PROPOSED: Duration = Duration::from_millis(200);

/// The map of one match.
pub struct Feed {
    pub match_id: MatchId,
    site: Arc<KnownSite>,
    /// The mark of the plan (`KnownSite::mark_for`).
    plan: u32,
    map: Mutex<Map>,
    /// The version at which the map stands.
    heard: watch::Sender<u64>,
    /// The number of the last flush.
    flushed: watch::Sender<u64>,
    watchers: AtomicUsize,
    over: AtomicBool,
}

/// What the watchers of one subject get.
#[derive(Default)]
pub struct Tide {
    /// For those who stood at the cursor.
    pub told: Option<Frame>,
    /// For each newcomer: a snapshot, or what it missed. All stand at the same place then.
    pub first: Vec<Frame>,
}

impl Feed {
    /// The map as a snapshot says; `before` are the entries of the stream that led there.
    pub fn new(
        event: &Match,
        site: Arc<KnownSite>,
        snapshot: &Snapshot,
        before: &[(StreamId, Fields)],
    ) -> Self {
        let (at, version) = (snapshot.position, snapshot.version);
        let past = Past::of_entries(before, at, version, |seat| site.index.position(seat));
        let plan = site.mark_for(event);
        let told = Arc::new(Told::new(MatchNow::of(event, Some(&site))));
        let map = Map::new(&site.index, plan, snapshot, told, past);
        Self {
            match_id: event.id,
            site,
            plan,
            map: Mutex::new(map),
            heard: watch::Sender::new(version),
            flushed: watch::Sender::new(0),
            watchers: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Starts anew from a snapshot: every watcher gets one.
    pub fn reset(&self, snapshot: &Snapshot) {
        let mut map = self.map.lock();
        let mut past = std::mem::take(&mut map.past);
        past.forget(map.position, snapshot.position);
        *map = Map::new(&self.site.index, self.plan, snapshot, map.event.clone(), past);
        self.heard.send_replace(map.version);
        self.flushed.send_replace(map.past.number());
    }

    /// Takes entries of the stream, in order; the watchers are told at the next flush.
    pub fn hear(&self, entries: &[(StreamId, Fields)]) -> Result<(), Gap> {
        let mut map = self.map.lock();
        for (id, fields) in entries {
            if *id > map.position.id {
                map.hear(&self.site.index, *id, fields)?;
            }
        }
        self.heard.send_replace(map.version);
        Ok(())
    }

    /// Takes over what the catalogue says of the match; whether that is new.
    pub fn follow(&self, catalog: &Catalog) -> bool {
        let mut map = self.map.lock();
        // Read under the lock: of two who follow at once, the later one has the newer.
        let Some(event) = catalog.fixture(self.match_id) else { return false };
        let now = MatchNow::of(&event, Some(&self.site));
        let changed = map.event.now != now;
        if changed {
            map.change(Told::new(now));
        }
        changed
    }

    /// Whether there is something to tell.
    pub fn has_news(&self) -> bool {
        self.map.lock().has_news()
    }

    /// What was heard since the last flush becomes one; nothing heard is no flush.
    pub fn flush(&self) {
        let mut map = self.map.lock();
        if map.flush() {
            self.flushed.send_replace(map.past.number());
        }
    }

    /// Where a watcher stands that has seen everything told so far.
    pub fn cursor(&self) -> u64 {
        self.map.lock().past.number()
    }

    /// Brings the watchers of a subject from a cursor to the last flush, and newcomers with them.
    /// A newcomer that says where it stands gets what it missed, if that is known.
    pub fn advance(
        &self,
        subject: &Subject,
        cursor: &mut u64,
        newcomers: &[Option<EventId>],
    ) -> Tide {
        let index = &self.site.index;
        let mut map = self.map.lock();
        map.used_at = Instant::now();
        let told = match map.past.after_number(*cursor) {
            Some(missed) => map.frame(index, subject, missed),
            None => Some(map.snapshot(index, subject)),
        };
        *cursor = map.past.number();
        let first = newcomers.iter().map(|last| match map.missed(*last, subject) {
            Some(missed) => map.returned(index, subject, missed),
            None => map.snapshot(index, subject),
        });
        Tide { told, first: first.collect() }
    }

    /// Waits for the flush after a cursor, or for the end of the match.
    pub async fn wait_for_flush(&self, cursor: u64) {
        let mut flushed = self.flushed.subscribe();
        // It errs only without a sender, and that is this map's own.
        let _ = flushed.wait_for(|number| *number > cursor || self.is_over()).await;
    }

    /// The states of a scope now.
    pub fn states(&self, scope: &Scope) -> States {
        let mut map = self.map.lock();
        map.used_at = Instant::now();
        frame::states(&self.site.index, &map.letters, map.version, scope)
    }

    /// The states of a scope as they are answered, at most one flush old.
    pub fn body(&self, scope: &Scope, encode: impl FnOnce(&States) -> Vec<u8>) -> Arc<Body> {
        let mut map = self.map.lock();
        map.used_at = Instant::now();
        map.body(&self.site.index, scope, encode)
    }

    /// Up to `most` choices that fit a wish, the best first, as far as this node knows. The first
    /// one is kept from other askers for a moment, so that many who ask at once do not all run for
    /// the same seats.
    pub fn propose(&self, wish: &Wish, most: usize) -> Vec<Vec<SeatId>> {
        let mut map = self.map.lock();
        map.used_at = Instant::now();
        map.proposed.retain(|_, at| at.elapsed() < PROPOSED);
        let (index, ranking) = (&self.site.index, &self.site.ranking);
        let available = |seat: u32| map.letters[seat as usize] == b'A';
        let fresh = |seat: u32| available(seat) && !map.proposed.contains_key(&seat);
        let mut found = ranking.propose(index, wish, most, fresh);
        if found.is_empty() {
            found = ranking.propose(index, wish, most, available);
        }
        if let Some(first) = found.first() {
            let now = Instant::now();
            map.proposed.extend(first.iter().map(|seat| (*seat, now)));
        }
        let seats = |group: Vec<u32>| group.into_iter().map(|seat| index.seat_at(seat)).collect();
        found.into_iter().map(seats).collect()
    }

    /// How long someone with so many people in front will wait.
    pub fn eta(&self, ahead: u64) -> Option<Eta> {
        self.map.lock().eta(ahead)
    }

    /// Somebody is about to use it: the map must not be dropped before.
    pub fn touch(&self) {
        self.map.lock().used_at = Instant::now();
    }

    /// The epoch in which the map stands.
    pub fn epoch(&self) -> u64 {
        self.map.lock().position.epoch
    }

    /// The version of the match at which the map stands.
    pub fn version(&self) -> u64 {
        self.map.lock().version
    }

    /// Waits until the map stands at a version or later, at most `patience`.
    pub async fn wait_for_version(&self, version: u64, patience: Duration) -> bool {
        let mut heard = self.heard.subscribe();
        let reached = heard.wait_for(|known| *known >= version);
        matches!(tokio::time::timeout(patience, reached).await, Ok(Ok(_)))
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// When somebody last used it, unless somebody watches.
    pub fn idle_since(&self) -> Option<Instant> {
        (self.watchers() == 0).then(|| self.map.lock().used_at)
    }

    /// The mark of the plan that the map was made with.
    pub fn plan(&self) -> u32 {
        self.plan
    }

    /// The match is gone, or has another plan: the streams end.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.flushed.send_modify(|_| {});
    }

    /// Whether the map has ended.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// Somebody watches as long as this lives.
pub struct Watching(Arc<Feed>);

impl Watching {
    /// One more watcher of a map.
    pub fn new(feed: Arc<Feed>) -> Self {
        feed.watchers.fetch_add(1, Ordering::Relaxed);
        Self(feed)
    }

    /// The map.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.0
    }
}

impl Deref for Watching {
    type Target = Feed;
    fn deref(&self) -> &Feed {
        &self.0
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}
