//! Calls with the same key have one effect (invariant 15), and a refusal has a form (27).

use super::Violation;
use crate::evidence::Evidence;
use crate::history::{Act, Call, Outcome};
use crate::person::TIMEOUT;
use std::collections::HashMap;
use std::time::Duration;

/// A node ends each request after 15 s. A longer wait is one of the network.
const CALL_MAX: Duration = Duration::from_millis(16_500);

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = same_key(evidence);
    found.extend(refused_before(evidence));
    found.extend(evidence.calls.iter().filter_map(form));
    found.extend(evidence.calls.iter().filter(|call| hangs(evidence, call)).map(|call| {
        Violation::new(27, format!("a request took longer than a node allows: {}", call.line()))
    }));
    found
}

/// All successes under one key are the same thing, unless Redis has lost the first one meanwhile.
fn same_key(evidence: &Evidence) -> Vec<Violation> {
    let mut first: HashMap<(usize, &str), (&Call, &str)> = HashMap::new();
    let mut found = Vec::new();
    for call in evidence.calls.iter().filter(|call| !call.key.is_empty()) {
        let Some(data) = call.done() else { continue };
        let Some(id) = data["holdId"].as_str().or(data["id"].as_str()) else { continue };
        let (earlier, known) = first.entry((call.person, &call.key)).or_insert((call, id));
        let forgot =
            Evidence::happened(&evidence.forgets, &call.fixture, earlier.begun, call.ended);
        if *known != id && !forgot {
            let what = format!(
                "one key has two effects, {known} and {id}:\n{}\n{}",
                earlier.line(),
                call.line()
            );
            let seats = call.seats();
            found.push(Violation::new(15, what).about(&call.fixture, &seats));
        }
    }
    found
}

/// A hold that was refused is refused again under its key.
fn refused_before(evidence: &Evidence) -> Vec<Violation> {
    let bound = ["SEAT_TAKEN", "SEAT_LIMIT"];
    let mut first: HashMap<(usize, &str), &Call> = HashMap::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Hold && !call.key.is_empty()) {
        if matches!(&call.outcome, Outcome::Refused(409, code) if bound.contains(&&**code)) {
            let earlier = first.entry((call.person, &call.key)).or_insert(call);
            *earlier = if call.ended < earlier.ended { call } else { earlier };
        }
    }
    let broken = |call: &&Call| {
        let earlier = first.get(&(call.person, &*call.key)).filter(|_| call.done().is_some())?;
        let later = call.begun > earlier.ended;
        let forgot =
            Evidence::happened(&evidence.forgets, &call.fixture, earlier.begun, call.ended);
        let what =
            format!("a key that was refused had success:\n{}\n{}", earlier.line(), call.line());
        (later && !forgot).then(|| Violation::new(15, what).about(&call.fixture, &call.seats()))
    };
    evidence
        .calls
        .iter()
        .filter(|call| call.act == Act::Hold)
        .filter_map(|call| broken(&call))
        .collect()
}

/// Each refusal is a problem document with a code, 500 is none, and one that ends by itself says
/// when.
fn form(call: &Call) -> Option<Violation> {
    match &call.outcome {
        Outcome::Refused(500, _) => {
            Some(Violation::new(27, format!("an error of the server: {}", call.line())))
        }
        Outcome::Refused(_, code) if code == "no problem document" => {
            Some(Violation::new(27, format!("a refusal without a form: {}", call.line())))
        }
        Outcome::Refused(429 | 503, _) if !call.says_when => {
            Some(Violation::new(27, format!("no Retry-After: {}", call.line())))
        }
        _ => None,
    }
}

fn hangs(evidence: &Evidence, call: &Call) -> bool {
    // A connection that ends says nothing. A client that gives up has waited for 20 s.
    let waited = match &call.outcome {
        Outcome::Unknown(why) => why == TIMEOUT,
        Outcome::Done(_) | Outcome::Accepted(_) | Outcome::Refused(..) => true,
    };
    waited
        && call.act != Act::Admin
        && call.ended.saturating_sub(call.begun) > CALL_MAX
        && !Evidence::happened(&evidence.silences, &call.fixture, call.begun, call.ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, fair, held, later, window};

    #[test]
    fn a_key_with_two_effects_is_found() {
        assert_eq!(check(&fair()), vec![]);
        let mut evidence = fair();
        let mut again = later(held(0, "h9", &[5]), 5_000);
        again.key.clone_from(&evidence.calls[0].key);
        evidence.calls.push(again);
        assert_eq!(check(&evidence)[0].invariant, 15);
        evidence.forgets.push(window(1_000, 1_500));
        assert_eq!(check(&evidence), vec![]);
    }

    #[test]
    fn a_refusal_that_becomes_a_success_is_found() {
        let taken = Outcome::Refused(409, "SEAT_TAKEN".to_owned());
        let mut evidence = fair();
        evidence.calls.push(Call { outcome: taken, ..held(1, "h9", &[5]) });
        let again = later(held(1, "h9", &[5]), 1_000);
        evidence.calls.push(Call { key: held(1, "h9", &[5]).key, ..again });
        assert_eq!(check(&evidence)[0].invariant, 15);
        evidence.forgets.push(window(500, 600));
        assert_eq!(check(&evidence), vec![]);
    }

    #[test]
    fn an_error_without_a_form_and_a_hanging_request_are_found() {
        for outcome in [
            Outcome::Refused(500, "INTERNAL".to_owned()),
            Outcome::Refused(503, "no problem document".to_owned()),
        ] {
            let mut evidence = fair();
            evidence.calls.push(Call { outcome, ..call(Act::Hold, 1, "") });
            assert_eq!(check(&evidence)[0].invariant, 27);
        }
        for status in [429, 503] {
            let mut evidence = fair();
            let outcome = Outcome::Refused(status, "OVERLOADED".to_owned());
            evidence.calls.push(Call { outcome, ..call(Act::Hold, 1, "") });
            assert_eq!(check(&evidence)[0].invariant, 27, "nobody knows when to try again");
            evidence.calls[3].says_when = true;
            assert_eq!(check(&evidence), vec![]);
        }
        let mut evidence = fair();
        let mut slow = held(1, "h9", &[5]);
        slow.ended = Duration::from_secs(18);
        evidence.calls.push(slow.clone());
        assert_eq!(check(&evidence)[0].invariant, 27);
        // The client has given up.
        let mut evidence = fair();
        slow.outcome = Outcome::Unknown(TIMEOUT.to_owned());
        slow.ended = Duration::from_secs(20);
        evidence.calls.push(slow);
        assert_eq!(check(&evidence)[0].invariant, 27);
        evidence.silences.push(window(3_000, 4_000));
        assert_eq!(check(&evidence), vec![]);
    }
}
