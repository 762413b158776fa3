//! What the engine and the store refuse, in the words of the API.

use super::{ApiError, seat_list};
use crate::engine::error::{EngineError, Refusal};
use crate::store::StoreError;
use axum::http::StatusCode;

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let conflict = Self::conflict;
        match refusal {
            Refusal::ExistsDifferent => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "IDEMPOTENCY_KEY_REUSED",
                "This Idempotency-Key was used with another body. Use a new key.",
            ),
            Refusal::NotOpen => {
                conflict("MATCH_NOT_OPEN", "Tickets of this match are not on sale at the moment.")
            }
            Refusal::Archived => Self::new(
                StatusCode::GONE,
                "MATCH_ARCHIVED",
                "This match is over, and its sale is closed for good.",
            ),
            Refusal::PassRequired => Self::new(
                StatusCode::FORBIDDEN,
                "PASS_REQUIRED",
                "This match has a waiting room. Join the queue and wait for your pass.",
            ),
            Refusal::SeatLimit => conflict(
                "SEAT_LIMIT",
                "This would be more seats than one person may have in a match.",
            ),
            Refusal::Taken(lost) => {
                conflict("SEAT_TAKEN", "Some of these seats are not free any more.")
                    .with("lost", seat_list(&lost))
            }
            Refusal::Orphan(alone) => conflict(
                "ORPHAN_SEAT",
                "This choice would leave a single seat alone. Move it by one seat.",
            )
            .with("orphans", seat_list(&alone)),
            Refusal::NotFound => Self::not_found("hold"),
            Refusal::NotYours => {
                Self::new(StatusCode::FORBIDDEN, "NOT_YOURS", "These seats are not held by you.")
            }
            Refusal::AlreadyReserved => {
                conflict("ALREADY_RESERVED", "These seats are part of a reservation already.")
            }
            Refusal::HoldExpired(lost) => {
                conflict("HOLD_EXPIRED", "The time of the hold is over. Choose your seats again.")
                    .with("lost", seat_list(&lost))
            }
            payment => Self::of_payment(payment),
        }
    }
}

impl ApiError {
    /// Refusals of reservations, payments, accounts and the catalogue.
    fn of_payment(refusal: Refusal) -> Self {
        let conflict = Self::conflict;
        match refusal {
            Refusal::NotPending => conflict(
                "RESERVATION_NOT_PENDING",
                "This reservation is not waiting for a payment.",
            ),
            Refusal::ReservationEnded(reason) if reason == "EXPIRED" => conflict(
                "RESERVATION_EXPIRED",
                "The time to pay is over and the seats are free again. Nothing was charged.",
            ),
            Refusal::ReservationEnded(_) => conflict(
                "RESERVATION_NOT_PENDING",
                "This reservation has ended. Nothing was charged.",
            ),
            Refusal::AmountMismatch => Self::amount_mismatch(),
            Refusal::PaymentFailed => conflict(
                "RESERVATION_NOT_PENDING",
                "This payment was declined before. Request a new payment for the reservation.",
            ),
            Refusal::PaymentsHalted => Self::payments_paused(),
            Refusal::Paying => conflict(
                "NOT_CANCELLABLE",
                "A payment for this reservation is under way. Wait for its outcome.",
            ),
            Refusal::NotCancellable => conflict(
                "NOT_CANCELLABLE",
                "This reservation can't be cancelled, or not in this way: before it is paid it \
                     is cancelled whole, without seatIds.",
            ),
            Refusal::EmailTaken => {
                conflict("EMAIL_TAKEN", "There is an account with this e-mail. Log in instead.")
            }
            Refusal::Stale => conflict(
                "CHANGED_MEANWHILE",
                "Someone else has changed it in the meantime. Read it again, then repeat.",
            ),
            Refusal::QueueOff => {
                conflict("QUEUE_OFF", "This match has no waiting room: just choose your seats.")
            }
            Refusal::SessionEnded | Refusal::TokenUnknown => {
                Self::unauthorized("The session has ended. Log in again.")
            }
            seats => Self::internal(format!("not a refusal of a payment: {seats}")),
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let unavailable = |code, detail: &str| {
            Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(2)
        };
        match error {
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::Overloaded => Self::overloaded(),
            EngineError::NotLoaded => unavailable(
                "NOT_LOADED",
                "The seats of this match are being loaded. Try again in a moment.",
            ),
            EngineError::OutOfMemory | EngineError::Unavailable(_) => unavailable(
                "UNAVAILABLE",
                "The seats can't be reached this moment. Ask again with the same \
                 Idempotency-Key: nothing happens twice.",
            )
            .inside(error.to_string()),
            EngineError::BadReply(_) | EngineError::Fenced => Self::internal(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "HISTORY_UNAVAILABLE",
                "What was bought earlier can't be read this moment. Try again.",
            )
            .retry_after(5)
            .inside(error.to_string()),
            StoreError::Refused(_)
            | StoreError::Schema(_)
            | StoreError::Setting(_)
            | StoreError::Moved { .. } => Self::internal(error),
        }
    }
}
