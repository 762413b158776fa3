//! Seats that were refused as taken were not free all the time of the call (invariant 22): a
//! refusal, too, is about what was between the request and the response.

use super::Violation;
use super::holds::FirstTries;
use super::order::{CLOCKS_MAX, is_sure, time_of};
use crate::evidence::Evidence;
use crate::history::{Act, Call, Outcome};
use crate::log::MatchLog;
use std::collections::HashMap;
use std::time::Duration;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let tries = FirstTries::of(evidence);
    let refused = evidence.calls.iter().filter(|call| {
        let taken = matches!(&call.outcome, Outcome::Refused(_, code) if code == "SEAT_TAKEN");
        call.act == Act::Hold && taken && !call.seats().is_empty()
    });
    let logs: HashMap<&str, _> =
        evidence.logs.iter().map(|log| (&*log.fixture, (log, log.by_seat()))).collect();
    let in_vain = |call: &&Call| {
        let begun = tries.first(call);
        let (log, by_seat) = logs.get(&*call.fixture)?;
        let free = |seat: &u32| {
            let changes = by_seat.get(seat).map_or(&[][..], Vec::as_slice);
            was_free(evidence, log, changes, begun, call.ended)
        };
        let all = is_sure(evidence, log, begun, call.ended) && call.seats().iter().all(free);
        let what = format!("all of these seats were free: {}", call.line());
        all.then(|| Violation::new(22, what).about(&call.fixture, &call.seats()))
    };
    refused.filter_map(|call| in_vain(&call)).collect()
}

/// Whether a seat was free from one time to another.
fn was_free(
    evidence: &Evidence,
    log: &MatchLog,
    changes: &[((u64, u64), char)],
    from: Duration,
    to: Duration,
) -> bool {
    // What a load brought is not among the changes.
    let mut before = (log.epoch > 1).then_some('?');
    for (id, letter) in changes {
        let at = time_of(evidence, *id);
        if at > to + CLOCKS_MAX {
            break;
        }
        if at + CLOCKS_MAX < from {
            before = Some(*letter);
        } else if *letter != 'A' {
            return false;
        }
    }
    before.is_none_or(|letter| letter == 'A')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{fair, held, later, window};
    use crate::log::Entry;

    /// Person 1 wants seats 5 and 6 at 2 s, and these were the changes.
    fn refused(changes: &[(u64, u32, char)]) -> Evidence {
        let outcome = Outcome::Refused(409, "SEAT_TAKEN".to_owned());
        let call = Call { outcome, ..later(held(1, "h2", &[5, 6]), 2_000) };
        let entry = |&(ms, seat, letter): &(u64, u32, char)| Entry {
            id: (1_000_000 + ms, 0),
            seats: vec![(seat, letter)],
            ..Entry::default()
        };
        let entries = changes.iter().map(entry).collect();
        let log = MatchLog { fixture: "m".to_owned(), epoch: 1, entries, ..MatchLog::default() };
        Evidence { calls: vec![call], logs: vec![log], begun_ms: 1_000_000, ..fair() }
    }

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_refusal_of_free_seats_is_found_unless_redis_forgot() {
        for changes in [
            &[(1_000, 6, 'H')][..],
            &[(1_000, 6, 'H'), (2_005, 6, 'A')],
            &[(2_005, 5, 'H'), (2_008, 5, 'A')],
            &[(1_000, 6, 'O'), (9_000, 6, 'A')],
        ] {
            assert_eq!(check(&refused(changes)), vec![], "{changes:?}");
        }
        for changes in
            [&[][..], &[(1_000, 7, 'H')], &[(1_000, 6, 'H'), (1_500, 6, 'A')], &[(2_500, 6, 'H')]]
        {
            let mut evidence = refused(changes);
            assert_eq!(invariants(&evidence), [22], "{changes:?}");
            evidence.forgets = vec![window(1_000, 3_000)];
            assert_eq!(check(&evidence), vec![], "{changes:?}");
        }
    }

    #[test]
    fn what_was_loaded_may_be_taken() {
        let mut evidence = refused(&[]);
        evidence.logs[0].epoch = 2;
        evidence.views[0].position = (2, 0, 0);
        evidence.views[0].loads = vec![Duration::from_secs(1)];
        assert_eq!(check(&evidence), vec![]);
        evidence.logs[0].entries =
            refused(&[(1_500, 5, 'A'), (1_500, 6, 'A')]).logs[0].entries.clone();
        assert_eq!(invariants(&evidence), [22]);
    }
}
