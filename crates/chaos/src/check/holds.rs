//! Who had which seats when, as the responses say (invariants 8 and 14).
//!
//! A client knows only when a request was sent and when its response came. So each hold has a
//! sure time: it begins with the response, and ends with the earliest moment at which the hold can
//! have ended. What is not sure is not compared.

use super::Violation;
use super::confirmed::Cancels;
use crate::evidence::Evidence;
use crate::history::{Act, Call};
use crate::world::{HOLD_MS, PAYMENT_MS, SEATS_MAX};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

const HOLD_TTL: Duration = Duration::from_millis(HOLD_MS);
const PAYMENT_TTL: Duration = Duration::from_millis(PAYMENT_MS);

/// A hold and what became of it.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub(super) id: &'a str,
    pub(super) person: usize,
    pub(super) fixture: &'a str,
    pub(super) seats: Vec<u32>,
    /// The first response.
    pub(super) from: Duration,
    /// It can't have ended earlier.
    to: Duration,
    /// When the request for it was sent first.
    pub(super) asked: Duration,
    /// When it was given back.
    pub(super) released: Duration,
    /// When single seats were given back.
    pub(super) given_back: Vec<(u32, Duration)>,
    pub(super) reservations: Vec<&'a str>,
}

/// When the first request with a key was sent, of each person.
pub(super) struct FirstTries<'a>(HashMap<(usize, &'a str), Duration>);

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let tries = FirstTries::of(evidence);
    let helds = helds(evidence, &tries);
    let mut found = exclusive(evidence, &helds);
    found.extend(limits(evidence, &helds));
    found
}

/// Collects the calls of each hold.
pub(super) fn helds<'a>(evidence: &'a Evidence, tries: &FirstTries<'_>) -> Vec<Held<'a>> {
    let mut by_id: BTreeMap<&str, Held<'a>> = BTreeMap::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Hold) {
        let Some(id) = call.done().and_then(|data| data["holdId"].as_str()) else { continue };
        let held = by_id.entry(id).or_insert_with(|| Held {
            id,
            person: call.person,
            fixture: &call.fixture,
            seats: call.seats(),
            from: call.ended,
            to: call.begun + HOLD_TTL,
            asked: tries.first(call),
            released: Duration::MAX,
            given_back: vec![],
            reservations: vec![],
        });
        held.from = held.from.min(call.ended);
        held.asked = held.asked.min(tries.first(call));
        held.to = held.to.min(tries.first(call) + HOLD_TTL);
    }
    let abouts = |call: &'a Call| call.about.split('+').map(move |about| (call, about));
    for (call, about) in evidence.calls.iter().flat_map(abouts) {
        let Some(held) = by_id.get_mut(about) else { continue };
        match call.act {
            Act::Reserve => {
                if let Some(id) = call.done().and_then(|data| data["id"].as_str()) {
                    held.reservations.push(id);
                    held.to = held.to.max(tries.first(call) + PAYMENT_TTL);
                }
            }
            Act::Release => held.released = held.released.min(call.begun),
            Act::ReleaseSeat if !call.gave_nothing_back() => {
                held.given_back.extend(call.seats().into_iter().map(|seat| (seat, call.begun)));
            }
            _ => {}
        }
    }
    let cancels = Cancels::of(evidence);
    by_id.into_values().map(|held| until_sold(evidence, &cancels, held)).collect()
}

impl Held<'_> {
    /// The seat can't have ended earlier.
    fn to(&self, seat: u32) -> Duration {
        let given_back = self.given_back.iter().filter(|(given, _)| *given == seat);
        given_back.map(|(_, at)| *at).min().unwrap_or(Duration::MAX).min(self.to)
    }
}

impl<'a> FirstTries<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Self {
        let mut first: HashMap<(usize, &str), Duration> = HashMap::new();
        for call in evidence.calls.iter().filter(|call| !call.key.is_empty()) {
            let begun = first.entry((call.person, &call.key)).or_insert(call.begun);
            *begun = call.begun.min(*begun);
        }
        Self(first)
    }

    /// When a request with the key of this one was sent first: it may have begun the hold.
    pub(super) fn first(&self, call: &Call) -> Duration {
        self.0.get(&(call.person, &*call.key)).copied().unwrap_or(call.begun)
    }
}

