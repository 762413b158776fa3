//! The seat map of one match in memory, with the place in the stream at which it stands, and the
//! changes of the last seconds for those who are behind or return.

use crate::domain::best::Wish;
use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, SeatId};
use crate::domain::plan::PlanIndex;
use crate::domain::position::{Position, StreamId};
use crate::engine::seats::{Snapshot, parse_states};
use crate::live::catalog::KnownSite;
use crate::live::frame::{self, Scope, States};
use crate::live::line::Line;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Flushes that are remembered: at 20 per second those of the last 50 seconds.
const FLUSHES: usize = 1000;
/// A proposal is somebody's for so long: longer than a hold takes to show on the map.
const PROPOSED: Duration = Duration::from_millis(200);

/// One flush: the seats that changed between two places of the stream, the last state of each.
struct Flush {
    from: Position,
    to: Position,
    version: u64,
    changed: Vec<(u32, u8)>,
    /// Encoded by the first watcher of a scope, shared by the others.
    frames: Mutex<HashMap<Scope, Option<Bytes>>>,
}

/// The map of one match.
pub struct Feed {
    pub match_id: MatchId,
    site: Arc<KnownSite>,
    map: Mutex<Map>,
    /// Number of the next flush; watchers wait for it to grow.
    flushed: watch::Sender<u64>,
    /// The line of the waiting room.
    pub line: watch::Sender<Line>,
}

struct Map {
    position: Position,
    version: u64,
    letters: Vec<u8>,
    /// The flush with number `flushed - recent.len()` comes first.
    recent: VecDeque<Arc<Flush>>,
    snapshots: HashMap<Scope, Bytes>,
    used_at: Instant,
    /// Seats that were proposed to somebody a moment ago: others are proposed something else.
    proposed: HashMap<u32, Instant>,
}

/// What a watcher gets next.
pub enum Next {
    Frames(Vec<Bytes>),
    /// It is too far behind: the whole scope again.
    Snapshot(Bytes),
}

/// A gap in the stream: entries are missing between the map and the one that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap;

impl Feed {
    /// The map as a snapshot says.
    pub fn new(match_id: MatchId, site: Arc<KnownSite>, snapshot: &Snapshot) -> Self {
        let letters = letters(&site.index, snapshot);
        let map = Map {
            position: snapshot.position,
            version: snapshot.version,
            letters,
            recent: VecDeque::new(),
            snapshots: HashMap::new(),
            used_at: Instant::now(),
            proposed: HashMap::new(),
        };
        Self {
            match_id,
            site,
            map: Mutex::new(map),
            flushed: watch::Sender::new(0),
            line: watch::Sender::new(Line::at(snapshot.serving, snapshot.waiting)),
        }
    }

    /// Starts anew from a snapshot: every watcher gets one.
    pub fn reset(&self, snapshot: &Snapshot) {
        self.line.send_replace(Line::at(snapshot.serving, snapshot.waiting));
        let mut map = self.map.lock();
        map.position = snapshot.position;
        map.version = snapshot.version;
        map.letters = letters(&self.site.index, snapshot);
        map.recent.clear();
        map.snapshots.clear();
        self.flushed.send_modify(|number| *number += 1);
    }

    /// Applies entries of the stream, in order, and tells the watchers once.
    pub fn apply(&self, entries: &[(StreamId, Fields)]) -> Result<(), Gap> {
        let mut map = self.map.lock();
        let from = map.position;
        let mut changed: HashMap<u32, u8> = HashMap::new();
        for (id, fields) in entries {
            if *id <= map.position.id {
                continue;
            }
            if let Some(text) = fields.get("q") {
                self.line.send_modify(|line| line.hear(*id, text));
                map.position.id = *id;
                continue;
            }
            let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
            if number("p") != Some(map.version) {
                return Err(Gap);
            }
            let seats = fields.get("d").and_then(|text| parse_states(text)).ok_or(Gap)?;
            for (seat, letter) in seats {
                let Some(place) = self.site.index.position(seat) else { continue };
                map.letters[place as usize] = letter;
                changed.insert(place, letter);
            }
            map.position.id = *id;
            map.version = number("v").ok_or(Gap)?;
        }
        if changed.is_empty() && map.position.id == from.id {
            return Ok(());
        }
        let mut changed: Vec<(u32, u8)> = changed.into_iter().collect();
        changed.sort_unstable();
        let flush = Flush {
            from,
            to: map.position,
            version: map.version,
            changed,
            frames: Mutex::default(),
        };
        map.recent.push_back(Arc::new(flush));
        if map.recent.len() > FLUSHES {
            map.recent.pop_front();
        }
        map.snapshots.clear();
        // Under the lock: number and list of flushes must never be seen apart.
        self.flushed.send_modify(|number| *number += 1);
        Ok(())
    }

