//! What must be true after all faults have ended (invariants 17, 21, 23 and 26).

use super::Violation;
use crate::evidence::Evidence;
use std::time::Duration;

/// People can buy again within this time: that of the slowest failure, with a debug build on a
/// busy machine.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// How many more files and threads there may be in the end. A worker that has taken over all
/// partitions has more connections than before.
const MORE: u64 = 40;
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
    match evidence.recovery {
        None => found.push(Violation::new(23, "nothing could be bought after all faults")),
        Some(time) if time > RECOVERY_MAX => {
            found.push(Violation::new(23, format!("people could buy again only after {time:?}")));
        }
        Some(_) => {}
    }
    for (process, before, after) in &evidence.sizes {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::fair;

    #[test]
    fn each_illness_is_found() {
        assert_eq!(check(&fair()), vec![]);
        let sizes = vec![("api-0".to_owned(), [20, 9, 50_000], [61, 9, 50_000])];
        let ill = [
            (17, Evidence { verify: "seat 1".to_owned(), ..fair() }),
            (21, Evidence { dead_letters: 2, refused_facts: 1, ..fair() }),
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
