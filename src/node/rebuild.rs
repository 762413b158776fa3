//! `grandstand rebuild`: loads partitions from PostgreSQL again.

use crate::config::Settings;
use crate::domain::ids::Partition;
use crate::node::build::build;
use crate::stream::journal::Journal;
use crate::workers::Workers;
use crate::workers::rebuild::Agreement;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Longer than a partition takes to load.
const REBUILD_LEASE_MS: u64 = 60_000;
/// A worker that owns a partition notices within a second that it was closed.
const REBUILD_WAIT: Duration = Duration::from_secs(30);

/// Loads one partition, or all of them, from PostgreSQL again, and returns how many. The worker
/// that owns a partition loads it. When no worker owns it, this process does.
pub async fn rebuild(settings: &Settings, partition: Option<u16>) -> anyhow::Result<usize> {
    if let Some(one) = partition.filter(|one| *one >= settings.partitions) {
        anyhow::bail!("there is no partition {one}: they are 0 to {}", settings.partitions - 1);
    }
    let (services, workers) = build(settings, &CancellationToken::new()).await?;
    let mut rebuilt = 0;
    for one in services.engine.partitions().filter(|one| partition.is_none_or(|only| only == one.0))
    {
        let journal = Journal::open(services.engine.redis(), one).await?;
        refuse_when_lost(&workers, one).await?;
        let most = REBUILD_WAIT.as_secs();
        eprintln!("loading partition {one} from PostgreSQL, at most {most} s");
        services.engine.close_partition(one).await?;
        let closed_at = Instant::now();
        while services.engine.epoch(one).await?.is_none() {
            if let Some(lease) =
                services.engine.take_lease(one, &workers.name, REBUILD_LEASE_MS).await?
            {
                let loaded = workers.load_once(&journal, &lease).await;
                services.engine.end_lease(&lease).await?;
                loaded?;
            }
            anyhow::ensure!(
                closed_at.elapsed() < REBUILD_WAIT,
                "the worker that owns partition {one} does not load it: look at its log"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        rebuilt += 1;
    }
    Ok(rebuilt)
}

/// What PostgreSQL has lost must not be taken out of Redis as well.
async fn refuse_when_lost(workers: &Workers, partition: Partition) -> anyhow::Result<()> {
    // A worker commits and tells meanwhile: only what is found again counts.
    for _ in 0..3 {
        let agreement = workers.agreement(partition).await?;
        let Agreement::DatabaseLost { announced: told, .. } = agreement else { return Ok(()) };
        tracing::debug!(%partition, %told, "PostgreSQL is behind what Redis was told");
    }
    anyhow::bail!(
        "PostgreSQL has lost what partition {partition} of Redis still knows: a rebuild would lose \
         it too. Run `grandstand restore`."
    )
}
