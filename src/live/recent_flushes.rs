//! The recent flushes of a map, for watchers that are a little behind and for clients that return.

use crate::domain::fact::Fields;
use crate::domain::ids::SeatId;
use crate::domain::position::{Position, StreamId};
use crate::engine::snapshot::parse_told;
use crate::live::frame::{Frame, Subject};
use crate::live::line::LineView;
use std::collections::{HashMap, VecDeque};

/// The most flushes that are kept: at 20 per second they cover 50 seconds. Fewer give more of the
/// clients that return a snapshot; more take memory.
const FLUSHES_MAX: usize = 1000;
/// Flushes that keep their frames. Older flushes are only sent merged. These flushes are always
/// kept, for watchers that are a moment behind.
const ENCODED_FLUSHES_MAX: usize = 8;
/// When a map starts, stream entries within this time become one flush.
const MERGE_WINDOW_MS: u64 = 50;

/// One flush: the changes between two positions of the stream, with the last state of each seat.
pub(super) struct Flush {
    pub from: StreamId,
    pub to: Position,
    pub version: u64,
    /// Index of the seat in the plan, and its letter; sorted by index.
    pub changed: Vec<(u32, u8)>,
    /// The line, when it moved.
    pub line: Option<LineView>,
    /// Whether the match has changed besides its seats.
    pub match_changed: bool,
    /// By subject: the frame, encoded for the first watcher and shared by the others.
    pub frames: HashMap<Subject, Option<Frame>>,
}

/// The recent flushes of a map. Each begins where the flush before it ends.
#[derive(Default)]
pub(super) struct RecentFlushes {
    /// The number of the last flush. A reset of the map counts as a flush.
    number: u64,
    flushes: VecDeque<Flush>,
    /// The sum of `Flush::size` over the flushes.
    size: usize,
    /// Redis has lost the entries behind the first id and up to the second. A client that was there
    /// has seen changes that no longer count.
    lost: Option<(StreamId, StreamId)>,
}

/// The flushes that a client has missed: the index of the first one, and their count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    pub first: usize,
    pub count: usize,
}

impl RecentFlushes {
    /// The number of the last flush: the cursor of a watcher that has seen all of them.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Adds a flush of a match with this number of seats. Flushes with more changes than the match
    /// has seats are not kept, because a snapshot says the same in fewer bytes. So a node needs
    /// little memory for many small matches.
    pub(super) fn push(&mut self, flush: Flush, seats: usize) {
        self.size += flush.size();
        self.flushes.push_back(flush);
        while self.flushes.len() > FLUSHES_MAX
            || (self.size > seats && self.flushes.len() > ENCODED_FLUSHES_MAX)
        {
            self.size -= self.flushes.pop_front().map_or(0, |flush| flush.size());
        }
        if let Some(old) = self.flushes.len().checked_sub(ENCODED_FLUSHES_MAX + 1) {
            self.flushes[old].frames = HashMap::new();
        }
        self.number += 1;
    }

    /// Forgets all flushes after a reset of the map, because no watcher can follow it from its
    /// cursor. `before` and `now`: the positions of the map before and after the reset.
    pub(super) fn forget(&mut self, before: Position, now: Position) {
        let lost_some = before.epoch == now.epoch && now.id < before.id;
        self.lost = lost_some.then_some((now.id, before.id));
        self.flushes.clear();
        self.size = 0;
        self.number += 1;
    }

    pub(super) fn flush(&mut self, index: usize) -> &mut Flush {
        &mut self.flushes[index]
    }

    pub(super) fn of(&self, missed: Missed) -> impl Iterator<Item = &Flush> {
        self.flushes.range(missed.first..missed.first + missed.count)
    }

    /// The flushes after a number; `None` when some of them are no longer kept.
    pub(super) fn after_number(&self, number: u64) -> Option<Missed> {
        let count = usize::try_from(self.number - number).ok()?;
        let first = self.flushes.len().checked_sub(count)?;
        Some(Missed { first, count })
    }

