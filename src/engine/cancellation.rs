//! What a cancel is about, and by whose right.

use crate::domain::ids::SeatId;
use crate::engine::remains::Remains;

/// Which seats are cancelled, and by whose right.
#[derive(Debug, Clone)]
pub struct Cancellation {
    pub extent: Extent,
    /// Seats with their prices in KRW: those to cancel, or those of which the fee is made.
    pub seats: Vec<(SeatId, i64)>,
    pub right: Right,
    /// What must remain of the sale, when the plan has a rule about that.
    pub remains: Option<Remains>,
}

/// How much of a reservation is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    All,
    /// Only the seats that are named.
    These,
}

/// By whose right something is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// The buyer's: until the end of refunds, with the fee.
    Fan,
    /// An organiser's, at any time, with the fee.
    Organiser,
    /// An organiser's, who takes no fee.
    Waived,
}

impl Extent {
    /// The word in the scripts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::These => "these",
        }
    }
}

impl Right {
    /// The word in the scripts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fan => "fan",
            Self::Organiser => "organiser",
            Self::Waived => "waived",
        }
    }
}
