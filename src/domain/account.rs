//! Accounts.

use crate::domain::ids::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    User,
    Admin,
}

impl Role {
    /// The word of the API and of PostgreSQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Admin => "ADMIN",
        }
    }
}

/// An account as Redis and the journal keep it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub id: UserId,
    /// In lower case.
    pub email: String,
    /// argon2id in PHC form.
    pub password_hash: String,
    pub role: Role,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
}
