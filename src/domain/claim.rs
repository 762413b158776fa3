//! A claim as Redis keeps it: a hold, or the reservation that took over its seats.

use crate::domain::bill::Bill;
use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::Money;
use crate::domain::refund::RefundTerms;
use crate::domain::seat::parse_seats;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a claim.
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
    /// In progress, and it is not known what the gateway has done: the reconciler asks it.
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
            Self::InProgress => PaymentStatus::InProgress,
            Self::Asked => PaymentStatus::Unknown,
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
    /// The id of a hold has the same form.
    pub id: ReservationId,
    pub state: ClaimState,
    pub match_id: MatchId,
    pub user: UserId,
    /// Milliseconds of the clock of the partition; without meaning once the claim is PAYING.
    pub deadline: i64,
    /// The version of the match at the grant: a later grant has a greater one.
    pub version: u64,
    /// In KRW.
    pub amount: i64,
    pub seats: Vec<SeatId>,
    /// What the buyer was promised; none for a hold, and for a sale of an earlier release.
    pub refund_terms: Option<RefundTerms>,
    /// What the seats cost, when the match had a price list at the hold.
    pub bill: Bill,
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
    /// The amount that is charged, in KRW. Refunds do not change it.
    pub amount: i64,
    pub money: Money,
}

/// A claim that has ended, as long as Redis remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedClaim {
    pub reason: EndReason,
    pub claim: Claim,
}

impl Claim {
    /// Reads the record that `lua/lib/record.lua` writes; `None` when the text is not one.
    pub fn parse(user: UserId, text: &str) -> Option<Self> {
        let field: Vec<&str> = text.split('|').collect();
        let [id, state, match_id, deadline, seats, version, amount, ref rest @ ..] = field[..]
        else {
            return None;
        };
        let state = ClaimState::from_letter(state)?;
        let amount = amount.parse().ok()?;
        let terms = rest.first().copied().filter(|terms| !terms.is_empty());
        let bill = Bill::parse(rest.get(1).copied().unwrap_or_default())?;
        let payment = match rest.get(2..).unwrap_or_default() {
            [] => None,
            &[id, method, status, key, money] => {
                let money = Money::parse(money)?;
                Some(ClaimPayment {
                    id: PaymentId::from_key(id)?,
                    method: method.to_owned(),
                    status: PaymentState::from_letter(status)?.status(),
                    key: key.to_owned(),
                    amount: amount + money.taken_out(),
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
            refund_terms: match terms {
                Some(terms) => Some(RefundTerms::parse(terms)?),
                None => None,
            },
            bill,
            payment,
        })
    }

    /// Whether its deadline has passed at this time in ms. It has ended then, even if no worker has
    /// swept it yet.
    pub fn is_late(&self, now_ms: i64) -> bool {
        let has_deadline = matches!(self.state, ClaimState::Hold | ClaimState::Pending);
        has_deadline && self.deadline <= now_ms
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
    /// Reads the note of an ended claim: reason, user and record, with blanks between.
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

/// A reservation, read from Redis or from PostgreSQL.
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
    /// What the buyer was promised; none for a sale of an earlier release.
    pub refund_terms: Option<RefundTerms>,
    /// What the seats cost, when the match had a price list at the hold.
    pub bill: Bill,
    /// The money is on its way back.
    pub refunding: bool,
}

impl Reservation {
    /// The seats that somebody may enter with: those of a sale, without those that are being given
    /// back.
    pub fn valid_seats(&self) -> Vec<SeatId> {
        if self.status != ReservationStatus::Confirmed {
            return vec![];
        }
        let going = self.payment.as_ref().filter(|_| self.refunding);
        let going = going.map_or(&[][..], |payment| &payment.money.part_seats);
        self.seats.iter().copied().filter(|seat| !going.contains(seat)).collect()
    }
}
