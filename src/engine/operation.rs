//! What a call brings along, as the scripts get it.

use crate::domain::trail::TrailEntry;
use crate::engine::error::EngineError;
use crate::engine::trail::trail_text;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

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

    /// The operation of one call that no client can repeat: when the batcher repeats its command,
    /// this gets the first reply, whatever others have done since.
    pub(super) fn of_one_call() -> Self {
        Self::new(format!("b:{}", Uuid::now_v7().simple()), "b".to_owned())
    }

    /// The operation with an entry of the audit trail.
    pub fn with_trail(self, entry: TrailEntry) -> Self {
        Self { trail: Some(Box::new(entry)), ..self }
    }

    /// An id that a call has again when it is repeated with the same body; `None` without a key.
    pub fn id(&self) -> Option<Uuid> {
        let text = format!("{} {}", self.key, self.fingerprint);
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let id =
            uuid::Builder::from_custom_bytes(hash[..16].try_into().unwrap_or_default()).into_uuid();
        (!self.key.is_empty()).then_some(id)
    }

    /// The entry as a script takes it; empty when there is none.
    pub(super) fn trail_text(&self) -> Result<String, EngineError> {
        trail_text(self.trail.as_deref())
    }
}
