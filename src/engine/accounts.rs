//! Accounts and sessions.

use crate::domain::account::Account;
use crate::domain::ids::{Partition, SessionId, UserId};
use crate::engine::batch::Operation;
use crate::engine::document::{decode, encode};
use crate::engine::error::{EngineError, Refusal};
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::engine::{Engine, NOTICE_TTL_MS};
use crate::redis::keys::{PartitionKeys, session};
use fred::prelude::*;

impl Engine {
    /// Where the account of an e-mail lives.
    pub fn account_partition(&self, email: &str) -> Partition {
        Partition::of_email(email, self.partition_count())
    }

    /// Makes an account, once per e-mail; answers its id.
    ///
    /// Refusals: `ExistsDifferent`, `EmailTaken`.
    pub async fn create_account(
        &self,
        account: &Account,
        operation: Operation,
    ) -> Result<UserId, EngineError> {
        let keys = PartitionKeys(account.id.partition());
        let mut names = vec![keys.accounts(), keys.journal()];
        names.extend(keys.operations());
        names.push(keys.partition());
        let document = encode(account)?;
        let arguments = vec![
            account.email.clone(),
            document,
            account.id.key(),
            operation.key,
            operation.fingerprint,
        ];
        let partition = account.id.partition();
        let line: String = self.call(partition, &SCRIPTS.account_create, names, arguments).await?;
        match line.split_once(' ') {
            Some(("created", id)) => UserId::from_key(id).ok_or_else(|| bad(&line)),
            _ if line == "not_loaded" => Err(EngineError::NotLoaded),
            _ if line == "taken" => Err(Refusal::EmailTaken.into()),
            _ if line == "exists_different" => Err(Refusal::ExistsDifferent.into()),
            _ => Err(bad(&line)),
        }
    }

    /// The account of an e-mail in lower case.
    pub async fn account(&self, email: &str) -> Result<Option<Account>, EngineError> {
        let partition = self.account_partition(email);
        let client = self.client(partition)?;
        let text: Option<String> = client.hget(PartitionKeys(partition).accounts(), email).await?;
        match text {
            Some(text) => decode(&text).map(Some),
            // Nobody is told that there is no such account while the accounts are not there.
            None if self.epoch(partition).await?.is_none() => Err(EngineError::NotLoaded),
            None => Ok(None),
        }
    }

    /// Starts a session with the hash of its first refresh token.
    pub async fn start_session(
        &self,
        id: SessionId,
        account: &Account,
        token_hash: String,
        ttl_ms: u64,
    ) -> Result<(), EngineError> {
        // The session keeps the account without its secret.
        let account = Account { password_hash: String::new(), ..account.clone() };
        let arguments = vec![encode(&account)?, token_hash, ttl_ms.to_string()];
        let names = vec![session(id)];
        let _: String = self.call(id.partition(), &SCRIPTS.session_start, names, arguments).await?;
        Ok(())
    }

    /// Exchanges a refresh token for the next one; answers the account of the session (without its
    /// password hash). A token that was used works again for `grace_ms` after its first use.
    ///
    /// Refusals: `SessionEnded`, when the token was used before that; `TokenUnknown`, which ends
    /// nothing.
    pub async fn rotate_session(
        &self,
        id: SessionId,
        shown_hash: String,
        next_hash: String,
        grace_ms: u64,
    ) -> Result<Account, EngineError> {
        let keys = PartitionKeys(id.partition());
        let names = vec![session(id), keys.notices(), keys.partition()];
        let arguments =
            vec![shown_hash, next_hash, grace_ms.to_string(), id.key(), NOTICE_TTL_MS.to_string()];
        let reply: Vec<String> =
            self.call(id.partition(), &SCRIPTS.session_rotate, names, arguments).await?;
        match reply.as_slice() {
            [word, account] if word == "rotated" => decode(account),
            [word] if word == "reused" => Err(Refusal::SessionEnded.into()),
            [word] if word == "missing" || word == "unknown" => Err(Refusal::TokenUnknown.into()),
            _ => Err(bad(&reply.join(" "))),
        }
    }

    /// Ends a session, for its refresh token and (through a notice to all nodes) for its access
    /// tokens.
    pub async fn end_session(&self, id: SessionId) -> Result<(), EngineError> {
        let names = vec![session(id), PartitionKeys(id.partition()).notices()];
        let arguments = vec![id.key(), NOTICE_TTL_MS.to_string()];
        let _: String = self.call(id.partition(), &SCRIPTS.session_end, names, arguments).await?;
        Ok(())
    }
}
