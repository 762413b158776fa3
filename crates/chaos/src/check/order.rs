//! What happened first is first (invariant 22): each call that had success has its change between
//! its request and its response, and a call that began after the response of another one has its
//! change behind that of the other.
//!
//! Responses have no versions, so the change of a call is the entry that gives its seats their new
//! state, in the time of the call by the clock of Redis. That time is not exact, and the order of
//! the entries is. So when only one entry can be that of a call, its place is compared too.

use super::Violation;
use super::confirmed::Cancels;
use super::holds::{FirstTries, Held, helds};
use crate::evidence::Evidence;
use crate::history::{Act, Call};
use crate::log::{Entry, MatchLog};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The clock of Redis and the one that measures calls may differ by this.
pub(super) const CLOCKS_MAX: Duration = Duration::from_millis(100);
/// What Redis wrote in this time before a loss may be lost.
pub(super) const LOST_MAX: Duration = Duration::from_secs(5);
/// A stream has about so many entries, and then the first ones leave.
const ENTRIES_MAX: usize = 10_000;

/// Seats that are free again may be held by somebody else in the same entry.
const FREE: &str = "AH";

/// A call that had success: its first request, its first response, and the states that its seats
/// have by then.
struct Done<'a> {
    line: String,
    /// The hold, of a call for one.
    hold: &'a str,
    fixture: &'a str,
    seats: Vec<u32>,
    letters: &'static str,
    begun: Duration,
    ended: Duration,
}

/// The entry of a call.
struct Placed<'a> {
    line: &'a str,
    seats: &'a [u32],
    /// None when the entry may be older than the call.
    begun: Option<Duration>,
    ended: Duration,
    entry: usize,
}

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let (all, given_back) = (done(evidence), given_back(evidence));
    let mut found = Vec::new();
    for log in &evidence.logs {
        let sure = |begun, ended| is_sure(evidence, log, begun, ended);
        let of_match = all.iter().filter(|done| done.fixture == log.fixture);
        let mut placed = Vec::new();
        for done in of_match.filter(|done| sure(done.begun, done.ended)) {
            let &Done { ref line, ref seats, begun, ended, .. } = done;
            let mut complain = |line: &str| {
                let what = format!("no change in the time of the call: {line}");
                found.push(Violation::new(22, what).about(&log.fixture, seats));
            };
            let [entry] = *entries_of(evidence, log, done) else {
                if entries_of(evidence, log, done).is_empty() {
                    complain(line);
                }
                continue;
            };
            placed.push(Placed { line, seats, begun: Some(begun), ended, entry });
            let backs = given_back.get(done.hold).into_iter().flatten();
            for back in backs.filter(|back| sure(begun, back.ended)) {
                let Done { line, seats, ended, .. } = back;
                // The hold may have ended by itself before.
                let gone = gone_by(evidence, log, entry, back);
                match gone {
                    Some(entry) => {
                        placed.push(Placed { line, seats, begun: None, ended: *ended, entry });
                    }
                    None => complain(line),
                }
            }
        }
        found.extend(in_order(&log.fixture, &placed));
    }
    found
}

/// The entry of a match after which all of these seats have changed since they were held, if it is
/// old enough for the call that gave them back.
fn gone_by(evidence: &Evidence, log: &MatchLog, held: usize, back: &Done<'_>) -> Option<usize> {
    let next = |seat: &u32| {
        let mut later = log.entries.iter().enumerate().skip(held + 1);
        let changes =
            |(_, entry): &(usize, &Entry)| entry.seats.iter().any(|(other, _)| other == seat);
        later.find(changes).map(|(number, _)| number)
    };
    let all: Option<Vec<usize>> = back.seats.iter().map(next).collect();
    let last = all?.into_iter().max()?;
    (time_of(evidence, log.entries[last].id) <= back.ended + CLOCKS_MAX).then_some(last)
}

/// Whether the changes of a match in this time are there, with their times.
pub(super) fn is_sure(
    evidence: &Evidence,
    log: &MatchLog,
    begun: Duration,
    ended: Duration,
) -> bool {
    begun > complete_since(evidence, log)
        && !Evidence::happened(&evidence.clocks_set, &log.fixture, begun, ended + CLOCKS_MAX)
        && !Evidence::happened(&evidence.forgets, &log.fixture, begun, ended + LOST_MAX)
}

