//! The effect of a command of the model on the scripts, in the words of the model.

use grandstand::domain::claim::EndReason;
use grandstand::domain::ids::{PaymentId, ReservationId, SeatId};
use grandstand::domain::model::Reply;
use grandstand::engine::error::{EngineError, Refusal};

/// The effect of a command.
#[derive(Debug)]
pub struct Ran {
    pub reply: Reply,
    pub claim: Option<ReservationId>,
    pub payment: Option<PaymentId>,
}

impl Ran {
    pub fn word(word: &'static str) -> Self {
        Self { reply: Reply { word, seats: vec![] }, claim: None, payment: None }
    }

    pub fn made(word: &'static str, claim: ReservationId, seats: Vec<SeatId>) -> Self {
        Self { reply: Reply { word, seats }, claim: Some(claim), payment: None }
    }

    pub fn of<T>(answer: Result<T, EngineError>, done: impl FnOnce(T) -> Self) -> Self {
        let refusal = match answer {
            Ok(value) => return done(value),
            Err(EngineError::Refused(refusal)) => refusal,
            Err(error) => panic!("{error}"),
        };
        let (word, seats) = match refusal {
            Refusal::CoolDown { .. } => ("cool_down", vec![]),
            Refusal::SeatLimit => ("seat_limit", vec![]),
            Refusal::Taken(seats) => ("taken", seats),
            Refusal::NotFound(_) => ("not_found", vec![]),
            Refusal::NotYours => ("not_yours", vec![]),
            Refusal::AlreadyReserved => ("already_reserved", vec![]),
            Refusal::HoldExpired(seats) => ("expired", seats),
            Refusal::AlreadyHeld(_, seats) => ("already_held", seats),
            Refusal::ReservedByYou(_, seats) => ("reserved_by_you", seats),
            Refusal::NotPending(_) => ("not_pending", vec![]),
            Refusal::ReservationEnded(EndReason::Expired) => ("ended EXPIRED", vec![]),
            Refusal::ReservationEnded(_) => ("ended", vec![]),
            Refusal::AmountMismatch => ("amount_mismatch", vec![]),
            Refusal::PaymentFailed => ("failed", vec![]),
            Refusal::Changed => ("changed", vec![]),
            Refusal::Paying => ("paying", vec![]),
            Refusal::RefundClosed => ("refund_closed", vec![]),
            Refusal::RefundUnderWay => ("refund_under_way", vec![]),
            Refusal::NotCancellable(_) => ("not_cancellable", vec![]),
            other => panic!("{other:?}"),
        };
        Self { reply: Reply { word, seats }, claim: None, payment: None }
    }
}
