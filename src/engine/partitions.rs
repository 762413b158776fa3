//! Partitions: whether one is loaded, who owns it, what is due in it.

use crate::domain::claim::{Claim, ClaimState};
use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition, UserId};
use crate::domain::position::{Position, StreamId};
use crate::engine::Engine;
use crate::engine::claim_fields::{old_conduct, readable};
use crate::engine::error::EngineError;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::PartitionKeys;
use crate::redis::{RawFields, Redis};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};

/// The form of claims and seats in Redis, which `lua/lib/states.lua` has as well. A release that
/// stores them in another form takes the next number. Partitions of an earlier number are then
/// loaded from PostgreSQL again.
pub(super) const LAYOUT: &str = "8";

/// How long a reply under an Idempotency-Key is kept at least: a period of `lua/lib/operation.lua`.
pub(super) const ANSWER_TTL_MS: u64 = 1_500_000;

/// A deadline that has passed, and the fields that got a claim with this deadline in one batch.
#[derive(Debug, Clone)]
pub struct Due {
    /// The text in Redis: the deadline, and the fields by comma.
    entry: String,
}

impl Due {
    /// Milliseconds of the clock of the partition.
    pub fn at(&self) -> i64 {
        self.entry.split_once(' ').and_then(|(at, _)| at.parse().ok()).unwrap_or_default()
    }

    /// Fields of the hash of claims; may contain duplicates.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| !name.starts_with(MATCH_MARK))
    }

    /// The match whose sale has ended, and with it all of its holds.
    pub fn closed_match(&self) -> Option<MatchId> {
        self.names().find_map(|name| MatchId::from_key(name.strip_prefix(MATCH_MARK)?))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entry.split_once(' ').map_or("", |(_, names)| names).split(',')
    }
}

/// What stands before the id of a match among deadlines (`lua/catalog_put.lua`).
const MATCH_MARK: char = '=';

/// What is to be done at deadlines, by field.
#[derive(Debug, Default)]
pub struct DueWork<'f> {
    /// Claims whose deadline has passed.
    pub claims: Vec<(&'f str, Claim)>,
    /// Users whose conduct in a match is old.
    pub conduct: Vec<(UserId, MatchId)>,
}

/// What Redis knows of a partition as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// The epoch, also of a partition that is closed; `None` when Redis never had it.
    pub epoch: Option<u64>,
    /// Whether it is loaded, by a release with this layout.
    pub open: bool,
    /// The last entry of the journal of this epoch that a worker has announced as committed.
    pub committed: StreamId,
    /// What PostgreSQL has lost, when new payments are stopped because of it.
    pub halted: Option<String>,
}

impl PartitionState {
    /// The position up to which PostgreSQL must have the journal; `None` when Redis never had the
    /// partition.
    pub fn told(&self) -> Option<Position> {
        self.epoch.map(|epoch| Position { epoch, id: self.committed })
    }
}

impl Engine {
    /// What Redis knows of a partition as a whole.
    pub async fn partition_state(
        &self,
        partition: Partition,
    ) -> Result<PartitionState, EngineError> {
        let key = PartitionKeys(partition).partition();
        let names = vec!["epoch", "layout", "committed", "halted"];
        let found: (Option<u64>, Option<String>, Option<String>, Option<String>) =
            self.client(partition)?.hmget(key, names).await?;
        let (epoch, layout, committed, halted) = found;
        // Without it, a loss of PostgreSQL would not be noticed.
        let known = |id: String| {
            let text = format!("partition {partition} is committed up to {id:?}");
            id.parse().map_err(|_| EngineError::BadReply(text))
        };
        Ok(PartitionState {
            epoch,
            open: epoch.is_some() && layout.as_deref() == Some(LAYOUT),
            committed: committed.map(known).transpose()?.unwrap_or_default(),
            halted,
        })
    }

    /// The epoch of a partition; `None` when it is not loaded, or was loaded by a release with
    /// another layout.
    pub async fn epoch(&self, partition: Partition) -> Result<Option<u64>, EngineError> {
        let state = self.partition_state(partition).await?;
        Ok(state.epoch.filter(|_| state.open))
    }

