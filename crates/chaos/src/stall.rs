//! How long the breaker itself stood still. Its proxies stand still with it, and so a machine that
//! is too busy looks like many faults at once.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Measures until it is dropped.
pub(crate) struct Stalls {
    longest: Arc<Mutex<Duration>>,
    _task: AbortOnDropHandle<()>,
}

impl Stalls {
    pub(crate) fn measure() -> Self {
        let longest = Arc::new(Mutex::new(Duration::ZERO));
        let noted = longest.clone();
        let task = tokio::spawn(async move {
            loop {
                let begun = Instant::now();
                sleep(LOOK_INTERVAL).await;
                let stood = begun.elapsed().saturating_sub(LOOK_INTERVAL);
                let mut longest = noted.lock();
                *longest = stood.max(*longest);
            }
        });
        Self { longest, _task: AbortOnDropHandle::new(task) }
    }

    /// The longest time since the beginning for which nothing was done.
    pub(crate) fn longest(&self) -> Duration {
        *self.longest.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_runtime_that_stands_still_is_noticed() {
        let stalls = Stalls::measure();
        sleep(LOOK_INTERVAL / 2).await;
        std::thread::sleep(LOOK_INTERVAL * 5);
        sleep(LOOK_INTERVAL).await;
        assert!(stalls.longest() > LOOK_INTERVAL * 3, "{:?}", stalls.longest());
    }
}
