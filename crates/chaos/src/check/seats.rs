//! A hold has the seats that were asked for, and a reservation those of its holds (invariant 7).

use super::Violation;
use crate::evidence::Evidence;
use crate::history::Act;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = all_or_nothing(evidence);
    found.extend(of_reservations(evidence));
    found
}

fn all_or_nothing(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Hold) {
        if call.done().is_none() {
            continue;
        }
        let mut seats = call.seats();
        seats.sort_unstable();
        let (wished, count) = (seats_in(&call.sent["seatIds"]), &call.sent["bestAvailable"]);
        let wrong = match count["count"].as_u64() {
            Some(count) => count != seats.len() as u64,
            None => !wished.is_empty() && seats != wished,
        };
        if wrong {
            let what = format!("{} was asked for, and {seats:?} was held", call.sent);
            found.push(Violation::new(7, what).about(&call.fixture, &seats));
        }
    }
    found
}

/// A seat that was given back at about the same time may be in the reservation or not.
fn of_reservations(evidence: &Evidence) -> Vec<Violation> {
    let (mut held, mut given_back): (BTreeMap<&str, BTreeSet<u32>>, BTreeSet<u32>);
    let mut found = Vec::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Reserve) {
        let Some(data) = call.done().filter(|data| data["seats"].is_array()) else { continue };
        let holds: Vec<&str> = call.about.split('+').collect();
        (held, given_back) = Default::default();
        for other in evidence.calls.iter().filter(|other| other.fixture == call.fixture) {
            let id = other.done().and_then(|data| data["holdId"].as_str());
            let nothing = other.gave_nothing_back();
            match (other.act, id) {
                (Act::Hold, Some(id)) if holds.contains(&id) => {
                    held.insert(id, other.seats().into_iter().collect());
                }
                (Act::ReleaseSeat, _) if holds.contains(&&*other.about) && !nothing => {
                    given_back.extend(seats_in(&other.sent["seatIds"]));
                }
                _ => {}
            }
        }
        let wanted: BTreeSet<u32> = held.values().flatten().copied().collect();
        let seats: BTreeSet<u32> = call.seats().into_iter().collect();
        let fair = seats.is_subset(&wanted)
            && wanted.iter().all(|seat| seats.contains(seat) || given_back.contains(seat));
        if held.len() == holds.len() && !fair {
            let what = format!("{wanted:?} was held, and {seats:?} is reserved: {}", data["id"]);
            found.push(Violation::new(7, what).about(&call.fixture, &call.seats()));
        }
    }
    found
}

fn seats_in(list: &Value) -> Vec<u32> {
    let numbers = list.as_array().into_iter().flatten();
    numbers.filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, held, later};
    use crate::history::Call;
    use crate::history::Outcome;
    use serde_json::json;
    use std::time::Duration;

    fn found(calls: Vec<Call>) -> Vec<u8> {
        let evidence = Evidence { calls, ..fair() };
        check(&evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_hold_of_other_seats_is_found() {
        let hold = |sent| Call { sent, ..held(1, "h2", &[7, 8]) };
        assert_eq!(found(vec![hold(json!({"seatIds": [7, 8]}))]), [0; 0]);
        assert_eq!(found(vec![hold(json!({"seatIds": [7]}))]), [7]);
        assert_eq!(found(vec![hold(json!({"seatIds": [6, 7]}))]), [7]);
        assert_eq!(found(vec![hold(json!({"bestAvailable": {"count": 2}}))]), [0; 0]);
        assert_eq!(found(vec![hold(json!({"bestAvailable": {"count": 3}}))]), [7]);
    }

    fn reserved(about: &str, seats: &[u32]) -> Call {
        let list: Vec<Value> = seats.iter().map(|seat| json!({"seatId": seat})).collect();
        done(later(call(Act::Reserve, 1, about), 100), json!({"id": "r2", "seats": list}))
    }

    #[test]
    fn a_reservation_of_other_seats_than_those_of_its_holds_is_found() {
        let holds = || vec![held(1, "h2", &[4, 5]), held(1, "h3", &[6])];
        let with = |call| found([holds(), vec![call]].concat());
        assert_eq!(with(reserved("h2", &[5, 4])), [0; 0]);
        assert_eq!(with(reserved("h2+h3", &[4, 5, 6])), [0; 0]);
        assert_eq!(with(reserved("h2", &[4])), [7]);
        assert_eq!(with(reserved("h2", &[4, 5, 6])), [7]);
        assert_eq!(with(reserved("h2+h3", &[4, 5])), [7]);
        assert_eq!(with(reserved("h2+h4", &[4, 5])), [0; 0], "nobody knows the hold");
    }

    #[test]
    fn a_seat_that_was_given_back_may_be_missing() {
        let mut back = done(call(Act::ReleaseSeat, 1, "h2"), Value::Null);
        back.sent = json!({"seatIds": [4]});
        let refused = Call { outcome: Outcome::Refused(403, String::new()), ..back.clone() };
        let hold = held(1, "h2", &[4, 5]);
        let run = |back: &Call, seats: &[u32]| {
            found(vec![hold.clone(), back.clone(), reserved("h2", seats)])
        };
        assert_eq!(run(&back, &[5]), [0; 0]);
        assert_eq!(run(&back, &[4, 5]), [0; 0], "it may have been reserved before");
        assert_eq!(run(&back, &[4]), [7]);
        assert_eq!(run(&refused, &[5]), [7]);
        let ended = refused.begun + Duration::from_millis(20);
        assert_eq!(run(&Call { ended, ..refused }, &[5]), [0; 0], "it may have been repeated");
    }
}
