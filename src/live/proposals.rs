//! The seats that buyers are offered: the best ones that are free, and the alternatives to seats
//! that somebody else got. In a rush thousands of people have the same wish at once, so one search
//! serves all of them. Each is offered other seats first, because otherwise all of them would try
//! to hold the same seats, and all but one would be refused again.
//!
//! Nothing here takes the lock of the seat map, which the event streams need.

use crate::domain::best::{Ranking, Wish};
use crate::domain::free_seats::SharedSeats;
use crate::domain::ids::SeatId;
use crate::domain::plan::{Label, PlanIndex};
use crate::live::catalog::KnownSite;
use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// How long a search is used, and how long proposed seats are kept from other buyers. It must
/// exceed the delay until a hold shows on the map. A longer time hides free seats.
const PROPOSAL_TTL: Duration = Duration::from_millis(200);
/// The most choices of a search. Fewer: a rush needs more searches. More: each search takes longer.
const CHOICES_MAX: usize = 64;
/// The most wishes whose searches are kept. There are as many as pairs of a section and a number of
/// seats in a rush. A wish above this number is searched again.
const WISHES_MAX: usize = 1024;

/// Free seats in the place of the seats that were lost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    seat_ids: Vec<SeatId>,
    /// Their labels on tickets, in English.
    labels: Vec<String>,
    /// The same in Korean.
    labels_ko: Vec<String>,
    /// In KRW.
    amount: i64,
}

/// Seats that a buyer may have together.
#[derive(Debug)]
pub struct Choice {
    pub seat_ids: Vec<SeatId>,
    /// In KRW.
    pub amount: i64,
    positions: Vec<u32>,
    /// The choice as an `Alternative`, which is written once for all who are offered it.
    json: Box<RawValue>,
}

impl Choice {
    fn new(index: &PlanIndex, positions: Vec<u32>) -> Self {
        let price = |seat: &u32| index.price(index.seat_at(*seat));
        let amount = positions.iter().filter_map(price).sum();
        Self::at_amount(index, positions, amount)
    }

    /// The same seats at another amount in KRW, for a match with a price list.
    pub fn with_amount(&self, index: &PlanIndex, amount: i64) -> Self {
        Self::at_amount(index, self.positions.clone(), amount)
    }

    fn at_amount(index: &PlanIndex, positions: Vec<u32>, amount: i64) -> Self {
        let seat_ids: Vec<SeatId> = positions.iter().map(|seat| index.seat_at(*seat)).collect();
        let labels = seat_ids.iter().filter_map(|seat| index.label(*seat));
        let (labels, labels_ko) = labels.map(|Label { english, korean }| (english, korean)).unzip();
        let alternative = Alternative { seat_ids: seat_ids.clone(), labels, labels_ko, amount };
        let json = to_raw_value(&alternative).expect("texts and numbers can be written as JSON");
        Self { seat_ids, amount, positions, json }
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// The map as the proposals see it.
pub(super) struct Seen<'a> {
    pub site: &'a KnownSite,
    /// The seats that are free, at this version or later.
    pub free: &'a SharedSeats,
    pub version: u64,
}

/// The proposals of one match.
pub(super) struct Proposals {
    searches: Mutex<HashMap<Wish, Arc<Mutex<Search>>>>,
    recent: Mutex<VecDeque<(Instant, Arc<Choice>)>>,
    /// The seats of the recent proposals.
    proposed: SharedSeats,
}

/// What a search has found for one wish.
struct Search {
    choices: Vec<Arc<Choice>>,
    /// The first choice that nobody has been offered yet.
    next: usize,
    /// Whether nobody was offered these seats a moment before. Then there may be more such seats.
    is_new: bool,
    /// The version of the map, and the time.
    version: u64,
    at: Instant,
}

impl Proposals {
    /// Nothing was proposed yet.
    pub(super) fn new(seats: u32) -> Self {
        Self {
            searches: Mutex::default(),
            recent: Mutex::default(),
            proposed: SharedSeats::new(seats),
        }
    }

