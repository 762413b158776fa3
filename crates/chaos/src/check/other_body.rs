//! A key that was used is refused with another body (invariant 15).

use super::Violation;
use crate::evidence::Evidence;
use crate::history::{Call, Outcome};
use std::collections::HashMap;

/// The refusals that are kept under a key.
const KEPT: [&str; 2] = ["SEAT_TAKEN", "SEAT_LIMIT"];

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut first: HashMap<(usize, &str), &Call> = HashMap::new();
    for call in evidence.calls.iter().filter(|call| !call.key.is_empty() && has_effect(call)) {
        let earlier = first.entry((call.person, &call.key)).or_insert(call);
        *earlier = if call.ended < earlier.ended { call } else { earlier };
    }
    let ignored = |call: &Call| {
        let earlier = first.get(&(call.person, &*call.key)).filter(|_| has_effect(call))?;
        let forgot =
            Evidence::happened(&evidence.forgets, &call.fixture, earlier.begun, call.ended);
        let wrong = call.begun > earlier.ended && call.sent != earlier.sent && !forgot;
        let what = format!(
            "a key that was used was taken with another body:\n{}\n{}",
            earlier.line(),
            call.line()
        );
        wrong.then(|| Violation::new(15, what).about(&call.fixture, &call.seats()))
    };
    evidence.calls.iter().filter_map(ignored).collect()
}

/// Whether the call was made, so that its response is kept.
fn has_effect(call: &Call) -> bool {
    let taken = matches!(&call.outcome, Outcome::Refused(_, code) if KEPT.contains(&&**code));
    taken || call.done().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{fair, held, later, window};
    use serde_json::json;

    /// The key of a hold of seat 5 again, with another body.
    fn again(outcome: Outcome) -> Evidence {
        let first = held(1, "h2", &[5]);
        let sent = json!({"seatIds": [6]});
        let again = Call { key: first.key.clone(), sent, outcome, ..later(first.clone(), 1_000) };
        let mut evidence = fair();
        evidence.calls.extend([first, again]);
        evidence
    }

    #[test]
    fn another_body_is_refused_with_its_own_code() {
        let refused = |status, code: &str| again(Outcome::Refused(status, code.to_owned()));
        let found = |evidence: &Evidence| check(evidence).len();
        assert_eq!(found(&refused(422, "IDEMPOTENCY_KEY_REUSED")), 0);
        assert_eq!(found(&refused(503, "UNAVAILABLE")), 0);
        assert_eq!(found(&again(Outcome::Unknown("lost".to_owned()))), 0);
        assert_eq!(found(&refused(409, "SEAT_TAKEN")), 1);
        let mut replayed = again(Outcome::Done(json!({"holdId": "h2"})));
        assert_eq!(found(&replayed), 1);
        replayed.forgets.push(window(500, 600));
        assert_eq!(found(&replayed), 0);
        let mut same = again(Outcome::Done(json!({"holdId": "h2"})));
        same.calls[4].sent = json!({"seatIds": [5]});
        assert_eq!(found(&same), 0);
    }
}
