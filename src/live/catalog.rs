//! The catalogue as this node knows it: read whole when a partition is first seen, then document by
//! document as notices say that one has changed.

use crate::domain::best::Ranking;
use crate::domain::catalog::{Match, Site};
use crate::domain::ids::{MatchId, Partition, SiteId};
use crate::domain::plan::PlanIndex;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use futures::future::try_join_all;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

/// A site with what is derived from its plan.
pub struct KnownSite {
    pub site: Site,
    pub index: PlanIndex,
    pub ranking: Ranking,
    /// What the plan is told apart by (`SiteId::plan_mark`).
    pub mark: u32,
}

/// The cache of one node.
pub struct Catalog {
    engine: Arc<Engine>,
    sites: RwLock<HashMap<SiteId, Arc<KnownSite>>>,
    matches: RwLock<HashMap<MatchId, Arc<Match>>>,
    /// One read of a partition at a time: what was read earlier must not come in later.
    reading: Vec<AsyncMutex<()>>,
}

impl Catalog {
    /// An empty cache.
    pub fn new(engine: Arc<Engine>) -> Self {
        let reading = engine.partitions().map(|_| AsyncMutex::default()).collect();
        Self { engine, sites: RwLock::default(), matches: RwLock::default(), reading }
    }

    /// A site by its id.
    pub fn site(&self, id: SiteId) -> Option<Arc<KnownSite>> {
        self.sites.read().get(&id).cloned()
    }

    /// A match by its id.
    pub fn event(&self, id: MatchId) -> Option<Arc<Match>> {
        self.matches.read().get(&id).cloned()
    }

    /// A match with its site.
    pub fn event_with_site(&self, id: MatchId) -> Option<(Arc<Match>, Arc<KnownSite>)> {
        let event = self.event(id)?;
        let site = self.site(event.site_id)?;
        Some((event, site))
    }

    /// All matches, in the order in which they start.
    pub fn matches(&self) -> Vec<Arc<Match>> {
        let mut list: Vec<_> = self.matches.read().values().cloned().collect();
        list.sort_by_key(|event| (event.starts_at, event.id));
        list
    }

    /// The matches of all partitions as Redis has them now: what may not depend on whether a notice
    /// has come through is decided with these.
    pub async fn matches_now(&self) -> Result<Vec<Match>, EngineError> {
        let asking = self.engine.partitions().map(async |one| {
            let matches = self.engine.matches(one).await?;
            self.loaded(one).await.map(|()| matches)
        });
        Ok(try_join_all(asking).await?.into_iter().flatten().collect())
    }

    async fn alone(&self, partition: Partition) -> Option<MutexGuard<'_, ()>> {
        Some(self.reading.get(usize::from(partition.0))?.lock().await)
    }

    /// Refuses a partition that is not loaded. To be asked after a read that found nothing: then
    /// the partition was loaded when it was read, and there is nothing.
    async fn loaded(&self, partition: Partition) -> Result<(), EngineError> {
        match self.engine.epoch(partition).await? {
            Some(_) => Ok(()),
            None => Err(EngineError::NotLoaded),
        }
    }

    /// All sites.
    pub fn sites(&self) -> Vec<Arc<KnownSite>> {
        self.sites.read().values().cloned().collect()
    }

    /// Reads all documents of a partition anew; what is not there any more is forgotten.
    pub async fn reload(&self, partition: Partition) -> Result<(), EngineError> {
        let _alone = self.alone(partition).await;
        let (sites, matches) = self.engine.catalog(partition).await?;
        self.loaded(partition).await?;
        let known = sites.into_iter().map(|site| (site.id, Arc::new(KnownSite::new(site))));
        let known: Vec<_> = known.collect();
        let mut all = self.sites.write();
        all.retain(|id, _| id.partition() != partition);
        all.extend(known);
        drop(all);
        let mut all = self.matches.write();
        all.retain(|id, _| id.partition() != partition);
        all.extend(matches.into_iter().map(|event| (event.id, Arc::new(event))));
        Ok(())
    }

    /// Reads one site anew.
    pub async fn refresh_site(&self, id: SiteId) -> Result<(), EngineError> {
        let _alone = self.alone(id.partition()).await;
        match self.engine.site(id).await? {
            None => {
                self.loaded(id.partition()).await?;
                self.sites.write().remove(&id);
            }
            Some(site) => {
                let known = Arc::new(KnownSite::new(site));
                let mut all = self.sites.write();
                // Two refreshes may end in the wrong order.
                if all.get(&id).is_none_or(|old| old.site.version <= known.site.version) {
                    all.insert(id, known);
                }
            }
        }
        Ok(())
    }

    /// Reads one match anew.
    pub async fn refresh_match(&self, id: MatchId) -> Result<(), EngineError> {
        let _alone = self.alone(id.partition()).await;
        match self.engine.event(id).await? {
            None => {
                self.loaded(id.partition()).await?;
                self.matches.write().remove(&id);
            }
            Some(event) => {
                let mut all = self.matches.write();
                if all.get(&id).is_none_or(|old| old.version <= event.version) {
                    all.insert(id, Arc::new(event));
                }
            }
        }
        Ok(())
    }
}

impl KnownSite {
    pub(super) fn new(site: Site) -> Self {
        let index = PlanIndex::new(&site.plan);
        let ranking = Ranking::new(&index);
        let mark = site.id.plan_mark(site.version);
        Self { site, index, ranking, mark }
    }
}