    /// Up to `most` free choices that fit a wish, the best first. The next caller gets others
    /// first, as long as there are others. With `keep` the first choice is kept from the callers
    /// with other wishes too, because this caller is about to hold it.
    pub(super) fn take(
        &self,
        wish: &Wish,
        most: usize,
        keep: bool,
        seen: &Seen<'_>,
    ) -> Vec<Arc<Choice>> {
        let now = Instant::now();
        self.forget_before(now);
        let search = self.search_of(wish, now);
        let mut search = search.lock();
        let is_free = |choice: &Choice| choice.positions.iter().all(|at| seen.free.contains(*at));
        let is_new = |choice: &Choice| {
            is_free(choice) && !choice.positions.iter().any(|at| self.proposed.contains(*at))
        };
        let is_old = now.saturating_duration_since(search.at) > PROPOSAL_TTL;
        let mut found = if is_old { vec![] } else { search.take(most, is_new) };
        let has_changed = is_old || search.version != seen.version;
        let has_more = keep && search.is_new && found.is_empty();
        if found.len() < most && has_changed || has_more {
            self.search(&mut search, wish, now, seen);
            found = search.take(most, is_new);
        }
        // Every choice was offered to somebody, so they are offered again from the first one on.
        for _ in 0..2 {
            if found.is_empty() {
                found = search.take(most, is_free);
            }
            if found.is_empty() {
                search.next = 0;
            }
        }
        if keep && let Some(first) = found.first() {
            first.positions.iter().for_each(|seat| self.proposed.set(*seat, true));
            self.recent.lock().push_back((now, first.clone()));
        }
        found
    }

    /// Forgets the searches that are too old: they are made again anyway, and their choices take
    /// memory. A search that is locked is in use.
    pub(super) fn forget_old(&self, now: Instant) {
        let is_recent = |search: &Search| now.saturating_duration_since(search.at) <= PROPOSAL_TTL;
        let mut searches = self.searches.lock();
        searches.retain(|_, search| search.try_lock().is_none_or(|search| is_recent(&search)));
    }

    /// What is known about a wish; an old search when nothing is known.
    fn search_of(&self, wish: &Wish, now: Instant) -> Arc<Mutex<Search>> {
        if let Some(search) = self.searches.lock().get(wish) {
            return search.clone();
        }
        self.forget_old(now);
        let mut searches = self.searches.lock();
        if searches.len() >= WISHES_MAX {
            searches.clear();
        }
        let at = now.checked_sub(PROPOSAL_TTL * 2).unwrap_or(now);
        // No map has this version.
        let empty = Search { choices: vec![], next: 0, is_new: true, version: u64::MAX, at };
        let search = searches.entry(wish.clone());
        search.or_insert_with(|| Arc::new(Mutex::new(empty))).clone()
    }

    /// Searches among the seats that nobody was offered a moment ago, and behind these among all.
    fn search(&self, search: &mut Search, wish: &Wish, now: Instant, seen: &Seen<'_>) {
        let Seen { site: KnownSite { index, ranking, .. }, free, version } = *seen;
        let all = free.copy();
        let mut fresh = all.clone();
        fresh.remove_all(&self.proposed.copy());
        let choices = |ranking: &Ranking, free| {
            let found = ranking.propose(wish, CHOICES_MAX, free);
            found.into_iter().map(|positions| Arc::new(Choice::new(index, positions)))
        };
        let mut found: Vec<Arc<Choice>> = choices(ranking, &fresh).collect();
        let is_new = !found.is_empty();
        if !is_new {
            found.extend(choices(ranking, &all));
        }
        *search = Search { choices: found, next: 0, is_new, version, at: now };
    }

