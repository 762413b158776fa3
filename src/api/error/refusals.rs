//! Translates the errors of the engine, the store and the checkout into problem documents.

use super::{ApiError, ErrorCode};
use crate::checkout::CheckoutError;
use crate::domain::claim::EndReason;
use crate::domain::ids::{HoldId, ReservationId, SeatId};
use crate::engine::error::{EngineError, NotCancellable, NotPending, Noun, OpenClaim, Refusal};
use crate::store::StoreError;

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ExistsDifferent => ErrorCode::IdempotencyKeyReused.into(),
            Refusal::AlreadyHeld(hold, seats) => already_held(hold, seats),
            Refusal::ReservedByYou(reservation, seats) => reserved_by_you(reservation, seats),
            Refusal::NotOpen { ended } => not_open(ended),
            Refusal::Archived => ErrorCode::MatchArchived.into(),
            Refusal::PassRequired => ErrorCode::PassRequired.into(),
            Refusal::CoolDown { until, now } => cool_down(until, now),
            Refusal::OneHold(open) => {
                Self::from(ErrorCode::OneHoldOnly).with(|members| match open {
                    OpenClaim::Hold(id) => members.hold_id = Some(id),
                    OpenClaim::Reservation(id) => members.reservation_id = Some(id),
                })
            }
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
                Noun::Account => ErrorCode::AccountNotFound,
                Noun::Session => ErrorCode::SessionNotFound,
            }
            .into(),
            Refusal::NotYours => ErrorCode::NotYours.into(),
            Refusal::AlreadyReserved => ErrorCode::AlreadyReserved.into(),
            Refusal::HoldExpired(lost) => {
                Self::from(ErrorCode::HoldExpired).with(|members| members.lost = Some(lost))
            }
            Refusal::NotPending(why) => not_pending(why),
            Refusal::ReservationEnded(reason) => reservation_ended(reason),
            Refusal::AmountMismatch => ErrorCode::AmountMismatch.into(),
            Refusal::PaymentFailed => Self::new(
                ErrorCode::ReservationNotPending,
                "This payment was declined before. Request a new payment for the reservation.",
            ),
            Refusal::RefundClosed => ErrorCode::RefundClosed.into(),
            Refusal::NotConfirmed => ErrorCode::NotConfirmed.into(),
            Refusal::CheckedInBefore { at_ms } => checked_in_before(at_ms),
            Refusal::PaymentsHalted => ErrorCode::PaymentsPaused.into(),
            Refusal::Paying => Self::new(
                ErrorCode::NotCancellable,
                "A payment for this reservation is under way. Wait for its outcome.",
            ),
            Refusal::RefundUnderWay => ErrorCode::RefundUnderWay.into(),
            Refusal::NotCancellable(reason) => not_cancellable(reason),
            Refusal::PriceChanged => ErrorCode::PriceChanged.into(),
            // The caller has done two things with the same seats at once.
            Refusal::Changed => ErrorCode::Overloaded.into(),
            Refusal::EmailTaken => ErrorCode::EmailTaken.into(),
            Refusal::Stale => ErrorCode::ChangedMeanwhile.into(),
            Refusal::SeatsBlocked => ErrorCode::SeatsBlocked.into(),
            Refusal::QueueOff => ErrorCode::QueueOff.into(),
            Refusal::QueueNotOpen { opens_at_ms } => queue_not_open(opens_at_ms),
            Refusal::SoldOut => ErrorCode::SoldOut.into(),
            Refusal::SessionEnded | Refusal::TokenUnknown => ErrorCode::Unauthorized.into(),
        }
    }
}

impl ApiError {
    /// The seats that somebody else has.
    pub fn lost(&self) -> &[SeatId] {
        self.0.members.lost.as_deref().unwrap_or_default()
    }

    /// Seats that are not in the state that an administrator expects, with the reason.
    pub fn taken(lost: Vec<SeatId>, detail: &'static str) -> Self {
        Self::new(ErrorCode::SeatTaken, detail).with(|members| members.lost = Some(lost))
    }
}

fn cool_down(until: i64, now: i64) -> ApiError {
    let seconds = ((until - now).max(0) as u64).div_ceil(1000);
    let until = jiff::Timestamp::from_millisecond(until).ok();
    ApiError::from(ErrorCode::CoolDown).after(seconds).with(|members| members.until = until)
}

