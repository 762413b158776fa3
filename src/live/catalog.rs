//! The catalogue as this node knows it. The documents of a partition are read when the partition is
//! first seen. Later a notice names each document that has changed, and it is read again.

use crate::domain::best::Ranking;
use crate::domain::catalog::{Match, Site};
use crate::domain::ids::{AreaId, BlockId, MatchId, Partition, SectionId, SiteId};
use crate::domain::plan::PlanIndex;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::live::packed::Packed;
use futures::future::try_join_all;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;

/// A site, with the index and the ranking of its plan.
pub struct KnownSite {
    pub site: Site,
    pub index: PlanIndex,
    pub ranking: Ranking,
    /// Distinguishes this version of the plan from others (`SiteId::plan_mark`).
    mark: u32,
    /// The parts of this version as clients get them.
    parts: Mutex<HashMap<SitePart, Arc<Packed>>>,
}

/// A part of a site that clients ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SitePart {
    Plan,
    Areas,
    Sections(AreaId),
    Blocks(SectionId),
    Seats(BlockId),
}

/// The cache of one node.
pub struct Catalog {
    engine: Arc<Engine>,
    sites: RwLock<HashMap<SiteId, Arc<KnownSite>>>,
    matches: RwLock<HashMap<MatchId, Arc<Match>>>,
    /// By partition: the lock under which its documents are read. Without it, a slow read of the
    /// whole partition could remove a document that a later read has brought.
    reading: Vec<tokio::sync::Mutex<()>>,
}

impl Catalog {
    /// An empty cache.
    pub fn new(engine: Arc<Engine>) -> Self {
        let reading = engine.partitions().map(|_| tokio::sync::Mutex::default()).collect();
        Self { engine, sites: RwLock::default(), matches: RwLock::default(), reading }
    }

    /// A site by its id.
    pub fn site(&self, id: SiteId) -> Option<Arc<KnownSite>> {
        self.sites.read().get(&id).cloned()
    }

    /// A match by its id.
    pub fn fixture(&self, id: MatchId) -> Option<Arc<Match>> {
        self.matches.read().get(&id).cloned()
    }

    /// A match with its site.
    pub fn fixture_with_site(&self, id: MatchId) -> Option<(Arc<Match>, Arc<KnownSite>)> {
        let fixture = self.fixture(id)?;
        let site = self.site(fixture.site_id)?;
        Some((fixture, site))
    }

    /// All matches, in the order in which they start.
    pub fn matches(&self) -> Vec<Arc<Match>> {
        let mut list: Vec<_> = self.matches.read().values().cloned().collect();
        list.sort_by_key(|fixture| (fixture.starts_at, fixture.id));
        list
    }

    /// The matches of a partition, in no order.
    pub fn matches_of(&self, partition: Partition) -> Vec<Arc<Match>> {
        let matches = self.matches.read();
        matches.values().filter(|fixture| fixture.id.partition() == partition).cloned().collect()
    }

    /// The matches of all partitions as Redis has them now, for decisions that must not depend on
    /// whether a notice has arrived.
    pub async fn matches_now(&self) -> Result<Vec<Match>, EngineError> {
        let reading = self.engine.partitions().map(async |partition| {
            let matches = self.engine.matches(partition).await?;
            self.assert_loaded(partition).await.map(|()| matches)
        });
        Ok(try_join_all(reading).await?.into_iter().flatten().collect())
    }

    /// Refuses a partition that is not loaded. It is called after the read: then a read that found
    /// nothing really means that there is nothing.
    async fn assert_loaded(&self, partition: Partition) -> Result<(), EngineError> {
        match self.engine.epoch(partition).await? {
            Some(_) => Ok(()),
            None => Err(EngineError::NotLoaded),
        }
    }

    /// All sites.
    pub fn sites(&self) -> Vec<Arc<KnownSite>> {
        self.sites.read().values().cloned().collect()
    }

    /// Locks the documents of a partition for reading; `None` for a partition that does not exist.
    async fn lock(&self, partition: Partition) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        Some(self.reading.get(usize::from(partition.0))?.lock().await)
    }

    /// Reads all documents of a partition again, and forgets the documents that are gone.
    pub async fn reload(&self, partition: Partition) -> Result<(), EngineError> {
        let _lock = self.lock(partition).await;
        let (sites, matches) = self.engine.catalog(partition).await?;
        self.assert_loaded(partition).await?;
        let known = sites.into_iter().map(|site| (site.id, Arc::new(KnownSite::new(site))));
        let known: Vec<_> = known.collect();
        let mut all = self.sites.write();
        all.retain(|id, _| id.partition() != partition);
        all.extend(known);
        drop(all);
        let mut all = self.matches.write();
        all.retain(|id, _| id.partition() != partition);
        all.extend(matches.into_iter().map(|fixture| (fixture.id, Arc::new(fixture))));
        Ok(())
    }

    /// Reads one site again.
    pub async fn refresh_site(&self, id: SiteId) -> Result<(), EngineError> {
        let _lock = self.lock(id.partition()).await;
        match self.engine.site(id).await? {
            None => {
                self.assert_loaded(id.partition()).await?;
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

    /// Reads one match again.
    pub async fn refresh_match(&self, id: MatchId) -> Result<(), EngineError> {
        let _lock = self.lock(id.partition()).await;
        match self.engine.fixture(id).await? {
            None => {
                self.assert_loaded(id.partition()).await?;
                self.matches.write().remove(&id);
            }
            Some(fixture) => {
                let mut all = self.matches.write();
                if all.get(&id).is_none_or(|old| old.version <= fixture.version) {
                    all.insert(id, Arc::new(fixture));
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
        Self { site, index, ranking, mark, parts: Mutex::default() }
    }

    /// A part of the site, which is encoded for the first client that asks. There are as many parts
    /// as the plan has blocks and sections: what `encode` refuses is not kept.
    pub fn part<E>(
        &self,
        part: SitePart,
        encode: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<Packed>, E> {
        let mut parts = self.parts.lock();
        if let Some(packed) = parts.get(&part) {
            return Ok(packed.clone());
        }
        let packed = Arc::new(Packed::for_long(encode()?));
        parts.insert(part, packed.clone());
        Ok(packed)
    }

    /// The mark of the plan in the map of a match. It is 0 while the match has its first plan,
    /// because there is no other plan to distinguish it from.
    pub(super) fn mark_for(&self, fixture: &Match) -> u32 {
        if self.site.version <= 1 && !fixture.moved { 0 } else { self.mark }
    }
}
