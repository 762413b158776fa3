//! Positions in a stream.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The id of a stream entry: milliseconds of Redis and a sequence number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

/// A position in a stream that stays valid when Redis loses the stream: the epoch shows whether the
/// stream is still the same. A position of a later epoch comes after all positions of an earlier
/// epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub epoch: u64,
    pub id: StreamId,
}

/// A position in the map of a match, as clients get it: the `id:` of an event, and the ETag of all
/// seats. It is written as three whole numbers: the epoch, and the two of the stream id. A draft
/// may get another plan while its stream stays, so the first number also has the mark of such a
/// plan, above the bits of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    pub position: Position,
    /// The mark of the plan that the map was made with (`SiteId::plan_mark`); 0 for the first plan
    /// of the match.
    pub plan: u32,
}

/// The bits of the epoch in the first number of an event id: enough for a million rebuilds. With
/// the mark above them the number stays below 2^53, which browsers can read.
const EPOCH_BITS: u32 = 20;

/// A text that is not a stream id, a position, or the id of an event.
#[derive(Debug, thiserror::Error)]
#[error("not a position: whole numbers joined by '-' are expected")]
pub struct BadPosition;

impl fmt::Display for StreamId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for StreamId {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let (ms, seq) = text.split_once('-').ok_or(BadPosition)?;
        Ok(Self { ms: number(ms)?, seq: number(seq)? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.epoch, self.id)
    }
}

impl FromStr for Position {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let (epoch, id) = text.split_once('-').ok_or(BadPosition)?;
        Ok(Self { epoch: number(epoch)?, id: id.parse()? })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = (u64::from(self.plan) << EPOCH_BITS) | self.position.epoch;
        write!(out, "{first}-{}", self.position.id)
    }
}

impl FromStr for EventId {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let Position { epoch: first, id } = text.parse()?;
        let plan = u32::try_from(first >> EPOCH_BITS).map_err(|_| BadPosition)?;
        let epoch = first & ((1 << EPOCH_BITS) - 1);
        Ok(Self { position: Position { epoch, id }, plan })
    }
}

/// Digits only, because `str::parse` alone would accept a sign.
fn number(text: &str) -> Result<u64, BadPosition> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadPosition);
    }
    text.parse().map_err(|_| BadPosition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_what_it_writes_and_nothing_else() {
        let text = "3-1763812345678-7";
        assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        for bad in ["", "1", "1-2", "1-2-3-4", "-1-2-3", "1--2", "a-1-2", "1-+2-3"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
        let first = text.parse::<EventId>().unwrap();
        assert_eq!((first.position.epoch, first.plan, first.to_string().as_str()), (3, 0, text));
        let marked = EventId { plan: u32::MAX, ..first }.to_string();
        assert_eq!(marked, "4503599626321923-1763812345678-7");
        assert_eq!(marked.parse::<EventId>().unwrap(), EventId { plan: u32::MAX, ..first });
        for bad in ["3-1763812345678-7-4", "4503599627370496-1-7", "3-1763812345678"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
        assert!("1-9".parse::<StreamId>().unwrap() < "1-10".parse().unwrap());
    }
}
