//! The recent flushes of a map, for watchers that are a little behind and for clients that return.

use crate::domain::fact::Fields;
use crate::domain::ids::SeatId;
use crate::domain::position::{Position, StreamId};
use crate::engine::snapshot::parse_told;
use crate::live::frame::{Frame, Subject};
use crate::live::line::LineView;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// The most flushes that are kept: at 20 per second they cover 50 seconds. Fewer give more of the
/// clients that return a snapshot; more take memory.
const FLUSHES_MAX: usize = 1000;
/// Flushes that keep their frames. Older flushes are only sent merged. These flushes are kept
/// however large they are, for watchers that are a moment behind.
const ENCODED_FLUSHES_MAX: usize = 8;
/// When a map starts, stream entries within this time become one flush.
const MERGE_WINDOW_MS: u64 = 50;

/// One flush: the changes between two positions of the stream, with the last state of each seat.
pub(super) struct Flush {
    /// When this node made it.
    pub at: Instant,
    pub from: StreamId,
    pub to: Position,
    pub version: u64,
    /// The ids of its entries of the stream, in order: those after `from`, up to `to`.
    pub entries: Vec<StreamId>,
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
    /// The ids of the entries since the last flush, in order.
    unflushed: Vec<StreamId>,
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

    /// Notes an entry of the stream, which the next flush will tell.
    pub(super) fn note(&mut self, id: StreamId) {
        self.unflushed.push(id);
    }

