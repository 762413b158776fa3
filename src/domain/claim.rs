//! A claim as Redis keeps it: a hold, or the reservation that took over its seats.

use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a claim is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimState {
    Hold,
    Pending,
    Paying,
    Confirmed,
    /// Confirmed, and its money is on the way back.
    Refunding,
}

impl ClaimState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Hold, Self::Pending, Self::Paying, Self::Confirmed, Self::Refunding];

    /// The letter in a record: `CLAIM` in `lua/lib/states.lua`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Hold => "H",
            Self::Pending => "P",
            Self::Paying => "Y",
            Self::Confirmed => "C",
            Self::Refunding => "R",
        }
    }

    /// Reads the letter; `None` for any other.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.letter() == letter)
    }
}

/// How far the payment of a claim is, as its record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentState {
    Ready,
    InProgress,
    /// In progress, and the reconciler asks the gateway for its outcome.
    Asked,
    Paid,
    Failed,
}

impl PaymentState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Ready, Self::InProgress, Self::Asked, Self::Paid, Self::Failed];

    /// The letter in a record: `PAYMENT` in `lua/lib/states.lua`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Ready => "r",
            Self::InProgress => "i",
            Self::Asked => "a",
            Self::Paid => "p",
            Self::Failed => "f",
        }
    }

    /// Reads the letter; `None` for any other.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.letter() == letter)
    }

    /// The status that the API shows.
    pub fn status(self) -> PaymentStatus {
        match self {
            Self::Ready => PaymentStatus::Ready,
            Self::InProgress | Self::Asked => PaymentStatus::InProgress,
            Self::Paid => PaymentStatus::Paid,
            Self::Failed => PaymentStatus::Failed,
        }
    }
}

/// Why a claim has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// A reservation took over the seats of the hold.
    Reserved,
    Released,
    Expired,
    Cancelled,
    Refunded,
    /// An earlier sale has the seats.
    Lost,
}

impl EndReason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Reserved,
        Self::Released,
        Self::Expired,
        Self::Cancelled,
        Self::Refunded,
        Self::Lost,
    ];

    /// The word in Redis: `ENDED` in `lua/lib/states.lua`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reserved => "RESERVED",
            Self::Released => "RELEASED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
            Self::Refunded => "REFUNDED",
            Self::Lost => "LOST",
        }
    }

    /// Reads the word; `None` for any other.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// The status of a reservation in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReservationStatus {
    Pending,
    Paying,
    Confirmed,
    Cancelled,
    Expired,
}

impl ReservationStatus {
    /// The word of the API and of PostgreSQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paying => "PAYING",
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
        }
    }
}

/// The status of a payment in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    Ready,
    InProgress,
    Paid,
    Failed,
    Unknown,
    Refunded,
}

impl PaymentStatus {
    /// The word of the API and of PostgreSQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::InProgress => "IN_PROGRESS",
            Self::Paid => "PAID",
            Self::Failed => "FAILED",
            Self::Unknown => "UNKNOWN",
            Self::Refunded => "REFUNDED",
        }
    }
}

/// One record of the claims of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// A hold has one of the same form.
    pub id: ReservationId,
    pub state: ClaimState,
    pub match_id: MatchId,
    pub user: UserId,
    /// Milliseconds of Redis; without meaning once the claim is PAYING.
    pub deadline: i64,
    /// The version of the match at the grant: a later grant has a greater one.
    pub version: u64,
    /// In KRW.
    pub amount: i64,
    pub seats: Vec<SeatId>,
    pub payment: Option<ClaimPayment>,
}

/// The payment that a reservation is on.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimPayment {
    pub id: PaymentId,
    pub method: String,
    pub status: PaymentStatus,
    /// The gateway's key; empty before the payment began.
    pub key: String,
    /// What is charged, in KRW, whatever goes back of it.
    pub amount: i64,
    pub money: Money,
}

/// What became of a claim that is not live any more, as far as Redis remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedClaim {
    pub reason: EndReason,
    pub claim: Claim,
}

impl Claim {
    /// Reads the record that `lua/lib/record.lua` writes; `None` when the text is not one.
    pub fn parse(user: UserId, text: &str) -> Option<Self> {
        let field: Vec<&str> = text.split('|').collect();
        let [id, state, match_id, deadline, seats, version, amount, ref paying @ ..] = field[..]
        else {
            return None;
        };
        let state = ClaimState::from_letter(state)?;
        let amount = amount.parse().ok()?;
        let payment = match paying {
            [] => None,
            &[id, method, status, key, money] => {
                let money = Money::parse(money)?;
                Some(ClaimPayment {
                    id: PaymentId::from_key(id)?,
                    method: method.to_owned(),
                    status: PaymentState::from_letter(status)?.status(),
                    key: key.to_owned(),
                    amount: amount + money.back,
                    money,
                })
            }
            _ => return None,
        };
        Some(Self {
            id: ReservationId::from_key(id)?,
            state,
            match_id: MatchId::from_key(match_id)?,
            user,
            deadline: deadline.parse().ok()?,
            version: version.parse().ok()?,
            amount,
            seats: parse_seats(seats)?,
            payment,
        })
    }

    /// The status of the reservation that this claim is; `None` for a hold.
    pub fn reservation_status(&self) -> Option<ReservationStatus> {
        match self.state {
            ClaimState::Hold => None,
            ClaimState::Pending => Some(ReservationStatus::Pending),
            ClaimState::Paying => Some(ReservationStatus::Paying),
            ClaimState::Confirmed | ClaimState::Refunding => Some(ReservationStatus::Confirmed),
        }
    }
}

impl EndedClaim {
    /// Reads what the scripts keep of an ended claim: reason, user and record, with blanks between.
    pub fn parse(text: &str) -> Option<Self> {
        let (reason, rest) = text.split_once(' ')?;
        let (user, record) = rest.split_once(' ')?;
        let claim = Claim::parse(UserId::from_key(user)?, record)?;
        Some(Self { reason: EndReason::from_word(reason)?, claim })
    }

    /// The status of the reservation that this claim was; `None` for a hold.
    pub fn reservation_status(&self) -> Option<ReservationStatus> {
        self.claim.reservation_status()?;
        Some(match self.reason {
            EndReason::Expired => ReservationStatus::Expired,
            EndReason::Reserved
            | EndReason::Released
            | EndReason::Cancelled
            | EndReason::Refunded
            | EndReason::Lost => ReservationStatus::Cancelled,
        })
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

/// A reservation, wherever it is read from.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub id: ReservationId,
    pub match_id: MatchId,
    pub user: UserId,
    pub status: ReservationStatus,
    pub seats: Vec<SeatId>,
    /// In KRW.
    pub amount: i64,
    /// Milliseconds; only while PENDING.
    pub expires_at: Option<i64>,
    /// Milliseconds.
    pub created_at: i64,
    pub payment: Option<ClaimPayment>,
    /// The money is on its way back.
    pub refunding: bool,
}
