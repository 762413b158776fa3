//! Servers that fail on purpose, for the tests (`tests/support`) and for the breaker
//! (`crates/chaos`): proxies, full disks, wrong clocks, disks that lose power, Redis Cluster and
//! Redis with Sentinels.
//!
//! Everything here is for tests: what can't be started or asked ends the test with a panic that
//! says why.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::missing_panics_doc, reason = "a test fails by panicking")]

pub mod clock;
pub mod cluster;
pub mod disk;
pub mod front;
pub mod machine;
pub mod memory;
pub mod power;
pub mod preload;
pub mod proxy;
pub mod sentinel;
pub mod wire;

use std::time::Duration;

/// Waits until `ask` gives something, at most 15 s.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    eventually_within(Duration::from_secs(15), what, ask).await
}

/// Waits until `ask` gives something, at most this time.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    time: Duration,
    what: &str,
    ask: impl Fn() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + time;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "this did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
