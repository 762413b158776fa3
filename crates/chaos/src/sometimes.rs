//! The dangerous states that a run has seen: a run that saw none of them proves nothing
//! (invariant 28).

use crate::evidence::Evidence;
use crate::history::{Act, Outcome};
use std::collections::{BTreeMap, HashMap};

/// How often each dangerous state was seen, by its name.
pub(crate) type Seen = BTreeMap<&'static str, usize>;

/// States that must be seen in each set of runs.
pub(crate) const WANTED: [&str; 17] = [
    "a call without a response",
    "a confirmation without an outcome",
    "a hold that ended by itself",
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
];

/// Counts the dangerous states of a run.
pub(crate) fn seen(evidence: &Evidence) -> Seen {
    let mut seen: Seen = WANTED.iter().map(|name| (*name, 0)).collect();
    let mut keys: HashMap<(usize, &str), usize> = HashMap::new();
    for call in &evidence.calls {
        let name = match (&call.outcome, call.act) {
            (Outcome::Unknown(_), _) => "a call without a response",
            (Outcome::Accepted(_), Act::Confirm) => "a confirmation without an outcome",
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
        ("a partition that was loaded again", evidence.epochs.saturating_sub(1) as usize),
    ] {
        *seen.entry(name).or_default() += count;
    }
    seen
}

fn of_code(code: &str) -> &'static str {
    match code {
        "HOLD_EXPIRED" | "RESERVATION_EXPIRED" => "a hold that ended by itself",
        "PAYMENTS_PAUSED" => "a payment that was paused",
        "PAYMENT_DECLINED" => "a declined payment",
        "SEAT_TAKEN" => "a seat that somebody else had",
        "PASS_REQUIRED" => "a hold without a pass",
        "REFUND_CLOSED" => "somebody inside who wanted the money back",
        "MATCH_NOT_OPEN" => "a call after the end of the sale",
        "SEAT_SOLD" => "a second sale that PostgreSQL stopped",
        "NOT_LOADED" => "a partition that was not loaded",
        "SEAT_LIMIT" => "a person who wanted too many seats",
        _ => "another refusal",
    }
}
