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

/// A place in a stream that stays true across a loss: the epoch says whether the stream is still
/// the same one. A place of a later epoch comes after all places of an earlier one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub epoch: u64,
    pub id: StreamId,
}

/// A text that is not a stream id or a position.
#[derive(Debug, thiserror::Error)]
#[error("not a position: three whole numbers joined by '-' are expected")]
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
        assert!("1-9".parse::<StreamId>().unwrap() < "1-10".parse().unwrap());
    }
}
