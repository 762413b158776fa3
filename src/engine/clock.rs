//! The clock of a partition. It decides every deadline, and runs evenly when TIME of Redis jumps
//! (docs/adr/0010-a-clock-per-partition.md).

use crate::domain::ids::Partition;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::PartitionKeys;

/// What the clock of a partition shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The time of the partition, in ms since 1970.
    pub now_ms: i64,
    /// The time at its last tick, in ms; 0 before the first one.
    pub ticked_ms: i64,
    /// Whether TIME can have run evenly since that tick, and the clock does not stand.
    pub sound: bool,
}

/// What has become of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// The clock has moved on, to this time in ms. After a jump the time that is shown may be
    /// later, until the clock has caught up with it.
    Ticked(i64),
    /// TIME is this many ms ahead of the expected time (behind it when negative). Nothing has
    /// changed.
    Jumped(i64),
    /// The partition is not loaded, or another worker has its lease: nothing has changed.
    Refused,
}

impl Engine {
    /// The time of a partition in milliseconds since 1970: the clock of all its deadlines.
    pub async fn now_ms(&self, partition: Partition) -> Result<i64, EngineError> {
        Ok(self.read_clock(partition).await?.now_ms)
    }

    /// Reads the clock of a partition.
    pub async fn read_clock(&self, partition: Partition) -> Result<ClockReading, EngineError> {
        let names = vec![PartitionKeys(partition).partition()];
        let nothing = Vec::<String>::new();
        let (now_ms, ticked_ms, sound): (i64, i64, i64) =
            self.call(partition, &SCRIPTS.clock_read, names, nothing).await?;
        Ok(ClockReading { now_ms, ticked_ms, sound: sound == 1 })
    }

    /// Moves the clock of a partition on, for the owner of the lease with this token. `expected` is
    /// the time of the partition by the worker's own clock in ms, if the worker knows it.
    /// `correction` in ms is added to TIME because of a jump. A difference up to `tolerance_ms` is
    /// no jump.
    pub async fn tick_clock(
        &self,
        partition: Partition,
        token: &str,
        expected: Option<i64>,
        correction: i64,
        tolerance_ms: i64,
    ) -> Result<Tick, EngineError> {
        let keys = PartitionKeys(partition);
        let numbers = [expected.unwrap_or_default(), correction, tolerance_ms];
        let mut arguments = vec![token.to_owned()];
        arguments.extend(numbers.iter().map(i64::to_string));
        let names = vec![keys.partition(), keys.lease()];
        let (word, ms): (String, i64) =
            self.call(partition, &SCRIPTS.clock_tick, names, arguments).await?;
        match word.as_str() {
            "ticked" => Ok(Tick::Ticked(ms)),
            "jumped" => Ok(Tick::Jumped(ms)),
            "not_loaded" | "other" => Ok(Tick::Refused),
            _ => Err(bad(&word)),
        }
    }
}
