//! PostgreSQL stops a second sale only when Redis has forgotten the first one (invariant 8).

use super::Violation;
use super::holds::FirstTries;
use crate::evidence::Evidence;
use crate::history::{Act, Call, Outcome};
use std::time::Duration;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let stopped = evidence.calls.iter().filter(|call| {
        let sold = matches!(&call.outcome, Outcome::Refused(_, code) if code == "SEAT_SOLD");
        let since = before_both(evidence, call);
        sold && !Evidence::happened(&evidence.forgets, &call.fixture, since, call.ended)
    });
    stopped.map(|call| Violation::new(8, format!("a second sale: {}", call.line()))).collect()
}

/// The latest time at which neither the first sale of these seats nor the second one had begun, as
/// far as the calls tell.
fn before_both(evidence: &Evidence, second: &Call) -> Duration {
    let reservation = evidence.calls.iter().find_map(|call| {
        let payment = call.done().filter(|_| call.act == Act::Request)?["id"].as_str()?;
        (payment == second.about).then_some(&*call.about)
    });
    let Some(reservation) = reservation else { return Duration::ZERO };
    let Some((begun, seats)) = reserved(evidence, reservation) else { return Duration::ZERO };
    let owners = seats.iter().filter_map(|seat| {
        evidence.claims.get(&(second.fixture.clone(), *seat)).filter(|owner| *owner != reservation)
    });
    let first = owners.filter_map(|owner| Some(reserved(evidence, owner)?.0)).min();
    first.map_or(Duration::ZERO, |first| first.min(begun))
}

/// When the holds of a reservation were asked for first, and its seats.
fn reserved(evidence: &Evidence, reservation: &str) -> Option<(Duration, Vec<u32>)> {
    let reserve = evidence.calls.iter().find(|call| {
        call.act == Act::Reserve && call.done().is_some_and(|data| data["id"] == reservation)
    })?;
    let tries = FirstTries::of(evidence);
    let holds = evidence.calls.iter().filter(|call| {
        let id = call.done().and_then(|data| data["holdId"].as_str());
        call.act == Act::Hold && id.is_some_and(|id| reserve.about.split('+').any(|it| it == id))
    });
    let mut seats = Vec::new();
    let mut begun = reserve.begun;
    for hold in holds {
        seats.extend(hold.seats());
        begun = begun.min(tries.first(hold));
    }
    Some((begun, seats))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, held, later, window};
    use serde_json::json;

    #[test]
    fn only_a_loss_between_two_sales_excuses_the_second() {
        let mut evidence = fair();
        assert_eq!(check(&evidence), vec![]);
        let refused = Outcome::Refused(409, "SEAT_SOLD".to_owned());
        let reserve = done(call(Act::Reserve, 1, "h2"), json!({"id": "r2"}));
        let request = done(call(Act::Request, 1, "r2"), json!({"id": "p2"}));
        let confirm = Call { outcome: refused, ..call(Act::Confirm, 1, "p2") };
        evidence.calls = evidence.calls.into_iter().map(|call| later(call, 50_000)).collect();
        evidence.calls.extend([
            later(held(1, "h2", &[2, 3]), 70_000),
            later(reserve, 71_000),
            later(request, 72_000),
            later(confirm, 73_000),
        ]);
        evidence.forgets = vec![window(30_000, 40_000)];
        assert_eq!(check(&evidence).len(), 1);
        evidence.forgets = vec![window(60_000, 61_000)];
        assert_eq!(check(&evidence).len(), 0);
        evidence.forgets = vec![window(30_000, 40_000)];
        evidence.claims.clear();
        assert_eq!(check(&evidence).len(), 0, "nobody knows when the first one was");
        evidence.forgets.clear();
        assert_eq!(check(&evidence).len(), 1);
    }
}
