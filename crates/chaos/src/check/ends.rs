//! Holds end when they were promised to end, once, and can do nothing afterwards (invariants 9, 10
//! and 12).

use super::Violation;
use super::holds::{FirstTries, Held, helds};
use crate::evidence::Evidence;
use crate::history::{Act, Call, Outcome};
use crate::world::HOLD_MS;
use std::collections::HashMap;
use std::time::Duration;

/// The clock of a partition may be behind by this.
pub(super) const LATE_MAX: Duration = Duration::from_millis(500);
/// A hold may end earlier than promised by this: a clock that was behind catches up.
const EARLY_MAX: Duration = Duration::from_millis(200);
/// The codes of a hold that is not there any more.
const GONE: [&str; 2] = ["HOLD_EXPIRED", "HOLD_NOT_FOUND"];
/// How long the clock of a partition goes on without a worker.
const CLOCK_RUNS_MAX: Duration = Duration::from_secs(10);
const HOLD_TTL: Duration = Duration::from_millis(HOLD_MS);

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let tries = FirstTries::of(evidence);
    stale(evidence, &tries, &helds(evidence, &tries))
}

/// A hold that was given back or has ended can do nothing more, and none becomes two reservations.
fn stale(evidence: &Evidence, tries: &FirstTries<'_>, helds: &[Held<'_>]) -> Vec<Violation> {
    let by_id: HashMap<&str, &Held<'_>> = helds.iter().map(|held| (held.id, held)).collect();
    let mut released: HashMap<&str, Duration> = HashMap::new();
    for call in &evidence.calls {
        if call.act == Act::Release && matches!(call.outcome, Outcome::Done(_)) {
            released.entry(&call.about).or_insert(call.ended);
        }
    }
    let mut found = Vec::new();
    let mut complain = |invariant: u8, held: &Held<'_>, what: &str| {
        let what = format!("{}: {what}", held.id);
        found.push(Violation::new(invariant, what).about(held.fixture, &held.seats));
    };
    let reserves = evidence.calls.iter().filter(|call| call.act == Act::Reserve);
    let reserves = reserves.flat_map(|call| call.about.split('+').map(move |id| (call, id)));
    let reserves: Vec<(&Call, &str)> = reserves.collect();
    for (call, id) in reserves.clone() {
        let (Some(held), Some(_)) = (by_id.get(id), call.done()) else { continue };
        if released.get(id).is_some_and(|released| *released < call.begun) {
            complain(9, held, "was reserved after it had been given back");
        }
        let first = tries.first(call);
        let troubled =
            Evidence::happened(&evidence.deadlines, held.fixture, held.asked, call.ended);
        if first > held.from + HOLD_TTL + LATE_MAX && !troubled {
            complain(10, held, "was reserved after its end");
        }
        if after_the_sale(evidence, call, first) {
            complain(10, held, "was reserved after the sale had ended");
        }
    }
    for (call, id) in reserves {
        let held = by_id.get(id).filter(|held| is_gone(call) && ended_early(evidence, held, call));
        if let Some(held) = held {
            complain(10, held, "was gone before its end");
        }
    }
    for call in evidence.calls.iter().filter(|call| call.act == Act::Hold) {
        let Some(id) = call.done().and_then(|data| data["holdId"].as_str()) else { continue };
        let held = by_id.get(id).filter(|_| after_the_sale(evidence, call, tries.first(call)));
        if let Some(held) = held {
            complain(10, held, "was made after the sale had ended");
        }
    }
    for held in helds {
        let mut ids = held.reservations.clone();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() > 1 {
            complain(12, held, &format!("became several reservations: {ids:?}"));
        }
    }
    found
}

/// Whether this refusal came when the hold must have been there still.
fn ended_early(evidence: &Evidence, held: &Held<'_>, call: &Call) -> bool {
    let troubled = Evidence::happened(&evidence.forgets, held.fixture, held.asked, call.ended)
        || Evidence::happened(&evidence.deadlines, held.fixture, held.asked, call.ended);
    is_early(evidence, held, call) && !troubled
}

/// The same, whatever has happened to Redis.
fn is_early(evidence: &Evidence, held: &Held<'_>, call: &Call) -> bool {
    let given_back = held.released < Duration::MAX || !held.given_back.is_empty();
    // A hold ends with the sale of its match, and when it becomes a reservation.
    let may_end = evidence.closes.contains_key(held.fixture) || !held.reservations.is_empty();
    call.ended + EARLY_MAX < held.asked + HOLD_TTL && !given_back && !may_end
}

