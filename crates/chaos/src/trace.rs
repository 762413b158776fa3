//! What happened to the seats of a violation, for people and for a file.

use crate::check::Violation;
use crate::evidence::Evidence;
use crate::history::Call;
use crate::inject::Happened;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Lines of the history of a seat that are shown.
const LINES: usize = 60;
/// Violations that are shown with their history.
const SHOWN: usize = 5;
/// Violations that are shown, and written with their history. One bug may have thousands.
const LISTED: usize = 100;

/// The violations, each with what happened to its seats.
pub(crate) fn details(
    evidence: &Evidence,
    violations: &[Violation],
    faults: &[Happened],
) -> String {
    let mut text = String::new();
    for (number, violation) in violations.iter().take(LISTED).enumerate() {
        let _ = writeln!(text, "invariant {}: {}", violation.invariant, violation.what);
        if let Some((fixture, seat)) = violation.seats.first().filter(|_| number < SHOWN) {
            let _ = writeln!(text, "  the last of the history of seat {seat} of match {fixture}:");
            let lines = history(evidence, fixture, *seat, faults);
            for line in &lines[lines.len().saturating_sub(LINES)..] {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    if violations.len() > LISTED {
        let _ = writeln!(text, "and {} more", violations.len() - LISTED);
    }
    text
}

/// Everything that happened, for a file: the first violations with the history of their first
/// seats, all calls, and the faults.
pub(crate) fn whole(evidence: &Evidence, violations: &[Violation], faults: &[Happened]) -> Value {
    let call = |call: &Call| json!({"line": call.line(), "key": call.key, "sent": call.sent});
    let fault = |happened: &Happened| {
        let (from, to) = (happened.from.as_secs_f64(), happened.to.as_secs_f64());
        json!({"fault": happened.fault, "from": from, "to": to, "partitions": happened.partitions})
    };
    json!({
        "violations": histories(evidence, violations, faults),
        "calls": evidence.calls.iter().map(call).collect::<Vec<_>>(),
        "faults": faults.iter().map(fault).collect::<Vec<_>>(),
    })
}

fn histories(evidence: &Evidence, violations: &[Violation], faults: &[Happened]) -> Value {
    let with_history = |violation: &Violation| {
        let seat = violation.seats.first();
        let history = seat.map(|(fixture, seat)| history(evidence, fixture, *seat, faults));
        json!({"invariant": violation.invariant, "what": violation.what,
            "seats": violation.seats, "history": history})
    };
    violations.iter().take(LISTED).map(with_history).collect()
}

/// All calls about a seat, all that was shown of it, and the faults meanwhile, in order.
fn history(evidence: &Evidence, fixture: &str, seat: u32, faults: &[Happened]) -> Vec<String> {
    let of_seat = |call: &&Call| call.fixture == fixture && call.seats().contains(&seat);
    let calls: Vec<&Call> = evidence.calls.iter().filter(of_seat).collect();
    let ids: Vec<&str> = calls.iter().flat_map(|call| ids(call)).collect();
    let mut lines: Vec<(Duration, String)> = Vec::new();
    for call in &evidence.calls {
        let about = !call.about.is_empty() && ids.contains(&&*call.about);
        if about || of_seat(&call) {
            lines.push((call.begun, call.line()));
        }
    }
    for view in evidence.views.iter().filter(|view| view.fixture == fixture) {
        for shown in view.shown.iter().filter(|shown| shown.seat == seat) {
            let line = format!(
                "{:>9.3} s  a watcher of node {} sees {} at {:?}",
                shown.at.as_secs_f64(),
                view.node,
                shown.state,
                shown.position
            );
            lines.push((shown.at, line));
        }
    }
    for Happened { fault, from, to, .. } in faults {
        let name = fault.name();
        let ends = to.as_secs_f64();
        lines.push((*from, format!("{:>9.3} to {ends:>9.3} s  fault: {name}", from.as_secs_f64())));
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The ids that later calls about the same seats name.
fn ids(call: &Call) -> Vec<&str> {
    let Some(data) = call.done() else { return vec![] };
    let ids = [&data["holdId"], &data["id"], &data["reservation"]["id"], &data["payment"]["id"]];
    ids.into_iter().filter_map(|id| id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, fair, held, later};
    use crate::history::Act;

    #[test]
    fn the_end_of_a_long_history_is_shown_and_all_of_it_is_written() {
        let mut evidence = fair();
        evidence.calls.push(held(1, "h2", &[5]));
        evidence.calls.extend((1..=100).map(|ms| later(call(Act::Reserve, 1, "h2"), ms)));
        evidence.calls.push(later(call(Act::Confirm, 1, "h2"), 9_000));
        let seats = vec![("m".to_owned(), 5)];
        let violations = vec![Violation { seats, ..Violation::new(8, "twice") }];
        let details = details(&evidence, &violations, &[]);
        assert!(details.contains("9.000 to"), "{details}");
        assert!(details.lines().count() < 70);
        let written = histories(&evidence, &violations, &[]);
        assert_eq!(written[0]["history"].as_array().map(Vec::len), Some(102));
        assert_eq!(written[0]["invariant"], 8);
    }
}
