//! While a payment is open, its seats stay as they are: they become free only when this payment
//! has its outcome (invariant 11).
//!
//! PostgreSQL keeps the steps of a payment with their places in the journal, and the changes of a
//! match have ids of the same clock. The changes of earlier epochs are gone with their load, but
//! watchers were shown them, with the same ids.

use super::Violation;
use crate::evidence::Evidence;
use crate::history::Position;
use crate::steps::Step;
use std::collections::BTreeMap;
use std::time::Duration;

/// A script writes the change of a seat before the fact in the journal, at most so many ms.
const SCRIPT_MS: u64 = 250;

/// A time in which a payment was open.
struct Open<'a> {
    payment: &'a str,
    fixture: &'a str,
    seats: &'a [u32],
    from: Position,
    /// None when it was open in the end.
    to: Option<Position>,
}

/// Seats that were no longer reserved, or sold.
struct Change {
    at: Position,
    seat: u32,
    free: bool,
    how: String,
}

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let open = open(evidence);
    let mut changes: BTreeMap<&str, Vec<Change>> = BTreeMap::new();
    let mut found = Vec::new();
    for open in open.iter().filter(|open| !is_unsure(evidence, open)) {
        let of_match =
            changes.entry(open.fixture).or_insert_with(|| changes_of(evidence, open.fixture));
        for seat in open.seats {
            let mut meanwhile = of_match.iter().filter(|change| change.seat == *seat);
            let first = meanwhile.find(|change| is_behind(change.at, open.from));
            let Some(early) = first.filter(|change| change.free && is_before(change, open)) else {
                continue;
            };
            let what = format!(
                "payment {} was open from {:?} to {:?}, and seat {seat} was not reserved any \
                 more: {}",
                open.payment, open.from, open.to, early.how
            );
            found.push(Violation::new(11, what).about(open.fixture, &[*seat]));
        }
    }
    found
}

/// Each time in which a payment was open. An attempt that was withdrawn and begun again before
/// PostgreSQL was told is the same time.
fn open(evidence: &Evidence) -> Vec<Open<'_>> {
    let mut by_payment: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in &evidence.steps {
        by_payment.entry(&step.payment).or_default().push(step);
    }
    let mut all = Vec::new();
    for (payment, steps) in by_payment {
        let Some(row) = evidence.reservations.get(&steps[0].reservation) else { continue };
        let (fixture, seats) = (&*row.fixture, &*row.seats);
        let mut from = None;
        for step in steps {
            if step.status == "IN_PROGRESS" {
                from = from.or(step.begun);
            } else if let Some(from) = from.take() {
                all.push(Open { payment, fixture, seats, from, to: step.last });
            }
        }
        all.extend(from.map(|from| Open { payment, fixture, seats, from, to: None }));
    }
    all
}

/// Whether places say nothing about times, or PostgreSQL has lost steps.
fn is_unsure(evidence: &Evidence, open: &Open<'_>) -> bool {
    let time = |(_, ms, _): Position| Duration::from_millis(ms.saturating_sub(evidence.begun_ms));
    let (from, to) = (time(open.from), open.to.map_or(Duration::MAX, time));
    Evidence::happened(&evidence.clocks_set, open.fixture, to, to)
        || evidence.database_losses.iter().any(|loss| from <= loss.to)
}

/// All changes of a match to anything but reserved, in the order of their places.
fn changes_of(evidence: &Evidence, fixture: &str) -> Vec<Change> {
    let mut all = Vec::new();
    for log in evidence.logs.iter().filter(|log| log.fixture == fixture) {
        for entry in &log.entries {
            let at = (log.epoch, entry.id.0, entry.id.1);
            let changed = entry.seats.iter().filter(|(_, letter)| *letter != 'P');
            all.extend(changed.map(|(seat, letter)| Change {
                at,
                seat: *seat,
                free: *letter != 'O',
                how: format!("{letter} in the changes at {at:?}"),
            }));
        }
    }
    for view in evidence.views.iter().filter(|view| view.fixture == fixture) {
        // A master that has lost the last changes shows its own, until the partition is loaded.
        let sure = |at| !Evidence::happened(&evidence.forgets, fixture, at, at);
        let shown = view.shown.iter().filter(|shown| shown.state != "PENDING" && sure(shown.at));
        all.extend(shown.map(|shown| Change {
            at: shown.position,
            seat: shown.seat,
            free: shown.state != "OCCUPIED",
            how: format!("{} at {:?} on a map of node {}", shown.state, shown.position, view.node),
        }));
    }
    all.sort_by_key(|change| change.at);
    all
}

