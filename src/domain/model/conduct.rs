//! Cool-downs in the model: how a user has held seats in a match.

use super::{ClaimNumber, Model, UserNumber};

/// Holds are counted for this time from the first of them on, in ms.
const HOLDS_WINDOW_MS: i64 = 600_000;
/// Unpaid ends are forgotten this time after the last one, in ms.
const UNPAID_KEPT_MS: i64 = 3_600_000;
/// Parts count as an unpaid end when they make a whole one. Smaller ones count nothing.
const WHOLE_PART: i64 = 1_000;
const LEAST_PART: i64 = 10;
/// The first cool-down and the longest one, in ms.
const COOL_DOWN_FIRST_MS: i64 = 60_000;
const COOL_DOWN_MAX_MS: i64 = 1_800_000;

/// The bounds of a model; 0: none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    pub holds_per_ten_minutes: usize,
    pub cool_down_after: u32,
}

/// What a user has done in a match.
#[derive(Debug, Clone, Default)]
pub(super) struct Conduct {
    /// The times of the holds since the first of a window.
    begun: Vec<i64>,
    /// The deadlines of the claims that ended unpaid, sorted.
    unpaid: Vec<i64>,
    /// The part of their time, in thousandths, for which claims were held that were given back, and
    /// the time of the last one.
    part: i64,
    part_at: i64,
}

impl Model {
    fn conduct(&mut self, user: UserNumber, fixture: usize) -> &mut Conduct {
        self.conduct.entry((user, fixture)).or_default()
    }

    pub(super) fn note_hold(&mut self, user: UserNumber, fixture: usize) {
        let now = self.now;
        let begun = &mut self.conduct(user, fixture).begun;
        if begun.first().is_some_and(|first| now >= first + HOLDS_WINDOW_MS) {
            begun.clear();
        }
        begun.push(now);
    }

    pub(super) fn note_unpaid(&mut self, user: UserNumber, fixture: usize, deadline: i64) {
        let unpaid = &mut self.conduct(user, fixture).unpaid;
        if unpaid.last().is_some_and(|last| deadline >= last + UNPAID_KEPT_MS) {
            unpaid.clear();
        }
        unpaid.push(deadline);
        unpaid.sort_unstable();
    }

    /// A hold or a reservation is given back now, or a hold is reserved.
    pub(super) fn note_given_back(&mut self, number: ClaimNumber) {
        let claim = &self.claims[number];
        let (user, fixture, now) = (claim.user, self.match_of_claim(number), self.now);
        let full = if claim.hold { self.hold_ttl_ms } else { self.payment_ttl_ms };
        let part = ((now + full - claim.deadline) * WHOLE_PART).div_euclid(full).min(WHOLE_PART);
        if part < LEAST_PART || self.bounds.cool_down_after == 0 {
            return;
        }
        let conduct = self.conduct(user, fixture);
        if now >= conduct.part_at + UNPAID_KEPT_MS {
            conduct.part = 0;
        }
        (conduct.part, conduct.part_at) = (conduct.part + part, now);
        if conduct.part >= WHOLE_PART {
            conduct.part -= WHOLE_PART;
            self.note_unpaid(user, fixture, now);
        }
    }

    pub(super) fn note_purchase(&mut self, user: UserNumber, fixture: usize) {
        *self.conduct(user, fixture) = Conduct::default();
    }

    pub(super) fn is_cooling_down(&mut self, user: UserNumber, fixture: usize) -> bool {
        let (now, bounds) = (self.now, self.bounds);
        let Conduct { begun, unpaid, .. } = self.conduct(user, fixture);
        let holds = bounds.holds_per_ten_minutes;
        let first = begun.first().copied().unwrap_or_default();
        let many = holds > 0 && begun.len() >= holds && now < first + HOLDS_WINDOW_MS;
        let above = (unpaid.len() as u32).checked_sub(bounds.cool_down_after);
        let Some(above) = above.filter(|_| bounds.cool_down_after > 0) else { return many };
        let pause = (COOL_DOWN_FIRST_MS << above.min(10)).min(COOL_DOWN_MAX_MS);
        many || unpaid.last().is_some_and(|last| now < last + pause)
    }
}
