//! What is known of one match: the letters of its seats, the line, what was told lately, and the
//! frames that were made of it.

use crate::domain::fact::Fields;
use crate::domain::plan::PlanIndex;
use crate::domain::position::{EventId, Position, StreamId};
use crate::engine::seats::{Snapshot, parse_told};
use crate::live::frame::{self, Frame, Scope, States, Subject};
use crate::live::line::Line;
use crate::live::past::{Flush, Missed, Past};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// All that is known of a match.
pub(super) struct Map {
    /// The mark of the plan.
    plan: u32,
    pub position: Position,
    pub version: u64,
    pub letters: Vec<u8>,
    /// Seats that can be had.
    pub available: usize,
    pub line: Line,
    /// Where the last flush ended; what changed since; whether the line may look different.
    pub told: StreamId,
    pub changed: HashMap<u32, u8>,
    pub line_moved: bool,
    pub past: Past,
    /// As the map stands now.
    pub snapshots: HashMap<Subject, Frame>,
    /// What came after the flush with this number, merged.
    pub merged: HashMap<(Subject, u64), Option<Frame>>,
    pub bodies: HashMap<Scope, Arc<Body>>,
    pub used_at: Instant,
    /// Seats that were proposed to somebody a moment ago: others are proposed something else.
    pub proposed: HashMap<u32, Instant>,
}

/// The states of a scope as they are answered, kept for all who ask until something changes.
pub struct Body {
    pub id: EventId,
    pub plain: Bytes,
    gzip: OnceLock<Bytes>,
}

impl Body {
    /// The same, compressed: once for all who want it so.
    pub fn gzip(&self) -> Bytes {
        let packed = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            // A vector takes everything.
            let _ = encoder.write_all(&self.plain);
            Bytes::from(encoder.finish().unwrap_or_default())
        };
        self.gzip.get_or_init(packed).clone()
    }
}

/// A gap in the stream: entries are missing between the map and the one that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap;

impl Map {
    pub(super) fn new(index: &PlanIndex, plan: u32, snapshot: &Snapshot, past: Past) -> Self {
        let mut letters = vec![b'A'; index.seat_count() as usize];
        for (seat, letter) in &snapshot.taken {
            if let Some(place) = index.position(*seat) {
                letters[place as usize] = *letter;
            }
        }
        Self {
            plan,
            position: snapshot.position,
            version: snapshot.version,
            available: letters.iter().filter(|letter| **letter == b'A').count(),
            letters,
            line: Line::at(snapshot.serving, snapshot.waiting),
            told: snapshot.position.id,
            changed: HashMap::new(),
            line_moved: false,
            past,
            snapshots: HashMap::new(),
            merged: HashMap::new(),
            bodies: HashMap::new(),
            used_at: Instant::now(),
            proposed: HashMap::new(),
        }
    }

    pub(super) fn hear(
        &mut self,
        index: &PlanIndex,
        id: StreamId,
        fields: &Fields,
    ) -> Result<(), Gap> {
        if let Some(text) = fields.get("q") {
            self.line.hear(text, Instant::now());
            self.line_moved = true;
            self.snapshots.remove(&Subject::Line);
            self.position.id = id;
            return Ok(());
        }
        let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
        if number("p") != Some(self.version) {
            return Err(Gap);
        }
        let seats = fields.get("d").and_then(|text| parse_told(text)).ok_or(Gap)?;
        let version = number("v").ok_or(Gap)?;
        let sold_out = self.available == 0;
        for (seat, letter) in seats {
            let Some(place) = index.position(seat) else { continue };
            let old = std::mem::replace(&mut self.letters[place as usize], letter);
            self.available += usize::from(letter == b'A');
            self.available -= usize::from(old == b'A');
            self.changed.insert(place, letter);
        }
        // Everybody who waits is told when nothing is left, and when something is again.
        self.line_moved |= sold_out != (self.available == 0);
        self.position.id = id;
        self.version = version;
        self.snapshots.clear();
        Ok(())
    }

    /// What was heard since the last flush becomes one; whether there was anything.
    pub(super) fn flush(&mut self) -> bool {
        if self.position.id == self.told {
            return false;
        }
        let mut flush = Flush::empty(self.told, self.position, self.version);
        flush.changed.extend(self.changed.drain());
        flush.changed.sort_unstable();
        flush.line = self.line_moved.then(|| self.line.view(self.available == 0, Instant::now()));
        self.line_moved = false;
        self.told = self.position.id;
        self.past.push(flush);
        self.merged.clear();
        self.bodies.clear();
        true
    }