    /// The states of a scope now.
    pub fn states(&self, scope: &Scope) -> States {
        let mut map = self.map.lock();
        map.used_at = Instant::now();
        frame::states(&self.site.index, &map.letters, map.version, scope)
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

    /// Somebody is about to watch: the map must not be dropped before.
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
        let mut flushed = self.flushed.subscribe();
        // Not `wait_for`: its condition would run under the lock of the number, and take the lock
        // of the map, while `apply` takes them the other way round.
        let reached = async {
            while self.version() < version {
                if flushed.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(patience, reached).await.unwrap_or(false)
    }

    /// Seats that can be had now.
    pub fn available(&self) -> usize {
        self.map.lock().letters.iter().filter(|letter| **letter == b'A').count()
    }

    /// When somebody last asked, and whether somebody watches.
    pub fn idle_since(&self) -> Option<Instant> {
        if self.flushed.receiver_count() + self.line.receiver_count() > 0 {
            return None;
        }
        Some(self.map.lock().used_at)
    }

    /// A new watcher: the first frames and its cursor. A known `last` continues there.
    pub fn watch(&self, scope: &Scope, last: Option<Position>) -> (Next, Watcher) {
        let receiver = self.flushed.subscribe();
        let mut map = self.map.lock();
        map.used_at = Instant::now();
        let cursor = *receiver.borrow();
        let missed = last.and_then(|last| missed(&map, last));
        let next = match missed {
            Some(flushes) => Next::Frames(self.frames(&flushes, scope)),
            None => Next::Snapshot(self.snapshot(&mut map, scope)),
        };
        drop(map);
        (next, Watcher { receiver, cursor })
    }

    fn frames(&self, flushes: &[Arc<Flush>], scope: &Scope) -> Vec<Bytes> {
        let encode = |flush: &Arc<Flush>| {
            let mut frames = flush.frames.lock();
            let made = frames.entry(scope.clone()).or_insert_with(|| {
                frame::changes(&self.site.index, flush.to, flush.version, &flush.changed, scope)
            });
            made.clone()
        };
        flushes.iter().filter_map(encode).collect()
    }

    fn snapshot(&self, map: &mut Map, scope: &Scope) -> Bytes {
        let (position, version) = (map.position, map.version);
        let letters = &map.letters;
        let made = map.snapshots.entry(scope.clone()).or_insert_with(|| {
            let states = frame::states(&self.site.index, letters, version, scope);
            frame::event("snapshot", Some(position), &states)
        });
        made.clone()
    }
}

/// The flushes since `last`, or `None` when they are not all known.
fn missed(map: &Map, last: Position) -> Option<Vec<Arc<Flush>>> {
    if last.epoch != map.position.epoch || last.id > map.position.id {
        return None;
    }
    let since: Vec<Arc<Flush>> =
        map.recent.iter().filter(|flush| flush.to.id > last.id).cloned().collect();
    match since.first() {
        // Another node may have cut the stream elsewhere: a flush that begins before `last` is
        // told whole, because the last state of a seat wins.
        Some(first) if first.from.id <= last.id || since.len() < map.recent.len() => Some(since),
        Some(_) => None,
        None if last.id == map.position.id || !map.recent.is_empty() => Some(vec![]),
        None => None,
    }
}

fn letters(index: &PlanIndex, snapshot: &Snapshot) -> Vec<u8> {
    let mut letters = vec![b'A'; index.seat_count() as usize];
    for (seat, letter) in &snapshot.taken {
        if let Some(place) = index.position(*seat) {
            letters[place as usize] = *letter;
        }
    }
    letters
}

/// The cursor of one connection.
pub struct Watcher {
    receiver: watch::Receiver<u64>,
    cursor: u64,
}

impl Watcher {
    /// Waits for what comes next in a scope. A flush without anything for it gives no frames.
    pub async fn next(&mut self, feed: &Feed, scope: &Scope) -> Option<Next> {
        self.receiver.changed().await.ok()?;
        let mut map = feed.map.lock();
        let latest = *self.receiver.borrow_and_update();
        let behind = (latest - self.cursor) as usize;
        self.cursor = latest;
        if behind > map.recent.len() {
            return Some(Next::Snapshot(feed.snapshot(&mut map, scope)));
        }
        let first = map.recent.len() - behind;
        let flushes: Vec<Arc<Flush>> = map.recent.range(first..).cloned().collect();
        drop(map);
        Some(Next::Frames(feed.frames(&flushes, scope)))
    }
}
