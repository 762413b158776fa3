//! Seats: hold, release, block, and the state of all seats of a match.

use crate::domain::bill::Charge;
use crate::domain::fact::Fields;
use crate::domain::ids::{HoldId, MatchId, ReservationId, SeatId, UserId};
use crate::domain::orphans::Orphan;
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::command::SeatCommand;
use crate::engine::error::{EngineError, Noun, Refusal};
use crate::engine::operation::Operation;
use crate::engine::remains::Remains;
use crate::engine::reply::{Granted, bad, done, done_with, granted, owned, refusal};
use crate::redis::keys::MatchKeys;
use fred::prelude::*;

/// The hold of a reply, or the version of the match at which what a node proposed was not free.
fn held_or_none(
    reply: &str,
    user: UserId,
    id: HoldId,
) -> Result<Result<(HoldId, Granted), u64>, EngineError> {
    if let Some(version) = reply.strip_prefix("none ") {
        return Ok(Err(version.parse().map_err(|_| bad(reply))?));
    }
    let granted = granted(reply, "held", (user, Some(id.0)), Noun::Hold)?;
    Ok(Ok((HoldId(granted.claim.0), granted)))
}

impl Engine {
    /// AVAILABLE → HOLD for all the seats or none, until the hold time has passed.
    ///
    /// `charge` is what the seats cost. `orphans` are the seats that the choice could leave alone;
    /// empty where the match has no rule against that.
    ///
    /// Refusals: `ExistsDifferent`, `AlreadyHeld`, `ReservedByYou`, `NotOpen`, `PassRequired`,
    /// `CoolDown`, `OneHold`, `SeatLimit`, `Taken`, `Orphan`.
    pub async fn hold(
        &self,
        match_id: MatchId,
        user: UserId,
        seats: Vec<SeatId>,
        charge: impl Into<Charge>,
        orphans: &[Orphan],
        operation: Operation,
    ) -> Result<(HoldId, Granted), EngineError> {
        let named = seats.len();
        let held = self.hold_named(match_id, user, (seats, named), charge, orphans, operation);
        held.await?.map_err(|version| bad(&format!("none {version}")))
    }

    /// The same for seats of which only the first ones, `named`, are those that the buyer named.
    /// `Err(version)`: some of the others are not free at that version of the match. No refusal is
    /// about them.
    pub async fn hold_named(
        &self,
        match_id: MatchId,
        user: UserId,
        (seats, named): (Vec<SeatId>, usize),
        charge: impl Into<Charge>,
        orphans: &[Orphan],
        operation: Operation,
    ) -> Result<Result<(HoldId, Granted), u64>, EngineError> {
        let id = HoldId::of(match_id.partition(), user);
        let (charge, orphans) = (charge.into(), orphans.to_vec());
        let command = SeatCommand::Hold { id, user, seats, named, charge, orphans };
        let reply = self.batcher.run_once(match_id, command, operation).await?;
        held_or_none(&reply, user, id)
    }

    /// Holds the first of some choices of which all seats are free; each choice is what it costs
    /// and `count` seats. `Err(version)`: no choice is free at that version of the match.
    ///
    /// Refusals: `ExistsDifferent`, `NotOpen`, `PassRequired`, `CoolDown`, `OneHold`, `SeatLimit`.
    pub async fn hold_best(
        &self,
        match_id: MatchId,
        user: UserId,
        count: usize,
        choices: &[(impl Into<Charge> + Clone, Vec<SeatId>)],
        operation: Operation,
    ) -> Result<Result<(HoldId, Granted), u64>, EngineError> {
        let id = HoldId::of(match_id.partition(), user);
        let choices = choices.iter().map(|(charge, seats)| (charge.clone().into(), seats.clone()));
        let choices = choices.collect();
        let command = SeatCommand::HoldBest { id, user, choice_size: count, choices };
        let reply = self.batcher.run_once(match_id, command, operation).await?;
        held_or_none(&reply, user, id)
    }

    /// What an earlier hold got under the same key; `None` when no reply is kept.
    ///
    /// Refusals: `ExistsDifferent`, and those of the earlier hold.
    pub async fn held_before(
        &self,
        match_id: MatchId,
        user: UserId,
        operation: &Operation,
    ) -> Result<Option<(HoldId, Granted)>, EngineError> {
        if operation.key.is_empty() {
            return Ok(None);
        }
        let kept = self.note(match_id.partition(), operation.key.clone()).await?;
        let Some(kept) = kept else { return Ok(None) };
        let (fingerprint, reply) = kept.split_once(' ').ok_or_else(|| bad(&kept))?;
        if fingerprint != operation.fingerprint {
            return Err(Refusal::ExistsDifferent.into());
        }
        let granted = granted(reply, "held", (user, None), Noun::Hold)?;
        Ok(Some((HoldId(granted.claim.0), granted)))
    }

