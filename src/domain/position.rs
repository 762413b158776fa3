//! Where one stands in a stream.

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

/// A place in the changes of a match that stays true across a loss: the epoch says whether the
/// stream is still the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    pub epoch: u64,
    pub id: StreamId,
}

/// A place in the map of a match, as clients get it: the `id:` of an event, and the ETag of all
/// seats. It names the plan too, because a draft may get another plan while its stream stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    pub position: Position,
    /// The mark of the plan that the map was made with (`SiteId::plan_mark`).
    pub plan: u32,
}

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
        write!(out, "{}-{}", self.position, self.plan)
    }
}

impl FromStr for EventId {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let (position, plan) = text.rsplit_once('-').ok_or(BadPosition)?;
        let plan = u32::try_from(number(plan)?).map_err(|_| BadPosition)?;
        Ok(Self { position: position.parse()?, plan })
    }
}

/// Digits only: `str::parse` alone would take a sign.
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
        let text = "3-1763812345678-7-42";
        assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
        for bad in ["3-1763812345678-7", "3-1-7-4294967296", "3-1-7-", "3-1-7-4-5"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
        assert!("1-9".parse::<StreamId>().unwrap() < "1-10".parse().unwrap());
    }
}
