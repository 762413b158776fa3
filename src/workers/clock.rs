//! Ticks the clocks of partitions by the monotonic clock of this process, which does not jump when
//! that of Redis does (docs/adr/0010-a-clock-per-partition.md).

use crate::domain::ids::Partition;
use crate::engine::clock::Tick;
use crate::engine::error::EngineError;
use crate::engine::leases::Lease;
use crate::workers::Workers;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A difference up to this is no jump. A command may reach Redis this late, because it counts as
/// lost after a second; less would take a slow Redis for a clock that jumps.
const TOLERANCE_MS: i64 = 2000;
/// An answer that took longer says too little about when Redis gave it.
const PROMPT: Duration = Duration::from_millis(250);

/// What this process has last seen of the clocks of the partitions.
#[derive(Debug, Default)]
pub struct Clocks(Mutex<HashMap<Partition, Seen>>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    now_ms: i64,
    ticked_ms: i64,
}

impl Clocks {
    /// Whether this process has a reading of its own of the clock of a partition: only then can it
    /// tell a jump from an outage.
    pub fn knows(&self, partition: Partition) -> bool {
        self.get(partition).is_some()
    }

    fn get(&self, partition: Partition) -> Option<Seen> {
        self.0.lock().get(&partition).copied()
    }

    /// The time that a partition has by now, by our own clock.
    fn expected(&self, partition: Partition) -> Option<i64> {
        self.get(partition).map(|seen| seen.now_ms + seen.at.elapsed().as_millis() as i64)
    }

    fn see(&self, partition: Partition, asked: Instant, now_ms: i64, ticked_ms: i64) {
        if asked.elapsed() < PROMPT {
            let seen = Seen { at: Instant::now(), now_ms, ticked_ms };
            self.0.lock().insert(partition, seen);
        }
    }
}

impl Workers {
    /// Moves the clock of a partition on. When TIME has jumped since the last tick, the clock goes
    /// on as if it had not.
    pub async fn tick_once(&self, lease: &Lease) -> Result<(), EngineError> {
        let partition = lease.partition;
        let asked = Instant::now();
        let Tick::Jumped(ahead_ms) = self.tick(lease, 0).await? else { return Ok(()) };
        // A late answer may be one to a late question: the next tick will tell.
        if asked.elapsed() < PROMPT
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
        let tick =
            self.engine.tick_clock(partition, lease.token(), expected, correction, TOLERANCE_MS);
        let tick = tick.await?;
        if let Tick::Ticked(now_ms) = tick {
            self.clocks.see(partition, asked, now_ms, now_ms);
        }
        Ok(tick)
    }

    /// Looks at the clock of a partition that another worker ticks. So this one knows, when it
    /// takes over, how late it is there even if TIME jumps in between.
    pub async fn watch_once(&self, partition: Partition) -> Result<(), EngineError> {
        let asked = Instant::now();
        let found = self.engine.read_clock(partition).await?;
        // What nobody has ticked since may have jumped: what was seen before it is worth more.
        let known =
            self.clocks.get(partition).is_some_and(|seen| seen.ticked_ms == found.ticked_ms);
        if found.sound && !known {
            self.clocks.see(partition, asked, found.now_ms, found.ticked_ms);
        }
        Ok(())
    }
}
