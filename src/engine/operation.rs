//! An Idempotency-Key, as the scripts get it.

/// An Idempotency-Key of a client, already hashed with its user and route, and the hash of the
/// body. An empty key means that there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    pub key: String,
    pub fingerprint: String,
}
