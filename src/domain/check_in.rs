//! A check-in: somebody has entered with the code of a sold seat.

use crate::domain::ids::{MatchId, ReservationId, SeatId};
use serde_json::{Value, json};

/// A seat of a reservation with which somebody has entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckIn {
    pub match_id: MatchId,
    pub seat: SeatId,
    pub reservation: ReservationId,
    /// In ms.
    pub at_ms: i64,
}

/// A check-in as the audit trail has it. A load of the partition reads it from there
/// (`store/trail.rs`).
pub fn trail_state(seat: SeatId, reservation: ReservationId) -> Value {
    json!({"seatId": seat, "reservationId": reservation})
}
