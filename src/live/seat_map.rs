//! The seat map of one match: the letters of its seats, its line, its recent flushes, and the
//! frames that were encoded from them. `match_feed.rs` puts a lock around it.

use crate::domain::fact::Fields;
use crate::domain::free_seats::SharedSeats;
use crate::domain::plan::PlanIndex;
use crate::domain::position::{EventId, Position, StreamId};
use crate::engine::snapshot::{Snapshot, parse_told};
use crate::live::frame::{self, Frame, Scope, States, Subject};
use crate::live::line::{Around, Line, LineView};
use crate::live::match_now::MatchEvent;
use crate::live::pace::Eta;
use crate::live::packed::Packed;
use crate::live::recent_flushes::{Flush, Missed, RecentFlushes};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// The seat map of one match.
pub(super) struct SeatMap {
    /// The mark of the plan.
    plan: u32,
    pub position: Position,
    pub version: u64,
    /// The letter of each seat, by its index in the plan.
    pub letters: Vec<u8>,
    /// The number of AVAILABLE seats, and of those in HOLD or PENDING.
    pub available: usize,
    unpaid: usize,
    pub line: Line,
    pub match_event: Arc<MatchEvent>,
    /// Where the last flush ended.
    pub flushed_upto: StreamId,
    /// Since the last flush: the changed seats, whether the line may look different, and whether
    /// the match does.
    pub changed: HashMap<u32, u8>,
    pub line_moved: bool,
    pub match_changed: bool,
    pub recent: RecentFlushes,
    /// Snapshots at the current position, by subject.
    pub snapshots: HashMap<Subject, Frame>,
    /// Merged frames, by the number of the flush that they follow: for watchers that are behind,
    /// and for clients that return.
    pub merged: HashMap<(Subject, u64), Option<Frame>>,
    pub returned: HashMap<(Subject, u64), Frame>,
    pub bodies: HashMap<Scope, Arc<Body>>,
    /// The AVAILABLE seats, for readers that do not take the lock of the map.
    free: Arc<SharedSeats>,
}

/// The body of a response with the states of a scope. It serves all requests until the next flush.
pub struct Body {
    pub id: EventId,
    pub packed: Packed,
}

/// Entries are missing between the position of the map and the entry that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap;

impl SeatMap {
    pub(super) fn new(
        index: &PlanIndex,
        plan: u32,
        snapshot: &Snapshot,
        match_event: Arc<MatchEvent>,
        recent: RecentFlushes,
        free: Arc<SharedSeats>,
    ) -> Self {
        let mut letters = vec![b'A'; index.seat_count() as usize];
        for (seat, letter) in &snapshot.taken {
            if let Some(at) = index.position(*seat) {
                letters[at as usize] = *letter;
            }
        }
        for (seat, letter) in (0..).zip(&letters) {
            free.set(seat, *letter == b'A');
        }
        Self {
            plan,
            position: snapshot.position,
            version: snapshot.version,
            available: letters.iter().filter(|letter| **letter == b'A').count(),
            unpaid: letters.iter().filter(|letter| is_unpaid(**letter)).count(),
            letters,
            line: Line::at(snapshot.line),
            match_event,
            flushed_upto: snapshot.position.id,
            changed: HashMap::new(),
            line_moved: false,
            match_changed: false,
            recent,
            snapshots: HashMap::new(),
            merged: HashMap::new(),
            returned: HashMap::new(),
            bodies: HashMap::new(),
            free,
        }
    }

    /// Applies an entry of the stream.
    pub(super) fn apply(
        &mut self,
        index: &PlanIndex,
        id: StreamId,
        fields: &Fields,
    ) -> Result<(), Gap> {
        if let Some(text) = fields.get("q") {
            self.line.apply(text, Instant::now());
            self.line_moved = true;
            self.snapshots.clear();
            self.advance(id);
            return Ok(());
        }
        let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
        if number("p") != Some(self.version) {
            return Err(Gap);
        }
        let seats = fields.get("d").and_then(|text| parse_told(text)).ok_or(Gap)?;
        let version = number("v").ok_or(Gap)?;
        let line_shows = |map: &Self| (map.available == 0, map.unpaid > 0);
        let before = line_shows(self);
        for (seat, letter) in seats {
            let Some(at) = index.position(seat) else { continue };
            let old = std::mem::replace(&mut self.letters[at as usize], letter);
            self.available += usize::from(letter == b'A');
            self.available -= usize::from(old == b'A');
            self.unpaid += usize::from(is_unpaid(letter));
            self.unpaid -= usize::from(is_unpaid(old));
            self.free.set(at, letter == b'A');
            self.changed.insert(at, letter);
        }
        // The line shows whether the match is sold out, and whether seats may come back.
        self.line_moved |= before != line_shows(self);
        self.version = version;
        self.snapshots.clear();
        self.advance(id);
        Ok(())
    }

    fn advance(&mut self, id: StreamId) {
        self.position.id = id;
        self.recent.note(id);
    }

    /// Applies a change of the match besides its seats.
    pub(super) fn change_match(&mut self, event: MatchEvent) {
        self.match_event = Arc::new(event);
        self.match_changed = true;
        // Such a change may start or stop the line.
        self.line_moved = true;
        self.snapshots.clear();
    }

    /// Whether there are changes since the last flush.
    pub(super) fn has_changes(&self) -> bool {
        self.position.id != self.flushed_upto || self.match_changed
    }