    /// Warnings about settings of Redis with which a promise cannot be kept, for each server. There
    /// are none where the settings cannot be read.
    pub async fn durability_warnings(&self) -> Vec<String> {
        // Such a user may not read the settings of Redis. `grandstand migrate` reads them.
        let mut warnings = match self.redis.has_user() {
            true => Vec::new(),
            false => server_warnings(&self.redis).await,
        };
        let limits = self.limits();
        if limits.hold_ttl_ms + limits.payment_ttl_ms + 600_000 > ANSWER_TTL_MS {
            warnings.push(format!(
                "answers under an Idempotency-Key are kept for {} minutes: with these times to \
                 hold and to pay, a buyer may come back later than that",
                ANSWER_TTL_MS / 60_000
            ));
        }
        warnings
    }

    /// The number of partitions with which this Redis was first started; `None` at a first start,
    /// or when no server knows it.
    pub async fn partitions_stored(&self) -> Option<u16> {
        for partition in self.partitions() {
            let Ok(client) = self.client(partition) else { continue };
            let stored = client.hget(PartitionKeys(partition).partition(), "partitions").await;
            if let Ok(Some(stored)) = stored {
                return Some(stored);
            }
        }
        None
    }

    /// Closes a partition for an operator: every match in it is `NotLoaded` until its worker has
    /// loaded it. Redis keeps the epoch and the last announced entry.
    pub async fn close_partition(&self, partition: Partition) -> Result<(), EngineError> {
        let key = PartitionKeys(partition).partition();
        let _: i64 = self.client(partition)?.hdel(key, "layout").await?;
        Ok(())
    }

    /// The oldest `count` deadlines up to `now`, without the first `skip`.
    pub async fn due(
        &self,
        partition: Partition,
        now: i64,
        skip: usize,
        count: usize,
    ) -> Result<Vec<Due>, EngineError> {
        let (key, client) = (PartitionKeys(partition).due(), self.client(partition)?);
        let limit = Some((skip as i64, count as i64));
        let entries: Vec<String> =
            client.zrangebyscore(key, "-inf", now as f64, false, limit).await?;
        Ok(entries.into_iter().map(|entry| Due { entry }).collect())
    }

