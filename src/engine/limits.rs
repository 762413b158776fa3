//! The limits of the seat commands.

/// The times and bounds that the scripts get with each call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Milliseconds.
    pub hold_ttl_ms: u64,
    /// Milliseconds.
    pub payment_ttl_ms: u64,
    pub seats_per_user: u32,
    /// Holds that a user may begin in a match within ten minutes; 0: any number.
    pub holds_per_ten_minutes: u32,
    /// From this many holds and reservations on that end unpaid, each one begins a cool-down for
    /// their user and match; 0: never.
    pub cool_down_after: u32,
}
