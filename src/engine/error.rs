//! Why an engine function has not done what it was asked to do.

use crate::domain::claim::EndReason;
use crate::domain::ids::{HoldId, ReservationId, SeatId};
use fred::error::{Error, ErrorKind};

/// Why a step was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the same Idempotency-Key was used with another body")]
    ExistsDifferent,
    #[error("the match is not open for sale")]
    NotOpen { ended: bool },
    #[error("a pass of the waiting room is needed")]
    PassRequired,
    /// Milliseconds: when the user may hold seats again, and the time of the refusal.
    #[error("too many holds of the user have ended unpaid, or have begun in a short time")]
    CoolDown { until: i64, now: i64 },
    #[error("the match allows one open hold per user")]
    OneHold(OpenClaim),
    #[error("more seats than one person may have")]
    SeatLimit,
    #[error("seats are taken")]
    Taken(Vec<SeatId>),
    #[error("single seats would be left alone")]
    Orphan(Vec<SeatId>),
    /// Some of the seats that were asked for, and the hold of the same user that has them.
    #[error("the user holds these seats already")]
    AlreadyHeld(HoldId, Vec<SeatId>),
    /// Some of the seats that were asked for, and the reservation of the same user that has them.
    #[error("the user has reserved these seats already")]
    ReservedByYou(ReservationId, Vec<SeatId>),
    #[error("there is no such {0}")]
    NotFound(Noun),
    #[error("it belongs to someone else")]
    NotYours,
    #[error("the hold has become a reservation")]
    AlreadyReserved,
    #[error("the hold has expired")]
    HoldExpired(Vec<SeatId>),
    #[error("the reservation is not waiting for this payment: {0:?}")]
    NotPending(NotPending),
    #[error("the reservation has ended: {}", .0.word())]
    ReservationEnded(EndReason),
    #[error("the amount is not that of the reservation")]
    AmountMismatch,
    #[error("the price is not that of the hold or reservation: the node has an old plan")]
    PriceChanged,
    /// The claims that the caller has read are not those of Redis any more: read them again.
    #[error("the claims have changed meanwhile")]
    Changed,
    #[error("this payment was refused; a new one is needed")]
    PaymentFailed,
    #[error("PostgreSQL has lost sales: no payment begins before they are restored")]
    PaymentsHalted,
    #[error("a payment is under way")]
    Paying,
    #[error("the money of other seats is on its way back")]
    RefundUnderWay,
    #[error("it is too late to give the seats back")]
    RefundClosed,
    #[error("the reservation is not paid, or does not have the seat any more")]
    NotConfirmed,
    /// Milliseconds: when.
    #[error("somebody has entered with the seat before")]
    CheckedInBefore { at_ms: i64 },
    #[error("the reservation can't be cancelled: {0:?}")]
    NotCancellable(NotCancellable),
    #[error("the e-mail address has an account")]
    EmailTaken,
    #[error("someone else has changed it in the meantime")]
    Stale,
    #[error("seats of the match are blocked, and it would get others")]
    SeatsBlocked,
    #[error("the match has no queue")]
    QueueOff,
    /// The queue takes people from this time on (ms); 0: nobody knows when.
    #[error("the queue does not take people yet")]
    QueueNotOpen { opens_at_ms: i64 },
    #[error("no seat is free")]
    SoldOut,
    #[error("the match is archived")]
    Archived,
    #[error("the session has ended")]
    SessionEnded,
    #[error("no session has this refresh token")]
    TokenUnknown,
}

/// What a user has in a match that is not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenClaim {
    Hold(HoldId),
    Reservation(ReservationId),
}

/// What a command did not find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Hold,
    Reservation,
    Site,
    Match,
    Account,
    Session,
}

impl std::fmt::Display for Noun {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Hold => "hold",
            Self::Reservation => "reservation",
            Self::Site => "site",
            Self::Match => "match",
            Self::Account => "account",
            Self::Session => "session",
        })
    }
}

/// Why a reservation cannot be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCancellable {
    /// It is not paid, and only some of its seats were named.
    PartOfUnpaid,
    /// It has ended; `None` when only PostgreSQL remembers the reservation.
    Ended(Option<EndReason>),
}

/// Why a reservation does not wait for this payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPending {
    /// It waits for another payment, which was requested later.
    Replaced,
    Paying,
    Paid,
    Refunding,
}

/// Why an engine function has no result.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The match or its partition is not in Redis: it is being rebuilt.
    #[error("not loaded")]
    NotLoaded,
    /// Another worker has the lease of the partition by now. Nothing was written.
    #[error("another worker owns the partition")]
    Fenced,
    /// More commands wait than can be served in time. This command was not sent.
    #[error("too many commands wait")]
    Overloaded,
    #[error("Redis is out of memory")]
    OutOfMemory,
    /// Redis did not reply, so it is unknown whether the step happened.
    #[error("Redis does not answer: {0}")]
    Unavailable(String),
    #[error("unexpected answer of a script: {0}")]
    BadReply(String),
}

impl EngineError {
    /// The same for another command of the same batch.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::BadReply(text) => Self::BadReply(text.clone()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        let details = error.details();
        if details.starts_with("OOM") {
            return Self::OutOfMemory;
        }
        let from_script = ["user_script", "user_function"].iter().any(|at| details.contains(at))
            || details.starts_with("ERR");
        match error.kind() {
            ErrorKind::Backpressure => Self::Overloaded,
            ErrorKind::Parse | ErrorKind::InvalidArgument | ErrorKind::InvalidCommand => {
                Self::BadReply(error.to_string())
            }
            ErrorKind::Unknown if from_script => Self::BadReply(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
