//! What a call brings along, as the scripts get it.

use crate::domain::trail::TrailEntry;
use crate::engine::document::encode;
use crate::engine::error::EngineError;

/// An Idempotency-Key of a client, already hashed with its user and route, and the hash of the
/// body. An empty key means that there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    pub key: String,
    pub fingerprint: String,
    /// The entry of the audit trail for what the call does. A call that is repeated under its key
    /// adds no second one.
    pub trail: Option<Box<TrailEntry>>,
}

impl Operation {
    /// The operation of a hashed key and the hash of its body.
    pub fn new(key: String, fingerprint: String) -> Self {
        Self { key, fingerprint, trail: None }
    }

    /// The operation with an entry of the audit trail.
    pub fn with_trail(self, entry: TrailEntry) -> Self {
        Self { trail: Some(Box::new(entry)), ..self }
    }

    /// The entry as a script takes it; empty when there is none.
    pub(super) fn trail_text(&self) -> Result<String, EngineError> {
        self.trail.as_deref().map_or(Ok(String::new()), encode)
    }
}