    /// Adds a flush of the entries since the last one, in a match with this number of seats.
    /// Flushes with more changes than the match has seats are not kept, because a snapshot says the
    /// same in fewer bytes. So a node needs little memory for many small matches.
    pub(super) fn push(&mut self, mut flush: Flush, seats: usize) {
        flush.entries = std::mem::take(&mut self.unflushed);
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

    /// Forgets the flushes that were made before this time.
    pub(super) fn forget_before(&mut self, time: Instant) {
        let old = self.flushes.partition_point(|flush| flush.at < time);
        self.size -= self.flushes.drain(..old).map(|flush| flush.size()).sum::<usize>();
        // Only then: a map in its rush would be copied each time, under its lock.
        if self.flushes.is_empty() {
            self.flushes.shrink_to_fit();
        }
    }

    /// Forgets all flushes after a reset of the map, because no watcher can follow it from its
    /// cursor.
    pub(super) fn forget(&mut self) {
        self.unflushed.clear();
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

    /// The flushes after an entry of this epoch; `None` when some of them are not kept, or when the
    /// stream has no such entry. Then Redis has lost it in a failover, and a client that was there
    /// has seen changes that no longer count. `upto`: where the last flush ended. The entry may lie
    /// within a flush, because another node has flushed at other entries. Such a flush is sent
    /// whole, because the last state of a seat wins.
    pub(super) fn after_id(&self, id: StreamId, upto: StreamId) -> Option<Missed> {
        let known_from = self.flushes.front().map_or(upto, |flush| flush.from);
        let ends_before = self.flushes.partition_point(|flush| flush.to.id < id);
        let around = self.flushes.get(ends_before).map_or(&self.unflushed, |flush| &flush.entries);
        if id != known_from && around.binary_search(&id).is_err() {
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
            flush.entries.push(*id);
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
        recent.flushes.iter_mut().for_each(|flush| flush.entries.reverse());
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
            at: Instant::now(),
            from,
            to,
            version,
            entries: vec![],
            changed: vec![],
            line: None,
            match_changed: false,
            frames: HashMap::new(),
        }
    }

    /// Its changes or its entries, whichever are more, and at least 1 because also a flush without
    /// any takes memory.
    fn size(&self) -> usize {
        self.changed.len().max(self.entries.len()).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many flushes of this many changes each are kept in a match with this number of seats.
    fn kept(seats: usize, changes: u32) -> usize {
        let mut recent = RecentFlushes::default();
        for number in 0..3_000 {
            let to = Position { epoch: 1, id: id(number + 1) };
            let mut flush = Flush::empty(id(number), to, number + 1);
            flush.changed = (0..changes).map(|at| (at, b'H')).collect();
            recent.push(flush, seats);
        }
        assert_eq!(recent.size, recent.flushes.iter().map(Flush::size).sum::<usize>());
        recent.flushes.len()
    }

    /// Who is up to date misses nothing, and who is behind gets a snapshot.
    #[test]
    fn old_flushes_are_forgotten_and_later_ones_are_not() {
        let mut recent = RecentFlushes::default();
        push(&mut recent, 0, &[1, 2]);
        push(&mut recent, 2, &[3]);
        let middle = Instant::now();
        std::thread::sleep(std::time::Duration::from_millis(1));
        push(&mut recent, 3, &[4]);
        recent.forget_before(middle);
        assert_eq!((recent.flushes.len(), recent.size), (1, 1));
        assert_eq!(recent.after_number(1), None);
        assert_eq!(recent.after_number(2), Some(Missed { first: 0, count: 1 }));
        assert_eq!(recent.after_id(id(2), id(4)), None);
        assert_eq!(recent.after_id(id(3), id(4)), Some(Missed { first: 0, count: 1 }));
        recent.forget_before(Instant::now());
        assert_eq!((recent.flushes.len(), recent.size), (0, 0));
        assert_eq!(recent.after_number(2), None);
        assert_eq!(recent.after_number(3), Some(Missed { first: 0, count: 0 }));
        assert_eq!(recent.after_id(id(3), id(4)), None);
        assert_eq!(recent.after_id(id(4), id(4)), Some(Missed { first: 0, count: 0 }));
    }

    const fn id(ms: u64) -> StreamId {
        StreamId { ms, seq: 0 }
    }

    /// A flush of entries with these times, after `from`.
    fn push(recent: &mut RecentFlushes, from: u64, entries: &[u64]) {
        entries.iter().for_each(|ms| recent.note(id(*ms)));
        let to = Position { epoch: 1, id: id(*entries.last().unwrap_or(&from)) };
        recent.push(Flush::empty(id(from), to, 1), 25);
    }

    /// Between two entries there may have been others, which Redis has lost.
    #[test]
    fn a_client_continues_after_each_entry_of_the_stream_and_after_nothing_else() {
        let mut recent = RecentFlushes::default();
        push(&mut recent, 10, &[20, 30]);
        push(&mut recent, 30, &[]);
        push(&mut recent, 30, &[40]);
        recent.note(id(50));
        let counts = |recent: &RecentFlushes, ms, upto| {
            recent.after_id(id(ms), id(upto)).map(|missed| missed.count)
        };
        let expected = [(10, 3), (20, 3), (30, 1), (40, 0), (50, 0)];
        for (ms, count) in expected {
            assert_eq!(counts(&recent, ms, 40), Some(count), "{ms}");
        }
        for ms in [5, 15, 25, 35, 45, 55] {
            assert_eq!(counts(&recent, ms, 40), None, "{ms}");
        }
        recent.forget();
        assert_eq!([40, 50, 30, 35].map(|ms| counts(&recent, ms, 30)), [None, None, Some(0), None]);
    }

    /// The same from the entries that a map which starts has read.
    #[test]
    fn a_new_map_knows_each_entry_that_led_to_it() {
        let entry = |number: u64| {
            let text = |name: &str, value: u64| (name.to_owned(), value.to_string());
            let told = ("d".to_owned(), format!("H{number}"));
            let fields = [text("p", number - 1), text("v", number), told];
            (id(number * 40), Fields::from_iter(fields))
        };
        let entries: Vec<_> = (1..=6).map(entry).collect();
        let at = Position { epoch: 1, id: id(240) };
        let recent = RecentFlushes::of_entries(&entries, at, 6, |seat| Some(seat.0));
        let seats = |ms| -> Option<usize> {
            let missed = recent.after_id(id(ms), at.id)?;
            Some(recent.of(missed).map(|flush| flush.changed.len()).sum())
        };
        // Two entries are a flush, which is sent whole.
        let expected = [Some(5), Some(4), Some(4), Some(2), Some(2), Some(0)];
        let found: Vec<_> = (1..=6).map(|number| seats(number * 40)).collect();
        assert_eq!(found, expected);
        assert_eq!([0, 60, 100, 239, 241].map(seats), [None; 5]);
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
