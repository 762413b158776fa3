//! Documents in Redis: accounts, sites and matches as JSON.

use crate::engine::error::EngineError;
use crate::engine::reply::bad;

/// The text that Redis stores.
pub(super) fn encode<T: serde::Serialize>(value: &T) -> Result<String, EngineError> {
    serde_json::to_string(value).map_err(|error| bad(&error.to_string()))
}

/// Reads a stored text. Error: `BadReply`, when it is not such a document.
pub(super) fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, EngineError> {
    serde_json::from_str(text).map_err(|error| bad(&error.to_string()))
}
