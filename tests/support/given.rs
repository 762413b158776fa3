//! Limits of an engine, and cancellations by a buyer.

use grandstand::domain::ids::SeatId;
use grandstand::engine::cancellation::{Cancellation, Extent, Right};
use grandstand::engine::limits::Limits;

/// Limits as a new installation has them.
pub fn limits() -> Limits {
    Limits {
        hold_ttl_ms: 300_000,
        payment_ttl_ms: 600_000,
        seats_per_user: 4,
        holds_per_ten_minutes: 20,
        cool_down_after: 3,
    }
}

/// The same for a user with very many holds.
pub fn wide_limits(seats_per_user: u32) -> Limits {
    Limits { seats_per_user, holds_per_ten_minutes: 0, cool_down_after: 0, ..limits() }
}

/// A buyer cancels all seats that are left.
pub fn all() -> Cancellation {
    Cancellation { extent: Extent::All, seats: vec![], right: Right::Fan, remains: None }
}

/// A buyer cancels these seats, each with its price in KRW.
pub fn these(seats: &[(SeatId, i64)]) -> Cancellation {
    Cancellation { extent: Extent::These, seats: seats.to_vec(), ..all() }
}

pub fn seats(numbers: &[u32]) -> Vec<SeatId> {
    numbers.iter().copied().map(SeatId).collect()
}
