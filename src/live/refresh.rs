//! Keeps the catalogue of a node up to date. A document that a notice names is read until the read
//! has worked, because a node with an old document would sell at old prices.

use crate::domain::ids::{MatchId, Partition, SiteId};
use crate::engine::error::EngineError;
use crate::live::catalog::Catalog;
use crate::live::hub::Hub;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The pause after a read that failed; it doubles up to the longest pause.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause: a node notices within this time that Redis is back. A shorter one would only
/// add to the load of Redis.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Reads documents of the catalogue again. Each partition with documents to read has one task, so
/// that the reads of a partition never overtake each other.
pub struct Refresh {
    catalog: Arc<Catalog>,
    hub: Arc<Hub>,
    /// The documents that are still to be read. A partition is in the map while its task runs.
    wanted: Mutex<HashMap<Partition, Wanted>>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Wanted {
    all: bool,
    sites: HashSet<SiteId>,
    matches: HashSet<MatchId>,
}

impl Refresh {
    /// Nothing to read yet. The tasks end at `stop`.
    pub fn new(catalog: Arc<Catalog>, hub: Arc<Hub>, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { catalog, hub, wanted: Mutex::default(), stop })
    }

    /// A site has changed.
    pub fn site(self: &Arc<Self>, id: SiteId) {
        self.want(id.partition(), |wanted| {
            wanted.sites.insert(id);
        });
    }

    /// A match has changed.
    pub fn fixture(self: &Arc<Self>, id: MatchId) {
        self.want(id.partition(), |wanted| {
            wanted.matches.insert(id);
        });
    }

    /// Everything in a partition may have changed.
    pub fn partition(self: &Arc<Self>, partition: Partition) {
        self.want(partition, |wanted| wanted.all = true);
    }

    fn want(self: &Arc<Self>, partition: Partition, note: impl FnOnce(&mut Wanted)) {
        let mut all = self.wanted.lock();
        let runs = all.contains_key(&partition);
        note(all.entry(partition).or_default());
        if !runs {
            tokio::spawn(self.clone().run(partition));
        }
    }

    async fn run(self: Arc<Self>, partition: Partition) {
        let mut pause = RETRY_PAUSE;
        while let Some(wanted) = self.next(partition) {
            match self.read(partition, &wanted).await {
                Ok(()) => {
                    self.hub.follow_catalog();
                    pause = RETRY_PAUSE;
                }
                Err(error) => {
                    tracing::warn!(%partition, %error, "the catalogue of this node is behind");
                    self.put_back(partition, wanted);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.stop.cancelled() => return,
                    }
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                }
            }
        }
    }

    /// Takes the documents that are to be read now; `None` ends the task.
    fn next(&self, partition: Partition) -> Option<Wanted> {
        let mut all = self.wanted.lock();
        let wanted = std::mem::take(all.get_mut(&partition)?);
        if !wanted.all && wanted.sites.is_empty() && wanted.matches.is_empty() {
            all.remove(&partition);
            return None;
        }
        Some(wanted)
    }

    fn put_back(&self, partition: Partition, failed: Wanted) {
        let mut all = self.wanted.lock();
        let wanted = all.entry(partition).or_default();
        wanted.all |= failed.all;
        wanted.sites.extend(failed.sites);
        wanted.matches.extend(failed.matches);
    }

    async fn read(&self, partition: Partition, wanted: &Wanted) -> Result<(), EngineError> {
        if wanted.all {
            return self.catalog.reload(partition).await;
        }
        for id in &wanted.sites {
            self.catalog.refresh_site(*id).await?;
        }
        for id in &wanted.matches {
            self.catalog.refresh_match(*id).await?;
        }
        Ok(())
    }
}
