//! Which seats of a site are free, as one bit per seat: a copy for 25,000 seats has 3 KiB, and a
//! search skips 64 seats that are taken in one step.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

const BITS: u32 = u64::BITS;

/// Which seats are free, by position in the plan.
#[derive(Debug, Clone)]
pub struct FreeSeats(Vec<u64>);

impl FreeSeats {
    /// The seats at positions below `seats` for which `is_free` returns true.
    pub fn new(seats: u32, is_free: impl Fn(u32) -> bool) -> Self {
        let mut words = vec![0; seats.div_ceil(BITS) as usize];
        for position in (0..seats).filter(|position| is_free(*position)) {
            words[(position / BITS) as usize] |= 1 << (position % BITS);
        }
        Self(words)
    }

    /// A set without seats, for positions below `seats`.
    pub fn empty(seats: u32) -> Self {
        Self(vec![0; seats.div_ceil(BITS) as usize])
    }

    /// Whether the seat at a position is free.
    pub fn contains(&self, position: u32) -> bool {
        self.0[(position / BITS) as usize] >> (position % BITS) & 1 == 1
    }

    /// Whether the set has no seat.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Puts a seat into the set.
    pub fn insert(&mut self, position: u32) {
        self.0[(position / BITS) as usize] |= 1 << (position % BITS);
    }

    /// Takes a seat out.
    pub fn remove(&mut self, position: u32) {
        self.0[(position / BITS) as usize] &= !(1 << (position % BITS));
    }

    /// Takes all seats of another set out.
    pub fn remove_all(&mut self, others: &Self) {
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word &= !other;
        }
    }

    /// The runs of free seats within a range of positions, such as a row.
    pub fn runs(&self, row: Range<u32>) -> impl Iterator<Item = Range<u32>> {
        let mut next = row.start;
        std::iter::from_fn(move || {
            let start = self.next(next, row.end, true)?;
            let end = self.next(start, row.end, false).unwrap_or(row.end);
            next = end;
            Some(start..end)
        })
    }

    /// The first position from `from` on and below `end` whose seat is free, or is not free.
    fn next(&self, from: u32, end: u32, free: bool) -> Option<u32> {
        let mut position = from;
        while position < end {
            let word = self.0[(position / BITS) as usize];
            let wanted = if free { word } else { !word } >> (position % BITS);
            if wanted != 0 {
                return Some(position + wanted.trailing_zeros()).filter(|found| *found < end);
            }
            position = (position / BITS + 1) * BITS;
        }
        None
    }
}

/// A set of seats that one thread changes while others read it, without a lock. Each bit is right
/// on its own. Readers may see some changes of a step before others, so they only use it for
/// proposals: the script in Redis decides.
#[derive(Debug)]
pub struct SharedSeats(Box<[AtomicU64]>);

impl SharedSeats {
    /// An empty set for positions below `seats`.
    pub fn new(seats: u32) -> Self {
        Self((0..seats.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether the seat at a position is in the set.
    pub fn contains(&self, position: u32) -> bool {
        let word = self.0[(position / BITS) as usize].load(Ordering::Relaxed);
        word >> (position % BITS) & 1 == 1
    }

    /// Puts a seat into the set, or takes it out.
    pub fn set(&self, position: u32, is_in: bool) {
        let (word, bit) = (&self.0[(position / BITS) as usize], 1 << (position % BITS));
        if is_in {
            word.fetch_or(bit, Ordering::Relaxed);
        } else {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// A copy of the set as it is now.
    pub fn copy(&self) -> FreeSeats {
        FreeSeats(self.0.iter().map(|word| word.load(Ordering::Relaxed)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_are_the_longest_ranges_of_free_seats(
            free in prop::collection::vec(any::<bool>(), 1..300),
            (from, to) in (0_u32..300, 0_u32..300),
        ) {
            let seats = free.len() as u32;
            let set = FreeSeats::new(seats, |position| free[position as usize]);
            let shared = SharedSeats::new(seats);
            for position in 0..seats {
                shared.set(position, true);
                shared.set(position, free[position as usize]);
                prop_assert_eq!(shared.contains(position), set.contains(position));
            }
            let row = from.min(seats)..to.min(seats);
            let mut expected: Vec<Range<u32>> = Vec::new();
            for position in row.clone().filter(|position| free[*position as usize]) {
                match expected.last_mut() {
                    Some(run) if run.end == position => run.end += 1,
                    _ => expected.push(position..position + 1),
                }
            }
            prop_assert_eq!(set.runs(row.clone()).collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(shared.copy().runs(row).collect::<Vec<_>>(), expected);
        }
    }
}
