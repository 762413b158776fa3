//! The audit trail: what people with a role did, and what happened to accounts.

use crate::domain::account::Role;
use crate::domain::ids::{MatchId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// What somebody did. Reading data of other people counts, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Act {
    SiteCreated,
    SiteReplaced,
    SiteDeleted,
    MatchCreated,
    MatchChanged,
    MatchDeleted,
    MatchAnnounced,
    SaleOpened,
    SaleClosed,
    QueueChanged,
    SeatsBlocked,
    SeatsUnblocked,
    PeopleLetIn,
    PersonLetIn,
    PersonSentAway,
    PlaceRead,
    ReservationRead,
    ReservationCancelled,
    CheckedIn,
    AccountsRead,
    AccountCreated,
    AccountChanged,
    TrailRead,
    LogInFailed,
    SessionEnded,
    PasswordChanged,
    EmailVerified,
    AccountDeleted,
    ApiKeyCreated,
    ApiKeyDeleted,
}

impl Act {
    /// The word of the API and of PostgreSQL.
    pub fn word(self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(word)) => word,
            _ => unreachable!("an act is a word"),
        }
    }
}

/// In place of an address: somebody who may run `grandstand` on a server.
pub const COMMAND_LINE: &str = "command line";
/// In place of an address: a node that has made the first administrator of its settings.
pub const SETTINGS: &str = "settings";

/// An entry of the audit trail. It has no secrets: no password, no token, no seed of a draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrailEntry {
    pub id: Uuid,
    /// Who did it; none: somebody who has not logged in.
    pub actor: Option<UserId>,
    pub role: Option<Role>,
    /// The address of the caller, or `COMMAND_LINE`, or `SETTINGS`.
    pub address: String,
    pub act: Act,
    /// What it was done to, such as `match/UUID`.
    pub target: String,
    /// What was changed, as it was before and as it is after; null for an act that changes nothing
    /// or says it all.
    pub before: Value,
    pub after: Value,
}

impl TrailEntry {
    /// The entry with the state before and after the act.
    pub fn changing(self, before: Value, after: Value) -> Self {
        Self { before, after, ..self }
    }

    /// The entry with what was asked for.
    pub fn with(self, after: Value) -> Self {
        Self { after, ..self }
    }
}

/// A match as the target of an act.
pub fn match_target(id: MatchId) -> String {
    format!("match/{id}")
}
