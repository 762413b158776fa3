//! A refusal has a reason (invariant 30): nobody is told that they have too many seats who can't
//! have so many.
//!
//! The most seats that somebody can have is counted. A hold ends at its deadline at the latest,
//! which is no later than its first response and its time to live. A hold whose outcome nobody
//! knows, and a reservation that somebody tried to pay, may be there for ever.

use super::Violation;
use super::holds::FirstTries;
use crate::evidence::Evidence;
use crate::history::{Act, Call, Outcome};
use crate::world::{HOLD_MS, PAYMENT_MS, SEATS_MAX};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

// The clock of a partition that was ahead runs 1 % slower for minutes (ADR 10).
const HOLD_TTL: Duration = Duration::from_millis(HOLD_MS + HOLD_MS / 50);
const PAYMENT_TTL: Duration = Duration::from_millis(PAYMENT_MS + PAYMENT_MS / 50);

/// Seats that somebody may have had.
struct Possible<'a> {
    person: usize,
    fixture: &'a str,
    seats: usize,
    /// When the first request was sent.
    from: Duration,
    /// It can't have ended later.
    to: Duration,
}

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let (all, tries) = (possible(evidence), FirstTries::of(evidence));
    let refused = evidence.calls.iter().filter(|call| {
        let limit = |code: &str| code == "SEAT_LIMIT";
        call.act == Act::Hold && matches!(&call.outcome, Outcome::Refused(_, code) if limit(code))
    });
    refused.filter_map(|call| without_reason(evidence, &all, &tries, call)).collect()
}

fn without_reason(
    evidence: &Evidence,
    all: &[Possible<'_>],
    tries: &FirstTries<'_>,
    call: &Call,
) -> Option<Violation> {
    let of_person = all.iter().filter(|held| {
        (held.person, held.fixture) == (call.person, &*call.fixture) && held.from <= call.ended
    });
    // A refusal is kept under its key.
    let begun = tries.first(call);
    let (mut had, mut since) = (0, begun);
    for held in of_person {
        // A server that stood still, or that has lost something, has its own idea of an end.
        since = since.min(held.from);
        had += if held.to >= begun { held.seats } else { 0 };
    }
    let troubled = Evidence::happened(&evidence.forgets, &call.fixture, since, call.ended)
        || Evidence::happened(&evidence.deadlines, &call.fixture, since, call.ended);
    if had + wanted(call) > SEATS_MAX || troubled {
        return None;
    }
    let what = format!("too many seats, but they had {had} at most: {}", call.line());
    Some(Violation::new(30, what).about(&call.fixture, &call.seats()))
}

fn wanted(call: &Call) -> usize {
    let count = call.sent["bestAvailable"]["count"].as_u64();
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(call.seats().len())
}

/// The holds of all people: of calls with the same key, the first.
fn possible(evidence: &Evidence) -> Vec<Possible<'_>> {
    let ends = Ends::of(evidence);
    let mut by_key: HashMap<(usize, &str), Possible<'_>> = HashMap::new();
    let mut others = Vec::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Hold) {
        let to = match &call.outcome {
            Outcome::Done(data) => {
                ends.of_hold(data["holdId"].as_str().unwrap_or_default(), call.ended)
            }
            Outcome::Refused(400..500, _) => continue,
            Outcome::Refused(..) | Outcome::Unknown(_) | Outcome::Accepted(_) => Duration::MAX,
        };
        let held = Possible {
            person: call.person,
            fixture: &call.fixture,
            seats: wanted(call),
            from: call.begun,
            to,
        };
        if call.key.is_empty() {
            others.push(held);
            continue;
        }
        let known = by_key.entry((call.person, &call.key)).or_insert(Possible { ..held });
        known.from = known.from.min(call.begun);
        known.to = known.to.min(to);
    }
    others.extend(by_key.into_values());
    others
}

/// What ends a hold, or makes it longer.
#[derive(Default)]
struct Ends<'a> {
    /// By hold: the first response to its release.
    released: HashMap<&'a str, Duration>,
    /// By hold: until when its reservation can be there.
    reserved: HashMap<&'a str, Duration>,
}

