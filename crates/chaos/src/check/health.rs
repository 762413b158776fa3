//! What must be true after all faults have ended (invariants 17, 21, 23, 25 and 26).

use super::Violation;
use crate::evidence::{Evidence, Growth};
use std::time::Duration;

/// People can buy again within this time: that of the slowest failure, with a debug build on a
/// busy machine.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// As many calls as before have responses again within this time after a fault.
const PACE_MAX: Duration = Duration::from_secs(30);
/// How many more files and threads there may be in the end. A worker that has taken over all
/// partitions has more connections than before, and a node those of people who have just left.
const MORE: u64 = 80;
/// In a run without faults, numbers may grow by one part of this many. Small ones may grow by
/// some, because connections come and go.
const GROWTH_SHARE: u64 = 10;
const GROWTH_MIN: u64 = 4;
/// How much more memory, in KB: caches of maps fill during a run.
const MORE_KB: u64 = 100_000;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    if !evidence.verify.is_empty() {
        let what = format!("Redis, PostgreSQL and the gateway disagree:\n{}", evidence.verify);
        found.push(Violation::new(17, what));
    }
    if evidence.refused_facts > 0 {
        let what = format!("PostgreSQL has refused {} facts", evidence.refused_facts);
        found.push(Violation::new(21, what));
    }
    if evidence.backlog > 0 {
        let what = format!("PostgreSQL never got {} entries of the journal", evidence.backlog);
        found.push(Violation::new(21, what));
    }
    match evidence.recovery {
        None => found.push(Violation::new(23, "nothing could be bought after all faults")),
        Some(time) if time > RECOVERY_MAX => {
            found.push(Violation::new(23, format!("people could buy again only after {time:?}")));
        }
        Some(_) => {}
    }
    found.extend(recoveries(evidence));
    for Growth { what, before, after } in &evidence.growths {
        if *after > before + (before / GROWTH_SHARE).max(GROWTH_MIN) {
            let what = format!("{what} grew from {before} to {after}");
            found.push(Violation::new(26, what));
        }
    }
    // A run without faults has better numbers of its own: these are older than its watchers.
    let sizes = evidence.sizes.iter().filter(|_| evidence.growths.is_empty());
    for (process, before, after) in sizes {
        let allowed = [before[0] + MORE, before[1] + MORE, before[2] + MORE_KB];
        if after.iter().zip(allowed).any(|(after, allowed)| *after > allowed) {
            let what = format!(
                "{process} had {before:?} files, threads and KB of memory, and has {after:?}"
            );
            found.push(Violation::new(26, what));
        }
    }
    found
}

/// What came after each fault that happened alone.
fn recoveries(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for after in &evidence.recovered {
        if after.purchase.is_none_or(|time| time > after.purchase_max) {
            let (time, most) = (words(after.purchase), after.purchase_max);
            let what = format!("people could buy again {time} after {}, not {most:?}", after.fault);
            found.push(Violation::new(23, what));
        }
        if after.pace.is_none_or(|time| time > PACE_MAX) {
            let (time, most) = (words(after.pace), PACE_MAX);
            let what = format!("the pace was back {time} after {}, not {most:?}", after.fault);
            found.push(Violation::new(25, what));
        }
    }
    found
}

fn words(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apart::Recovered;
    use crate::check::samples::fair;

    #[test]
    fn each_illness_is_found() {
        assert_eq!(check(&fair()), vec![]);
        let sizes = vec![("api-0".to_owned(), [20, 9, 50_000], [101, 9, 50_000])];
        let after = Recovered {
            fault: "KillRedis".to_owned(),
            purchase: Some(Duration::from_secs(10)),
            purchase_max: Duration::from_secs(10),
            pace: Some(Duration::from_secs(30)),
            load: 1.0,
        };
        let recovered = vec![after.clone()];
        assert_eq!(check(&Evidence { recovered, ..fair() }), vec![]);
        let late = Some(Duration::from_millis(30_001));
        let slow = |after| Evidence { recovered: vec![after], ..fair() };
        let grown = |after| {
            let what = "Redis: connections".to_owned();
            Evidence { growths: vec![Growth { what, before: 100, after }], ..fair() }
        };
        assert_eq!(check(&grown(110)), vec![]);
        let ill = [
            (26, grown(111)),
            (23, slow(Recovered { purchase: late, ..after.clone() })),
            (23, slow(Recovered { purchase: None, ..after.clone() })),
            (25, slow(Recovered { pace: late, ..after.clone() })),
            (25, slow(Recovered { pace: None, ..after })),
            (17, Evidence { verify: "seat 1".to_owned(), ..fair() }),
            (21, Evidence { dead_letters: 2, refused_facts: 1, ..fair() }),
            (21, Evidence { backlog: 1, ..fair() }),
            (23, Evidence { recovery: None, ..fair() }),
            (23, Evidence { recovery: Some(Duration::from_secs(31)), ..fair() }),
            (26, Evidence { sizes, ..fair() }),
        ];
        for (invariant, evidence) in ill {
            let found = check(&evidence);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].invariant, invariant);
        }
    }
}
