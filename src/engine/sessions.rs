//! Sessions: log-ins of accounts, each with its refresh tokens.

use crate::domain::account::Account;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::trail::TrailEntry;
use crate::engine::document::decode;
use crate::engine::error::{EngineError, Noun, Refusal};
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::engine::trail::trail_text;
use crate::engine::{Engine, NOTICE_TTL_MS};
use crate::redis::keys::{PartitionKeys, sessions};
use fred::prelude::*;
use std::collections::HashMap;

/// The most sessions of an account. More: somebody with free accounts fills the memory of Redis
/// faster. Fewer: people with many devices have to log in again.
pub const SESSIONS_MAX: u32 = 10;

/// A session that begins.
pub struct NewSession<'a> {
    pub id: SessionId,
    /// As it was when the password was checked.
    pub account: &'a Account,
    /// The hash of its first refresh token.
    pub token_hash: String,
    pub ttl_ms: u64,
    pub from: Device,
    /// The entry of the audit trail for the oldest session, if it ends.
    pub oldest_ends: Option<TrailEntry>,
}

/// Where a session comes from, without line breaks and `|`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    pub address: String,
    /// The name of the program.
    pub agent: String,
}

/// A session, for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    /// In ms of the partition, as the next field.
    pub began_at: i64,
    pub used_at: i64,
    pub from: Device,
}

impl Engine {
    /// Starts a session. The oldest sessions of the account end when there are too many.
    ///
    /// Refusals: `AccountNotFound`; `Stale` when the account has changed since it was read.
    pub async fn start_session(&self, new: NewSession<'_>) -> Result<(), EngineError> {
        let NewSession { id, account, token_hash, ttl_ms, from, oldest_ends } = new;
        let keys = PartitionKeys(id.partition());
        let (accounts, notices) = (keys.accounts(), keys.notices());
        let names = vec![sessions(account.id), accounts, notices, keys.partition(), keys.journal()];
        let arguments = vec![
            account.email.clone(),
            account.version.to_string(),
            id.key(),
            token_hash,
            ttl_ms.to_string(),
            from.address,
            from.agent,
            SESSIONS_MAX.to_string(),
            NOTICE_TTL_MS.to_string(),
            trail_text(oldest_ends.as_ref())?,
        ];
        let partition = id.partition();
        let word: String = self.call(partition, &SCRIPTS.session_start, names, arguments).await?;
        match word.as_str() {
            "started" => Ok(()),
            "not_loaded" => Err(EngineError::NotLoaded),
            "missing" => Err(Refusal::NotFound(Noun::Account).into()),
            "stale" => Err(Refusal::Stale.into()),
            _ => Err(bad(&word)),
        }
    }

    /// Exchanges a refresh token for the next one, and returns the account as it is now. A used
    /// token works again for `grace_ms` after its first use.
    ///
    /// Refusals: `SessionEnded` when the token was used earlier than that, with `trail` as its
    /// entry in the audit trail; `TokenUnknown`, which ends no session.
    pub async fn rotate_session(
        &self,
        (user, id): (UserId, SessionId),
        (shown_hash, next_hash): (String, String),
        grace_ms: u64,
        address: String,
        trail: Option<&TrailEntry>,
    ) -> Result<Account, EngineError> {
        let keys = PartitionKeys(user.partition());
        let (accounts, notices) = (keys.accounts(), keys.notices());
        let names = vec![sessions(user), accounts, notices, keys.partition(), keys.journal()];
        let arguments = vec![
            shown_hash,
            next_hash,
            grace_ms.to_string(),
            id.key(),
            NOTICE_TTL_MS.to_string(),
            address,
            trail_text(trail)?,
        ];
        let reply: Vec<String> =
            self.call(user.partition(), &SCRIPTS.session_rotate, names, arguments).await?;
        match reply.as_slice() {
            [word, account] if word == "rotated" => decode(account),
            [word] if word == "not_loaded" => Err(EngineError::NotLoaded),
            [word] if word == "reused" => Err(Refusal::SessionEnded.into()),
            [word] if word == "missing" || word == "unknown" => Err(Refusal::TokenUnknown.into()),
            _ => Err(bad(&reply.join(" "))),
        }
    }

    /// Ends a session, for its refresh tokens and (through a notice to all nodes) for its access
    /// tokens. With the hash of a token, the session must have this token. `trail` is written in
    /// the same step, if the partition is loaded.
    ///
    /// Refusals: `SessionNotFound`, `TokenUnknown`.
    pub async fn end_session(
        &self,
        user: UserId,
        id: SessionId,
        token_hash: Option<String>,
        trail: Option<&TrailEntry>,
    ) -> Result<(), EngineError> {
        self.end_sessions(user, id.key(), token_hash.unwrap_or_default(), trail).await
    }

    /// Ends all sessions of an account. `trail` is as for one session.
    pub async fn end_all_sessions(
        &self,
        user: UserId,
        trail: Option<&TrailEntry>,
    ) -> Result<(), EngineError> {
        self.end_sessions(user, String::new(), String::new(), trail).await
    }

    async fn end_sessions(
        &self,
        user: UserId,
        id: String,
        token_hash: String,
        trail: Option<&TrailEntry>,
    ) -> Result<(), EngineError> {
        let keys = PartitionKeys(user.partition());
        let names = vec![sessions(user), keys.notices(), keys.partition(), keys.journal()];
        let arguments = vec![id, NOTICE_TTL_MS.to_string(), token_hash, trail_text(trail)?];
        let word: String =
            self.call(user.partition(), &SCRIPTS.session_end, names, arguments).await?;
        match word.as_str() {
            "ended" => Ok(()),
            "missing" => Err(Refusal::NotFound(Noun::Session).into()),
            "unknown" => Err(Refusal::TokenUnknown.into()),
            _ => Err(bad(&word)),
        }
    }

    /// Whether Redis has a session that has not ended.
    pub async fn has_session(&self, user: UserId, id: SessionId) -> Result<bool, EngineError> {
        let client = self.client(user.partition())?;
        let text: Option<String> = client.hget(sessions(user), id.key()).await?;
        let Some(text) = text else { return Ok(false) };
        let now = self.now_ms(user.partition()).await?;
        Ok(session_in(&id.key(), &text, now).is_some())
    }

    /// The sessions of an account that have not ended, the newest first.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>, EngineError> {
        let all: HashMap<String, String> =
            self.client(user.partition())?.hgetall(sessions(user)).await?;
        let now = self.now_ms(user.partition()).await?;
        let mut list: Vec<Session> =
            all.iter().filter_map(|(id, text)| session_in(id, text, now)).collect();
        list.sort_by_key(|session| (std::cmp::Reverse(session.began_at), session.id));
        Ok(list)
    }
}

/// Reads a record, whose form is in `lua/lib/sessions.lua`. `None` for a session that has ended,
/// and for the field with the e-mail.
fn session_in(id: &str, text: &str, now_ms: i64) -> Option<Session> {
    let id = SessionId::from_key(id)?;
    let mut fields = text.splitn(6, '|');
    let mut time = || fields.next()?.parse::<i64>().ok();
    let (began_at, used_at, ends_at) = (time()?, time()?, time()?);
    let (address, _tokens, agent) = (fields.next()?, fields.next()?, fields.next()?);
    let from = Device { address: address.to_owned(), agent: agent.to_owned() };
    (ends_at > now_ms).then_some(Session { id, began_at, used_at, from })
}
