//! What is known of one match: the letters of its seats, the line, what was told lately, and the
//! frames that were made of it.

use crate::domain::fact::Fields;
use crate::domain::plan::PlanIndex;
use crate::domain::position::{EventId, Position, StreamId};
use crate::engine::snapshot::{Snapshot, parse_told};
use crate::live::frame::{self, Frame, Scope, States, Subject};
use crate::live::line::{Eta, Line, LineView};
use crate::live::match_now::Told;
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
    /// The match besides its seats.
    pub event: Arc<Told>,
    /// Where the last flush ended; what changed since; whether the line may look different, and
    /// whether the match does.
    pub told: StreamId,
    pub changed: HashMap<u32, u8>,
    pub line_moved: bool,
    pub event_changed: bool,
    pub past: Past,
    /// As the map stands now.
    pub snapshots: HashMap<Subject, Frame>,
    /// What came after the flush with this number, merged; and the same for those who return.
    pub merged: HashMap<(Subject, u64), Option<Frame>>,
    pub returned: HashMap<(Subject, u64), Frame>,
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
    pub(super) fn new(
        index: &PlanIndex,
        plan: u32,
        snapshot: &Snapshot,
        event: Arc<Told>,
        past: Past,
    ) -> Self {
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
            event,
            told: snapshot.position.id,
            changed: HashMap::new(),
            line_moved: false,
            event_changed: false,
            past,
            snapshots: HashMap::new(),
            merged: HashMap::new(),
            returned: HashMap::new(),
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
            self.snapshots.clear();
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

    /// The match has changed besides its seats.
    pub(super) fn change(&mut self, event: Told) {
        self.event = Arc::new(event);
        self.event_changed = true;
        // It may move from now on, or not any more.
        self.line_moved = true;
        self.snapshots.clear();
    }

    /// Whether there is something to tell.
    pub(super) fn has_news(&self) -> bool {
        self.position.id != self.told || self.event_changed
    }

    /// What was heard since the last flush becomes one; whether there was anything.
    pub(super) fn flush(&mut self) -> bool {
        if !self.has_news() {
            return false;
        }
        let mut flush = Flush::empty(self.told, self.position, self.version);
        flush.changed.extend(self.changed.drain());
        flush.changed.sort_unstable();
        flush.line = self.line_moved.then(|| self.line());
        flush.event = self.event_changed;
        (self.line_moved, self.event_changed) = (false, false);
        self.told = self.position.id;
        self.past.push(flush);
        self.merged.clear();
        self.returned.clear();
        self.bodies.clear();
        true
    }

    /// The line as everybody sees it.
    fn line(&self) -> LineView {
        self.line.view(self.available == 0, self.line_moves(), Instant::now())
    }

    fn line_moves(&self) -> bool {
        self.available > 0 && self.event.now.lets_in()
    }

    /// How long someone with so many people in front will wait.
    pub(super) fn eta(&self, ahead: u64) -> Option<Eta> {
        self.line.eta(ahead, Instant::now()).filter(|_| self.line_moves())
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
                let made = encode(index, self.plan, &self.event, subject, flush);
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
        whole.event = self.past.of(missed).any(|flush| flush.event);
        let made = encode(index, self.plan, &self.event, subject, &whole)?;
        // Whoever missed much is served better with the whole.
        if *subject == Subject::Line || made.chunk().len() < index.seat_count() as usize {
            return Some(made);
        }
        let snapshot = self.snapshot(index, subject);
        Some(if snapshot.chunk().len() < made.chunk().len() { snapshot } else { made })
    }

    /// What someone gets who returns to a place that is known: what it missed of the seats, and all
    /// the rest as it stands now.
    pub(super) fn returned(
        &mut self,
        index: &PlanIndex,
        subject: &Subject,
        missed: Missed,
    ) -> Frame {
        let key = (subject.clone(), self.past.number().wrapping_sub(missed.count as u64));
        if let Some(made) = self.returned.get(&key) {
            return made.clone();
        }
        let seats = self.frame(index, subject, missed).map(|frame| frame.text());
        let seats = seats.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let made = Frame::new(&(seats.into_owned() + &self.rest(subject)));
        self.returned.insert(key, made.clone());
        made
    }

    pub(super) fn snapshot(&mut self, index: &PlanIndex, subject: &Subject) -> Frame {
        if let Some(made) = self.snapshots.get(subject) {
            return made.clone();
        }
        let seats = match subject {
            Subject::Line => String::new(),
            Subject::Seats(scope) => {
                let states = frame::states(index, &self.letters, self.version, scope);
                frame::event("snapshot", Some(self.id()), &states)
            }
        };
        let made = Frame::new(&(seats + &self.rest(subject)));
        self.snapshots.insert(subject.clone(), made.clone());
        made
    }

    /// All that a subject has besides seats, as it stands now.
    fn rest(&self, subject: &Subject) -> String {
        let mut text = String::new();
        if shows_line(subject, &self.event) {
            text += &frame::event("serving", None, &self.line());
        }
        text + &self.event.text
    }
}

/// Who looks at the seats while there is a waiting room sees its line too, so that nobody needs two
/// streams.
fn shows_line(subject: &Subject, event: &Told) -> bool {
    *subject == Subject::Line || event.now.queue.enabled
}

fn encode(
    index: &PlanIndex,
    plan: u32,
    event: &Told,
    subject: &Subject,
    flush: &Flush,
) -> Option<Frame> {
    let mut text = String::new();
    if let Subject::Seats(scope) = subject {
        let id = EventId { position: flush.to, plan };
        let changes = frame::changes(index, id, flush.version, &flush.changed, scope);
        text.extend(changes);
    }
    if let Some(line) = flush.line.as_ref().filter(|_| shows_line(subject, event)) {
        text += &frame::event("serving", None, line);
    }
    if flush.event {
        text += &event.text;
    }
    (!text.is_empty()).then(|| Frame::new(&text))
}
