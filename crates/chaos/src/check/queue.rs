//! The waiting room (invariant 20): nobody holds seats without having joined, and never are more
//! people inside at once than the organiser has set.

use super::Violation;
use crate::evidence::Evidence;
use crate::fixture::{ACTIVE_MAX, PASS_MS};
use crate::history::{Act, Call};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

// With the 1 % by which a clock may run slower (ADR 10).
const PASS_TTL: Duration = Duration::from_millis(PASS_MS + PASS_MS / 50);

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = without_joining(evidence);
    found.extend(after_the_pass(evidence));
    found.extend(evidence.queues.iter().filter_map(|fixture| too_many(evidence, fixture)));
    found
}

/// A response may be lost, so a person who has asked for anything in the queue may have a pass.
fn without_joining(evidence: &Evidence) -> Vec<Violation> {
    let mut joined: HashMap<(usize, &str), Duration> = HashMap::new();
    for call in evidence.calls.iter().filter(|call| call.act == Act::Queue) {
        let first = joined.entry((call.person, &call.fixture)).or_insert(call.begun);
        *first = call.begun.min(*first);
    }
    let gatecrash = |call: &&Call| {
        let asked = joined.get(&(call.person, &*call.fixture));
        call.act == Act::Hold
            && call.done().is_some()
            && evidence.queues.contains(&call.fixture)
            && asked.is_none_or(|asked| *asked > call.ended)
    };
    let violation = |call: &Call| {
        let what = format!("somebody who never joined the queue holds seats: {}", call.line());
        Violation::new(20, what).about(&call.fixture, &call.seats())
    };
    evidence.calls.iter().filter(gatecrash).map(violation).collect()
}

/// A pass ends a fixed time after its holder has seen it. The last call to the queue may have begun
/// a new one.
fn after_the_pass(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut seen: HashMap<(usize, &str), Duration> = HashMap::new();
    let mut calls: Vec<&Call> = evidence.calls.iter().collect();
    calls.sort_by_key(|call| call.begun);
    for call in calls.into_iter().filter(|call| evidence.queues.contains(&call.fixture)) {
        let person = (call.person, &*call.fixture);
        if call.act == Act::Queue {
            let last = seen.entry(person).or_default();
            *last = call.ended.max(*last);
        }
        let Some(last) = seen.get(&person).copied() else { continue };
        let late = call.begun > last + PASS_TTL;
        let troubled = |windows| Evidence::happened(windows, &call.fixture, last, call.ended);
        let gatecrash = late && call.act == Act::Hold && call.done().is_some();
        if gatecrash && !troubled(&evidence.forgets) && !troubled(&evidence.deadlines) {
            let what = format!("the pass had ended before: {}", call.line());
            found.push(Violation::new(20, what).about(&call.fixture, &call.seats()));
        }
    }
    found
}

/// Somebody is surely inside from the first to the last response that shows the same pass.
fn too_many(evidence: &Evidence, fixture: &str) -> Option<Violation> {
    let mut passes: BTreeMap<(usize, &str), (Duration, Duration)> = BTreeMap::new();
    for call in evidence.calls.iter().filter(|call| call.fixture == fixture) {
        let Some(pass) = call.done().and_then(|place| place["passExpiresAt"].as_str()) else {
            continue;
        };
        let sure = passes.entry((call.person, pass)).or_insert((call.ended, call.begun));
        *sure = (sure.0.min(call.ended), sure.1.max(call.begun));
    }
    // Redis may have forgotten passes that people still believe in.
    let sure = |(from, to): &(Duration, Duration)| {
        from < to && !Evidence::happened(&evidence.forgets, fixture, *from, *to)
    };
    let passes: Vec<_> = passes.into_values().filter(sure).collect();
    let inside = |at: Duration| passes.iter().filter(|(from, to)| *from <= at && at <= *to).count();
    let (most, at) = passes.iter().map(|(from, _)| (inside(*from), *from)).max()?;
    (most > ACTIVE_MAX).then(|| {
        let at = at.as_secs_f64();
        let what = format!("{most} people are inside at {at:.3} s, and {ACTIVE_MAX} may be");
        Violation::new(20, what).about(fixture, &[])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, done, fair, held, later, window};
    use serde_json::json;

    /// Person `number` sees a pass from 10 ms to 100 ms.
    fn inside(number: usize) -> [Call; 2] {
        let place = json!({"state": "ADMITTED", "passExpiresAt": "2035-05-05T05:00:00Z"});
        let first = done(call(Act::Queue, number, ""), place);
        [first.clone(), later(first, 100)]
    }

    #[test]
    fn who_never_joined_must_not_hold_seats() {
        let queues = ["m".to_owned()].into();
        let evidence = Evidence { calls: vec![held(3, "h", &[5])], queues, ..fair() };
        assert_eq!(check(&evidence)[0].invariant, 20);
        let joined = call(Act::Queue, 3, "");
        let calls = vec![joined.clone(), later(held(3, "h", &[5]), 50)];
        assert_eq!(check(&Evidence { calls, ..evidence }), vec![]);
        let queues = ["m".to_owned()].into();
        let calls = vec![held(3, "h", &[5]), later(joined, 50)];
        assert_eq!(check(&Evidence { calls, queues, ..fair() }).len(), 1);
    }

    #[test]
    fn nobody_holds_seats_after_their_pass() {
        let queues: std::collections::BTreeSet<String> = ["m".to_owned()].into();
        let hold = |at| later(held(3, "h", &[5]), at);
        let run = |calls| check(&Evidence { calls, queues: queues.clone(), ..fair() }).len();
        let joined = call(Act::Queue, 3, "");
        assert_eq!(run(vec![joined.clone(), hold(PASS_MS)]), 0);
        assert_eq!(run(vec![joined.clone(), hold(PASS_MS + 300)]), 1);
        let again = later(joined.clone(), 500);
        assert_eq!(run(vec![joined.clone(), again, hold(PASS_MS + 300)]), 0);
        let payment = later(call(Act::Confirm, 3, "p"), 100);
        assert_eq!(run(vec![joined, payment, hold(PASS_MS + 500)]), 1, "it makes no pass longer");
    }

    #[test]
    fn no_more_people_are_inside_than_were_set() {
        let queues = ["m".to_owned()].into();
        let calls = (0..ACTIVE_MAX).flat_map(inside).collect();
        let full = Evidence { calls, queues, ..fair() };
        assert_eq!(check(&full), vec![]);
        let mut calls = full.calls.clone();
        calls.extend(inside(ACTIVE_MAX));
        let mut over = Evidence { calls, ..full };
        assert_eq!(check(&over)[0].invariant, 20);
        over.forgets = vec![window(20, 30)];
        assert_eq!(check(&over), vec![]);
    }
}