/// Whether the first changes may have left the stream.
pub(super) fn is_trimmed(log: &MatchLog) -> bool {
    log.entries.len() >= ENTRIES_MAX
}

/// The changes of a match are all there since this time.
fn complete_since(evidence: &Evidence, log: &MatchLog) -> Duration {
    let trimmed = log.entries.first().filter(|_| is_trimmed(log));
    let first = trimmed.map_or(Duration::ZERO, |entry| time_of(evidence, entry.id));
    let views = evidence.views.iter().filter(|view| view.fixture == log.fixture);
    // Somebody who saw the last load saw it after it had been made.
    let last = views.filter(|view| view.position.0 == log.epoch);
    let loaded = last.filter_map(|view| view.loads.last().copied()).min();
    let loaded = if log.epoch > 1 { loaded.unwrap_or(Duration::MAX) } else { Duration::ZERO };
    loaded.max(first)
}

pub(super) fn time_of(evidence: &Evidence, id: (u64, u64)) -> Duration {
    Duration::from_millis(id.0.saturating_sub(evidence.begun_ms))
}

/// The entries that can be that of a call.
fn entries_of(evidence: &Evidence, log: &MatchLog, done: &Done<'_>) -> Box<[usize]> {
    let fits = |at: usize| {
        let changed = &log.entries[at].seats;
        done.seats.iter().all(|seat| {
            changed.iter().any(|(other, letter)| other == seat && done.letters.contains(*letter))
        })
    };
    let before =
        |to: Duration| log.entries.partition_point(|entry| time_of(evidence, entry.id) <= to);
    let first = done.begun.checked_sub(CLOCKS_MAX).map_or(0, before);
    (first..before(done.ended + CLOCKS_MAX)).filter(|at| fits(*at)).collect()
}

/// Whether the entries have the order of the calls, of those that were not made at the same time.
fn in_order(fixture: &str, placed: &[Placed<'_>]) -> Vec<Violation> {
    let begun = placed.iter().filter_map(|placed| Some((placed.begun?, placed)));
    let (mut by_begin, mut by_end): (Vec<_>, Vec<_>) = (begun.collect(), placed.iter().collect());
    by_begin.sort_by_key(|(begun, _)| *begun);
    by_end.sort_by_key(|placed| placed.ended);
    let (mut ended, mut last, mut found) = (by_end.into_iter().peekable(), None, Vec::new());
    for (begun, later) in by_begin {
        while let Some(earlier) = ended.next_if(|earlier: &&Placed<'_>| earlier.ended < begun) {
            last = last.filter(|last: &&Placed<'_>| last.entry > earlier.entry).or(Some(earlier));
        }
        if let Some(earlier) = last.filter(|earlier| earlier.entry >= later.entry) {
            let what = format!(
                "the change of the first call is not before that of the second:\n{}\n{}",
                earlier.line, later.line
            );
            found.push(Violation::new(22, what).about(fixture, later.seats));
        }
    }
    found
}

/// All calls that had success, each from its first request to its first response.
fn done(evidence: &Evidence) -> Vec<Done<'_>> {
    let tries = FirstTries::of(evidence);
    let helds = helds(evidence, &tries);
    let mut all: Vec<Done<'_>> = helds.iter().map(hold).collect();
    all.extend(reservations(evidence, &tries));
    all.extend(confirmations(evidence));
    all.extend(cancellations(evidence));
    all
}

fn hold<'a>(held: &Held<'a>) -> Done<'a> {
    Done {
        line: format!("hold {} of person {}", held.id, held.person),
        hold: held.id,
        fixture: held.fixture,
        seats: held.seats.clone(),
        letters: "H",
        begun: held.asked,
        ended: held.from,
    }
}

/// The first success of each reservation.
fn reservations<'a>(evidence: &'a Evidence, tries: &FirstTries<'_>) -> Vec<Done<'a>> {
    let mut by_id: BTreeMap<&str, Done<'_>> = BTreeMap::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Reserve) {
        let data = call.done().filter(|data| data["seats"].is_array());
        let Some(id) = data.and_then(|data| data["id"].as_str()) else { continue };
        let begun = tries.first(call);
        let first = by_id.entry(id).or_insert_with(|| success(call, "P", begun));
        first.begun = first.begun.min(begun);
        first.ended = first.ended.min(call.ended);
    }
    by_id.into_values().collect()
}

