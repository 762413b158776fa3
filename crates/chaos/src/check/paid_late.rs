//! Nobody buys what they reserved after the time to pay (invariant 10). From the first attempt on,
//! a reservation may get more time, so only attempts that all came too late count.

use super::Violation;
use super::ends::LATE_MAX;
use super::holds::FirstTries;
use crate::evidence::Evidence;
use crate::history::{Act, Call};
use crate::world::PAYMENT_MS;
use std::collections::HashMap;
use std::time::Duration;

const PAYMENT_TTL: Duration = Duration::from_millis(PAYMENT_MS);

/// The calls about a reservation.
#[derive(Default)]
struct Reserved {
    /// The first request for it and the first response.
    asked: Option<(Duration, Duration)>,
    /// The first request to confirm a payment of it.
    confirmed: Option<Duration>,
}

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let tries = FirstTries::of(evidence);
    let mut reserved: HashMap<&str, Reserved> = HashMap::new();
    let mut payments: HashMap<&str, &str> = HashMap::new();
    for call in &evidence.calls {
        let id = call.done().and_then(|data| data["id"].as_str());
        match (call.act, id) {
            (Act::Reserve, Some(id)) => {
                let (first, ended) = (tries.first(call), call.ended);
                let asked = &mut reserved.entry(id).or_default().asked;
                let earlier = asked.unwrap_or((first, ended));
                *asked = Some((earlier.0.min(first), earlier.1.min(ended)));
            }
            (Act::Request, Some(payment)) => {
                payments.insert(payment, &call.about);
            }
            _ => {}
        }
    }
    let confirms: Vec<&Call> =
        evidence.calls.iter().filter(|call| call.act == Act::Confirm).collect();
    for call in &confirms {
        let known = payments.get(&*call.about).and_then(|id| reserved.get_mut(id));
        if let Some(Reserved { confirmed, .. }) = known {
            *confirmed = Some(confirmed.map_or(call.begun, |first| first.min(call.begun)));
        }
    }
    let late = |call: &&Call| {
        let id = call.done()?["reservation"]["id"].as_str()?;
        let Reserved { asked: Some((asked, response)), confirmed: Some(first) } =
            reserved.get(id)?
        else {
            return None;
        };
        let troubled = Evidence::happened(&evidence.deadlines, &call.fixture, *asked, call.ended);
        let late = *first > *response + PAYMENT_TTL + LATE_MAX && !troubled;
        let what = format!("{id} was paid after the time to pay: {}", call.line());
        late.then(|| Violation::new(10, what).about(&call.fixture, &call.seats()))
    };
    confirms.iter().filter_map(late).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, later, window};
    use crate::history::Outcome;
    use serde_json::json;

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_payment_that_is_confirmed_after_the_time_to_pay_is_found() {
        let request = later(done(call(Act::Request, 0, "r1"), json!({"id": "p"})), 150);
        // The reservation was made at 110 ms at the latest.
        let mut evidence = fair();
        evidence.calls.push(request);
        let paid = evidence.calls[2].clone();
        evidence.calls[2] = later(paid.clone(), PAYMENT_MS + 300);
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.calls[2] = later(paid.clone(), PAYMENT_MS + 500);
        assert_eq!(invariants(&evidence), [10]);
        let paused = Outcome::Refused(503, "PAYMENTS_PAUSED".to_owned());
        evidence.calls.push(Call { outcome: paused, ..paid });
        assert_eq!(invariants(&evidence), [0; 0], "it got more time");
        evidence.calls.pop();
        evidence.deadlines.push(window(5_000, 6_000));
        assert_eq!(invariants(&evidence), [0; 0]);
    }
}
