//! The commands of the model, and their replies.

use crate::domain::ids::SeatId;

/// Number of a claim in the order in which they were made.
pub type ClaimNumber = usize;
/// Number of a payment in the order in which they were requested.
pub type PaymentNumber = usize;
/// A user of the model.
pub type UserNumber = usize;

/// The seats that must remain of each claim, in the order in which the command names seats of it.
pub type Remains = Vec<Vec<SeatId>>;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// With `cost`, each seat costs so much in KRW by a price list, instead of what the plan says.
    Hold {
        user: UserNumber,
        seats: Vec<SeatId>,
        cost: Option<i64>,
    },
    Release {
        user: UserNumber,
        claim: ClaimNumber,
    },
    ReleaseSeat {
        user: UserNumber,
        seat: SeatId,
        remains: Option<Remains>,
    },
    ReserveHold {
        user: UserNumber,
        hold: ClaimNumber,
    },
    ReserveSeats {
        user: UserNumber,
        seats: Vec<SeatId>,
        remains: Option<Remains>,
    },
    Request {
        user: UserNumber,
        claim: ClaimNumber,
    },
    Begin {
        user: UserNumber,
        payment: PaymentNumber,
        wrong_amount: bool,
        key: u8,
    },
    Ask {
        payment: PaymentNumber,
        attempt: u32,
    },
    Outcome {
        payment: PaymentNumber,
        attempt: u32,
        outcome: Outcome,
    },
    Cancel {
        user: UserNumber,
        claim: ClaimNumber,
        seats: Vec<SeatId>,
        right: Right,
        remains: Option<Remains>,
    },
    Refund {
        payment: PaymentNumber,
        number: u32,
        given: bool,
    },
    Expire {
        claim: ClaimNumber,
    },
    Block {
        seats: Vec<SeatId>,
    },
    Unblock {
        seats: Vec<SeatId>,
    },
}

/// The outcome of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Approved,
    Declined,
    Withdrawn,
}

/// By whose right a reservation is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Fan,
    Organiser,
    Waived,
}

/// The fee of a time: before `until`, a part of the price in percent, and KRW per seat.
#[derive(Debug, Clone, Copy)]
pub struct Fee {
    pub until: i64,
    pub percent: i64,
    pub per_seat: i64,
}

/// The reply of a command: the word of the script, and the seats that it names, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub word: &'static str,
    pub seats: Vec<SeatId>,
}
