//! Runs the scenarios of `features/` on real servers: each scenario has a node
//! of its own, and each scenario ends with an audit of the books.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the other test binary")]
mod support;

#[allow(unreachable_pub, reason = "a test binary has no outside")]
mod steps;

use cucumber::World as _;
use steps::World;

/// Each scenario starts a Redis and a node, so a larger number would only wait for the cores.
const SCENARIOS_AT_ONCE: usize = 4;

#[tokio::main]
async fn main() {
    World::cucumber()
        .max_concurrent_scenarios(SCENARIOS_AT_ONCE)
        .fail_on_skipped()
        .after(|_, _, _, _, world| {
            Box::pin(async {
                if let Some(world) = world {
                    world.end().await;
                }
            })
        })
        .run_and_exit(concat!(env!("CARGO_MANIFEST_DIR"), "/features"))
        .await;
}
