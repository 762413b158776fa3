//! Seats: hold, release, block, and the state of all seats of a match.

use crate::domain::best::Orphan;
use crate::domain::claim::{Claim, parse_seats};
use crate::domain::fact::Fields;
use crate::domain::ids::{HoldId, HoldOwner, MatchId, ReservationId, SeatId, UserId};
use crate::domain::position::{Position, StreamId};
use crate::engine::Engine;
use crate::engine::batch::{Command, Operation};
use crate::engine::error::{EngineError, NotPending, Refusal};
use crate::redis::keys::MatchKeys;
use fred::prelude::*;

/// Seats that a claim has: a hold or a reservation as the script answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Of a hold too; the first answer of an Idempotency-Key may name another one.
    pub claim: ReservationId,
    /// Milliseconds of Redis.
    pub deadline: i64,
    pub version: u64,
    /// In KRW.
    pub amount: i64,
    pub seats: Vec<SeatId>,
}

/// All seats of a match that are not AVAILABLE, and where they stand so.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub position: Position,
    pub version: u64,
    /// Seat id and state letter.
    pub taken: Vec<(SeatId, u8)>,
    /// The number up to which people were let in from the queue.
    pub serving: u64,
    /// People in the queue.
    pub waiting: u64,
}

impl Engine {
    /// AVAILABLE → HOLD for all the seats or none, until the hold time has passed.
    ///
    /// `orphans` names the seats that the choice could leave alone; empty where the match has no
    /// rule against that.
    ///
    /// Refusals: `ExistsDifferent`, `AlreadyHeld`, `ReservedByYou`, `NotOpen`, `PassRequired`,
    /// `SeatLimit`, `Taken`, `Orphan`.
    pub async fn hold(
        &self,
        match_id: MatchId,
        user: UserId,
        seats: Vec<SeatId>,
        amount: i64,
        orphans: &[Orphan],
        operation: Operation,
    ) -> Result<(HoldId, Granted), EngineError> {
        let id = HoldId::of(match_id.partition(), user);
        let mut command = Command::new("hold", match_id, id.key());
        command.user = user.key();
        command.first = amount.to_string();
        command.seats = seats;
        command.second = orphan_text(orphans);
        command.operation = operation;
        let line = self.batcher.run(command).await?;
        let granted = granted(&line, "held", user)?;
        Ok((HoldId(granted.claim.0), granted))
    }

    /// Holds the first of some choices that is still whole; each choice is an amount in KRW and
    /// `count` seats. `Err(version)`: none of them is, as Redis stands
    /// at that version of the match.
    ///
    /// Refusals: `ExistsDifferent`, `NotOpen`, `PassRequired`, `SeatLimit`.
    pub async fn hold_best(
        &self,
        match_id: MatchId,
        user: UserId,
        count: usize,
        choices: &[(i64, Vec<SeatId>)],
        operation: Operation,
    ) -> Result<Result<(HoldId, Granted), u64>, EngineError> {
        let id = HoldId::of(match_id.partition(), user);
        let mut command = Command::new("best", match_id, id.key());
        command.user = user.key();
        let amounts: Vec<String> = choices.iter().map(|(amount, _)| amount.to_string()).collect();
        command.first = amounts.join(",");
        command.second = count.to_string();
        command.seats = choices.iter().flat_map(|(_, seats)| seats.iter().copied()).collect();
        command.operation = operation;
        let line = self.batcher.run(command).await?;
        if let Some(version) = line.strip_prefix("none ") {
            return Ok(Err(version.parse().map_err(|_| bad(&line))?));
        }
        let granted = granted(&line, "held", user)?;
        Ok(Ok((HoldId(granted.claim.0), granted)))
    }

