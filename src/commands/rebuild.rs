//! `grandstand rebuild`: loads partitions from PostgreSQL again.

use crate::config::Settings;
use crate::domain::ids::Partition;
use crate::node::{NodeRole, build};
use crate::stream::journal::Journal;
use crate::workers::Workers;
use crate::workers::rebuild::Agreement;
use grandstand_embedded::tell;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The lease of this process while it loads a partition, and how often it is renewed. Workers end a
/// lease that is longer than 12 s.
const LEASE_MS: u64 = 10_000;
const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// A partition must be loaded within this timeout. The worker that owns it notices within a second
/// that it was closed.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Loads a partition, or all of them, from PostgreSQL again, and returns how many. The worker that
/// owns a partition loads it. When no worker owns it, this process loads it.
pub async fn rebuild(settings: &Settings, only: Option<u16>) -> anyhow::Result<usize> {
    if let Some(number) = only.filter(|number| *number >= settings.partitions) {
        let last = settings.partitions - 1;
        anyhow::bail!("there is no partition {number}: they are 0 to {last}");
    }
    let (services, workers) = build(settings, NodeRole::Worker, &CancellationToken::new()).await?;
    let mut rebuilt = 0;
    let is_wanted = |partition: &Partition| only.is_none_or(|only| only == partition.0);
    for partition in services.engine.partitions().filter(is_wanted) {
        let journal = Journal::open(services.engine.redis(), partition).await?;
        refuse_when_lost(&workers, partition).await?;
        let seconds = LOAD_TIMEOUT.as_secs();
        tell(format_args!("loading partition {partition} from PostgreSQL, within {seconds} s\n"));
        services.engine.close_partition(partition).await?;
        let closed_at = Instant::now();
        while services.engine.epoch(partition).await?.is_none() {
            let lease = services.engine.take_lease(partition, &workers.name, LEASE_MS).await?;
            if let Some(lease) = lease {
                let renewed = async {
                    loop {
                        tokio::time::sleep(RENEW_INTERVAL).await;
                        // The scripts of the load notice when the lease has ended.
                        let _ = services.engine.renew_lease(&lease).await;
                    }
                };
                let loaded = tokio::select! {
                    loaded = workers.load_once(&journal, &lease) => loaded,
                    () = renewed => unreachable!("it renews until the load has ended"),
                };
                services.engine.end_lease(&lease).await?;
                loaded?;
            }
            anyhow::ensure!(
                closed_at.elapsed() < LOAD_TIMEOUT,
                "the worker that owns partition {partition} does not load it: look at its log"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        rebuilt += 1;
    }
    Ok(rebuilt)
}

/// Fails when PostgreSQL has lost data of this partition, because a rebuild would delete them from
/// Redis too.
async fn refuse_when_lost(workers: &Workers, partition: Partition) -> anyhow::Result<()> {
    // A running worker moves both sides, so only a loss that is found three times counts.
    for _ in 0..3 {
        let agreement = workers.agreement(partition).await?;
        let Agreement::DatabaseLost { announced, .. } = agreement else { return Ok(()) };
        tracing::debug!(%partition, %announced, "PostgreSQL is behind its announcement");
    }
    anyhow::bail!(
        "PostgreSQL has lost data that partition {partition} of Redis still has, and a rebuild \
         would delete them there too. Run `grandstand restore`."
    )
}
