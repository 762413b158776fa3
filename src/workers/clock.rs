//! Ticks the clocks of partitions. The monotonic clock of this process tells when the clock of
//! Redis has jumped (docs/adr/0010-a-clock-per-partition.md).

use crate::domain::ids::Partition;
use crate::engine::clock::Tick;
use crate::engine::error::EngineError;
use crate::engine::leases::Lease;
use crate::workers::Workers;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A smaller difference is not a jump. A command may reach Redis late, and counts as lost only
/// after a second, so a smaller tolerance would take a slow Redis for a clock that has jumped. A
/// greater one lets deadlines be wrong by more.
const JUMP_TOLERANCE_MS: i64 = 2000;
/// A reply that took longer is not used, because nobody knows when Redis read its clock.
const PROMPT_REPLY_TIMEOUT: Duration = Duration::from_millis(250);

/// The last readings that this process has of the clocks of the partitions.
#[derive(Debug, Default)]
pub struct Clocks(Mutex<HashMap<Partition, Reading>>);

#[derive(Debug, Clone, Copy)]
struct Reading {
    /// When this process read the clock.
    at: Instant,
    now_ms: i64,
    ticked_ms: i64,
}

impl Clocks {
    /// Whether this process has read the clock of a partition itself. Only then can it tell a jump
    /// from an outage.
    pub fn knows(&self, partition: Partition) -> bool {
        self.get(partition).is_some()
    }

    fn get(&self, partition: Partition) -> Option<Reading> {
        self.0.lock().get(&partition).copied()
    }

    /// The time that a partition should have now, by the clock of this process.
    pub(super) fn expected(&self, partition: Partition) -> Option<i64> {
        self.get(partition).map(|reading| reading.now_ms + reading.at.elapsed().as_millis() as i64)
    }

    fn see(&self, partition: Partition, asked: Instant, now_ms: i64, ticked_ms: i64) {
        if asked.elapsed() < PROMPT_REPLY_TIMEOUT {
            let reading = Reading { at: Instant::now(), now_ms, ticked_ms };
            self.0.lock().insert(partition, reading);
        }
    }
}

impl Workers {
    /// Moves the clock of a partition forward. When TIME of Redis has jumped since the last tick,
    /// the jump is taken out.
    pub async fn tick_once(&self, lease: &Lease) -> Result<(), EngineError> {
        let partition = lease.partition;
        let asked = Instant::now();
        let Tick::Jumped(ahead_ms) = self.tick(lease, 0).await? else { return Ok(()) };
        // After a late reply the jump may only be a late command: the next tick decides.
        if asked.elapsed() < PROMPT_REPLY_TIMEOUT
            && let Tick::Ticked(_) = self.tick(lease, -ahead_ms).await?
        {
            tracing::warn!(%partition, ahead_ms, "the clock of Redis has jumped: deadlines stay");
            metrics::counter!("grandstand_clock_jumps_total").increment(1);
        }
        Ok(())
    }

    async fn tick(&self, lease: &Lease, correction: i64) -> Result<Tick, EngineError> {
        let partition = lease.partition;
        let (asked, expected) = (Instant::now(), self.clocks.expected(partition));
        let tick = self.engine.tick_clock(
            partition,
            lease.token(),
            expected,
            correction,
            JUMP_TOLERANCE_MS,
        );
        let tick = tick.await?;
        if let Tick::Ticked(now_ms) = tick {
            self.clocks.see(partition, asked, now_ms, now_ms);
        }
        Ok(tick)
    }

    /// Reads the clock of a partition that another worker ticks. So this worker knows the time of
    /// the partition when it takes over, even if TIME jumps in between.
    pub async fn watch_once(&self, partition: Partition) -> Result<(), EngineError> {
        let asked = Instant::now();
        let found = self.engine.read_clock(partition).await?;
        // A clock that nobody has ticked since the last reading may have jumped: the earlier
        // reading is better.
        let known =
            self.clocks.get(partition).is_some_and(|reading| reading.ticked_ms == found.ticked_ms);
        if found.sound && !known {
            self.clocks.see(partition, asked, found.now_ms, found.ticked_ms);
        }
        Ok(())
    }
}
