//! What watchers and maps show (invariants 13, 17, 18 and 19).

use super::Violation;
use crate::evidence::Evidence;
use crate::history::Position;
use crate::history::{Act, Call, Outcome};
use crate::watcher::{Shown, View};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for (fixture, node, map) in &evidence.maps {
        found.extend(at_rest(evidence, fixture, *node, map));
    }
    for view in &evidence.views {
        found.extend(converged(evidence, view));
        found.extend(never_free(evidence, view));
        for what in &view.backwards {
            found.push(Violation::new(18, format!("a watcher of node {}: {what}", view.node)));
        }
    }
    found
}

/// In the end each seat is free or sold, as PostgreSQL says.
fn at_rest(
    evidence: &Evidence,
    fixture: &str,
    node: usize,
    map: &BTreeMap<u32, String>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    if map.len() != evidence.seats as usize || map.keys().any(|seat| *seat > evidence.seats) {
        found.push(Violation::new(19, format!("node {node} shows {} seats", map.len())));
    }
    for (seat, state) in map {
        let sold = evidence.claims.contains_key(&(fixture.to_owned(), *seat));
        let waits = evidence.pending.contains(&(fixture.to_owned(), *seat));
        let wanted = match (sold, waits) {
            (true, _) => "OCCUPIED",
            (false, true) => "PENDING",
            (false, false) => "AVAILABLE",
        };
        if state != wanted {
            let invariant = if sold || state == "OCCUPIED" { 17 } else { 13 };
            let what =
                format!("in the end, node {node} shows seat {seat} as {state}, not {wanted}");
            found.push(Violation::new(invariant, what).about(fixture, &[*seat]));
        }
    }
    found
}

/// In the end each watcher has the map of its node.
fn converged(evidence: &Evidence, view: &View) -> Option<Violation> {
    let mut maps = evidence.maps.iter();
    let (_, _, map) = maps.find(|map| (&map.0, map.1) == (&view.fixture, view.node))?;
    let all: BTreeSet<u32> = map.keys().chain(view.map.keys()).copied().collect();
    let other = |seat: &u32| map.get(seat) != view.map.get(seat);
    let seats: Vec<u32> = all.into_iter().filter(other).collect();
    if seats.is_empty() {
        return None;
    }
    let what = format!(
        "a watcher of node {} has another map than the node: seats {seats:?} at {:?}",
        view.node, view.position
    );
    Some(Violation::new(18, what).about(&view.fixture, &seats))
}

/// A sold seat is not shown as free, unless its sale was cancelled.
fn never_free(evidence: &Evidence, view: &View) -> Vec<Violation> {
    let mut cancelled: HashMap<u32, BTreeSet<&str>> = HashMap::new();
    for call in &evidence.calls {
        let refused = matches!(call.outcome, Outcome::Refused(400..500, _));
        if call.act != Act::Cancel || call.fixture != view.fixture || refused {
            continue;
        }
        // A repeated call gives nothing back again.
        for seat in cancelled_seats(evidence, call) {
            cancelled.entry(seat).or_default().insert(&call.about);
        }
    }
    let mut last: HashMap<u32, &Shown> = HashMap::new();
    let mut freed: HashMap<u32, Vec<Position>> = HashMap::new();
    for shown in &view.shown {
        let before = last.insert(shown.seat, shown).filter(|before| before.state == "OCCUPIED");
        let Some(before) = before.filter(|_| shown.state == "AVAILABLE") else { continue };
        // A master without the last sales, until the partition is loaded.
        let lost = |at| Evidence::happened(&evidence.forgets, &view.fixture, at, at);
        let freed = freed.entry(shown.seat).or_default();
        // A snapshot may repeat what was there before.
        let again = freed.last().is_some_and(|earlier| shown.position <= *earlier);
        if !again && !lost(before.at) && !lost(shown.at) {
            freed.push(shown.position);
        }
    }
    let too_often = |(seat, freed): (u32, Vec<Position>)| {
        let (times, allowed) = (freed.len(), cancelled.get(&seat).map_or(0, BTreeSet::len));
        (times > allowed).then(|| {
            let what = format!(
                "sold seat {seat} was shown as free {times} times; it was cancelled {allowed} times"
            );
            Violation::new(19, what).about(&view.fixture, &[seat])
        })
    };
    freed.into_iter().filter_map(too_often).collect()
}