    /// Makes a flush of the changes since the last one; returns whether there were any.
    pub(super) fn flush(&mut self) -> bool {
        if !self.has_changes() {
            return false;
        }
        let mut flush = Flush::empty(self.flushed_upto, self.position, self.version);
        flush.changed.extend(self.changed.drain());
        flush.changed.sort_unstable();
        if self.line_moved {
            let mut line = std::mem::take(&mut self.line);
            line.measure(self.around(), Instant::now());
            self.line = line;
            flush.line = Some(self.line());
            self.snapshots.clear();
        }
        flush.match_changed = self.match_changed;
        (self.line_moved, self.match_changed) = (false, false);
        self.flushed_upto = self.position.id;
        self.recent.push(flush, self.letters.len());
        self.merged.clear();
        self.returned.clear();
        self.bodies.clear();
        true
    }

    /// The line as everybody sees it.
    pub(super) fn line(&self) -> LineView {
        self.line.view(self.around(), Instant::now())
    }

    fn around(&self) -> Around<'_> {
        Around {
            fixture: &self.match_event.now,
            epoch: self.position.epoch,
            available: self.available,
            unpaid: self.unpaid,
        }
    }

    /// How long somebody with `ahead` people in front will wait.
    pub(super) fn eta(&self, ahead: u64) -> Option<Eta> {
        self.line.eta(ahead, self.around(), Instant::now())
    }

    /// The body of a response with the states of a scope, at most one flush old.
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
        let packed = Packed::for_a_moment(encode(&states));
        let body = Arc::new(Body { id: self.id(), packed });
        self.bodies.insert(scope.clone(), body.clone());
        body
    }

    /// The id of an event at the position of the map.
    fn id(&self) -> EventId {
        EventId { position: self.position, plan: self.plan }
    }

    /// The id of the last flush. A snapshot may be later, because it has changes that no flush has
    /// told yet. A client that gets them a second time is at the same state.
    pub(super) fn flushed_id(&self) -> EventId {
        let position = Position { id: self.flushed_upto, ..self.position };
        EventId { position, plan: self.plan }
    }

    /// The flushes that a client has missed since the event `last`; `None` when they are not kept.
    pub(super) fn missed(&self, last: Option<EventId>, subject: &Subject) -> Option<Missed> {
        let last = last.filter(|last| *subject != Subject::Line && last.plan == self.plan)?;
        let last = last.position;
        if last.epoch != self.position.epoch || last.id > self.position.id {
            return None;
        }
        self.recent.after_id(last.id, self.flushed_upto)
    }

    /// Some flushes as one frame; `None` when they change nothing in the subject.
    pub(super) fn frame(
        &mut self,
        index: &PlanIndex,
        subject: &Subject,
        missed: Missed,
    ) -> Option<Frame> {
        match missed.count {
            0 => None,
            1 => {
                let flush = self.recent.flush(missed.first);
                if let Some(made) = flush.frames.get(subject) {
                    return made.clone();
                }
                let made = encode(index, self.plan, &self.match_event, subject, flush);
                flush.frames.insert(subject.clone(), made.clone());
                made
            }
            count => {
                // May wrap below 0 for flushes that were read from the stream. It is only a key.
                let key = (subject.clone(), self.recent.number().wrapping_sub(count as u64));
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
        for flush in self.recent.of(missed) {
            changed.extend(flush.changed.iter().copied());
            last = Some(flush);
        }
        let last = last?;
        let mut whole = Flush::empty(last.from, last.to, last.version);
        whole.changed = changed.into_iter().collect();
        whole.changed.sort_unstable();
        whole.line = self.recent.of(missed).filter_map(|flush| flush.line.clone()).last();
        whole.match_changed = self.recent.of(missed).any(|flush| flush.match_changed);
        let made = encode(index, self.plan, &self.match_event, subject, &whole)?;
        // A client that has missed much gets a snapshot instead, if that is smaller.
        if *subject == Subject::Line || made.chunk().len() < index.seat_count() as usize {
            return Some(made);
        }
        let snapshot = self.snapshot(index, subject);
        Some(if snapshot.chunk().len() < made.chunk().len() { snapshot } else { made })
    }

    /// The frame for a client that returns: the seats that changed meanwhile, then the line and the
    /// match as they are now.
    pub(super) fn returned(
        &mut self,
        index: &PlanIndex,
        subject: &Subject,
        missed: Missed,
    ) -> Frame {
        let key = (subject.clone(), self.recent.number().wrapping_sub(missed.count as u64));
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

    /// The line and the match as they are now, as far as the subject shows them.
    fn rest(&self, subject: &Subject) -> String {
        let mut text = String::new();
        if shows_line(subject, &self.match_event) {
            text += &frame::event("serving", None, &self.line());
        }
        text + &self.match_event.text
    }
}

/// HOLD or PENDING.
fn is_unpaid(letter: u8) -> bool {
    matches!(letter, b'H' | b'P')
}

/// A stream of seats also shows the line of the waiting room, if there is one, so that nobody needs
/// two streams.
fn shows_line(subject: &Subject, event: &MatchEvent) -> bool {
    *subject == Subject::Line || event.now.queue.enabled
}

fn encode(
    index: &PlanIndex,
    plan: u32,
    event: &MatchEvent,
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
    if flush.match_changed {
        text += &event.text;
    }
    (!text.is_empty()).then(|| Frame::new(&text))
}
