//! Accounts.

use crate::domain::account::Account;
use crate::domain::api_key::email_of;
use crate::domain::ids::{Partition, SessionId, UserId};
use crate::domain::trail::TrailEntry;
use crate::engine::document::{decode, encode};
use crate::engine::error::{EngineError, Noun, Refusal};
use crate::engine::operation::Operation;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::engine::trail::trail_text;
use crate::engine::{Engine, NOTICE_TTL_MS};
use crate::redis::keys::{PartitionKeys, administrators_lock, mailed_token, mails, sessions};
use fred::prelude::*;

/// The most mails to the owner of an account in `MAILS_PERIOD_MS`. More: somebody can fill the
/// mailbox of a stranger.
const MAILS_MAX: u32 = 5;
const MAILS_PERIOD_MS: u64 = 3_600_000;

/// What is stored of a mailed token.
fn mailed_value(token_hash: &str, email: &str) -> String {
    format!("{token_hash} {email}")
}

/// What a mailed token is for. An account has one of each kind, and a new one replaces the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A new password.
    Reset,
    /// The proof that the owner reads mails to the address.
    Verification,
}

impl MailKind {
    fn word(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Verification => "verification",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Reset => Self::Verification,
            Self::Verification => Self::Reset,
        }
    }
}

/// The sessions that a change of an account ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSessions {
    None,
    /// All but this session.
    Others(SessionId),
    All,
}

/// A change of an account.
pub struct AccountChange<'a> {
    /// The account as it was read. The change is refused when it is not that any more.
    pub before: &'a Account,
    /// `None` deletes the account. The engine sets the version.
    pub after: Option<&'a Account>,
    pub ending: EndSessions,
    /// The kind and hash of a mailed token that must exist and is used up by the change.
    pub token: Option<(MailKind, String)>,
    /// The entry of the audit trail, which is written in the same step.
    pub trail: Option<TrailEntry>,
}

impl Engine {
    /// The partition that has the account of an e-mail.
    pub fn account_partition(&self, email: &str) -> Partition {
        Partition::of_email(email, self.partition_count())
    }

    /// Creates an account, once per e-mail, and returns its id.
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
        let trail = operation.trail_text()?;
        let arguments = vec![
            account.email.clone(),
            document,
            account.id.key(),
            operation.key,
            operation.fingerprint,
            trail,
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
        self.account_in(self.account_partition(email), email).await
    }

    async fn account_in(
        &self,
        partition: Partition,
        email: &str,
    ) -> Result<Option<Account>, EngineError> {
        let client = self.client(partition)?;
        let text: Option<String> = client.hget(PartitionKeys(partition).accounts(), email).await?;
        match text {
            Some(text) => decode(&text).map(Some),
            // While the partition is not loaded, nobody may hear that there is no such account.
            None if self.epoch(partition).await?.is_none() => Err(EngineError::NotLoaded),
            None => Ok(None),
        }
    }

    /// The account of somebody who has logged in. `None` also when Redis has lost all sessions.
    pub async fn account_of_session(&self, user: UserId) -> Result<Option<Account>, EngineError> {
        let client = self.client(user.partition())?;
        let email: Option<String> = client.hget(sessions(user), "email").await?;
        let Some(email) = email else { return Ok(None) };
        let account = self.account(&email).await?;
        Ok(account.filter(|account| account.id == user))
    }

    /// An API key, which is an account of a program.
    pub async fn api_key(&self, id: UserId) -> Result<Option<Account>, EngineError> {
        self.account_in(id.partition(), &email_of(id)).await
    }

    /// The account of a person with this id. It reads all accounts of a partition, so only
    /// administrators ask.
    pub async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, EngineError> {
        self.known(id.partition())?;
        let all = self.accounts_of(id.partition()).await?;
        Ok(all.into_iter().find(|account| account.id == id && account.api_key.is_none()))
    }