    /// The states of a scope as they are answered, at most one flush old.
    pub(super) fn body(
        &mut self,
        index: &PlanIndex,
        scope: &Scope,
        encode: impl FnOnce(&States) -> Vec<u8>,
    ) -> Arc<Body> {
        if let Some(body) = self.bodies.get(scope) {
            return body.clone();
        }
        let states = frame::states(index, &self.letters, self.version, scope);
        let plain = Bytes::from(encode(&states));
        let body = Arc::new(Body { id: self.id(), plain, gzip: OnceLock::new() });
        self.bodies.insert(scope.clone(), body.clone());
        body
    }

    /// Where the map stands.
    fn id(&self) -> EventId {
        EventId { position: self.position, plan: self.plan }
    }

    /// What a newcomer missed that stands at a place; `None` when that is not known.
    pub(super) fn missed(&self, last: Option<EventId>, subject: &Subject) -> Option<Missed> {
        let last = last.filter(|last| *subject != Subject::Line && last.plan == self.plan)?;
        let last = last.position;
        if last.epoch != self.position.epoch || last.id > self.position.id {
            return None;
        }
        self.past.after_id(last.id, self.told)
    }

    /// Some flushes as one frame; none when nothing of them is in the subject.
    pub(super) fn frame(
        &mut self,
        index: &PlanIndex,
        subject: &Subject,
        missed: Missed,
    ) -> Option<Frame> {
        match missed.count {
            0 => None,
            1 => {
                let flush = self.past.flush(missed.first);
                if let Some(made) = flush.frames.get(subject) {
                    return made.clone();
                }
                let made = encode(index, self.plan, subject, flush);
                flush.frames.insert(subject.clone(), made.clone());
                made
            }
            count => {
                // Below 0 when flushes were read from the stream; it only tells keys apart.
                let key = (subject.clone(), self.past.number().wrapping_sub(count as u64));
                if let Some(made) = self.merged.get(&key) {
                    return made.clone();
                }
                let made = self.merge(index, subject, missed);
                self.merged.insert(key, made.clone());
                made
            }
        }
    }

    pub(super) fn merge(
        &mut self,
        index: &PlanIndex,
        subject: &Subject,
        missed: Missed,
    ) -> Option<Frame> {
        let (mut changed, mut last) = (HashMap::new(), None);
        for flush in self.past.of(missed) {
            changed.extend(flush.changed.iter().copied());
            last = Some(flush);
        }
        let last = last?;
        let mut whole = Flush::empty(last.from, last.to, last.version);
        whole.changed = changed.into_iter().collect();
        whole.changed.sort_unstable();
        whole.line = self.past.of(missed).filter_map(|flush| flush.line.clone()).last();
        let made = encode(index, self.plan, subject, &whole)?;
        // Whoever missed much is served better with the whole.
        if *subject == Subject::Line || made.chunk().len() < index.seat_count() as usize {
            return Some(made);
        }
        let snapshot = self.snapshot(index, subject);
        Some(if snapshot.chunk().len() < made.chunk().len() { snapshot } else { made })
    }

    pub(super) fn snapshot(&mut self, index: &PlanIndex, subject: &Subject) -> Frame {
        if let Some(made) = self.snapshots.get(subject) {
            return made.clone();
        }
        let made = match subject {
            Subject::Line => {
                frame::event("serving", None, &self.line.view(self.available == 0, Instant::now()))
            }
            Subject::Seats(scope) => {
                let states = frame::states(index, &self.letters, self.version, scope);
                frame::event("snapshot", Some(self.id()), &states)
            }
        };
        self.snapshots.insert(subject.clone(), made.clone());
        made
    }
}

fn encode(index: &PlanIndex, plan: u32, subject: &Subject, flush: &Flush) -> Option<Frame> {
    match subject {
        Subject::Line => flush.line.as_ref().map(|line| frame::event("serving", None, line)),
        Subject::Seats(scope) => {
            let id = EventId { position: flush.to, plan };
            frame::changes(index, id, flush.version, &flush.changed, scope)
        }
    }
}
