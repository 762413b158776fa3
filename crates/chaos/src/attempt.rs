//! One run of many. A run that can't end is a failed run, and the others are played all the same.

use crate::report::Finished;
use crate::run::{self, Exam};
use crate::schedule::Schedule;
use anyhow::Result;
use futures::FutureExt as _;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use tempfile::TempDir;

/// One run, with a directory for its logs.
pub(crate) async fn attempt(
    schedule: &Schedule,
    binary: &Path,
    exam: Exam,
) -> Result<(Finished, TempDir)> {
    let dir = TempDir::with_prefix("grandstand-chaos-")?;
    let run = match exam {
        Exam::Only => caught(schedule, run::only_exam(schedule, binary, dir.path())).await,
        _ => caught(schedule, run::run(schedule, binary, dir.path(), exam)).await,
    };
    Ok((run, dir))
}

/// What a run has found. One that ends with an error, or with a panic of `crates/faults`, has
/// found only that.
async fn caught(schedule: &Schedule, run: impl Future<Output = Result<Finished>>) -> Finished {
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(Ok(finished)) => finished,
        Ok(Err(error)) => Finished::unfinished(schedule, &format!("{error:#}")),
        Err(panic) => Finished::unfinished(schedule, words(&*panic)),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use crate::sometimes::WANTED;

    #[tokio::test]
    async fn a_run_that_can_not_end_is_a_failed_run() {
        let schedule = Schedule::of(7, Kind::Single, 5_000);
        let error = caught(&schedule, async { anyhow::bail!("the servers are not back") }).await;
        let panic = caught(&schedule, async {
            grandstand_faults::eventually_within(Default::default(), "a failover", async || {
                None::<Result<Finished>>
            })
            .await
        })
        .await;
        for (run, why) in [(error, "the servers are not back"), (panic, "a failover")] {
            assert_eq!(run.schedule, schedule);
            assert_eq!(run.violations.len(), 1, "{:?}", run.violations);
            assert!(run.details.contains(why), "{}", run.details);
            assert!(WANTED.iter().all(|name| run.seen[name] == 0));
        }
    }
}