    /// Changes or deletes an account. All nodes refuse its older access tokens then.
    ///
    /// Refusals: `AccountNotFound`, `Stale`, `TokenUnknown`.
    pub async fn change_account(&self, change: AccountChange<'_>) -> Result<(), EngineError> {
        let AccountChange { before, after, ending, token, trail } = change;
        let partition = before.id.partition();
        let keys = PartitionKeys(partition);
        let next_version = before.version + 1;
        let document = match after {
            Some(account) => encode(&Account { version: next_version, ..account.clone() })?,
            None => String::new(),
        };
        let (ending, kept) = match ending {
            EndSessions::None => ("none", String::new()),
            EndSessions::Others(kept) => ("others", kept.key()),
            EndSessions::All => ("all", String::new()),
        };
        let kind = token.as_ref().map_or(MailKind::Reset, |(kind, _)| *kind);
        let value = token.map(|(_, hash)| mailed_value(&hash, &before.email));
        let names = vec![
            keys.accounts(),
            keys.journal(),
            keys.notices(),
            keys.partition(),
            sessions(before.id),
            mailed_token(before.id, kind.word()),
            mailed_token(before.id, kind.other().word()),
        ];
        let arguments = vec![
            before.email.clone(),
            before.version.to_string(),
            document,
            before.id.key(),
            next_version.to_string(),
            NOTICE_TTL_MS.to_string(),
            ending.to_owned(),
            kept,
            value.unwrap_or_default(),
            trail_text(trail.as_ref())?,
        ];
        let word: String = self.call(partition, &SCRIPTS.account_change, names, arguments).await?;
        match word.as_str() {
            "changed" => Ok(()),
            "not_loaded" => Err(EngineError::NotLoaded),
            "missing" => Err(Refusal::NotFound(Noun::Account).into()),
            "stale" => Err(Refusal::Stale.into()),
            "unknown" => Err(Refusal::TokenUnknown.into()),
            _ => Err(bad(&word)),
        }
    }

    /// Stores the hash of a token that goes to the owner of an account by mail. False when too many
    /// mails went there in this hour.
    pub async fn store_mailed_token(
        &self,
        account: &Account,
        kind: MailKind,
        token_hash: String,
        ttl_ms: u64,
    ) -> Result<bool, EngineError> {
        let user = account.id;
        let names = vec![mailed_token(user, kind.word()), mails(user)];
        let arguments = vec![
            mailed_value(&token_hash, &account.email),
            ttl_ms.to_string(),
            MAILS_MAX.to_string(),
            MAILS_PERIOD_MS.to_string(),
        ];
        let word: String =
            self.call(user.partition(), &SCRIPTS.account_mail, names, arguments).await?;
        Ok(word == "stored")
    }

    /// The e-mail of the account whose owner got a token with this hash, if it still counts.
    pub async fn mailed_token_email(
        &self,
        user: UserId,
        kind: MailKind,
        token_hash: &str,
    ) -> Result<Option<String>, EngineError> {
        let client = self.client(user.partition())?;
        let stored: Option<String> = client.get(mailed_token(user, kind.word())).await?;
        let stored = stored.as_deref().and_then(|value| value.split_once(' '));
        let found = stored.filter(|(hash, _)| *hash == token_hash);
        Ok(found.map(|(_, email)| email.to_owned()))
    }

    /// Waits for no one: true when the caller has the right to take the role of an administrator
    /// away, until `unlock_administrators` or for `ttl_ms`.
    pub async fn lock_administrators(&self, ttl_ms: i64) -> Result<bool, EngineError> {
        let client = self.client(Partition(0))?;
        let (expire, only_new) = (Some(Expiration::PX(ttl_ms)), Some(SetOptions::NX));
        let taken: Option<String> =
            client.set(administrators_lock(), "1", expire, only_new, false).await?;
        Ok(taken.is_some())
    }

    /// Ends `lock_administrators`.
    pub async fn unlock_administrators(&self) -> Result<(), EngineError> {
        let _: u32 = self.client(Partition(0))?.del(administrators_lock()).await?;
        Ok(())
    }
}
