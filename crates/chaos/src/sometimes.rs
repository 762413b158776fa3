//! The dangerous states that a run has seen: a run that saw none of them proves nothing
//! (invariant 28).

use crate::check::lost_holds;
use crate::evidence::Evidence;
use crate::history::{Act, Call, Outcome};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How often each dangerous state was seen, by its name.
pub(crate) type Seen = BTreeMap<&'static str, usize>;

/// States that must be seen in each set of runs. That PostgreSQL stops a second sale is rare, so
/// the exam makes it happen.
pub(crate) const WANTED: [&str; 24] = [
    "a call without a response",
    "a confirmation without an outcome",
    "a hold that ended by itself",
    "a reservation that ended by itself",
    "a payment that was paused",
    "a partition that was loaded again",
    "a map that began again",
    "a process that died at a failpoint",
    "a call that was repeated with success",
    "a declined payment",
    "a refund",
    "a dead letter",
    "a seat that somebody else had",
    "a person who waited in line",
    "a hold without a pass",
    "a seat that was entered",
    "somebody inside who wanted the money back",
    "a call after the end of the sale",
    "a key with another body",
    "a hold that Redis lost",
    "a worker that lost its partition",
    "a payment that another process ended",
    "a partition that was taken from a dead worker",
    "a gateway that counted as away",
];

/// Counts the dangerous states of a run.
pub(crate) fn seen(evidence: &Evidence) -> Seen {
    let mut seen: Seen = WANTED.iter().map(|name| (*name, 0)).collect();
    let mut keys: HashMap<(usize, &str), usize> = HashMap::new();
    let given_back = evidence
        .calls
        .iter()
        .filter(|call| matches!(call.act, Act::Release | Act::ReleaseSeat | Act::Meddle));
    let given_back: HashSet<&str> = given_back.map(|call| &*call.about).collect();
    let untouched = |call: &Call| !call.about.split('+').any(|id| given_back.contains(id));
    for call in &evidence.calls {
        let name = match (&call.outcome, call.act) {
            (Outcome::Unknown(_), _) => "a call without a response",
            (Outcome::Accepted(_), Act::Confirm) => "a confirmation without an outcome",
            (Outcome::Refused(_, code), Act::Reserve) if code == "HOLD_EXPIRED" => {
                if untouched(call) { "a hold that ended by itself" } else { "another refusal" }
            }
            (Outcome::Refused(_, code), _) => of_code(code),
            (Outcome::Done(_), Act::Cancel) => "a refund",
            (Outcome::Done(_), Act::Enter) => "a seat that was entered",
            (Outcome::Done(place), Act::Queue) if place["state"] == "WAITING" => {
                "a person who waited in line"
            }
            (Outcome::Done(_), _) if !call.key.is_empty() => {
                let times = keys.entry((call.person, &call.key)).or_default();
                *times += 1;
                if *times > 1 { "a call that was repeated with success" } else { continue }
            }
            _ => continue,
        };
        *seen.entry(name).or_default() += 1;
    }
    let snapshots = evidence.views.iter().map(|view| view.snapshots).sum();
    for (name, count) in [
        ("a map that began again", snapshots),
        ("a process that died at a failpoint", evidence.deaths as usize),
        ("a dead letter", evidence.dead_letters),
        ("a hold that Redis lost", lost_holds(evidence)),
        ("a worker that lost its partition", evidence.lost_leases),
        ("a payment that another process ended", evidence.ended_for_others),
        ("a partition that was taken from a dead worker", evidence.taken_over),
        ("a gateway that counted as away", evidence.gateway_away),
        ("a partition that was loaded again", evidence.epochs.saturating_sub(1) as usize),
    ] {
        *seen.entry(name).or_default() += count;
    }
    seen
}

fn of_code(code: &str) -> &'static str {
    match code {
        "RESERVATION_EXPIRED" => "a reservation that ended by itself",
        "PAYMENTS_PAUSED" => "a payment that was paused",
        "PAYMENT_DECLINED" => "a declined payment",
        "SEAT_TAKEN" => "a seat that somebody else had",
        "PASS_REQUIRED" => "a hold without a pass",
        "REFUND_CLOSED" => "somebody inside who wanted the money back",
        "MATCH_NOT_OPEN" => "a call after the end of the sale",
        "IDEMPOTENCY_KEY_REUSED" => "a key with another body",
        "SEAT_SOLD" => "a second sale that PostgreSQL stopped",
        "NOT_LOADED" => "a partition that was not loaded",
        "SEAT_LIMIT" => "a person who wanted too many seats",
        _ => "another refusal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, held, later, window};
    use serde_json::Value;

    fn refused(code: &str, ms: u64) -> Call {
        let outcome = Outcome::Refused(409, code.to_owned());
        Call { outcome, ..later(call(Act::Reserve, 1, "h2"), ms) }
    }

    #[test]
    fn a_hold_that_was_given_back_has_not_ended_by_itself() {
        let mut evidence = fair();
        evidence.calls.extend([held(1, "h2", &[5]), refused("HOLD_EXPIRED", 5_000)]);
        assert_eq!(seen(&evidence)["a hold that ended by itself"], 1);
        evidence.calls.push(later(done(call(Act::Release, 1, "h2"), Value::Null), 1_000));
        assert_eq!(seen(&evidence)["a hold that ended by itself"], 0);
    }

    #[test]
    fn a_hold_that_is_gone_after_a_loss_was_lost() {
        let mut evidence = fair();
        evidence.calls.extend([held(1, "h2", &[5]), refused("HOLD_NOT_FOUND", 1_000)]);
        assert_eq!(seen(&evidence)["a hold that Redis lost"], 0);
        evidence.forgets.push(window(500, 600));
        assert_eq!(seen(&evidence)["a hold that Redis lost"], 1);
        evidence.calls[4] = refused("HOLD_NOT_FOUND", 9_000);
        assert_eq!(seen(&evidence)["a hold that Redis lost"], 0, "it had ended");
    }

    #[test]
    fn all_wanted_states_are_counted() {
        let mut evidence = fair();
        (evidence.lost_leases, evidence.ended_for_others) = (2, 3);
        (evidence.taken_over, evidence.gateway_away) = (4, 5);
        let seen = seen(&evidence);
        assert_eq!(seen["a worker that lost its partition"], 2);
        assert_eq!(seen["a payment that another process ended"], 3);
        assert_eq!(seen["a partition that was taken from a dead worker"], 4);
        assert_eq!(seen["a gateway that counted as away"], 5);
    }
}
