//! The state of all seats of a match, with the position in its stream that the state belongs to.

use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, SeatId};
use crate::domain::position::{Position, StreamId};
use crate::domain::queue::LineState;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::{MatchKeys, PartitionKeys};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use std::collections::HashMap;

/// A match with more taken seats is read in steps. One call reads this many seats in 3 to 4 ms, and
/// one step of a larger match occupies Redis for 0.7 ms (measured).
const SEATS_PER_CALL: usize = 4_000;
/// Seats, or entries of the stream, that one step reads.
const STEP_SIZE: u64 = 1_000;
/// The stream keeps at least 10,000 entries, so a second try is rare and a third one a sign of a
/// fault.
const TRIES_MAX: usize = 3;

/// All seats of a match that are not AVAILABLE, and the position in its changes at which this is
/// so.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub position: Position,
    pub version: u64,
    /// Seat id and state letter.
    pub taken: Vec<(SeatId, u8)>,
    /// The line of the waiting room.
    pub line: LineState,
}

impl Engine {
    /// All taken seats of a match, as they are at one position of its stream.
    pub async fn snapshot(&self, match_id: MatchId) -> Result<Snapshot, EngineError> {
        for _ in 0..TRIES_MAX {
            let keys = MatchKeys(match_id);
            let partition = PartitionKeys(match_id.partition()).partition();
            let names = vec![partition, keys.meta(), keys.seats(), keys.changes(), keys.queue()];
            let arguments = vec![SEATS_PER_CALL.to_string()];
            let reply: Vec<String> =
                self.call(match_id.partition(), &SCRIPTS.match_snapshot, names, arguments).await?;
            let whole = match reply.first().map(String::as_str) {
                Some("snapshot") => return parse(&reply).ok_or_else(|| bad("snapshot")),
                Some("large") => parse(&reply).ok_or_else(|| bad("large"))?,
                _ => return Err(EngineError::NotLoaded),
            };
            if let Some(snapshot) = self.snapshot_in_steps(match_id, whole).await? {
                return Ok(snapshot);
            }
        }
        Err(EngineError::Unavailable("the match changes faster than it can be read".to_owned()))
    }

    /// Reads the seats step by step while they change, and then the entries since, so that all
    /// seats are as they are at the last entry. `None` when entries are missing, or the partition
    /// has another epoch by now.
    async fn snapshot_in_steps(
        &self,
        id: MatchId,
        mut snapshot: Snapshot,
    ) -> Result<Option<Snapshot>, EngineError> {
        let mut taken = self.scan_seats(id).await?;
        let (client, key) = (self.match_client(id)?, MatchKeys(id).changes());
        loop {
            let after = format!("({}", snapshot.position.id);
            let entries: Vec<(String, Fields)> =
                client.xrange_values(&key, after, "+", Some(STEP_SIZE)).await?;
            let count = entries.len() as u64;
            for (id, fields) in entries {
                if follow(&mut snapshot, &mut taken, &id, &fields).is_none() {
                    return Ok(None);
                }
            }
            if count < STEP_SIZE {
                break;
            }
        }
        snapshot.taken = taken.into_iter().collect();
        let epoch = self.epoch(id.partition()).await?;
        Ok((epoch == Some(snapshot.position.epoch)).then_some(snapshot))
    }

    /// The letters of all taken seats. A seat that changes meanwhile may have any of its states.
    pub(super) async fn scan_seats(&self, id: MatchId) -> Result<HashMap<SeatId, u8>, EngineError> {
        let client = self.match_client(id)?;
        let (mut taken, mut cursor) = (HashMap::new(), "0".to_owned());
        loop {
            let scan = CustomCommand::new_static("HSCAN", ClusterHash::FirstKey, false);
            let step = STEP_SIZE.to_string();
            let arguments = vec![MatchKeys(id).seats(), cursor, "COUNT".to_owned(), step];
            let (next, page): (String, Vec<String>) = client.custom(scan, arguments).await?;
            for pair in page.chunks_exact(2) {
                let seat = pair[0].parse().map_err(|_| bad(&pair[0]))?;
                taken.insert(SeatId(seat), *pair[1].as_bytes().first().ok_or_else(|| bad("seat"))?);
            }
            if next == "0" {
                return Ok(taken);
            }
            cursor = next;
        }
    }
}

/// Both forms of the reply of `match_snapshot.lua`.
fn parse(reply: &[String]) -> Option<Snapshot> {
    let [_, epoch, id, version, taken, line] = reply else { return None };
    Some(Snapshot {
        position: Position { epoch: epoch.parse().ok()?, id: id.parse().ok()? },
        version: version.parse().ok()?,
        taken: parse_states(taken)?,
        line: LineState::parse(line)?.0,
    })
}

/// Applies an entry of the stream. `None` when it does not follow the version of the snapshot.
fn follow(
    snapshot: &mut Snapshot,
    taken: &mut HashMap<SeatId, u8>,
    id: &str,
    fields: &Fields,
) -> Option<()> {
    if let Some(line) = fields.get("q") {
        snapshot.line = LineState::parse(line)?.0;
    } else {
        let number = |name: &str| fields.get(name)?.parse::<u64>().ok();
        (number("p")? == snapshot.version).then_some(())?;
        for (seat, letter) in parse_told(fields.get("d")?)? {
            match letter {
                b'A' => taken.remove(&seat),
                letter => taken.insert(seat, letter),
            };
        }
        snapshot.version = number("v")?;
    }
    snapshot.position.id = id.parse::<StreamId>().ok()?;
    Some(())
}

/// Reads seats with their state letters, in the form of a snapshot: `101H,102O`.
pub fn parse_states(text: &str) -> Option<Vec<(SeatId, u8)>> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (id, letter) = part.split_at(part.len() - 1);
            Some((SeatId(id.parse().ok()?), letter.as_bytes()[0]))
        })
        .collect()
}

/// Reads state letters with their seats, in the form of an entry of the changes:
/// `H101,102;A103`.
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
