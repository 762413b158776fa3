//! The changes of a match are what has happened to its seats (invariant 16): no entry is missing
//! or there twice, and the last entry of each seat is its state. A partition that was loaded again
//! has seats that no entry names, and so has a stream that was trimmed.

use super::Violation;
use super::order::is_trimmed;
use crate::evidence::Evidence;
use crate::log::MatchLog;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    evidence.logs.iter().flat_map(|log| gaps(log).into_iter().chain(states(log))).collect()
}

fn gaps(log: &MatchLog) -> Vec<Violation> {
    let mut found = Vec::new();
    let first = log.entries.first().map_or(log.version, |entry| entry.before);
    let mut known = if is_whole(log) { 0 } else { first };
    for entry in &log.entries {
        if entry.before != known || entry.version <= entry.before {
            let what = format!(
                "after version {known} of match {} comes the entry from {} to {}",
                log.fixture, entry.before, entry.version
            );
            found.push(Violation::new(16, what).about(&log.fixture, &seats_of(&entry.seats)));
        }
        known = entry.version;
    }
    if known != log.version {
        let what = format!(
            "match {} has version {}, and its last entry is {known}",
            log.fixture, log.version
        );
        found.push(Violation::new(16, what));
    }
    found
}

/// Whether the changes are there from the first one on.
fn is_whole(log: &MatchLog) -> bool {
    log.epoch == 1 && !is_trimmed(log)
}

fn states(log: &MatchLog) -> Vec<Violation> {
    let mut last: BTreeMap<u32, char> = BTreeMap::new();
    if is_whole(log) {
        last.extend(log.seats.keys().map(|seat| (*seat, 'A')));
    }
    for entry in &log.entries {
        last.extend(entry.seats.iter().copied());
    }
    let wrong = last.into_iter().filter_map(|(seat, told)| {
        let letter = log.seats.get(&seat).copied().unwrap_or('A');
        (letter != told).then(|| {
            let what = format!("the last entry says {told} of seat {seat}, and it is {letter}");
            Violation::new(16, what).about(&log.fixture, &[seat])
        })
    });
    wrong.collect()
}

fn seats_of(seats: &[(u32, char)]) -> Vec<u32> {
    seats.iter().map(|(seat, _)| *seat).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::fair;
    use super::check;
    use crate::evidence::Evidence;
    use crate::log::{Entry, MatchLog};

    /// Seats 1 and 2 were held, and seat 2 was given back.
    fn whole() -> MatchLog {
        let entry = |before, version, seats: &[(u32, char)]| Entry {
            version,
            before,
            seats: seats.to_vec(),
            ..Entry::default()
        };
        let entries = vec![
            entry(4, 6, &[(1, 'H'), (2, 'H')]),
            entry(6, 7, &[(2, 'A')]),
            entry(7, 8, &[(1, 'P')]),
        ];
        let seats = [(1, 'P'), (9, 'B')].into();
        MatchLog { fixture: "m".to_owned(), version: 8, entries, seats, ..MatchLog::default() }
    }

    fn invariants(log: MatchLog) -> Vec<u8> {
        let evidence = Evidence { logs: vec![log], ..fair() };
        check(&evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_whole_log_has_no_violation() {
        assert!(invariants(whole()).is_empty());
        let untouched = MatchLog { version: 3, ..MatchLog::default() };
        assert!(invariants(untouched).is_empty());
    }

    #[test]
    fn a_log_that_is_not_the_state_is_a_violation() {
        let mut missing = whole();
        missing.entries.remove(1);
        assert_eq!(invariants(missing), vec![16, 16]);
        let mut twice = whole();
        twice.entries.insert(1, twice.entries[0].clone());
        assert_eq!(invariants(twice), vec![16]);
        let mut unheard = whole();
        unheard.entries.pop();
        assert_eq!(invariants(unheard), vec![16, 16]);
        let mut lost = whole();
        lost.seats.remove(&1);
        assert_eq!(invariants(lost), vec![16]);
    }
}
