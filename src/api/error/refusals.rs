//! What the engine and the store refuse, in the words of the API.

use super::{ApiError, ErrorCode};
use crate::domain::claim::EndReason;
use crate::domain::ids::SeatId;
use crate::engine::error::{EngineError, NotCancellable, NotPending, Noun, Refusal};
use crate::store::StoreError;

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ExistsDifferent => ErrorCode::IdempotencyKeyReused.into(),
            Refusal::AlreadyHeld(hold, seats) => {
                Self::from(ErrorCode::AlreadyHeld).with(|members| {
                    members.hold_id = Some(hold);
                    members.seat_ids = Some(seats);
                })
            }
            Refusal::ReservedByYou(reservation, seats) => Self::new(
                ErrorCode::AlreadyReserved,
                "These seats are part of a reservation of yours. Go on with that one.",
            )
            .with(|members| {
                members.reservation_id = Some(reservation);
                members.seat_ids = Some(seats);
            }),
            Refusal::NotOpen { ended } => Self::new(
                ErrorCode::MatchNotOpen,
                if ended {
                    "The sale of this match has ended."
                } else {
                    "The sale of this match has not begun."
                },
            ),
            Refusal::Archived => ErrorCode::MatchArchived.into(),
            Refusal::PassRequired => ErrorCode::PassRequired.into(),
            Refusal::SeatLimit => ErrorCode::SeatLimit.into(),
            Refusal::Taken(lost) => Self::seat_taken(lost),
            Refusal::Orphan(alone) => {
                Self::from(ErrorCode::OrphanSeat).with(|members| members.orphans = Some(alone))
            }
            Refusal::NotFound(noun) => match noun {
                Noun::Hold => ErrorCode::HoldNotFound,
                Noun::Reservation => ErrorCode::ReservationNotFound,
                Noun::Site => ErrorCode::SiteNotFound,
                Noun::Match => ErrorCode::MatchNotFound,
            }
            .into(),
            Refusal::NotYours => ErrorCode::NotYours.into(),
            Refusal::AlreadyReserved => ErrorCode::AlreadyReserved.into(),
            Refusal::HoldExpired(lost) => {
                Self::from(ErrorCode::HoldExpired).with(|members| members.lost = Some(lost))
            }
            payment => Self::of_payment(payment),
        }
    }
}

impl ApiError {
    /// Seats that are not in the state that an administrator expects, with the reason.
    pub fn taken(lost: Vec<SeatId>, detail: &'static str) -> Self {
        Self::new(ErrorCode::SeatTaken, detail).with(|members| members.lost = Some(lost))
    }

    /// Seats to cancel that the reservation does not have.
    pub fn not_in_reservation() -> Self {
        let detail = "Not all of these seats are part of this reservation. Nothing was cancelled.";
        Self::new(ErrorCode::NotYours, detail)
    }

    /// Refusals of reservations, payments, accounts and the catalogue.
    fn of_payment(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotPending(why) => not_pending(why),
            Refusal::ReservationEnded(EndReason::Expired) => ErrorCode::ReservationExpired.into(),
            Refusal::ReservationEnded(reason) => Self::new(
                ErrorCode::ReservationNotPending,
                match reason {
                    EndReason::Cancelled | EndReason::Refunded => "This reservation was cancelled.",
                    EndReason::Lost => {
                        "An earlier sale has the seats of this reservation, so it has ended."
                    }
                    EndReason::Expired | EndReason::Reserved | EndReason::Released => {
                        "This reservation has ended."
                    }
                },
            ),
            Refusal::AmountMismatch => ErrorCode::AmountMismatch.into(),
            Refusal::PaymentFailed => Self::new(
                ErrorCode::ReservationNotPending,
                "This payment was declined before. Request a new payment for the reservation.",
            ),
            Refusal::PaymentsHalted => ErrorCode::PaymentsPaused.into(),
            Refusal::Paying => Self::new(
                ErrorCode::NotCancellable,
                "A payment for this reservation is under way. Wait for its outcome.",
            ),
            Refusal::RefundUnderWay => ErrorCode::RefundUnderWay.into(),
            Refusal::NotCancellable(reason) => Self::new(
                ErrorCode::NotCancellable,
                match reason {
                    NotCancellable::PartOfUnpaid => {
                        "Before it is paid a reservation is cancelled whole, without seatIds."
                    }
                    NotCancellable::Ended(Some(EndReason::Expired)) => {
                        "The time to pay is over: the seats are free again and nothing was charged."
                    }
                    NotCancellable::Ended(_) => {
                        "This reservation has ended before: there is nothing to cancel."
                    }
                },
            ),
            Refusal::PriceChanged => ErrorCode::PriceChanged.into(),
            Refusal::EmailTaken => ErrorCode::EmailTaken.into(),
            Refusal::Stale => ErrorCode::ChangedMeanwhile.into(),
            Refusal::QueueOff { ended: false } => ErrorCode::QueueOff.into(),
            Refusal::QueueOff { ended: true } => Self::new(
                ErrorCode::QueueOff,
                "The sale of this match has ended, and its waiting room too.",
            ),
            Refusal::SessionEnded | Refusal::TokenUnknown => ErrorCode::Unauthorized.into(),
            seats => Self::internal(format!("not a refusal of a payment: {seats}")),
        }
    }
}

fn not_pending(why: NotPending) -> ApiError {
    let detail = match why {
        NotPending::Replaced => {
            "Another payment was requested for this reservation since. Nothing was charged for \
             this one."
        }
        NotPending::Paying => {
            "Another payment of this reservation is under way. Wait for its outcome."
        }
        NotPending::Paid => "This reservation is paid already.",
        NotPending::Refunding => {
            "This reservation was paid and is being cancelled: the money is on its way back."
        }
    };
    ApiError::new(ErrorCode::ReservationNotPending, detail)
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::Overloaded => ErrorCode::Overloaded.into(),
            EngineError::NotLoaded => ErrorCode::NotLoaded.into(),
            EngineError::OutOfMemory | EngineError::Unavailable(_) => {
                Self::from(ErrorCode::Unavailable).inside(error.to_string())
            }
            EngineError::BadReply(_) | EngineError::Fenced => Self::internal(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(_) => {
                Self::from(ErrorCode::HistoryUnavailable).inside(error.to_string())
            }
            StoreError::Refused(_)
            | StoreError::Schema(_)
            | StoreError::Setting(_)
            | StoreError::Moved { .. } => Self::internal(error),
        }
    }
}
