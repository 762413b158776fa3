//! A rate limit: a name, and a bucket of tokens for each key.

use crate::api::error::{ApiError, ErrorCode};
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The clock of the limits. It never goes back.
#[derive(Debug, Clone)]
pub struct LimitClock {
    start: Instant,
    skipped_ms: Arc<AtomicU64>,
}

impl Default for LimitClock {
    fn default() -> Self {
        Self { start: Instant::now(), skipped_ms: Arc::default() }
    }
}

impl LimitClock {
    /// Moves the clock forward. Only tests do this, to play an hour in seconds.
    pub fn skip(&self, time: Duration) {
        self.skipped_ms.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Clock for LimitClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.start.elapsed() + Duration::from_millis(self.skipped_ms.load(Ordering::Relaxed))
    }
}

/// The time after which an empty bucket is full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Second,
    Minute,
}

impl Window {
    fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
        }
    }
}

/// What is left in a bucket, for the header fields `RateLimit` and `RateLimit-Policy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `"reads";q=20;w=1`.
    pub policy: Arc<str>,
    pub name: &'static str,
    pub remaining: u32,
    /// Seconds until the bucket is full again; after a refusal, until the next call is accepted.
    pub wait_seconds: u64,
}

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, LimitClock, StateInformationMiddleware>;

/// One rate limit.
pub struct Bucket<K: Hash + Eq + Clone> {
    name: &'static str,
    policy: Arc<str>,
    limiter: Limiter<K>,
    clock: LimitClock,
    count: NonZeroU32,
    window: Window,
    refusals: metrics::Counter,
}

impl<K: Hash + Eq + Clone> Bucket<K> {
    /// `count` calls at once for each key, and as many again within the window. 0 counts as 1.
    pub fn new(name: &'static str, count: u32, window: Window, clock: &LimitClock) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = match window {
            Window::Second => Quota::per_second(count),
            Window::Minute => Quota::per_minute(count),
        };
        let limiter: Limiter<K> =
            RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone());
        Self {
            name,
            policy: format!("\"{name}\";q={count};w={}", window.seconds()).into(),
            limiter,
            clock: clock.clone(),
            count,
            window,
            refusals: metrics::counter!("grandstand_rate_limited_total", "limiter" => name),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// The bucket is empty. `wait_seconds` is when it has a token again.
    pub fn take(&self, key: &K) -> Result<Standing, Standing> {
        let standing = |remaining, wait_seconds| Standing {
            policy: self.policy.clone(),
            name: self.name,
            remaining,
            wait_seconds,
        };
        match self.limiter.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let missing = u64::from(self.count.get().saturating_sub(remaining));
                let full = (missing * self.window.seconds()).div_ceil(u64::from(self.count.get()));
                Ok(standing(remaining, full))
            }
            Err(until) => {
                self.refusals.increment(1);
                let wait = until.wait_time_from(self.clock.now());
                Err(standing(0, wait.as_secs() + 1))
            }
        }
    }

    /// Drops the keys whose buckets are full again.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
    }
}

impl From<Standing> for ApiError {
    fn from(standing: Standing) -> Self {
        Self::too_many(ErrorCode::TooManyRequests, standing.wait_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_says_what_is_left_and_when_it_is_full_again() {
        let clock = LimitClock::default();
        let bucket = Bucket::new("test", 3, Window::Minute, &clock);
        let left: Vec<u32> = (0..3).map(|_| bucket.take(&1).unwrap().remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = bucket.take(&1).unwrap_err();
        assert_eq!((refused.remaining, &*refused.policy), (0, "\"test\";q=3;w=60"));
        assert!((19..=21).contains(&refused.wait_seconds), "{refused:?}");
        assert_eq!(bucket.take(&2).unwrap().remaining, 2, "each key has its own bucket");
        clock.skip(Duration::from_secs(refused.wait_seconds));
        assert_eq!(bucket.take(&1).unwrap().wait_seconds, 60);
        assert_eq!(bucket.limiter.len(), 2);
        clock.skip(Duration::from_secs(120));
        bucket.tidy();
        assert_eq!(bucket.limiter.len(), 0);
    }
}
