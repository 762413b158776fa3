//! API keys: how a program calls the API that belongs to nobody's log-in.

use crate::domain::ids::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that the owner of an API key may do with it, as far as the role of the key allows it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Scope {
    /// Wait in line, hold seats, reserve and pay for them, under the rules for any user.
    Buy,
    /// Read sites and matches, drafts too.
    CatalogueRead,
    /// Change plans, matches, prices and sales.
    CatalogueWrite,
    /// Take seats out of the sale, and put them back.
    SeatsBlock,
    /// Read waiting rooms.
    QueueRead,
    /// Change waiting rooms, let people in and send them away.
    QueueWrite,
    /// Read the reservations of all people.
    ReservationsRead,
    /// Give people their money back.
    ReservationsCancel,
    /// Let people with a ticket into the house.
    CheckIn,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 9] = [
        Self::Buy,
        Self::CatalogueRead,
        Self::CatalogueWrite,
        Self::SeatsBlock,
        Self::QueueRead,
        Self::QueueWrite,
        Self::ReservationsRead,
        Self::ReservationsCancel,
        Self::CheckIn,
    ];

    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::CatalogueRead => "CATALOGUE_READ",
            Self::CatalogueWrite => "CATALOGUE_WRITE",
            Self::SeatsBlock => "SEATS_BLOCK",
            Self::QueueRead => "QUEUE_READ",
            Self::QueueWrite => "QUEUE_WRITE",
            Self::ReservationsRead => "RESERVATIONS_READ",
            Self::ReservationsCancel => "RESERVATIONS_CANCEL",
            Self::CheckIn => "CHECK_IN",
        }
    }
}

/// What makes an account an API key. Such an account belongs to a program: it has no password, and
/// in place of its e-mail it has the text of `email_of`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// For people, such as the name of the program.
    pub name: String,
    /// The hash of the key. The key is random, so a fast hash is enough.
    pub hash: String,
    pub scopes: Vec<Scope>,
    /// When the key ends, in ms since 1970, UTC; `None`: when somebody deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
}

/// What an API key has in place of an e-mail. Without an `@` it is never an e-mail.
pub fn email_of(id: UserId) -> String {
    format!("key:{}", id.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_scope_is_that_of_its_json() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.word());
        }
    }
}
