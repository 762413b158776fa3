//! The state of a seat.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a seat in a match (design, section 2).
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
    /// The one character of snapshots, of Redis and of stream entries.
    pub fn letter(self) -> u8 {
        match self {
            Self::Available => b'A',
            Self::Hold => b'H',
            Self::Pending => b'P',
            Self::Occupied => b'O',
            Self::Blocked => b'B',
        }
    }

    /// Reads the one character; `None` for any other.
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