    /// HOLD → AVAILABLE for all seats of a hold; one that is over already is given back as well.
    ///
    /// Refusals: `NotFound`, `NotYours`, `AlreadyReserved`.
    pub async fn release(
        &self,
        match_id: MatchId,
        user: UserId,
        hold: HoldId,
    ) -> Result<(), EngineError> {
        owned(hold, match_id, user)?;
        let mut command = Command::new("release", match_id, hold.key());
        command.user = user.key();
        done(&self.batcher.run(command).await?, "released")
    }

    /// HOLD → AVAILABLE for one seat of whichever hold of the user has it; `price` in KRW leaves
    /// the amount of the hold.
    ///
    /// Refusals: `NotYours`, `AlreadyReserved`, `PriceChanged` when the hold cost less.
    pub async fn release_seat(
        &self,
        match_id: MatchId,
        user: UserId,
        seat: SeatId,
        price: i64,
    ) -> Result<(), EngineError> {
        let mut command = Command::new("release", match_id, String::new());
        command.user = user.key();
        command.first = price.to_string();
        command.seats = vec![seat];
        done(&self.batcher.run(command).await?, "released")
    }

    /// AVAILABLE → BLOCKED for all the seats or none. Refusals: `Taken`, `Archived`.
    pub async fn block(&self, match_id: MatchId, seats: Vec<SeatId>) -> Result<(), EngineError> {
        let mut command = Command::new("block", match_id, String::new());
        command.seats = seats;
        changed(&self.batcher.run(command).await?, "blocked ")
    }

    /// BLOCKED → AVAILABLE for all the seats or none. Refusals: `Taken`, `Archived`.
    pub async fn unblock(&self, match_id: MatchId, seats: Vec<SeatId>) -> Result<(), EngineError> {
        let mut command = Command::new("unblock", match_id, String::new());
        command.seats = seats;
        changed(&self.batcher.run(command).await?, "unblocked ")
    }

    /// Frees those of some seats that still have this value, though no claim of the user in it
    /// names them. `false` when there are none.
    pub async fn free_seats(
        &self,
        match_id: MatchId,
        value: &str,
        seats: Vec<SeatId>,
    ) -> Result<bool, EngineError> {
        let mut command = Command::new("free", match_id, String::new());
        command.user = value[1..].to_owned();
        command.first = value.to_owned();
        command.seats = seats;
        match self.batcher.run(command).await?.as_str() {
            "freed" => Ok(true),
            "kept" => Ok(false),
            line => Err(refusal(line)),
        }
    }

    /// Frees the seats of a claim whose deadline has passed; one that is in time stays.
    pub async fn expire(
        &self,
        match_id: MatchId,
        user: UserId,
        claim: ReservationId,
    ) -> Result<bool, EngineError> {
        let mut command = Command::new("expire", match_id, claim.key());
        command.user = user.key();
        let line = self.batcher.run(command).await?;
        match line.as_str() {
            "expired" => Ok(true),
            "kept" => Ok(false),
            _ => Err(refusal(&line)),
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

/// Seats with their state letter, `101H,102O`, as snapshots carry them.
pub fn parse_states(text: &str) -> Option<Vec<(SeatId, u8)>> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (id, letter) = part.split_at(part.len() - 1);
            Some((SeatId(id.parse().ok()?), letter.as_bytes()[0]))
        })
        .collect()
}

/// State letters with the seats that are so now, as a stream entry tells them: `H101,102;A103`.
pub fn parse_told(text: &str) -> Option<Vec<(SeatId, u8)>> {
    let mut told = Vec::with_capacity(text.len() / 6);
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (letter, seats) = part.split_at_checked(1)?;
        for seat in seats.split(',') {
            told.push((SeatId(seat.parse().ok()?), letter.as_bytes()[0]));
        }
    }
    Some(told)
}

