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
    /// RESERVED, EXPIRED, CANCELLED, REFUNDED or LOST.
    pub reason: String,
    pub claim: Claim,
}

impl Claim {
    /// Reads the record that `lua/lib/claim.lua` writes; `None` when the text is not one.
    pub fn parse(user: UserId, text: &str) -> Option<Self> {
        let field: Vec<&str> = text.split('|').collect();
        let [id, state, match_id, deadline, seats, version, amount, ref paying @ ..] = field[..]
        else {
            return None;
        };
        let state = match state {
            "H" => ClaimState::Hold,
            "P" => ClaimState::Pending,
            "Y" => ClaimState::Paying,
            "C" => ClaimState::Confirmed,
            "R" => ClaimState::Refunding,
            _ => return None,
        };
        let amount = amount.parse().ok()?;
        let payment = match paying {
            [] => None,
            &[id, method, status, key, money] => {
                let money = Money::parse(money)?;
                Some(ClaimPayment {
                    id: PaymentId::from_key(id)?,
                    method: method.to_owned(),
                    status: payment_status(status)?,
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
        Some(Self { reason: reason.to_owned(), claim })
    }

    /// The status of the reservation that this claim was; `None` for a hold.
    pub fn reservation_status(&self) -> Option<ReservationStatus> {
        self.claim.reservation_status()?;
        Some(match self.reason.as_str() {
            "EXPIRED" => ReservationStatus::Expired,
            _ => ReservationStatus::Cancelled,
        })
    }
}

fn payment_status(letter: &str) -> Option<PaymentStatus> {
    match letter {
        "R" => Some(PaymentStatus::Ready),
        "I" | "A" => Some(PaymentStatus::InProgress),
        "P" => Some(PaymentStatus::Paid),
        "F" => Some(PaymentStatus::Failed),
        _ => None,
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
