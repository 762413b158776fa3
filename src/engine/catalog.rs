//! The catalogue in Redis: documents of sites and matches, each with a version.

use crate::domain::catalog::{Match, MatchStatus, Site};
use crate::domain::ids::{MatchId, Partition, SiteId};
use crate::engine::accounts::{decode, encode};
use crate::engine::batch::Operation;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::scripts::SCRIPTS;
use crate::engine::seats::bad;
use crate::engine::{Engine, NOTICE_TTL_MS};
use crate::redis::keys::{MatchKeys, PartitionKeys};
use fred::prelude::*;
use std::collections::HashMap;

impl Engine {
    /// Makes a site (version 1) or replaces it (version one above that in Redis); answers its id.
    ///
    /// Refusals: `ExistsDifferent`, `Stale`, `NotFound`.
    pub async fn put_site(&self, site: &Site, operation: Operation) -> Result<SiteId, EngineError> {
        let keys = PartitionKeys(site.id.partition());
        let put = Put {
            kind: "site",
            partition: site.id.partition(),
            id: site.id.key(),
            documents: keys.sites(),
            meta: keys.sites(),
            version: site.version,
            document: encode(site)?,
            fields: vec![],
            gone: vec![],
        };
        let id = self.put_document(put, operation).await?;
        SiteId::from_key(&id).ok_or_else(|| bad(&id))
    }

    /// Makes or replaces a match, with its run-time fields; answers its id. As `put_site`. The
    /// queue and the passes of a match that is closed leave.
    pub async fn put_match(
        &self,
        fixture: &Match,
        operation: Operation,
    ) -> Result<MatchId, EngineError> {
        let keys = MatchKeys(fixture.id);
        let put = Put {
            kind: "match",
            partition: fixture.id.partition(),
            id: fixture.id.key(),
            documents: PartitionKeys(fixture.id.partition()).matches(),
            meta: keys.meta(),
            version: fixture.version,
            document: encode(fixture)?,
            fields: fixture.meta(),
            gone: match fixture.status {
                MatchStatus::Draft | MatchStatus::Open => vec![],
                MatchStatus::Closed => vec![keys.queue(), keys.passes()],
            },
        };
        let id = self.put_document(put, operation).await?;
        if fixture.status == MatchStatus::Closed && fixture.queue.enabled {
            // Nobody waits any more, which those who watch the line are told.
            self.admit(fixture.id).await?;
        }
        MatchId::from_key(&id).ok_or_else(|| bad(&id))
    }

    async fn put_document(&self, put: Put, operation: Operation) -> Result<String, EngineError> {
        let keys = PartitionKeys(put.partition);
        let mut names = vec![put.documents, put.meta, keys.journal(), keys.notices()];
        names.extend(keys.operations());
        names.push(keys.partition());
        names.extend(put.gone);
        let mut arguments = vec![
            put.kind.to_owned(),
            put.id,
            (put.version - 1).to_string(),
            put.document,
            operation.key,
            operation.fingerprint,
            NOTICE_TTL_MS.to_string(),
        ];
        for (field, value) in put.fields {
            arguments.extend([field.to_owned(), value]);
        }
        let line: String = self.call(put.partition, &SCRIPTS.catalog_put, names, arguments).await?;
        match line.split_once(' ') {
            Some(("stored", id)) => Ok(id.to_owned()),
            _ => Err(refusal(&line)),
        }
    }

    /// Takes a site out of the catalogue. Refusals: `NotFound`, `Stale`.
    pub async fn delete_site(&self, site: &Site) -> Result<(), EngineError> {
        let documents = PartitionKeys(site.id.partition()).sites();
        let id = site.id.key();
        self.delete("site", site.id.partition(), id, documents, site.version, vec![]).await
    }

    /// Takes a match out of the catalogue, with all its keys. Refusals: `NotFound`, `Stale`.
    pub async fn delete_match(&self, fixture: &Match) -> Result<(), EngineError> {
        let documents = PartitionKeys(fixture.id.partition()).matches();
        let more = MatchKeys(fixture.id).all();
        let id = fixture.id.key();
        self.delete("match", fixture.id.partition(), id, documents, fixture.version, more).await
    }

    async fn delete(
        &self,
        kind: &str,
        partition: Partition,
        id: String,
        documents: String,
        version: u64,
        more: Vec<String>,
    ) -> Result<(), EngineError> {
        let keys = PartitionKeys(partition);
        let mut names = vec![documents, keys.journal(), keys.notices(), keys.partition()];
        names.extend(more);
        let arguments = vec![kind.to_owned(), id, version.to_string(), NOTICE_TTL_MS.to_string()];
        let line: String = self.call(partition, &SCRIPTS.catalog_delete, names, arguments).await?;
        if line == "deleted" { Ok(()) } else { Err(refusal(&line)) }
    }

    /// A site as Redis has it now.
    pub async fn site(&self, id: SiteId) -> Result<Option<Site>, EngineError> {
        let Ok(client) = self.client(id.partition()) else { return Ok(None) };
        let text: Option<String> =
            client.hget(PartitionKeys(id.partition()).sites(), id.key()).await?;
        text.map(|text| decode(&text)).transpose()
    }

    /// A match as Redis has it now.
    pub async fn fixture(&self, id: MatchId) -> Result<Option<Match>, EngineError> {
        let Ok(client) = self.client(id.partition()) else { return Ok(None) };
        let text: Option<String> =
            client.hget(PartitionKeys(id.partition()).matches(), id.key()).await?;
        text.map(|text| decode(&text)).transpose()
    }

    /// All matches of a partition; none where it is not loaded.
    pub async fn matches(&self, partition: Partition) -> Result<Vec<Match>, EngineError> {
        let key = PartitionKeys(partition).matches();
        let found: HashMap<String, String> = self.client(partition)?.hgetall(key).await?;
        found.values().map(|text| decode(text)).collect()
    }

    /// All sites and matches of a partition; none where it is not loaded.
    pub async fn catalog(
        &self,
        partition: Partition,
    ) -> Result<(Vec<Site>, Vec<Match>), EngineError> {
        let client = self.client(partition)?;
        let keys = PartitionKeys(partition);
        let sites: HashMap<String, String> = client.hgetall(keys.sites()).await?;
        let sites: Result<Vec<_>, _> = sites.values().map(|text| decode(text)).collect();
        Ok((sites?, self.matches(partition).await?))
    }
}

struct Put {
    kind: &'static str,
    partition: Partition,
    id: String,
    documents: String,
    meta: String,
    version: u64,
    document: String,
    fields: Vec<(&'static str, String)>,
    /// Keys that leave with this change.
    gone: Vec<String>,
}

fn refusal(line: &str) -> EngineError {
    match line {
        "not_loaded" => EngineError::NotLoaded,
        "exists_different" => Refusal::ExistsDifferent.into(),
        "missing" => Refusal::NotFound.into(),
        "stale" => Refusal::Stale.into(),
        other => bad(other),
    }
}