    /// HOLD → AVAILABLE for all seats of a hold. Releasing a hold that has ended changes nothing
    /// and is no refusal.
    ///
    /// Refusals: `NotFound`, `NotYours`, `AlreadyReserved`.
    pub async fn release(
        &self,
        match_id: MatchId,
        user: UserId,
        hold: HoldId,
    ) -> Result<(), EngineError> {
        owned(hold, match_id, user)?;
        let reply = self.batcher.run(match_id, SeatCommand::Release { hold, user }).await?;
        done(&reply, "released", Noun::Hold)
    }

    /// HOLD → AVAILABLE for one seat, whichever hold of the user has it. Its cost is subtracted
    /// from the amount of the hold: that of the bill, or else `price` in KRW. With `remains`, these
    /// seats must remain of the hold.
    ///
    /// Refusals: `NotYours`, `AlreadyReserved`, `PriceChanged` when the hold cost less, `Changed`
    /// when other seats would remain.
    pub async fn release_seat(
        &self,
        match_id: MatchId,
        user: UserId,
        seat: SeatId,
        price: i64,
        remains: Option<Remains>,
    ) -> Result<(), EngineError> {
        let command = SeatCommand::ReleaseSeat { user, seat, price, remains };
        done(&self.batcher.run(match_id, command).await?, "released", Noun::Hold)
    }

    /// AVAILABLE → BLOCKED for all the seats or none. Refusals: `Taken`, `Archived`.
    pub async fn block(&self, match_id: MatchId, seats: Vec<SeatId>) -> Result<(), EngineError> {
        let (command, operation) = (SeatCommand::Block { seats }, Operation::of_one_call());
        let reply = self.batcher.run_once(match_id, command, operation).await?;
        done_with(&reply, "blocked", Noun::Match)
    }

    /// BLOCKED → AVAILABLE for all the seats or none. Refusals: `Taken`, `Archived`.
    pub async fn unblock(&self, match_id: MatchId, seats: Vec<SeatId>) -> Result<(), EngineError> {
        let (command, operation) = (SeatCommand::Unblock { seats }, Operation::of_one_call());
        let reply = self.batcher.run_once(match_id, command, operation).await?;
        done_with(&reply, "unblocked", Noun::Match)
    }

    /// The blocked seats of a match, in order.
    pub async fn blocked(&self, match_id: MatchId) -> Result<Vec<SeatId>, EngineError> {
        let states = self.scan_seats(match_id).await?.into_iter();
        let mut blocked: Vec<SeatId> =
            states.filter(|(_, letter)| *letter == b'B').map(|(seat, _)| seat).collect();
        blocked.sort_unstable();
        Ok(blocked)
    }

    /// Frees those of some seats that still have this value in Redis although no claim names them.
    /// Returns `false` when there are none.
    pub async fn free_seats(
        &self,
        match_id: MatchId,
        value: &str,
        seats: Vec<SeatId>,
    ) -> Result<bool, EngineError> {
        let command = SeatCommand::FreeSeats { value: value.to_owned(), seats };
        match self.batcher.run(match_id, command).await?.as_str() {
            "freed" => Ok(true),
            "kept" => Ok(false),
            reply => Err(refusal(reply, Noun::Match)),
        }
    }

    /// Ends a claim whose deadline has passed, and frees its seats. Returns `false` when the
    /// deadline has not passed.
    pub async fn expire(
        &self,
        match_id: MatchId,
        user: UserId,
        claim: ReservationId,
    ) -> Result<bool, EngineError> {
        match self.batcher.run(match_id, SeatCommand::Expire { claim, user }).await?.as_str() {
            "expired" => Ok(true),
            "kept" => Ok(false),
            reply => Err(refusal(reply, Noun::Reservation)),
        }
    }

    /// Forgets how a user has held seats in a match, when that is old.
    pub async fn forget_conduct(&self, id: MatchId, user: UserId) -> Result<(), EngineError> {
        match self.batcher.run(id, SeatCommand::Forget { user }).await?.as_str() {
            "forgotten" | "kept" => Ok(()),
            reply => Err(refusal(reply, Noun::Match)),
        }
    }

    /// How many seats of a match are not AVAILABLE.
    pub async fn taken(&self, match_id: MatchId) -> Result<u32, EngineError> {
        Ok(self.match_client(match_id)?.hlen(MatchKeys(match_id).seats()).await?)
    }

    /// The last entries of the changes of a match up to an id, oldest first, at most `count`.
    pub async fn changes_before(
        &self,
        match_id: MatchId,
        id: StreamId,
        count: u64,
    ) -> Result<Vec<(StreamId, Fields)>, EngineError> {
        let (client, key) = (self.match_client(match_id)?, MatchKeys(match_id).changes());
        let last: Vec<(String, Fields)> =
            client.xrevrange_values(key, id.to_string(), "-", Some(count)).await?;
        let parsed = last.into_iter().map(|(id, fields)| Some((id.parse().ok()?, fields)));
        let mut entries: Vec<(StreamId, Fields)> = parsed.flatten().collect();
        entries.reverse();
        Ok(entries)
    }
}
