//! What a map told lately: for those who are a little behind, and for those who return.

use crate::domain::fact::Fields;
use crate::domain::ids::SeatId;
use crate::domain::position::{Position, StreamId};
use crate::engine::snapshot::parse_told;
use crate::live::frame::{Frame, Subject};
use crate::live::line::LineView;
use std::collections::{HashMap, VecDeque};

/// Flushes that are remembered: at 20 per second those of the last 50 seconds.
const FLUSHES: usize = 1000;
/// Only the last ones are asked for as they are; older ones are merged.
const ENCODED: usize = 8;
/// Entries of the stream so close together become one flush when they are read later.
const MERGED_MS: u64 = 50;

/// One flush: what changed between two places of the stream, the last state of each seat.
pub(super) struct Flush {
    pub from: StreamId,
    pub to: Position,
    pub version: u64,
    /// Place of the seat in the plan, and its letter; by place.
    pub changed: Vec<(u32, u8)>,
    /// The line, when it moved.
    pub line: Option<LineView>,
    /// Whether something else of the match changed.
    pub event: bool,
    /// Encoded for the first watcher of a subject, shared by the others.
    pub frames: HashMap<Subject, Option<Frame>>,
}

/// The flushes of a map, each beginning where the one before ends.
#[derive(Default)]
pub(super) struct Past {
    /// How many flushes there were; it also counts every new start.
    number: u64,
    flushes: VecDeque<Flush>,
    /// Ids behind the first and up to the second are those of entries that Redis has lost: who
    /// stands there knows of changes that did not happen.
    lost: Option<(StreamId, StreamId)>,
}

/// The flushes that someone has not seen: the first one's index and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    pub first: usize,
    pub count: usize,
}

impl Past {
    /// The number of the last flush: where a watcher stands that has seen all of them.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn push(&mut self, flush: Flush) {
        self.flushes.push_back(flush);
        if self.flushes.len() > FLUSHES {
            self.flushes.pop_front();
        }
        if let Some(old) = self.flushes.len().checked_sub(ENCODED + 1) {
            self.flushes[old].frames = HashMap::new();
        }
        self.number += 1;
    }

    /// Forgets all flushes, because the map was read from Redis again and no watcher can follow it
    /// from where it stands. `before` and `now` are the places of the map before and after that.
    pub(super) fn forget(&mut self, before: Position, now: Position) {
        let lost_some = before.epoch == now.epoch && now.id < before.id;
        self.lost = lost_some.then_some((now.id, before.id));
        self.flushes.clear();
        self.number += 1;
    }

    pub(super) fn flush(&mut self, index: usize) -> &mut Flush {
        &mut self.flushes[index]
    }

    pub(super) fn of(&self, missed: Missed) -> impl Iterator<Item = &Flush> {
        self.flushes.range(missed.first..missed.first + missed.count)
    }

    /// What came after a number; `None` when not all of it is known.
    pub(super) fn after_number(&self, number: u64) -> Option<Missed> {
        let count = usize::try_from(self.number - number).ok()?;
        let first = self.flushes.len().checked_sub(count)?;
        Some(Missed { first, count })
    }

    /// What came after an id of this epoch; `told` is where the last flush ended. Another node may
    /// have cut the stream elsewhere: a flush that begins before the id is told whole, because the
    /// last state of a seat wins.
    pub(super) fn after_id(&self, id: StreamId, told: StreamId) -> Option<Missed> {
        let known_from = self.flushes.front().map_or(told, |flush| flush.from);
        let lost = self.lost.is_some_and(|(first, last)| first < id && id <= last);
        if id < known_from || lost {
            return None;
        }
        let first = self.flushes.partition_point(|flush| flush.to.id <= id);
        Some(Missed { first, count: self.flushes.len() - first })
    }

    /// The past that leads to a map, out of the entries of its stream up to where it stands. So a
    /// node that starts later tells those who return only what they missed.
    pub(super) fn of_entries(
        entries: &[(StreamId, Fields)],
        at: Position,
        version: u64,
        place_of: impl Fn(SeatId) -> Option<u32>,
    ) -> Self {
        let (mut past, mut version, mut first) = (Self::default(), version, None);
        if entries.last().is_none_or(|(id, _)| *id != at.id) {
            return past;
        }
        // Backwards, as long as each entry leads to the next one. Where the first of all begins is
        // not known.
        for pair in entries.windows(2).rev() {
            let [(before, _), (id, fields)] = pair else { break };
            let Some((seats, earlier)) = read(fields, version) else { break };
            let mut flush: Flush = match first.take() {
                Some(flush) if near(&flush, *id) => flush,
                whole => {
                    past.flushes.extend(whole);
                    Flush::empty(*id, Position { epoch: at.epoch, id: *id }, version)
                }
            };
            flush.from = *before;
            // What came later is there already, and stands.
            let mut changed: HashMap<u32, u8> = HashMap::new();
            for (seat, letter) in seats {
                changed.extend(place_of(seat).map(|place| (place, letter)));
            }
            changed.extend(flush.changed.drain(..));
            flush.changed.extend(changed);
            flush.changed.sort_unstable();
            first = Some(flush);
            version = earlier;
        }
        past.flushes.extend(first);
        past.flushes.make_contiguous().reverse();
        past
    }
}

fn near(flush: &Flush, id: StreamId) -> bool {
    flush.to.id.ms - id.ms <= MERGED_MS
}

/// The seats of an entry that leads to a version, and the version before it.
fn read(fields: &Fields, version: u64) -> Option<(Vec<(SeatId, u8)>, u64)> {
    if fields.contains_key("q") {
        return Some((vec![], version));
    }
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
    let seats = fields.get("d").and_then(|text| parse_told(text))?;
    (number("v")? == version).then_some((seats, number("p")?))
}

impl Flush {
    pub(super) fn empty(from: StreamId, to: Position, version: u64) -> Self {
        Self {
            from,
            to,
            version,
            changed: vec![],
            line: None,
            event: false,
            frames: HashMap::new(),
        }
    }
}
