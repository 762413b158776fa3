//! What the engine and the store refuse, in the words of the API.

use super::{ApiError, ErrorCode};
use crate::engine::error::{EngineError, Refusal};
use crate::store::StoreError;

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ExistsDifferent => ErrorCode::IdempotencyKeyReused.into(),
            Refusal::NotOpen => ErrorCode::MatchNotOpen.into(),
            Refusal::Archived => ErrorCode::MatchArchived.into(),
            Refusal::PassRequired => ErrorCode::PassRequired.into(),
            Refusal::SeatLimit => ErrorCode::SeatLimit.into(),
            Refusal::Taken(lost) => Self::seat_taken(lost),
            Refusal::Orphan(alone) => {
                Self::from(ErrorCode::OrphanSeat).with(|members| members.orphans = Some(alone))
            }
            Refusal::NotFound => ErrorCode::HoldNotFound.into(),
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
    /// Refusals of reservations, payments, accounts and the catalogue.
    fn of_payment(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotPending => ErrorCode::ReservationNotPending.into(),
            Refusal::ReservationEnded(reason) if reason == "EXPIRED" => {
                ErrorCode::ReservationExpired.into()
            }
            Refusal::ReservationEnded(_) => Self::new(
                ErrorCode::ReservationNotPending,
                "This reservation has ended. Nothing was charged.",
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
            Refusal::NotCancellable => ErrorCode::NotCancellable.into(),
            Refusal::EmailTaken => ErrorCode::EmailTaken.into(),
            Refusal::Stale => ErrorCode::ChangedMeanwhile.into(),
            Refusal::QueueOff => ErrorCode::QueueOff.into(),
            Refusal::SessionEnded | Refusal::TokenUnknown => ErrorCode::Unauthorized.into(),
            seats => Self::internal(format!("not a refusal of a payment: {seats}")),
        }
    }
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
