//! Finds a short schedule that still fails: tries without halves, quarters and so on.

use crate::check::Violation;
use crate::schedule::{Schedule, Step};
use anyhow::Result;

/// Leaves out as many faults as possible while `fails` stays true for the schedule. Timing decides
/// a part of each run, so a schedule that fails only sometimes may stay longer than needed.
pub(crate) async fn shrink(
    schedule: &Schedule,
    fails: impl AsyncFn(&Schedule) -> Result<bool>,
) -> Result<Schedule> {
    let mut steps = schedule.steps.clone();
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer: Vec<Step> = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            let smaller = Schedule { steps: fewer.clone(), ..schedule.clone() };
            if fails(&smaller).await? {
                steps = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    Ok(Schedule { steps, ..schedule.clone() })
}

/// Whether a run has failed as the first one did: it broke one of the same invariants. Another
/// failure is something else, and has a schedule of its own.
pub(crate) fn is_the_same(first: &[Violation], again: &[Violation]) -> bool {
    again.iter().any(|found| first.iter().any(|other| other.invariant == found.invariant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Kind};

    #[test]
    fn another_invariant_is_another_failure() {
        let of = |numbers: &[u8]| -> Vec<Violation> {
            numbers.iter().map(|number| Violation::new(*number, "broken")).collect()
        };
        assert!(is_the_same(&of(&[3, 17]), &of(&[18, 17])));
        assert!(!is_the_same(&of(&[3, 17]), &of(&[18])));
        assert!(!is_the_same(&of(&[3]), &of(&[])));
    }

    #[tokio::test]
    async fn only_the_faults_that_matter_stay() -> Result<()> {
        let step = |at_ms: u64| {
            let fault = if at_ms % 7 == 3 { Fault::FlushAll } else { Fault::KillRedis };
            Step { at_ms, lasts_ms: 1, fault }
        };
        let steps: Vec<Step> = (0..20).map(step).collect();
        let schedule = Schedule {
            seed: 1,
            servers: Kind::Single,
            always: true,
            apart: false,
            soak_s: 0,
            steps,
        };
        let small = shrink(&schedule, async |schedule| {
            let flushes = schedule.steps.iter().filter(|step| step.fault == Fault::FlushAll);
            Ok(flushes.count() >= 2)
        })
        .await?;
        assert_eq!(small.steps.len(), 2, "{:?}", small.steps);
        Ok(())
    }
}
