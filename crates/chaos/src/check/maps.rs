//! What watchers and maps show (invariants 13, 17, 18 and 19).

use super::Violation;
use crate::evidence::Evidence;
use crate::history::{Act, Outcome};
use crate::watcher::View;
use std::collections::{BTreeMap, HashMap};

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
    let other = |seat: &&u32| map.get(seat) != view.map.get(seat);
    let seats: Vec<u32> = map.keys().filter(other).copied().collect();
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
    let mut cancelled: HashMap<u32, usize> = HashMap::new();
    for call in &evidence.calls {
        let refused = matches!(call.outcome, Outcome::Refused(400..500, _));
        if call.act != Act::Cancel || call.fixture != view.fixture || refused {
            continue;
        }
        for seat in all_seats(evidence, &call.about) {
            *cancelled.entry(seat).or_default() += 1;
        }
    }
    let (mut last, mut freed): (HashMap<u32, &str>, HashMap<u32, usize>) = Default::default();
    for shown in &view.shown {
        if Evidence::happened(&evidence.forgets, shown.at, shown.at) {
            last.clear(); // a master without the last sales, until the partition is loaded
        }
        let before = last.insert(shown.seat, &shown.state);
        if before == Some("OCCUPIED") && shown.state == "AVAILABLE" {
            *freed.entry(shown.seat).or_default() += 1;
        }
    }
    let too_often = |(seat, times): (u32, usize)| {
        let allowed = cancelled.get(&seat).copied().unwrap_or(0);
        (times > allowed).then(|| {
            let what = format!(
                "sold seat {seat} was shown as free {times} times; it was cancelled {allowed} times"
            );
            Violation::new(19, what).about(&view.fixture, &[seat])
        })
    };
    freed.into_iter().filter_map(too_often).collect()
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
    use crate::watcher::Shown;
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
    }

    #[test]
    fn a_sold_seat_that_is_shown_as_free_is_found_unless_it_was_cancelled() {
        let shown = |state: &str| Shown {
            at: Duration::ZERO,
            seat: 1,
            state: state.to_owned(),
            position: (1, 1, 1),
        };
        let mut evidence = fair();
        evidence.views[0].shown = vec![shown("OCCUPIED"), shown("AVAILABLE"), shown("OCCUPIED")];
        assert_eq!(invariants(&evidence), [19]);
        evidence.calls.push(done(call(Act::Cancel, 0, "r1"), json!({})));
        assert_eq!(invariants(&evidence), [0; 0]);
    }
}