/// The first success of each payment. An earlier request of the same may have made it.
fn confirmations(evidence: &Evidence) -> Vec<Done<'_>> {
    let mut by_payment: HashMap<&str, (Duration, Option<&Call>)> = HashMap::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Confirm) {
        let (begun, first) = by_payment.entry(&call.about).or_insert((call.begun, None));
        *begun = call.begun.min(*begun);
        let earlier = first.is_some_and(|first| first.ended <= call.ended);
        if call.done().is_some() && !earlier {
            *first = Some(call);
        }
    }
    let all = by_payment.into_values().filter_map(|(begun, call)| Some((begun, call?)));
    all.map(|(begun, call)| success(call, "O", begun)).collect()
}

/// Seats that were given back, each for itself: an earlier request may have been about others.
fn cancellations(evidence: &Evidence) -> Vec<Done<'_>> {
    let cancels = Cancels::of(evidence);
    let mut first: BTreeMap<(&str, u32), Done<'_>> = BTreeMap::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Cancel) {
        let Some(begun) = cancels.begun(&call.about).filter(|_| call.done().is_some()) else {
            continue;
        };
        for seat in super::maps::cancelled_seats(evidence, call) {
            let of_seat = || Done { seats: vec![seat], ..success(call, FREE, begun) };
            let first = first.entry((&call.about, seat)).or_insert_with(of_seat);
            first.ended = first.ended.min(call.ended);
        }
    }
    first.into_values().collect()
}

/// The calls that gave seats back, by hold. One that is repeated has its first response earlier.
fn given_back(evidence: &Evidence) -> HashMap<&str, Vec<Done<'_>>> {
    let helds = helds(evidence, &FirstTries::of(evidence));
    let seats: HashMap<&str, &Vec<u32>> = helds.iter().map(|held| (held.id, &held.seats)).collect();
    let mut by_hold: HashMap<&str, Vec<Done<'_>>> = HashMap::new();
    for call in evidence.calls.iter().filter(|call| call.done().is_some()) {
        let all = seats.get(&*call.about).map(|seats| seats.to_vec());
        let given = match call.act {
            Act::Release => all,
            Act::ReleaseSeat => all.map(|_| call.seats()),
            _ => None,
        };
        if let Some(seats) = given {
            let back = Done { seats, ..success(call, FREE, call.begun) };
            by_hold.entry(&call.about).or_default().push(back);
        }
    }
    by_hold
}

