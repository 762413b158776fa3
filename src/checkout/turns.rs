//! The turns of the payments of one node at the gateway. Their number is bounded, so that a crowd
//! of payments neither takes all connections of the gateway nor grows without a bound.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most payments and refunds that are under way. Each waits about a second for PostgreSQL and
/// the gateway. Fewer: a rush of buyers is refused. More: the gateway gets more calls at once.
const RUNNING_MAX: usize = 256;
/// The most that wait for their turn. More: people wait for a response that comes too late.
const WAITING_MAX: usize = 256;
/// How long one waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(3);

/// The turns of one node.
pub(super) struct Turns {
    running: Arc<Semaphore>,
    /// Places for those that run and for those that wait.
    line: Arc<Semaphore>,
}

/// A turn, which ends when it is dropped.
pub(super) struct Turn {
    _running: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(RUNNING_MAX, WAITING_MAX)
    }
}

impl Turns {
    fn new(running: usize, waiting: usize) -> Self {
        let line = Arc::new(Semaphore::new(running + waiting));
        Self { running: Arc::new(Semaphore::new(running)), line }
    }

    /// Waits for a turn. `None` at once when the line is full, and after `TURN_TIMEOUT`.
    pub(super) async fn take(&self) -> Option<Turn> {
        let place = self.line.clone().try_acquire_owned().ok()?;
        let running = tokio::time::timeout(TURN_TIMEOUT, self.running.clone().acquire_owned());
        Some(Turn { _running: running.await.ok()?.ok()?, _place: place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_and_the_line_in_front_of_them_are_bounded() {
        let turns = Arc::new(Turns::new(1, 1));
        let first = turns.take().await.unwrap();
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take().await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(turns.take().await.is_none(), "the line is full");
        drop(first);
        assert!(waiting.await.unwrap());
        let _second = turns.take().await.unwrap();
        let begun = std::time::Instant::now();
        assert!(turns.take().await.is_none(), "nobody waits for ever");
        assert!(begun.elapsed() >= TURN_TIMEOUT);
    }
}