    /// The claims in some fields with a deadline up to `until`, each with its field, and what is
    /// old by then. It only reads; the script checks each time again.
    pub async fn due_work<'f>(
        &self,
        partition: Partition,
        fields: &[&'f str],
        until: i64,
    ) -> Result<DueWork<'f>, EngineError> {
        let key = PartitionKeys(partition).claims();
        let texts: Vec<Option<String>> =
            self.client(partition)?.hmget(key, fields.to_vec()).await?;
        let is_due = |claim: &Claim| {
            claim.deadline <= until && matches!(claim.state, ClaimState::Hold | ClaimState::Pending)
        };
        let mut work = DueWork::default();
        for (field, text) in fields.iter().zip(texts) {
            let claims = readable(field, text.as_deref()).into_iter().filter(is_due);
            work.claims.extend(claims.map(|claim| (*field, claim)));
            let (Some(user), Some(text)) = (UserId::from_key(field), text) else { continue };
            work.conduct.extend(old_conduct(&text, until).into_iter().map(|id| (user, id)));
        }
        Ok(work)
    }

    /// The holds of a match whose seats are in `fields` of the hash of claims. It only reads.
    pub async fn holds_in(
        &self,
        match_id: MatchId,
        fields: Vec<String>,
    ) -> Result<Vec<Claim>, EngineError> {
        let key = PartitionKeys(match_id.partition()).claims();
        let client = self.client(match_id.partition())?;
        let texts: Vec<Option<String>> = client.hmget(key, fields.clone()).await?;
        let claims = fields.iter().zip(texts);
        let claims = claims.flat_map(|(field, text)| readable(field, text.as_deref()));
        let is_hold = |claim: &Claim| claim.match_id == match_id && claim.state == ClaimState::Hold;
        Ok(claims.filter(is_hold).collect())
    }

    /// Deletes deadlines at which no claim is left to end, and returns how many these were.
    pub async fn forget_due(
        &self,
        partition: Partition,
        due: Vec<Due>,
    ) -> Result<usize, EngineError> {
        let keys = PartitionKeys(partition);
        let entries: Vec<String> = due.into_iter().map(|due| due.entry).collect();
        let names = vec![keys.due(), keys.claims()];
        self.call(partition, &SCRIPTS.deadline_end, names, entries).await
    }

    /// Puts a dead letter back into the journal. Returns `false` when another call has ended it
    /// already. `id` is its id in the stream of dead letters, `place` its position in the journal.
    pub async fn replay_dead_letter(
        &self,
        partition: Partition,
        id: &str,
        place: Position,
        fields: &Fields,
    ) -> Result<bool, EngineError> {
        let entry = fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]);
        self.end_dead_letter(partition, id, place, entry.collect()).await
    }

    /// Deletes a dead letter. Returns `false` when another call has ended it already.
    pub async fn drop_dead_letter(
        &self,
        partition: Partition,
        id: &str,
        place: Position,
    ) -> Result<bool, EngineError> {
        self.end_dead_letter(partition, id, place, vec![]).await
    }

    async fn end_dead_letter(
        &self,
        partition: Partition,
        id: &str,
        place: Position,
        entry: Vec<String>,
    ) -> Result<bool, EngineError> {
        let keys = PartitionKeys(partition);
        let names = vec![keys.dead_letters(), keys.journal(), keys.partition()];
        let mut arguments = vec![id.to_owned(), place.epoch.to_string(), place.id.to_string()];
        arguments.extend(entry);
        let word: String = self.call(partition, &SCRIPTS.dead_letter_end, names, arguments).await?;
        match word.as_str() {
            "ended" => Ok(true),
            "gone" => Ok(false),
            "not_loaded" => Err(EngineError::NotLoaded),
            _ => Err(bad(&word)),
        }
    }

    /// How many entries the journal has after `upto`, which PostgreSQL has. It counts to 10,000 at
    /// most.
    pub async fn journal_backlog(
        &self,
        partition: Partition,
        upto: StreamId,
    ) -> Result<usize, EngineError> {
        let key = PartitionKeys(partition).journal();
        let behind: Vec<(String, RawFields)> = self
            .client(partition)?
            .xrange_values(key, format!("({upto}"), "+", Some(10_000))
            .await?;
        Ok(behind.len())
    }
}

/// Settings of the servers with which Redis could lose what it has acknowledged.
pub(super) async fn server_warnings(redis: &Redis) -> Vec<String> {
    let wanted = [
        ("appendonly", "yes", "what Redis has acknowledged is lost when it restarts"),
        ("appendfsync", "always", "a power loss takes back the last second"),
        ("maxmemory-policy", "noeviction", "seats that are sold could vanish"),
        ("lazyfree-lazy-expire", "yes", "it stops for a while when many expired replies are freed"),
    ];
    let mut warnings = Vec::new();
    for (server, client) in redis.all() {
        for (setting, good, danger) in wanted {
            match read_setting(&client, setting).await {
                Some(value) if value != good => warnings.push(format!(
                    "Redis at {server} runs with {setting} {value}, not {good}: {danger}"
                )),
                _ => {}
            }
        }
        let alone = read_setting(&client, "min-replicas-to-write").await;
        if redis.fails_over() && alone.as_deref() == Some("0") {
            warnings.push(format!(
                "Redis at {server} runs with min-replicas-to-write 0: a master that is cut \
                 off goes on and what it acknowledges is lost. Set it to 1."
            ));
        }
    }
    warnings
}

async fn read_setting(client: &Client, name: &str) -> Option<String> {
    let command = CustomCommand::new_static("CONFIG", ClusterHash::Random, false);
    let pair: Vec<String> = client.custom(command, vec!["GET", name]).await.ok()?;
    pair.into_iter().nth(1)
}
