//! The limits of the seat commands.

/// The times and bounds that the scripts get with each call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Milliseconds.
    pub hold_ttl_ms: u64,
    /// Milliseconds.
    pub payment_ttl_ms: u64,
    pub seats_per_user: u32,
}