    /// The flushes after an id of this epoch; `None` when some of them are not kept. `upto`: where
    /// the last flush ended. The id may lie within a flush, because another node has flushed at
    /// other ids. Such a flush is sent whole, because the last state of a seat wins.
    pub(super) fn after_id(&self, id: StreamId, upto: StreamId) -> Option<Missed> {
        let known_from = self.flushes.front().map_or(upto, |flush| flush.from);
        let lost = self.lost.is_some_and(|(first, last)| first < id && id <= last);
        if id < known_from || lost {
            return None;
        }
        let first = self.flushes.partition_point(|flush| flush.to.id <= id);
        Some(Missed { first, count: self.flushes.len() - first })
    }

    /// Makes the flushes that lead to a map, from the entries of its stream up to its position
    /// `at`. So a node that starts later can send the clients that return only the changes they
    /// missed.
    pub(super) fn of_entries(
        entries: &[(StreamId, Fields)],
        at: Position,
        version: u64,
        index_of: impl Fn(SeatId) -> Option<u32>,
    ) -> Self {
        let (mut recent, mut version, mut first) = (Self::default(), version, None);
        if entries.last().is_none_or(|(id, _)| *id != at.id) {
            return recent;
        }
        // Walk backwards while versions are contiguous. The entry before the first one is unknown,
        // so the first one can't be used.
        for pair in entries.windows(2).rev() {
            let [(before, _), (id, fields)] = pair else { break };
            let Some((seats, earlier)) = read(fields, version) else { break };
            let mut flush: Flush = match first.take() {
                Some(flush) if is_near(&flush, *id) => flush,
                whole => {
                    recent.flushes.extend(whole);
                    Flush::empty(*id, Position { epoch: at.epoch, id: *id }, version)
                }
            };
            flush.from = *before;
            // The flush already has the later changes, and they win.
            let mut changed: HashMap<u32, u8> = HashMap::new();
            for (seat, letter) in seats {
                changed.extend(index_of(seat).map(|index| (index, letter)));
            }
            changed.extend(flush.changed.drain(..));
            flush.changed.extend(changed);
            flush.changed.sort_unstable();
            first = Some(flush);
            version = earlier;
        }
        recent.flushes.extend(first);
        recent.flushes.make_contiguous().reverse();
        recent.size = recent.flushes.iter().map(Flush::size).sum();
        recent
    }
}

fn is_near(flush: &Flush, id: StreamId) -> bool {
    flush.to.id.ms - id.ms <= MERGE_WINDOW_MS
}

/// The seats of an entry that leads to `version`, and the version before it.
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
            match_changed: false,
            frames: HashMap::new(),
        }
    }

    /// Its changes, and at least 1 because also a flush without changed seats takes memory.
    fn size(&self) -> usize {
        self.changed.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many flushes of this many changes each are kept in a match with this number of seats.
    fn kept(seats: usize, changes: u32) -> usize {
        let mut recent = RecentFlushes::default();
        for number in 0..3_000 {
            let id = |number| StreamId { ms: number, seq: 0 };
            let to = Position { epoch: 1, id: id(number + 1) };
            let mut flush = Flush::empty(id(number), to, number + 1);
            flush.changed = (0..changes).map(|at| (at, b'H')).collect();
            recent.push(flush, seats);
        }
        assert_eq!(recent.size, recent.flushes.iter().map(Flush::size).sum::<usize>());
        recent.flushes.len()
    }

    #[test]
    fn a_small_match_keeps_few_flushes() {
        assert_eq!(kept(25_000, 1), FLUSHES_MAX);
        assert_eq!(kept(60, 1), 60);
        assert_eq!(kept(60, 0), 60, "flushes of the line have a size too");
        assert_eq!(kept(60, 4), 15);
        assert_eq!(kept(60, 50), ENCODED_FLUSHES_MAX);
    }
}