impl<'a> Ends<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let mut ends = Self::default();
        let requests = evidence.calls.iter().filter(|call| call.act == Act::Request);
        let paid: HashSet<&str> = requests.map(|call| &*call.about).collect();
        let mut cancelled: HashMap<&str, Duration> = HashMap::new();
        for call in &evidence.calls {
            // Some seats of a sale that was cancelled in part stay.
            let whole = call.act == Act::Cancel && call.sent["seatIds"].is_null();
            if whole && call.done().is_some() {
                let first = cancelled.entry(&call.about).or_insert(call.ended);
                *first = call.ended.min(*first);
            }
        }
        for call in &evidence.calls {
            let about: &str = &call.about;
            match call.act {
                Act::Release if call.done().is_some() => {
                    let first = ends.released.entry(about).or_insert(call.ended);
                    *first = call.ended.min(*first);
                }
                Act::Reserve if !matches!(call.outcome, Outcome::Refused(400..500, _)) => {
                    let id = call.done().and_then(|data| data["id"].as_str());
                    let until = match id {
                        Some(id) if cancelled.contains_key(id) => cancelled[id],
                        Some(id) if !paid.contains(id) => call.ended + PAYMENT_TTL,
                        _ => Duration::MAX,
                    };
                    for hold in about.split('+') {
                        let last = ends.reserved.entry(hold).or_insert(until);
                        *last = until.max(*last);
                    }
                }
                _ => {}
            }
        }
        ends
    }

    fn of_hold(&self, id: &str, granted: Duration) -> Duration {
        let end = (granted + HOLD_TTL).max(self.reserved.get(id).copied().unwrap_or_default());
        end.min(self.released.get(id).copied().unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, held, later, window};
    use serde_json::{Value, json};

    /// A hold of three seats that is refused at this time.
    fn refused(person: usize, at_ms: u64) -> Call {
        let hold = later(held(person, "no", &[7, 8, 9]), at_ms);
        Call { outcome: Outcome::Refused(409, "SEAT_LIMIT".to_owned()), ..hold }
    }

    fn faults(calls: Vec<Call>) -> usize {
        check(&Evidence { calls, ..fair() }).len()
    }

    #[test]
    fn who_has_no_seats_may_have_three() {
        assert_eq!(faults(vec![refused(1, 0)]), 1);
        assert_eq!(faults(vec![held(1, "h", &[1, 2]), refused(1, 100)]), 0);
        assert_eq!(faults(vec![held(2, "h", &[1, 2]), refused(1, 100)]), 1);
        assert_eq!(faults(vec![held(1, "h", &[1, 2]), refused(1, 5_000)]), 1, "it has ended");
        let given_back = later(done(call(Act::Release, 1, "h"), Value::Null), 100);
        assert_eq!(faults(vec![held(1, "h", &[1, 2]), given_back, refused(1, 200)]), 1);
    }

    #[test]
    fn what_may_be_there_counts() {
        let reserve = |id: &str| later(done(call(Act::Reserve, 1, "h"), json!({"id": id})), 100);
        let seats = held(1, "h", &[1, 2]);
        assert_eq!(faults(vec![seats.clone(), reserve("r"), refused(1, 8_000)]), 0);
        assert_eq!(faults(vec![seats.clone(), reserve("r"), refused(1, 9_000)]), 1);
        let paid = later(done(call(Act::Request, 1, "r"), json!({})), 200);
        let sale = vec![seats.clone(), reserve("r"), paid];
        assert_eq!(faults([sale.clone(), vec![refused(1, 90_000)]].concat()), 0);
        let back = later(done(call(Act::Cancel, 1, "r"), json!({})), 300);
        assert_eq!(faults([sale, vec![back, refused(1, 5_000)]].concat()), 1);
        let lost = Call { outcome: Outcome::Unknown("lost".to_owned()), ..seats };
        assert_eq!(faults(vec![lost, refused(1, 90_000)]), 0);
        let calls = vec![refused(1, 1_000)];
        let forgets = vec![window(500, 1_005)];
        assert_eq!(check(&Evidence { calls, forgets, ..fair() }), vec![]);
    }
}
