//! The clock that the nodes share. Tokens are stamped and checked by it, so that a node whose own
//! clock is wrong accepts the tokens of other nodes, and they accept the tokens of that node.

use crate::domain::ids::Partition;
use crate::engine::Engine;
use parking_lot::RwLock;
use std::time::{Duration, Instant};

/// How long a reading may take. A later reply says too little about when Redis read its clock.
const READ_TIMEOUT: Duration = Duration::from_millis(500);

/// The last reading of the clock of the first partition, and when it was read by the monotonic
/// clock of this process. The clock of a partition does not jump when somebody sets the clock of
/// Redis (docs/adr/0010-a-clock-per-partition.md).
#[derive(Default)]
pub struct SharedClock(RwLock<Option<(Instant, i64)>>);

impl SharedClock {
    /// Seconds since 1970. Before the first reading they are from the clock of this machine.
    pub fn now_s(&self) -> i64 {
        match *self.0.read() {
            Some((at, ms)) => (ms + at.elapsed().as_millis() as i64) / 1000,
            None => jiff::Timestamp::now().as_second(),
        }
    }

    /// Reads the clock of the first partition. Without a prompt reply the last reading stays.
    pub async fn read(&self, engine: &Engine) {
        let read = tokio::time::timeout(READ_TIMEOUT, engine.now_ms(Partition(0)));
        if let Ok(Ok(ms)) = read.await {
            *self.0.write() = Some((Instant::now(), ms));
        }
    }
}
