//! The state of a seat, and lists of seats as text.

use crate::domain::ids::SeatId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a seat in a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SeatState {
    Available,
    Hold,
    Pending,
    Occupied,
    Blocked,
}

impl SeatState {
    /// The letter in Redis, in snapshots and in stream entries: `SEAT` in `lua/lib/states.lua`.
    pub fn letter(self) -> u8 {
        match self {
            Self::Available => b'A',
            Self::Hold => b'H',
            Self::Pending => b'P',
            Self::Occupied => b'O',
            Self::Blocked => b'B',
        }
    }

    /// Reads the letter; `None` for any other.
    pub fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'A' => Some(Self::Available),
            b'H' => Some(Self::Hold),
            b'P' => Some(Self::Pending),
            b'O' => Some(Self::Occupied),
            b'B' => Some(Self::Blocked),
            _ => None,
        }
    }

    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Hold => "HOLD",
            Self::Pending => "PENDING",
            Self::Occupied => "OCCUPIED",
            Self::Blocked => "BLOCKED",
        }
    }
}

/// Seat ids joined by commas, as scripts and stream entries carry them.
pub fn parse_seats(text: &str) -> Option<Vec<SeatId>> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok().map(SeatId))
        .collect()
}

/// The form that `parse_seats` reads.
pub fn join_seats(seats: &[SeatId]) -> String {
    let text: Vec<String> = seats.iter().map(SeatId::to_string).collect();
    text.join(",")
}
