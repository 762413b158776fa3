//! The line in front of the hashes of passwords. A hash costs about 20 ms of a processor and 19
//! MiB, so only a few run at once, and only a few wait.

use crate::api::error::{ApiError, ErrorCode};
use metrics::Gauge;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The most log-ins and sign-ups that wait for each hash that runs: about 1.5 seconds of work.
/// More: people wait for a response that they no longer want. Fewer: a short crowd is refused.
const WAITING_MAX: usize = 64;

/// The hashes of one node.
pub(super) struct Hashing {
    running: Arc<Semaphore>,
    /// Places for those that run and for those that wait.
    line: Arc<Semaphore>,
}

/// A hash that runs, or waits for its turn; its drop ends that.
struct Counted(Gauge);

impl Counted {
    fn begin(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Hashing {
    /// At most so many hashes at once.
    pub(super) fn new(at_once: usize) -> Self {
        let line = Arc::new(Semaphore::new(at_once * (1 + WAITING_MAX)));
        Self { running: Arc::new(Semaphore::new(at_once)), line }
    }

    /// Runs a hash on a thread of its own when its turn comes. `Overloaded` at once when the line
    /// is full.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        hash: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.line.clone().try_acquire_owned().map_err(|_| {
            metrics::counter!("grandstand_hashes_refused_total").increment(1);
            ErrorCode::Overloaded
        })?;
        let waiting = Counted::begin(metrics::gauge!("grandstand_hashes_waiting"));
        let turn = self.running.clone().acquire_owned().await.map_err(ApiError::internal)?;
        drop(waiting);
        let run = move || {
            // A caller that hangs up does not stop the hash, so the hash keeps its place to the
            // end. Otherwise callers that hang up at once would fill the memory with hashes.
            let running = Counted::begin(metrics::gauge!("grandstand_hashes_running"));
            let _held = (running, turn, place);
            hash()
        };
        tokio::task::spawn_blocking(run).await.map_err(ApiError::internal)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use futures::poll;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_full_line_refuses_at_once() {
        let hashing = Hashing::new(1);
        let (end, ended) = mpsc::channel::<()>();
        let mut first = pin!(hashing.run(move || Ok(ended.recv().is_ok())));
        assert!(poll!(first.as_mut()).is_pending());
        let mut waiting: Vec<_> =
            (0..WAITING_MAX).map(|number| Box::pin(hashing.run(move || Ok(number)))).collect();
        for hash in &mut waiting {
            assert!(poll!(hash).is_pending());
        }
        assert!(hashing.run(|| Ok(())).await.is_err(), "the line is longer than it should be");
        end.send(()).unwrap();
        assert!(first.await.unwrap());
        let done: Vec<_> = join_all(waiting).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(done, (0..WAITING_MAX).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_caller_that_hangs_up_frees_nothing_before_the_end_of_its_hash() {
        let hashing = Hashing::new(2);
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(parking_lot::Mutex::new(ended));
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let (ended, begun) = (ended.clone(), begun.clone());
            let hash = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                Ok(ended.lock().recv().is_ok())
            };
            // It is dropped after its first step.
            assert!(poll!(pin!(hashing.run(hash))).is_pending());
        }
        assert_eq!(hashing.running.available_permits(), 0);
        for _ in 0..2 {
            end.send(()).unwrap();
        }
        // Both turns come back, and no other hash has begun.
        let _turns = hashing.running.acquire_many(2).await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }
}
