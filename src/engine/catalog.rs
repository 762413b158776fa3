//! The catalogue in Redis: documents of sites and matches, each with a version.

use crate::domain::catalog::{Match, MatchStatus, Site};
use crate::domain::ids::{MatchId, Partition, SiteId};
use crate::engine::document::{decode, encode};
use crate::engine::error::{EngineError, Noun, Refusal};
use crate::engine::operation::Operation;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::engine::{Engine, NOTICE_TTL_MS};
use crate::redis::keys::{MatchKeys, PartitionKeys};
use fred::prelude::*;
use std::collections::HashMap;

impl Engine {
    /// Creates a site (version 1) or replaces it (its version is one above that in Redis). Returns
    /// its id, which is that of the first call under an Idempotency-Key.
    ///
    /// Refusals: `ExistsDifferent`, `Stale`, `NotFound`.
    pub async fn put_site(&self, site: &Site, operation: Operation) -> Result<SiteId, EngineError> {
        let keys = PartitionKeys(site.id.partition());
        let put = Put {
            kind: Noun::Site,
            partition: site.id.partition(),
            id: site.id.key(),
            documents: keys.sites(),
            meta: keys.sites(),
            version: site.version,
            document: encode(site)?,
            seats: keys.sites(),
            also: "",
            fields: vec![],
            gone: vec![],
        };
        let id = self.put_document(put, operation).await?;
        SiteId::from_key(&id).ok_or_else(|| bad(&id))
    }

    /// Creates or replaces a match with its run-time fields, as `put_site` does with a site. When
    /// the match is closed, or its queue is off, its queue and its passes are deleted. The worker
    /// ends the holds of a match that is closed.
    pub async fn put_match(
        &self,
        fixture: &Match,
        operation: Operation,
    ) -> Result<MatchId, EngineError> {
        let closed = fixture.status == MatchStatus::Closed && !fixture.archived;
        self.put_match_and(fixture, if closed { "closed" } else { "" }, operation).await
    }

    /// Replaces a draft that gets another site.
    ///
    /// Refusals: `SeatsBlocked`, and those of `put_site`.
    pub async fn move_match(
        &self,
        fixture: &Match,
        operation: Operation,
    ) -> Result<MatchId, EngineError> {
        self.put_match_and(fixture, "moved", operation).await
    }

    async fn put_match_and(
        &self,
        fixture: &Match,
        also: &'static str,
        operation: Operation,
    ) -> Result<MatchId, EngineError> {
        let keys = MatchKeys(fixture.id);
        let put = Put {
            kind: Noun::Match,
            partition: fixture.id.partition(),
            id: fixture.id.key(),
            documents: PartitionKeys(fixture.id.partition()).matches(),
            meta: keys.meta(),
            version: fixture.version,
            document: encode(fixture)?,
            seats: keys.seats(),
            also,
            fields: fixture.meta(),
            gone: if fixture.status == MatchStatus::Closed || !fixture.queue.enabled {
                vec![keys.queue(), keys.passes()]
            } else {
                vec![]
            },
        };
        let id = self.put_document(put, operation).await?;
        if fixture.status == MatchStatus::Closed && fixture.queue.enabled {
            // Nobody waits any more, and this tells the people who watch the queue. The match is
            // closed even if that fails.
            if let Err(error) = self.admit(fixture.id, None).await {
                tracing::warn!(id = %fixture.id, %error, "the end of a queue was not told");
            }
        }
        MatchId::from_key(&id).ok_or_else(|| bad(&id))
    }

    async fn put_document(&self, put: Put, operation: Operation) -> Result<String, EngineError> {
        let keys = PartitionKeys(put.partition);
        let mut names = vec![put.documents, put.meta, keys.journal(), keys.notices()];
        names.extend(keys.operations());
        names.extend([keys.partition(), keys.due(), put.seats]);
        names.extend(put.gone);
        let trail = operation.trail_text()?;
        let mut arguments = vec![
            put.kind.to_string(),
            put.id,
            (put.version - 1).to_string(),
            put.document,
            operation.key,
            operation.fingerprint,
            NOTICE_TTL_MS.to_string(),
            put.also.to_owned(),
            trail,
        ];
        for (field, value) in put.fields {
            arguments.extend([field.to_owned(), value]);
        }
        let line: String = self.call(put.partition, &SCRIPTS.catalog_put, names, arguments).await?;
        match line.split_once(' ') {
            Some(("stored", id)) => Ok(id.to_owned()),
            _ => Err(refusal(&line, put.kind)),
        }
    }

    /// Takes a site out of the catalogue. Refusals: `NotFound`, `Stale`.
    pub async fn delete_site(&self, site: &Site, operation: Operation) -> Result<(), EngineError> {
        let (partition, id) = (site.id.partition(), site.id.key());
        let documents = PartitionKeys(partition).sites();
        let arguments = vec![Noun::Site.to_string(), id, site.version.to_string()];
        self.delete(Noun::Site, partition, documents, arguments, vec![], operation).await
    }

    /// Takes a match out of the catalogue, with all its keys. Refusals: `NotFound`, `Stale`.
    pub async fn delete_match(
        &self,
        fixture: &Match,
        operation: Operation,
    ) -> Result<(), EngineError> {
        let (partition, id) = (fixture.id.partition(), fixture.id.key());
        let documents = PartitionKeys(partition).matches();
        let arguments = vec![Noun::Match.to_string(), id, fixture.version.to_string()];
        let keys_of_match = MatchKeys(fixture.id).all();
        self.delete(Noun::Match, partition, documents, arguments, keys_of_match, operation).await
    }

    async fn delete(
        &self,
        noun: Noun,
        partition: Partition,
        documents: String,
        mut arguments: Vec<String>,
        keys_of_match: Vec<String>,
        operation: Operation,
    ) -> Result<(), EngineError> {
        let keys = PartitionKeys(partition);
        let mut names = vec![documents, keys.journal(), keys.notices(), keys.partition()];
        names.extend(keys_of_match);
        arguments.extend([NOTICE_TTL_MS.to_string(), operation.trail_text()?]);
        let reply: String = self.call(partition, &SCRIPTS.catalog_delete, names, arguments).await?;
        if reply == "deleted" { Ok(()) } else { Err(refusal(&reply, noun)) }
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

    /// All matches of a partition; none when it is not loaded.
    pub async fn matches(&self, partition: Partition) -> Result<Vec<Match>, EngineError> {
        let key = PartitionKeys(partition).matches();
        let found: HashMap<String, String> = self.client(partition)?.hgetall(key).await?;
        found.values().map(|text| decode(text)).collect()
    }

    /// All sites and matches of a partition; none when it is not loaded.
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

/// A document to store.
struct Put {
    kind: Noun,
    partition: Partition,
    id: String,
    documents: String,
    meta: String,
    version: u64,
    document: String,
    /// The key of the seats of a match.
    seats: String,
    /// `closed`: the sale has ended, and its holds end with it. `moved`: the match gets another
    /// site. Else empty.
    also: &'static str,
    fields: Vec<(&'static str, String)>,
    /// Keys that this change deletes.
    gone: Vec<String>,
}

/// The refusals of `catalog_put.lua` and `catalog_delete.lua`.
fn refusal(reply: &str, noun: Noun) -> EngineError {
    match reply {
        "not_loaded" => EngineError::NotLoaded,
        "exists_different" => Refusal::ExistsDifferent.into(),
        "missing" => Refusal::NotFound(noun).into(),
        "stale" => Refusal::Stale.into(),
        "seats_blocked" => Refusal::SeatsBlocked.into(),
        other => bad(other),
    }
}