/// The seats that somebody wants to give back.
pub(super) fn cancelled_seats(evidence: &Evidence, cancel: &Call) -> Vec<u32> {
    let mut seats = all_seats(evidence, &cancel.about);
    if let Some(some) = cancel.sent["seatIds"].as_array() {
        seats.retain(|seat| some.iter().any(|given| given.as_u64() == Some(u64::from(*seat))));
    }
    seats
}

/// The seats of a reservation when it was confirmed.
fn all_seats(evidence: &Evidence, reservation: &str) -> Vec<u32> {
    let confirmed = evidence.calls.iter().find(|call| {
        let data = call.done().filter(|_| call.act == Act::Confirm);
        data.is_some_and(|data| data["reservation"]["id"] == reservation)
    });
    match (confirmed, evidence.reservations.get(reservation)) {
        (Some(call), _) => call.seats(),
        (None, Some(row)) => row.seats.clone(),
        (None, None) => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair};
    use serde_json::json;
    use std::time::Duration;

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_seat_that_stays_held_or_is_free_although_sold_is_found() {
        assert_eq!(check(&fair()), vec![]);
        for (seat, state, invariant) in
            [(5, "HOLD", 13), (1, "AVAILABLE", 17), (6, "OCCUPIED", 17), (11, "AVAILABLE", 19)]
        {
            let mut evidence = fair();
            evidence.maps[0].2.insert(seat, state.to_owned());
            let map = evidence.maps[0].2.clone();
            evidence.views[0].map = map;
            assert_eq!(invariants(&evidence), [invariant], "{seat} {state}");
        }
    }

    #[test]
    fn a_reservation_that_has_time_to_pay_may_keep_its_seats() {
        let mut evidence = fair();
        evidence.maps[0].2.insert(5, "PENDING".to_owned());
        evidence.views[0].map.insert(5, "PENDING".to_owned());
        assert_eq!(invariants(&evidence), [13]);
        evidence.pending.insert(("m".to_owned(), 5));
        assert_eq!(invariants(&evidence), [0; 0]);
    }

    #[test]
    fn a_watcher_who_is_left_behind_is_found() {
        let mut evidence = fair();
        evidence.views[0].map.insert(2, "HOLD".to_owned());
        evidence.views[0].backwards.push("(1, 2, 3) came behind (1, 3, 0)".to_owned());
        assert_eq!(invariants(&evidence), [18, 18]);
        for change in [
            |map: &mut BTreeMap<u32, String>| drop(map.insert(11, "HOLD".to_owned())),
            |map: &mut BTreeMap<u32, String>| drop(map.remove(&9)),
        ] {
            let mut evidence = fair();
            change(&mut evidence.views[0].map);
            assert_eq!(invariants(&evidence), [18]);
        }
    }

    #[test]
    fn a_sold_seat_that_is_shown_as_free_is_found_unless_it_was_cancelled() {
        let number = std::cell::Cell::new(0);
        let shown = |state: &str| {
            number.set(number.get() + 1);
            let (at, state) = (Duration::ZERO, state.to_owned());
            Shown { at, seat: 1, state, position: (1, number.get(), 0) }
        };
        let mut evidence = fair();
        evidence.views[0].shown = vec![shown("OCCUPIED"), shown("AVAILABLE"), shown("OCCUPIED")];
        assert_eq!(invariants(&evidence), [19]);
        evidence.calls.push(done(call(Act::Cancel, 0, "r1"), json!({})));
        assert_eq!(invariants(&evidence), [0; 0]);
        let again = [shown("OCCUPIED"), shown("AVAILABLE"), shown("OCCUPIED")];
        evidence.views[0].shown.extend(again);
        evidence.calls.push(done(call(Act::Cancel, 0, "r1"), json!({})));
        assert_eq!(invariants(&evidence), [19], "the second call was a repetition of the first");
        evidence.views[0].shown[4].position = (1, 2, 0);
        assert_eq!(invariants(&evidence), [0; 0], "a snapshot showed the same again");
        evidence.views[0].shown.truncate(3);
        for call in evidence.calls.iter_mut().filter(|call| call.act == Act::Cancel) {
            call.sent = json!({"seatIds": [2]});
        }
        assert_eq!(invariants(&evidence), [19], "it was about another seat");
    }
}
