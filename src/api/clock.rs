//! The clock that the nodes share: tokens are stamped and judged by it, so that a node whose own
//! clock is wrong takes the tokens of the others and they take its.

use crate::domain::ids::Partition;
use crate::engine::Engine;
use parking_lot::RwLock;
use std::time::{Duration, Instant};

/// An answer that took longer says too little about when Redis gave it.
const PROMPT: Duration = Duration::from_millis(500);

/// The clock of the first partition as it was last read, which goes on by the monotonic clock of
/// this process. That clock does not jump when somebody sets that of Redis
/// (docs/adr/0010-a-clock-per-partition.md).
#[derive(Default)]
pub struct SharedClock(RwLock<Option<(Instant, i64)>>);

impl SharedClock {
    /// Seconds since 1970. Before the first reading it is the clock of this machine.
    pub fn now_s(&self) -> i64 {
        match *self.0.read() {
            Some((at, ms)) => (ms + at.elapsed().as_millis() as i64) / 1000,
            None => jiff::Timestamp::now().as_second(),
        }
    }

    /// Reads the clock of the first partition; without a prompt answer this one goes on by itself.
    pub async fn read(&self, engine: &Engine) {
        let read = tokio::time::timeout(PROMPT, engine.now_ms(Partition(0)));
        if let Ok(Ok(ms)) = read.await {
            *self.0.write() = Some((Instant::now(), ms));
        }
    }
}