/// How many holds were gone too early after a loss of Redis: writes that it had confirmed.
pub(crate) fn lost_holds(evidence: &Evidence) -> usize {
    let tries = FirstTries::of(evidence);
    let reserves = evidence.calls.iter().filter(|call| call.act == Act::Reserve);
    let refused: Vec<&Call> = reserves.filter(|call| is_gone(call)).collect();
    let gone = |held: &&Held<'_>| {
        refused.iter().any(|call| {
            call.about.split('+').any(|id| id == held.id)
                && is_early(evidence, held, call)
                && Evidence::happened(&evidence.forgets, held.fixture, held.asked, call.ended)
        })
    };
    helds(evidence, &tries).iter().filter(gone).count()
}

fn is_gone(call: &Call) -> bool {
    matches!(&call.outcome, Outcome::Refused(_, code) if GONE.contains(&&**code))
}

/// Whether the first request was sent when the sale of its match had ended.
fn after_the_sale(evidence: &Evidence, call: &Call, first: Duration) -> bool {
    let Some(closes) = evidence.closes.get(&call.fixture) else { return false };
    // A wrong clock of Redis counts for minutes, and a clock without a worker stands after 10 s.
    let lately = closes.saturating_sub(CLOCK_RUNS_MAX);
    let troubled = Evidence::happened(&evidence.clocks_set, &call.fixture, lately, call.ended)
        || Evidence::happened(&evidence.forgets, &call.fixture, lately, call.ended)
        || Evidence::happened(&evidence.deadlines, &call.fixture, lately, call.ended);
    first > *closes + LATE_MAX && !troubled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, held, later, window};
    use serde_json::json;

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_hold_that_is_gone_too_early_is_found() {
        let refused = |ms| {
            let outcome = Outcome::Refused(409, "HOLD_EXPIRED".to_owned());
            Call { outcome, ..later(call(Act::Reserve, 1, "h2"), ms) }
        };
        for (ms, wanted) in [(1_000, &[10][..]), (HOLD_MS - 100, &[])] {
            let mut evidence = fair();
            evidence.calls.extend([held(1, "h2", &[3]), refused(ms)]);
            assert_eq!(invariants(&evidence), wanted);
            evidence.calls.push(later(done(call(Act::Release, 1, "h2"), json!(null)), 500));
            assert_eq!(invariants(&evidence), [0; 0]);
        }
    }

    #[test]
    fn a_hold_after_the_end_of_the_sale_is_found() {
        let mut evidence = fair();
        evidence.closes.insert("m".to_owned(), Duration::from_secs(2));
        evidence.calls.push(later(held(1, "h2", &[3]), 1_900));
        assert_eq!(invariants(&evidence), [0; 0]);
        let reserve = done(call(Act::Reserve, 1, "h2"), json!({"id": "r9"}));
        evidence.calls.push(later(reserve, 2_600));
        evidence.calls.push(later(held(2, "h3", &[5]), 2_600));
        assert_eq!(invariants(&evidence), [10, 10]);
        evidence.deadlines.push(window(0, 10));
        assert_eq!(invariants(&evidence), [0; 0]);
    }

    #[test]
    fn a_hold_that_lives_after_its_end_is_found() {
        let reserve = |at| later(done(call(Act::Reserve, 1, "h2"), json!({"id": "r9"})), at);
        let mut evidence = fair();
        evidence.calls.push(held(1, "h2", &[3]));
        evidence.calls.push(later(done(call(Act::Release, 1, "h2"), json!(null)), 500));
        evidence.calls.push(reserve(900));
        assert_eq!(invariants(&evidence), [9]);
        let mut evidence = fair();
        evidence.calls.push(held(1, "h2", &[3]));
        evidence.calls.push(reserve(HOLD_MS + 400));
        assert_eq!(invariants(&evidence), [0; 0]);
        let mut evidence = fair();
        evidence.calls.push(held(1, "h2", &[3]));
        evidence.calls.push(reserve(HOLD_MS + 600));
        assert_eq!(invariants(&evidence), [10]);
        evidence.calls.push(later(done(call(Act::Reserve, 1, "h2"), json!({"id": "r8"})), 800));
        assert_eq!(invariants(&evidence), [10, 12]);
    }
}
