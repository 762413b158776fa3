//! What the engine and the store refuse, in the words of the API.

use super::{ApiError, seat_list};
use crate::domain::ids::SeatId;
use crate::engine::error::{EngineError, NotPending, Refusal};
use crate::store::StoreError;
use axum::http::StatusCode;
use serde_json::json;

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let conflict = Self::conflict;
        match refusal {
            Refusal::ExistsDifferent => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "IDEMPOTENCY_KEY_REUSED",
                "This Idempotency-Key was used with another body. Use a new key.",
            ),
            Refusal::NotOpen { ended: true } => {
                conflict("MATCH_NOT_OPEN", "The sale of this match has ended.")
            }
            Refusal::NotOpen { ended: false } => {
                conflict("MATCH_NOT_OPEN", "The sale of this match has not begun.")
            }
            Refusal::AlreadyHeld(hold, seats) => conflict(
                "ALREADY_HELD",
                "You hold these seats already. Reserve them, or give them back to choose others.",
            )
            .with("holdId", json!(hold))
            .with("seatIds", seat_list(&seats)),
            Refusal::ReservedByYou(reservation, seats) => conflict(
                "ALREADY_RESERVED",
                "These seats are part of a reservation of yours. Go on with that one.",
            )
            .with("reservationId", json!(reservation))
            .with("seatIds", seat_list(&seats)),
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
                Self::taken(&lost, "Some of these seats are not free any more.")
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
    /// Seats that are not in the state that was expected, with the reason.
    pub fn taken(lost: &[SeatId], detail: &str) -> Self {
        Self::conflict("SEAT_TAKEN", detail).with("lost", seat_list(lost))
    }

    /// Seats to cancel that the reservation does not have.
    pub fn not_in_reservation() -> Self {
        let detail = "Not all of these seats are part of this reservation. Nothing was cancelled.";
        Self::new(StatusCode::FORBIDDEN, "NOT_YOURS", detail)
    }

    /// Refusals of reservations, payments, accounts and the catalogue.
    fn of_payment(refusal: Refusal) -> Self {
        let conflict = Self::conflict;
        match refusal {
            Refusal::NotPending(why) => conflict(
                "RESERVATION_NOT_PENDING",
                match why {
                    NotPending::Replaced => {
                        "Another payment was requested for this reservation since. Nothing was \
                         charged for this one."
                    }
                    NotPending::Paying => {
                        "Another payment of this reservation is under way. Wait for its outcome."
                    }
                    NotPending::Paid => "This reservation is paid already.",
                    NotPending::Refunding => {
                        "This reservation was paid and is being cancelled: the money is on its way \
                         back."
                    }
                },
            ),
            Refusal::ReservationEnded(reason) if reason == "EXPIRED" => conflict(
                "RESERVATION_EXPIRED",
                "The time to pay is over and the seats are free again. Nothing was charged.",
            ),
            Refusal::ReservationEnded(reason) => conflict(
                "RESERVATION_NOT_PENDING",
                match reason.as_str() {
                    "CANCELLED" | "REFUNDED" => "This reservation was cancelled.",
                    "LOST" => "An earlier sale has the seats of this reservation, so it has ended.",
                    _ => "This reservation has ended.",
                },
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
            Refusal::RefundUnderWay => conflict(
                "REFUND_UNDER_WAY",
                "The money of other seats of this reservation is on its way back. Try again when \
                 it has arrived.",
            ),
            Refusal::NotCancellable(reason) => conflict(
                "NOT_CANCELLABLE",
                match reason.as_str() {
                    "PENDING" => {
                        "Before it is paid a reservation is cancelled whole, without seatIds."
                    }
                    "EXPIRED" => {
                        "The time to pay is over: the seats are free again and nothing was charged."
                    }
                    _ => "This reservation has ended before: there is nothing to cancel.",
                },
            ),
            Refusal::PriceChanged => conflict(
                "PRICE_CHANGED",
                "The price of these seats is not the one they were held at. The seats stay yours: \
                 look up your holds, and try again in a moment.",
            ),
            Refusal::EmailTaken => {
                conflict("EMAIL_TAKEN", "There is an account with this e-mail. Log in instead.")
            }
            Refusal::Stale => conflict(
                "CHANGED_MEANWHILE",
                "Someone else has changed it in the meantime. Read it again, then repeat.",
            ),
            Refusal::QueueOff { ended: true } => {
                conflict("QUEUE_OFF", "The sale of this match has ended, and its waiting room too.")
            }
            Refusal::QueueOff { ended: false } => {
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