/// Whether a hold can be this user's in this match.
pub(super) fn owned(hold: HoldId, match_id: MatchId, user: UserId) -> Result<(), EngineError> {
    match hold.owner(user) {
        HoldOwner::User if hold.partition() != match_id.partition() => {
            Err(Refusal::NotFound.into())
        }
        HoldOwner::User => Ok(()),
        HoldOwner::Another => Err(Refusal::NotYours.into()),
        HoldOwner::Nobody => Err(Refusal::NotFound.into()),
    }
}

/// As `lua/seat/hold.lua` reads it: `302:301:304+305`.
fn orphan_text(orphans: &[Orphan]) -> String {
    let one = |Orphan { seat, near, beyond }: &Orphan| {
        let near = near.map_or_else(|| "-".to_owned(), |near| near.to_string());
        let beyond: Vec<String> = beyond.iter().map(ToString::to_string).collect();
        format!("{seat}:{near}:{}", beyond.join("+"))
    };
    orphans.iter().map(one).collect::<Vec<String>>().join(",")
}

pub(super) fn granted(line: &str, word: &str, user: UserId) -> Result<Granted, EngineError> {
    let Some(record) = line.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')) else {
        return Err(refusal(line));
    };
    let Claim { id, deadline, version, amount, seats, .. } =
        Claim::parse(user, record).ok_or_else(|| bad(line))?;
    Ok(Granted { claim: id, deadline, version, amount, seats })
}

fn changed(line: &str, word: &str) -> Result<(), EngineError> {
    if line.starts_with(word) { Ok(()) } else { Err(refusal(line)) }
}

pub(super) fn done(line: &str, word: &str) -> Result<(), EngineError> {
    if line == word { Ok(()) } else { Err(refusal(line)) }
}

pub(super) fn bad(line: &str) -> EngineError {
    EngineError::BadReply(line.to_owned())
}

/// A claim and some of its seats.
fn claimed(text: &str) -> Option<(ReservationId, Vec<SeatId>)> {
    let (id, seats) = text.split_once(' ')?;
    Some((ReservationId::from_key(id)?, parse_seats(seats)?))
}

/// The refusals of `seat_batch.lua`.
pub(super) fn refusal(line: &str) -> EngineError {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let seats = || parse_seats(rest).unwrap_or_default();
    let refusal = match word {
        "not_loaded" => return EngineError::NotLoaded,
        "exists_different" => Refusal::ExistsDifferent,
        "not_open" => Refusal::NotOpen { ended: rest != "DRAFT" },
        "archived" => Refusal::Archived,
        "pass_required" => Refusal::PassRequired,
        "seat_limit" => Refusal::SeatLimit,
        "taken" => Refusal::Taken(seats()),
        "orphan" => Refusal::Orphan(seats()),
        "not_found" => Refusal::NotFound,
        "not_yours" => Refusal::NotYours,
        "already_held" => match claimed(rest) {
            Some((id, seats)) => Refusal::AlreadyHeld(HoldId(id.0), seats),
            None => return bad(line),
        },
        "already_reserved" => match claimed(rest) {
            Some((id, seats)) => Refusal::ReservedByYou(id, seats),
            None => Refusal::AlreadyReserved,
        },
        "expired" => Refusal::HoldExpired(seats()),
        "not_pending" => Refusal::NotPending(match rest {
            "Y" => NotPending::Paying,
            "C" => NotPending::Paid,
            "R" => NotPending::Refunding,
            _ => NotPending::Replaced,
        }),
        "ended" => Refusal::ReservationEnded(rest.to_owned()),
        "amount_mismatch" => Refusal::AmountMismatch,
        "price_changed" => Refusal::PriceChanged,
        "failed" => Refusal::PaymentFailed,
        "halted" => Refusal::PaymentsHalted,
        "paying" => Refusal::Paying,
        "not_cancellable" => match rest {
            "REFUNDING" => Refusal::RefundUnderWay,
            "AMOUNT" => Refusal::PriceChanged,
            reason => Refusal::NotCancellable(reason.to_owned()),
        },
        _ => return bad(line),
    };
    refusal.into()
}
