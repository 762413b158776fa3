//! Accounts.

use crate::domain::api_key::{ApiKey, email_of};
use crate::domain::ids::{SiteId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most sites that an account may have a role at. They are in each access token, so more would
/// make every request longer.
pub const SITES_MAX: usize = 20;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Buys tickets.
    User,
    /// May do everything.
    Admin,
    /// Runs the sales of some sites.
    Organiser,
    /// Blocks seats, and helps the people in the waiting rooms of some sites.
    BoxOffice,
    /// Reads everything and changes nothing.
    Support,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] =
        [Self::User, Self::Admin, Self::Organiser, Self::BoxOffice, Self::Support];

    /// The word of the API and of PostgreSQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Admin => "ADMIN",
            Self::Organiser => "ORGANISER",
            Self::BoxOffice => "BOX_OFFICE",
            Self::Support => "SUPPORT",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether the role counts at the sites of the account only.
    pub fn is_of_sites(self) -> bool {
        match self {
            Self::Organiser | Self::BoxOffice => true,
            Self::User | Self::Admin | Self::Support => false,
        }
    }
}

/// An account as Redis and the journal keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub id: UserId,
    /// Each change raises it. Access tokens carry it, so that older ones can be refused.
    #[serde(default = "first_version")]
    pub version: u64,
    /// In lower case. An API key has a text of its own here.
    pub email: String,
    /// argon2id in PHC form; empty for an API key.
    pub password_hash: String,
    pub role: Role,
    /// The sites at which the role counts, for roles of some sites.
    #[serde(default)]
    pub sites: Vec<SiteId>,
    /// Nobody can log in to a disabled account.
    #[serde(default)]
    pub disabled: bool,
    /// Whether somebody has opened the link in a mail to this address.
    #[serde(default)]
    pub email_verified: bool,
    /// The setup of the second factor (`api/totp.rs`), or empty. It is no secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub second_factor: String,
    /// Present if the account is an API key, with which a program calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKey>,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
}

/// Accounts of earlier releases have no version.
fn first_version() -> u64 {
    1
}

impl Account {
    /// A new account that buys tickets.
    pub fn new(id: UserId, email: String, password_hash: String, created_at: i64) -> Self {
        Self {
            id,
            version: 1,
            email,
            password_hash,
            role: Role::User,
            sites: Vec::new(),
            disabled: false,
            email_verified: false,
            second_factor: String::new(),
            api_key: None,
            created_at,
        }
    }

    /// The account of a new API key, with the role of a user.
    pub fn of_key(id: UserId, key: ApiKey, created_at: i64) -> Self {
        let account = Self::new(id, email_of(id), String::new(), created_at);
        Self { api_key: Some(key), ..account }
    }
}