    fn forget_before(&self, now: Instant) {
        let mut recent = self.recent.lock();
        while let Some((at, _)) = recent.front()
            && now.saturating_duration_since(*at) > PROPOSAL_TTL
            && let Some((_, choice)) = recent.pop_front()
        {
            choice.positions.iter().for_each(|seat| self.proposed.set(*seat, false));
        }
    }
}

impl Search {
    /// The next choices that are accepted. The next call begins behind the first of them.
    fn take(&mut self, most: usize, accepts: impl Fn(&Choice) -> bool) -> Vec<Arc<Choice>> {
        let choices = self.choices.iter().enumerate().skip(self.next);
        let mut accepted = choices.filter(|(_, choice)| accepts(choice)).take(most).peekable();
        let next = accepted.peek().map_or(self.choices.len(), |(number, _)| number + 1);
        let found = accepted.map(|(_, choice)| choice.clone()).collect();
        self.next = next;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::Site;
    use crate::domain::ids::{Partition, SiteId};
    use std::collections::HashSet;

    /// A stadium of which only the first seats are free.
    struct Bed {
        site: KnownSite,
        free: SharedSeats,
        version: u64,
        proposals: Proposals,
    }

    impl Bed {
        fn new(free_seats: u32) -> Self {
            let plan = serde_json::from_value(grandstand_demo::stadium()).unwrap();
            let site = KnownSite::new(Site { id: SiteId::new(Partition(0)), version: 1, plan });
            let seats = site.index.seat_count();
            let free = SharedSeats::new(seats);
            (0..free_seats).for_each(|seat| free.set(seat, true));
            Self { site, free, version: 1, proposals: Proposals::new(seats) }
        }

        fn take(&self, count: usize, most: usize, keep: bool) -> Vec<Arc<Choice>> {
            let wish = Wish::seats(count);
            let seen = Seen { site: &self.site, free: &self.free, version: self.version };
            self.proposals.take(&wish, most, keep, &seen)
        }

        fn change(&mut self, choice: &Choice, is_free: bool) {
            choice.positions.iter().for_each(|seat| self.free.set(*seat, is_free));
            self.version += 1;
        }
    }

    #[test]
    fn a_crowd_is_offered_different_seats_first_whatever_the_wishes() {
        let bed = Bed::new(20_000);
        let mut offered = HashSet::new();
        for number in 0..100 {
            let found = bed.take(1 + number % 4, 12, true);
            assert!(found[0].positions.iter().all(|seat| offered.insert(*seat)), "{number}");
            assert_eq!(found[0].seat_ids.len(), 1 + number % 4);
        }
        // Alternatives differ as well, although nobody is about to hold them.
        let firsts: HashSet<_> =
            (0..50).map(|_| bed.take(5, 3, false)[0].seat_ids.clone()).collect();
        assert_eq!(firsts.len(), 50);
    }

    #[test]
    fn one_search_serves_a_crowd_until_the_map_has_changed() {
        let mut bed = Bed::new(8);
        let first: Vec<_> = (0..4).map(|_| bed.take(2, 1, false).remove(0)).collect();
        // All four were offered, so they are offered again: the very same, without a search.
        let again: Vec<_> = (0..4).map(|_| bed.take(2, 1, false).remove(0)).collect();
        assert!(first.iter().zip(&again).all(|(first, again)| Arc::ptr_eq(first, again)));
        // Taken seats are offered to nobody, even before the next search.
        for choice in &first {
            bed.change(choice, false);
        }
        assert!(bed.take(2, 1, false).is_empty());
        bed.change(&first[2], true);
        assert_eq!(bed.take(2, 1, false)[0].seat_ids, first[2].seat_ids);
    }

    #[test]
    fn the_last_seats_are_offered_to_all_who_ask() {
        let bed = Bed::new(2);
        let first = bed.take(2, 12, true);
        assert_eq!(first.len(), 1);
        assert_eq!(bed.take(2, 12, true)[0].seat_ids, first[0].seat_ids);
        assert_eq!(bed.take(1, 12, true).len(), 1, "another wish");
        assert!(bed.take(3, 12, true).is_empty());
    }

    #[test]
    fn old_searches_are_dropped_when_a_new_wish_comes() {
        let bed = Bed::new(100);
        for count in 1..9 {
            bed.take(count, 1, false);
        }
        assert_eq!(bed.proposals.searches.lock().len(), 8);
        let wish = Wish::seats(9);
        bed.proposals.search_of(&wish, Instant::now() + PROPOSAL_TTL * 2);
        assert_eq!(bed.proposals.searches.lock().len(), 1);
    }

    #[test]
    fn a_choice_has_the_labels_and_the_amount_of_its_seats() {
        let bed = Bed::new(2);
        let choice = bed.take(2, 1, true).remove(0);
        let index = &bed.site.index;
        let json = serde_json::to_value(&*choice).unwrap();
        for (number, seat) in choice.seat_ids.iter().enumerate() {
            let label = index.label(*seat).unwrap();
            assert_eq!(json["seatIds"][number], seat.0);
            assert_eq!(json["labels"][number], label.english);
            assert_eq!(json["labelsKo"][number], label.korean);
        }
        let amount: i64 = choice.seat_ids.iter().map(|seat| index.price(*seat).unwrap()).sum();
        assert_eq!(choice.amount, amount);
        assert_eq!(json["amount"], amount);
    }
}