/// The begin of a payment is written behind the change of its batch, in the same ms or later.
fn is_behind(at: Position, from: Position) -> bool {
    (at.0, at.1) > (from.0, from.1)
}

fn is_before(change: &Change, open: &Open<'_>) -> bool {
    open.to.is_none_or(|to| (change.at.0, change.at.1 + SCRIPT_MS) < (to.0, to.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{fair, window};
    use crate::log::{Entry, MatchLog};
    use crate::watcher::Shown;

    fn step(status: &str, begun_ms: u64, last_ms: u64) -> Step {
        Step {
            payment: "p1".to_owned(),
            reservation: "r1".to_owned(),
            status: status.to_owned(),
            begun: Some((1, begun_ms, 0)),
            last: Some((1, last_ms, 0)),
        }
    }

    /// A payment of seats 1 and 2 that is open from 1 s to 5 s, and seat 1 at these times.
    fn paid(changes: &[(u64, char)]) -> Evidence {
        let entry = |&(ms, letter): &(u64, char)| Entry {
            id: (ms, 0),
            seats: vec![(1, letter)],
            ..Entry::default()
        };
        let entries = changes.iter().map(entry).collect();
        let log = MatchLog { fixture: "m".to_owned(), epoch: 1, entries, ..MatchLog::default() };
        let steps = vec![step("IN_PROGRESS", 1_000, 1_000), step("PAID", 1_000, 5_000)];
        Evidence { logs: vec![log], steps, ..fair() }
    }

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_seat_that_is_free_while_its_payment_is_open_is_found() {
        assert_eq!(check(&paid(&[(500, 'P'), (5_000, 'O'), (9_000, 'A')])), vec![]);
        assert_eq!(check(&paid(&[(500, 'P'), (5_000, 'A')])), vec![], "it was refused");
        for (letter, wanted) in [('A', &[11][..]), ('H', &[11]), ('O', &[])] {
            assert_eq!(invariants(&paid(&[(500, 'P'), (3_000, letter)])), wanted, "{letter}");
        }
        assert_eq!(check(&paid(&[(500, 'H'), (600, 'P'), (1_000, 'A')])), vec![], "before it");
    }

    #[test]
    fn a_payment_without_an_outcome_keeps_its_seats_to_the_end() {
        let mut evidence = paid(&[(60_000, 'A')]);
        assert_eq!(check(&evidence), vec![]);
        evidence.steps.pop();
        assert_eq!(invariants(&evidence), [11]);
        evidence.logs[0].epoch = 2;
        assert_eq!(invariants(&evidence), [11], "it was loaded as one that is open");
    }

    #[test]
    fn an_attempt_that_was_withdrawn_is_over_until_the_next_one_begins() {
        let mut evidence = paid(&[(4_000, 'A')]);
        evidence.steps.insert(1, step("WITHDRAWN", 1_000, 3_000));
        assert_eq!(check(&evidence), vec![]);
        evidence.steps.insert(2, step("IN_PROGRESS", 3_500, 3_500));
        assert_eq!(invariants(&evidence), [11]);
        evidence.steps.insert(1, step("LOST", 1_000, 1_000));
        evidence.steps.truncate(2);
        assert_eq!(check(&evidence), vec![], "PostgreSQL has another sale");
    }

    #[test]
    fn what_watchers_were_shown_counts_too_unless_redis_forgot() {
        let mut evidence = paid(&[]);
        evidence.logs[0].epoch = 2;
        let shown = |state: &str| Shown {
            at: Duration::from_secs(3),
            seat: 2,
            state: state.to_owned(),
            position: (1, 3_000, 0),
        };
        evidence.views[0].shown = vec![shown("PENDING")];
        assert_eq!(check(&evidence), vec![]);
        evidence.views[0].shown = vec![shown("AVAILABLE")];
        assert_eq!(invariants(&evidence), [11]);
        evidence.forgets = vec![window(2_900, 3_100)];
        assert_eq!(check(&evidence), vec![]);
    }

    #[test]
    fn a_clock_that_was_set_and_a_loss_of_postgresql_are_excuses() {
        let set = |ms| vec![window(ms, 99_000)];
        assert_eq!(invariants(&Evidence { clocks_set: set(5_001), ..paid(&[(3_000, 'A')]) }), [11]);
        assert_eq!(check(&Evidence { clocks_set: set(5_000), ..paid(&[(3_000, 'A')]) }), vec![]);
        let lost = |ms| Evidence { database_losses: vec![window(0, ms)], ..paid(&[(3_000, 'A')]) };
        assert_eq!(invariants(&lost(999)), [11]);
        assert_eq!(check(&lost(1_000)), vec![]);
    }
}
