//! What a watcher was shown of a seat is its state at the place of the event (invariant 18): no
//! change is shown too early, too late, or of another seat.

use super::Violation;
use super::order::{LOST_MAX, is_trimmed};
use crate::evidence::Evidence;
use crate::log::MatchLog;
use crate::watcher::{Shown, View};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for log in evidence.logs.iter().filter(|log| !is_trimmed(log)) {
        let by_seat = log.by_seat();
        for view in evidence.views.iter().filter(|view| view.fixture == log.fixture) {
            // Entries that Redis has lost may have been shown before.
            let lost = |shown: &&Shown| {
                let until = shown.at + LOST_MAX;
                Evidence::happened(&evidence.forgets, &log.fixture, shown.at, until)
            };
            let sure = view.shown.iter().filter(|shown| shown.position.0 == log.epoch);
            let sure = sure.filter(|shown| !lost(shown));
            found.extend(sure.filter_map(|shown| {
                let changes = by_seat.get(&shown.seat).map_or(&[][..], Vec::as_slice);
                wrong(log, changes, view, shown)
            }));
        }
    }
    found
}

/// The changes of a seat, each with the id of its entry.
type Changes = [((u64, u64), char)];

fn wrong(log: &MatchLog, changes: &Changes, view: &View, shown: &Shown) -> Option<Violation> {
    let state = state_at(log, changes, shown)?;
    if state == shown.state {
        return None;
    }
    let what = format!(
        "a watcher of node {} was shown {} of seat {} at {:?}, and it was {state}",
        view.node, shown.state, shown.seat, shown.position
    );
    Some(Violation::new(18, what).about(&log.fixture, &[shown.seat]))
}

/// The state of a seat at a place, if the changes tell it. What a load brought is not among them.
fn state_at(log: &MatchLog, changes: &Changes, shown: &Shown) -> Option<&'static str> {
    let until = (shown.position.1, shown.position.2);
    let behind = changes.partition_point(|(id, _)| *id <= until);
    let last = behind.checked_sub(1).map(|last| changes[last].1);
    match last.or((log.epoch == 1).then_some('A'))? {
        'A' => Some("AVAILABLE"),
        'H' => Some("HOLD"),
        'P' => Some("PENDING"),
        'O' => Some("OCCUPIED"),
        'B' => Some("BLOCKED"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{fair, window};
    use crate::log::Entry;
    use std::time::Duration;

    /// Seat 1 is held at 100 ms and free at 200 ms, and a watcher is shown this.
    fn shown(state: &str, seat: u32, ms: u64) -> Evidence {
        let entry = |ms, seats: &[(u32, char)]| Entry {
            id: (ms, 0),
            seats: seats.to_vec(),
            ..Entry::default()
        };
        let entries = vec![entry(100, &[(1, 'H'), (2, 'H')]), entry(200, &[(1, 'A')])];
        let log = MatchLog { fixture: "m".to_owned(), epoch: 1, entries, ..MatchLog::default() };
        let (at, position) = (Duration::from_secs(1), (1, ms, 0));
        let mut evidence = Evidence { logs: vec![log], ..fair() };
        evidence.views[0].shown = vec![Shown { at, seat, state: state.to_owned(), position }];
        evidence
    }

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_state_that_a_seat_did_not_have_at_that_place_is_found_unless_redis_forgot() {
        for (state, seat, ms) in [
            ("AVAILABLE", 1, 99),
            ("HOLD", 1, 100),
            ("HOLD", 2, 300),
            ("AVAILABLE", 1, 200),
            ("AVAILABLE", 3, 300),
        ] {
            assert_eq!(check(&shown(state, seat, ms)), vec![], "{state} {seat} {ms}");
        }
        for (state, seat, ms) in
            [("HOLD", 1, 99), ("HOLD", 1, 200), ("PENDING", 2, 100), ("HOLD", 3, 300)]
        {
            let mut evidence = shown(state, seat, ms);
            assert_eq!(invariants(&evidence), [18], "{state} {seat} {ms}");
            evidence.forgets = vec![window(5_900, 9_000)];
            assert_eq!(check(&evidence), vec![], "it was lost");
        }
    }

    #[test]
    fn what_was_loaded_is_not_among_the_changes() {
        let mut evidence = shown("OCCUPIED", 3, 300);
        assert_eq!(invariants(&evidence), [18]);
        evidence.logs[0].epoch = 2;
        evidence.views[0].shown[0].position.0 = 2;
        assert_eq!(check(&evidence), vec![]);
        evidence.views[0].shown[0].seat = 1;
        assert_eq!(invariants(&evidence), [18]);
    }
}