/// A sale that nobody cancelled has no end; another one ends with the cancellation.
fn until_sold<'a>(evidence: &'a Evidence, cancels: &Cancels<'_>, mut held: Held<'a>) -> Held<'a> {
    let ids = &held.reservations;
    let ends = ids.iter().filter_map(|id| cancels.begun(id));
    held.to = held.to.min(ends.min().unwrap_or(Duration::MAX)).min(held.released);
    let sold = |id: &str| {
        evidence.reservations.get(id).is_some_and(|row| row.status == "CONFIRMED")
            && !cancels.possible(id)
    };
    if held.reservations.iter().any(|id| sold(id)) {
        held.to = Duration::MAX;
    }
    held
}

/// No seat was held by two people at once.
fn exclusive(evidence: &Evidence, helds: &[Held<'_>]) -> Vec<Violation> {
    let mut of_seat: HashMap<(&str, u32), Vec<&Held<'_>>> = HashMap::new();
    for held in helds {
        for seat in &held.seats {
            of_seat.entry((held.fixture, *seat)).or_default().push(held);
        }
    }
    let mut found = Vec::new();
    for ((fixture, seat), mut helds) in of_seat {
        helds.sort_by_key(|held| held.from);
        for (number, later) in helds.iter().enumerate() {
            let wrong = |earlier: &&&Held<'_>| both_had(evidence, earlier, later, seat);
            if let Some(earlier) = helds[..number].iter().find(wrong) {
                let what = format!("seat {seat} was held by {} and by {}", earlier.id, later.id);
                found.push(Violation::new(8, what).about(fixture, &[seat]));
            }
        }
    }
    found
}

/// Whether the later hold began while the earlier one was surely there.
fn both_had(evidence: &Evidence, earlier: &Held<'_>, later: &Held<'_>, seat: u32) -> bool {
    // A sale is in PostgreSQL. Redis forgets it only until it has loaded it again.
    let since = if earlier.to(seat) == Duration::MAX { later.asked } else { earlier.asked };
    let forgot = Evidence::happened(&evidence.forgets, later.fixture, since, later.from);
    later.from < earlier.to(seat) && !forgot
}

/// Nobody had more seats of a match than allowed.
fn limits(evidence: &Evidence, helds: &[Held<'_>]) -> Vec<Violation> {
    let requests = evidence.calls.iter().filter(|call| call.act == Act::Request);
    let requested: HashSet<&str> = requests.map(|call| &*call.about).collect();
    // A run of single faults has tens of thousands of holds.
    let mut own: HashMap<(usize, &str), Vec<&Held<'_>>> = HashMap::new();
    for held in helds {
        own.entry((held.person, held.fixture)).or_default().push(held);
    }
    let mut found = Vec::new();
    for held in helds {
        let at = held.from;
        let own = own[&(held.person, held.fixture)].iter().copied();
        let had = own.filter(|other| {
            other.from <= at && other.seats.iter().any(|seat| at < other.to(*seat))
        });
        let had: Vec<&Held<'_>> = had.collect();
        let seats =
            had.iter().flat_map(|held| held.seats.iter().filter(|seat| at < held.to(**seat)));
        // A reservation that somebody has begun to pay may be a sale already.
        let is_open =
            |held: &&&Held<'_>| !held.reservations.iter().any(|id| requested.contains(id));
        let open = had.iter().filter(is_open).count();
        let count = seats.count();
        let since = had.iter().map(|held| held.asked).min().unwrap_or(at);
        let forgot = Evidence::happened(&evidence.forgets, held.fixture, since, at);
        if evidence.one_holds.contains(held.fixture) && open > 1 && !forgot {
            let what = format!("person {} had {open} holds at once", held.person);
            found.push(Violation::new(14, what).about(held.fixture, &held.seats));
        }
        if count > SEATS_MAX && !forgot {
            let ids: Vec<&str> = had.iter().map(|held| held.id).collect();
            let what = format!("person {} had {count} seats at once: {ids:?}", held.person);
            found.push(Violation::new(14, what).about(held.fixture, &held.seats));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, held, later, window};
    use crate::evidence::Window;
    use serde_json::json;

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_seat_that_two_people_held_is_found_unless_redis_forgot() {
        assert_eq!(check(&fair()), vec![]);
        let mut evidence = fair();
        evidence.calls.push(later(held(1, "h2", &[3, 4]), 1_000));
        evidence.calls.push(later(held(2, "h3", &[4, 5]), 2_000));
        assert_eq!(invariants(&evidence), [8]);
        evidence.forgets.push(Window { only: Some(["x".to_owned()].into()), ..window(0, 9_000) });
        assert_eq!(invariants(&evidence), [8], "it was another server that forgot");
        evidence.forgets.push(window(1_500, 1_600));
        assert_eq!(invariants(&evidence), [0; 0]);
    }

    #[test]
    fn seats_may_be_held_again_after_the_end_of_a_hold_but_not_after_a_sale() {
        let mut evidence = fair();
        evidence.calls.push(later(held(1, "h2", &[3, 4]), 1_000));
        evidence.calls.push(later(held(2, "h3", &[4, 5]), 1_000 + HOLD_MS + 100));
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.calls.push(later(held(3, "h4", &[2]), 60_000));
        assert_eq!(invariants(&evidence), [8], "seat 2 was sold");
    }

    #[test]
    fn a_hold_of_a_sold_seat_is_found_behind_another_one_that_is_excused() {
        let mut evidence = fair();
        evidence.calls.push(later(held(1, "h2", &[2]), 20_000));
        evidence.forgets.push(window(19_000, 20_500));
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.calls.push(later(held(2, "h3", &[2]), 40_000));
        assert_eq!(invariants(&evidence), [8], "seat 2 was sold, and Redis knew it again");
    }

    #[test]
    fn a_seat_may_be_held_again_after_a_cancellation() {
        let mut evidence = fair();
        evidence.calls.push(later(done(call(Act::Cancel, 0, "r1"), json!({})), 500));
        evidence.calls.push(later(held(1, "h2", &[2]), 1_000));
        assert_eq!(invariants(&evidence), [0; 0]);
    }

    #[test]
    fn a_reservation_keeps_its_seats_for_the_time_to_pay() {
        let mut evidence = fair();
        evidence.calls.push(later(held(1, "h2", &[3]), 1_000));
        let reserve = done(call(Act::Reserve, 1, "h2"), json!({"id": "r2"}));
        evidence.calls.push(later(reserve, 2_000));
        evidence.calls.push(later(held(2, "h3", &[3]), 9_000));
        assert_eq!(invariants(&evidence), [8]);
    }

    #[test]
    fn calls_without_a_key_are_not_one_call() {
        let mut evidence = fair();
        for (id, seats) in [("h2", [3, 4]), ("h3", [5, 6]), ("h4", [7, 8])] {
            evidence.calls.push(Call { key: String::new(), ..later(held(1, id, &seats), 9_000) });
        }
        assert_eq!(invariants(&evidence), [14, 14, 14]);
    }

    #[test]
    fn a_second_hold_where_one_is_allowed_is_found() {
        let mut evidence = fair();
        evidence.calls.push(held(0, "h2", &[4]));
        evidence.calls.push(call(Act::Request, 0, "r1"));
        evidence.calls.push(held(1, "h3", &[5]));
        evidence.calls.push(later(held(1, "h4", &[6]), 100));
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.one_holds.insert("m".to_owned());
        let mut given_back = later(done(call(Act::ReleaseSeat, 1, "h4"), json!(null)), 150);
        given_back.sent = json!({"seatIds": [6]});
        evidence.calls.push(given_back);
        evidence.calls.push(later(done(call(Act::Release, 1, "h3"), json!(null)), 160));
        evidence.calls.push(later(held(1, "h5", &[7]), 200));
        assert_eq!(invariants(&evidence), [14], "what person 0 has bought is no hold");
    }

    #[test]
    fn too_many_seats_are_found() {
        let mut evidence = fair();
        evidence.calls.push(later(held(0, "h2", &[3, 4, 5]), 500));
        assert_eq!(invariants(&evidence), [14], "person 0 has bought two seats");
    }

    #[test]
    fn a_seat_that_was_given_back_may_be_held_by_others() {
        let mut evidence = fair();
        evidence.calls.push(held(1, "h2", &[3, 4]));
        let mut given_back = later(done(call(Act::ReleaseSeat, 1, "h2"), json!(null)), 500);
        given_back.sent = json!({"seatIds": [3]});
        evidence.calls.push(given_back);
        evidence.calls.push(later(held(2, "h3", &[3]), 600));
        evidence.calls.push(later(held(1, "h4", &[5, 6, 7]), 700));
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.calls.push(later(held(2, "h5", &[4]), 800));
        assert_eq!(invariants(&evidence), [8]);
    }
}