fn success<'a>(call: &'a Call, letters: &'static str, begun: Duration) -> Done<'a> {
    Done {
        line: call.line(),
        hold: "",
        fixture: &call.fixture,
        seats: call.seats(),
        letters,
        begun,
        ended: call.ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, confirmed, done, fair, held, later, window};
    use serde_json::{Value, json};

    fn entry(ms: u64, number: u64, seats: &[(u32, char)]) -> Entry {
        Entry { id: (1_000_000 + ms, number), seats: seats.to_vec(), ..Entry::default() }
    }

    /// Person 0 has bought seats 1 and 2 and given seat 2 back; person 1 has held seat 5, given it
    /// back, and held seat 6.
    fn whole() -> Evidence {
        let reserve = json!({"id": "r1", "seats": [{"seatId": 1}, {"seatId": 2}]});
        let cancel = done(call(Act::Cancel, 0, "r1"), json!({}));
        let cancel = Call { sent: json!({"seatIds": [2]}), ..cancel };
        let calls = vec![
            later(held(0, "h1", &[1, 2]), 1_000),
            later(done(call(Act::Reserve, 0, "h1"), reserve), 1_100),
            later(confirmed(0, "r1", &[1, 2]), 1_000),
            later(held(1, "h2", &[5]), 2_000),
            later(done(call(Act::Release, 1, "h2"), Value::Null), 2_500),
            later(held(1, "h3", &[6]), 3_000),
            later(cancel, 4_000),
        ];
        let entries = vec![
            entry(1_005, 0, &[(1, 'H'), (2, 'H')]),
            entry(1_105, 0, &[(1, 'P'), (2, 'P')]),
            entry(1_205, 0, &[(1, 'O'), (2, 'O')]),
            entry(2_005, 0, &[(5, 'H')]),
            entry(2_505, 0, &[(5, 'A')]),
            entry(3_005, 0, &[(6, 'H')]),
            entry(4_005, 0, &[(2, 'A')]),
        ];
        let log = MatchLog { fixture: "m".to_owned(), epoch: 1, entries, ..MatchLog::default() };
        Evidence { calls, logs: vec![log], begun_ms: 1_000_000, ..fair() }
    }

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn calls_whose_changes_are_in_their_time_and_in_their_order_are_fair() {
        assert_eq!(check(&whole()), vec![]);
    }

    #[test]
    fn a_success_without_a_change_in_its_time_is_found_unless_redis_forgot() {
        for missing in 0..7 {
            let mut evidence = whole();
            evidence.logs[0].entries.remove(missing);
            assert_eq!(invariants(&evidence), [22], "{missing}");
            evidence.forgets = vec![window(4_500, 4_600)];
            assert_eq!(check(&evidence), vec![], "{missing}");
        }
        let mut evidence = whole();
        evidence.logs[0].entries[5].id.0 += 110;
        assert_eq!(invariants(&evidence), [22], "it had its response before");
        evidence.logs[0].entries[5].seats = vec![(6, 'P')];
        evidence.logs[0].entries[5].id.0 -= 110;
        assert_eq!(invariants(&evidence), [22], "another state");
    }

    #[test]
    fn a_request_that_is_repeated_has_its_change_at_any_of_its_times() {
        let mut evidence = whole();
        let lost = call(Act::Confirm, 0, "p");
        evidence.calls.insert(2, later(Call { fixture: "m".to_owned(), ..lost }, 1_150));
        evidence.calls[3] = later(evidence.calls[3].clone(), 500);
        assert_eq!(check(&evidence), vec![]);
        evidence.calls.remove(2);
        assert_eq!(invariants(&evidence), [22]);
    }

    #[test]
    fn a_change_behind_that_of_a_later_call_is_found() {
        // All of it in so little time that clocks say nothing.
        let mut evidence = whole();
        for (number, call) in evidence.calls.iter_mut().enumerate() {
            call.begun = Duration::from_millis(1_000 + 4 * number as u64);
            call.ended = call.begun + Duration::from_millis(2);
        }
        for (number, entry) in evidence.logs[0].entries.iter_mut().enumerate() {
            entry.id = (1_001_000, number as u64);
        }
        assert_eq!(check(&evidence), vec![]);
        let mut swapped = Evidence { logs: evidence.logs.clone(), ..whole() };
        swapped.calls = evidence.calls.clone();
        swapped.logs[0].entries.swap(2, 3);
        assert_eq!(invariants(&swapped), [22]);
        evidence.logs[0].entries.swap(4, 5);
        assert_eq!(invariants(&evidence), [22], "seat 5 was given back before");
    }

    #[test]
    fn what_was_before_a_load_and_what_a_set_clock_says_is_not_judged() {
        let mut evidence = whole();
        evidence.logs[0].entries.remove(0);
        evidence.clocks_set = vec![window(1_500, 99_000)];
        assert_eq!(invariants(&evidence), [22]);
        evidence.clocks_set = vec![window(1_100, 99_000)];
        assert_eq!(check(&evidence), vec![]);
        evidence.clocks_set[0].only = Some(["another match".to_owned()].into());
        assert_eq!(invariants(&evidence), [22], "it was the clock of another server");
        evidence.clocks_set = vec![];
        evidence.logs[0].epoch = 2;
        assert_eq!(check(&evidence), vec![], "nobody saw the load");
        evidence.views[0].position = (2, 0, 0);
        evidence.views[0].loads = vec![Duration::from_millis(900)];
        assert_eq!(invariants(&evidence), [22]);
        evidence.views[0].loads.push(Duration::from_millis(1_050));
        assert_eq!(check(&evidence), vec![]);
    }
}
