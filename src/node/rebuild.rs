//! `grandstand rebuild`: loads partitions from PostgreSQL again.

use crate::config::Settings;
use crate::domain::ids::Partition;
use crate::node::build::build;
use crate::stream::journal::Journal;
use crate::workers::Workers;
use crate::workers::rebuild::Agreement;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The lease must be longer than a partition takes to load.
const REBUILD_LEASE_MS: u64 = 60_000;
/// How long a rebuild waits for the worker that owns a partition. The worker notices within a
/// second that it was closed, and the load takes most of the time.
const REBUILD_TIMEOUT: Duration = Duration::from_secs(30);

/// Loads one partition, or all of them, from PostgreSQL again, and returns how many. The worker
/// that owns a partition loads it. When no worker owns it, this process does.
pub async fn rebuild(settings: &Settings, partition: Option<u16>) -> anyhow::Result<usize> {
    if let Some(number) = partition.filter(|number| *number >= settings.partitions) {
        anyhow::bail!("there is no partition {number}: they are 0 to {}", settings.partitions - 1);
    }
    let (services, workers) = build(settings, &CancellationToken::new()).await?;
    let mut rebuilt = 0;
    let wanted = |found: &Partition| partition.is_none_or(|number| number == found.0);
    for partition in services.engine.partitions().filter(wanted) {
        let journal = Journal::open(services.engine.redis(), partition).await?;
        refuse_when_lost(&workers, partition).await?;
        let most = REBUILD_TIMEOUT.as_secs();
        eprintln!("loading partition {partition} from PostgreSQL, at most {most} s");
        services.engine.close_partition(partition).await?;
        let closed_at = Instant::now();
        while services.engine.epoch(partition).await?.is_none() {
            if let Some(lease) =
                services.engine.take_lease(partition, &workers.name, REBUILD_LEASE_MS).await?
            {
                let loaded = workers.load_once(&journal, &lease).await;
                services.engine.end_lease(&lease).await?;
                loaded?;
            }
            anyhow::ensure!(
                closed_at.elapsed() < REBUILD_TIMEOUT,
                "the worker that owns partition {partition} does not load it: look at its log"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        rebuilt += 1;
    }
    Ok(rebuilt)
}

/// Refuses a partition of which PostgreSQL has lost something that Redis still has.
async fn refuse_when_lost(workers: &Workers, partition: Partition) -> anyhow::Result<()> {
    // A worker commits and announces meanwhile, so only a loss that is found three times counts.
    for _ in 0..3 {
        let agreement = workers.agreement(partition).await?;
        let Agreement::DatabaseLost { announced, .. } = agreement else { return Ok(()) };
        tracing::debug!(%partition, %announced, "PostgreSQL is behind its own announcement");
    }
    anyhow::bail!(
        "PostgreSQL has lost what partition {partition} of Redis still knows: a rebuild would lose \
         it too. Run `grandstand restore`."
    )
}