fn checked_in_before(at_ms: i64) -> ApiError {
    let at = jiff::Timestamp::from_millisecond(at_ms).ok();
    ApiError::from(ErrorCode::CheckedInBefore).with(|members| members.checked_in_at = at)
}

fn already_held(hold: HoldId, seats: Vec<SeatId>) -> ApiError {
    ApiError::from(ErrorCode::AlreadyHeld).with(|members| {
        members.hold_id = Some(hold);
        members.seat_ids = Some(seats);
    })
}

fn reserved_by_you(reservation: ReservationId, seats: Vec<SeatId>) -> ApiError {
    let detail = "These seats are part of a reservation of yours. Go on with that one.";
    ApiError::new(ErrorCode::AlreadyReserved, detail).with(|members| {
        members.reservation_id = Some(reservation);
        members.seat_ids = Some(seats);
    })
}

fn not_open(ended: bool) -> ApiError {
    let detail = match ended {
        true => "The sale of this match has ended.",
        false => "The sale of this match has not begun.",
    };
    ApiError::new(ErrorCode::MatchNotOpen, detail)
}

fn queue_not_open(opens_at_ms: i64) -> ApiError {
    let opens_at = jiff::Timestamp::from_millisecond(opens_at_ms).ok().filter(|_| opens_at_ms > 0);
    let when = opens_at.map_or_else(
        || "opens with the sale".to_owned(),
        |opens_at| format!("opens at {opens_at}"),
    );
    ApiError::new(ErrorCode::MatchNotOpen, format!("The waiting room of this match {when}."))
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

fn reservation_ended(reason: EndReason) -> ApiError {
    let detail = match reason {
        EndReason::Expired => return ErrorCode::ReservationExpired.into(),
        EndReason::Cancelled | EndReason::Refunded => "This reservation was cancelled.",
        EndReason::Lost => "An earlier sale has the seats of this reservation, so it has ended.",
        EndReason::Reserved | EndReason::Released => "This reservation has ended.",
    };
    ApiError::new(ErrorCode::ReservationNotPending, detail)
}

fn not_cancellable(reason: NotCancellable) -> ApiError {
    let detail = match reason {
        NotCancellable::PartOfUnpaid => {
            "Before it is paid a reservation is cancelled whole, without seatIds."
        }
        NotCancellable::Ended(Some(EndReason::Expired)) => {
            "The time to pay is over: the seats are free again and nothing was charged."
        }
        NotCancellable::Ended(_) => {
            "This reservation has ended before: there is nothing to cancel."
        }
    };
    ApiError::new(ErrorCode::NotCancellable, detail)
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

impl From<CheckoutError> for ApiError {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::Paused => ErrorCode::PaymentsPaused.into(),
            CheckoutError::Busy => ErrorCode::Overloaded.into(),
            CheckoutError::SeatsSold(seats) => Self::seat_sold(seats),
            CheckoutError::Declined { code, message } => Self::declined(&code, &message),
            CheckoutError::DeclinedBefore => {
                Self::declined("DECLINED", "see the response to the first confirmation")
            }
            CheckoutError::PaidTooLate => ErrorCode::PaidTooLate.into(),
            CheckoutError::NoReservation => ErrorCode::ReservationNotFound.into(),
            CheckoutError::EndedBefore => not_cancellable(NotCancellable::Ended(None)),
            CheckoutError::SeatsNotInReservation => Self::new(
                ErrorCode::NotYours,
                "Not all of these seats are part of this reservation. Nothing was cancelled.",
            ),
            CheckoutError::RefundRefused => ErrorCode::RefundRefused.into(),
            CheckoutError::Engine(error) => error.into(),
            CheckoutError::Failed(_) => Self::internal(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(_) | StoreError::Access(_) => {
                Self::from(ErrorCode::HistoryUnavailable).inside(error.to_string())
            }
            StoreError::Refused(_)
            | StoreError::Schema(_)
            | StoreError::Damaged(_)
            | StoreError::Setting(_)
            | StoreError::Moved { .. } => Self::internal(error),
        }
    }
}
