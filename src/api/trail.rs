//! Entries of the audit trail. `api/admin/trail.rs` reads them.

use crate::api::Services;
use crate::api::error::ApiResult;
use crate::domain::account::{Account, Role};
use crate::domain::catalog::{Match, Site};
use crate::domain::ids::{Partition, UserId};
use crate::domain::trail::{Act, TrailEntry};
use serde_json::{Value, json};
use uuid::Uuid;

/// An entry; `actor` is `None` for somebody who has not logged in.
pub fn entry(
    actor: Option<(UserId, Role)>,
    address: impl std::fmt::Display,
    act: Act,
    target: String,
) -> TrailEntry {
    TrailEntry {
        id: Uuid::now_v7(),
        actor: actor.map(|(user, _)| user),
        role: actor.map(|(_, role)| role),
        address: address.to_string(),
        act,
        target,
        before: Value::Null,
        after: Value::Null,
    }
}

/// An account as the target of an act. The trail has no e-mails, because an account may be deleted.
pub fn account_target(user: UserId) -> String {
    format!("account/{user}")
}

/// An API key as the target of an act.
pub fn api_key_target(id: UserId) -> String {
    format!("api-key/{id}")
}

/// An API key as the trail shows it.
pub fn api_key_state(account: &Account) -> Value {
    let Account { role, sites, api_key, .. } = account;
    let key = api_key.as_ref();
    let (name, scopes) = (key.map(|key| &key.name), key.map(|key| &key.scopes));
    let expires_at = key.and_then(|key| key.ends_at);
    let expires_at = expires_at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    json!({"name": name, "role": role, "sites": sites, "scopes": scopes, "expiresAt": expires_at})
}

/// An account as the trail shows it.
pub fn account_state(account: &Account) -> Value {
    let Account { role, sites, disabled, second_factor, .. } = account;
    let second_factor = !second_factor.is_empty();
    json!({"role": role, "sites": sites, "disabled": disabled, "secondFactor": second_factor})
}

/// The entry of an administrator whom nobody with an account has made.
pub fn created(account: &Account, from: &str) -> TrailEntry {
    let entry = entry(None, from, Act::AccountCreated, account_target(account.id));
    entry.with(json!({"role": account.role}))
}

/// A match as the trail shows it: without the seed of its draw, which is a secret.
pub fn match_state(fixture: &Match) -> Value {
    let mut state = serde_json::to_value(fixture).unwrap_or_default();
    if let Some(fields) = state.as_object_mut() {
        fields.remove("drawSeed");
    }
    state
}

/// A site as the trail shows it: without its plan, which is long.
pub fn site_state(site: &Site) -> Value {
    json!({"name": site.plan.name, "version": site.version})
}

impl Services {
    /// Adds an entry to the trail before the act that it names, so that no act is without an entry.
    /// An act that is refused afterwards has an entry too.
    pub async fn note(&self, partition: Partition, entry: &TrailEntry) -> ApiResult<()> {
        Ok(self.engine.add_to_trail(partition, entry).await?)
    }

    /// The entry about an account that is written in the same step as the act. Anybody can cause
    /// one, so there is none while PostgreSQL is away for a long time, because the journal would
    /// fill the memory of Redis.
    pub fn noted(&self, entry: TrailEntry, partition: Partition) -> Option<TrailEntry> {
        if self.backlogs.too_long(partition) {
            tracing::warn!(act = %entry.act.word(), target = %entry.target, "not in the trail");
            return None;
        }
        Some(entry)
    }

    /// Adds an entry about an act of somebody who got nothing.
    pub async fn note_failure(&self, partition: Partition, entry: TrailEntry) -> ApiResult<()> {
        match self.noted(entry, partition) {
            Some(entry) => self.note(partition, &entry).await,
            None => Ok(()),
        }
    }
}
