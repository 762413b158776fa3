//! Check-ins: each sold seat is entered once. Redis decides, and the audit trail keeps who has
//! entered, so that a load of the partition knows it.

use crate::domain::bill::Bill;
use crate::domain::check_in::CheckIn;
use crate::domain::ids::{MatchId, ReservationId, SeatId};
use crate::engine::Engine;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::{MatchKeys, PartitionKeys};

/// Somebody who has entered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// In ms of the partition.
    pub at_ms: i64,
    /// What the seats of the reservation cost.
    pub bill: Bill,
    /// Whether an earlier call under the same key did it.
    pub replayed: bool,
}

/// The value of a seat in the hash of check-ins.
pub(super) fn value(check_in: &CheckIn) -> String {
    format!("{} {}", check_in.reservation.key(), check_in.at_ms)
}

impl Engine {
    /// Checks in the holder of a seat of a reservation.
    ///
    /// Refusals: `ExistsDifferent`; `Archived`; `NotConfirmed` when the reservation does not have
    /// the seat, is not paid, or its money is on the way back; `CheckedInBefore`.
    pub async fn check_in(
        &self,
        id: MatchId,
        seat: SeatId,
        reservation: ReservationId,
        operation: &Operation,
    ) -> Result<Entered, EngineError> {
        let (of, keys) = (PartitionKeys(id.partition()), MatchKeys(id));
        let names = vec![
            keys.meta(),
            keys.seats(),
            of.claims(),
            keys.check_ins(),
            of.partition(),
            of.journal(),
        ];
        let names = [names, of.operations().to_vec()].concat();
        let trail = operation.trail_text()?;
        let mut arguments = vec![id.key(), seat.to_string(), reservation.key(), trail];
        arguments.extend([operation.key.clone(), operation.fingerprint.clone()]);
        let reply: Vec<String> =
            self.call(id.partition(), &SCRIPTS.check_in, names, arguments).await?;
        let time = |text: &str| text.parse::<i64>().map_err(|_| bad(&reply.join(" ")));
        match reply.as_slice() {
            [word, at, bill] if word.starts_with("checked_in") => {
                let bill = Bill::parse(bill).ok_or_else(|| bad(&reply.join(" ")))?;
                Ok(Entered { at_ms: time(at)?, bill, replayed: word == "checked_in_before" })
            }
            [word, at] if word == "again" => {
                Err(Refusal::CheckedInBefore { at_ms: time(at)? }.into())
            }
            [word] if word == "exists_different" => Err(Refusal::ExistsDifferent.into()),
            [word] if word == "not_sold" => Err(Refusal::NotConfirmed.into()),
            [word] if word == "archived" => Err(Refusal::Archived.into()),
            [word] if word == "not_loaded" => Err(EngineError::NotLoaded),
            _ => Err(bad(&reply.join(" "))),
        }
    }
}
