//! Who meddles has no success (invariant 9), each seat is entered once, and nobody who is inside
//! gets the money back (31).

use super::Violation;
use crate::evidence::Evidence;
use crate::history::{Act, Call};
use std::collections::HashMap;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = reserved_by_others(evidence);
    let mut entered: HashMap<(&str, u64), &Call> = HashMap::new();
    let mut calls: Vec<&Call> = evidence.calls.iter().collect();
    calls.sort_by_key(|call| call.ended);
    for call in calls {
        let reservation: &str = &call.about;
        if let Some(seat) = entered_seat(call) {
            let first = *entered.entry((reservation, seat)).or_insert(call);
            if !std::ptr::eq(first, call) && !lost(evidence, first, call) {
                let what =
                    format!("seat {seat} was entered twice:\n{}\n{}", first.line(), call.line());
                found.push(Violation::new(31, what).about(&call.fixture, &call.seats()));
            }
        }
    }
    let cancels = evidence.calls.iter().filter(|call| call.act == Act::Cancel);
    for cancel in cancels.filter(|call| call.done().is_some()) {
        let inside = entered.iter().find(|((reservation, seat), entry)| {
            *reservation == cancel.about
                && wants_back(cancel, *seat)
                && !lost(evidence, entry, cancel)
        });
        if let Some(((_, seat), entry)) = inside {
            let what = format!(
                "somebody entered with seat {seat} and got its money back:\n{}\n{}",
                entry.line(),
                cancel.line()
            );
            found.push(Violation::new(31, what).about(&cancel.fixture, &cancel.seats()));
        }
    }
    found
}

/// Meddling changes nothing: a hold that is gone is given back without an error, and no hold is
/// reserved by somebody else.
fn reserved_by_others(evidence: &Evidence) -> Vec<Violation> {
    let meddled = evidence.calls.iter().filter(|call| call.act == Act::Meddle);
    let reserved = meddled.filter(|call| call.done().is_some_and(|data| data["id"].is_string()));
    let violation = |call: &Call| {
        let what = format!("the hold of somebody else was reserved: {}", call.line());
        Violation::new(9, what).about(&call.fixture, &call.seats())
    };
    reserved.map(violation).collect()
}

fn entered_seat(call: &Call) -> Option<u64> {
    let data = call.done().filter(|_| call.act == Act::Enter)?;
    data["seat"]["seatId"].as_u64()
}

fn wants_back(cancel: &Call, seat: u64) -> bool {
    let some = cancel.sent["seatIds"].as_array();
    some.is_none_or(|seats| seats.iter().any(|given| given.as_u64() == Some(seat)))
}

/// Somebody who entered in the last moments is forgotten with them (docs/SECURITY.md).
fn lost(evidence: &Evidence, first: &Call, other: &Call) -> bool {
    let (from, to) = (first.begun.min(other.begun), first.ended.max(other.ended));
    let lost = |windows| Evidence::happened(windows, &first.fixture, from, to);
    lost(&evidence.forgets) || lost(&evidence.database_losses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, later, window};
    use serde_json::{Value, json};

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    fn entered(ms: u64) -> Call {
        later(done(call(Act::Enter, 0, "r1"), json!({"seat": {"seatId": 1}})), ms)
    }

    fn cancelled(ms: u64, seats: Value) -> Call {
        Call { sent: seats, ..later(done(call(Act::Cancel, 0, "r1"), json!({})), ms) }
    }

    #[test]
    fn a_seat_that_is_entered_twice_is_found_unless_redis_forgot() {
        let mut evidence = fair();
        evidence.calls.push(entered(1_000));
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.calls.push(entered(2_000));
        assert_eq!(invariants(&evidence), [31]);
        evidence.forgets.push(window(1_500, 1_600));
        assert_eq!(invariants(&evidence), [0; 0]);
    }

    #[test]
    fn money_for_somebody_inside_is_found() {
        for (seats, wanted) in [
            (Value::Null, &[31][..]),
            (json!({"seatIds": [1]}), &[31]),
            (json!({"seatIds": [2]}), &[]),
        ] {
            let mut evidence = fair();
            evidence.calls.extend([entered(1_000), cancelled(2_000, seats)]);
            assert_eq!(invariants(&evidence), wanted);
            evidence.forgets.push(window(1_500, 1_600));
            assert_eq!(invariants(&evidence), [0; 0]);
        }
    }

    #[test]
    fn a_hold_that_somebody_else_reserves_is_found() {
        let mut evidence = fair();
        evidence.calls.push(done(call(Act::Meddle, 1, "h1"), Value::Null));
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.calls.push(done(call(Act::Meddle, 1, "h1"), json!({"id": "r9"})));
        assert_eq!(invariants(&evidence), [9]);
    }
}
