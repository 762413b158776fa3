//! Each world is explored completely: all promises hold in all of its states, and the dangerous
//! states are among them.

use grandstand_protocol_model::model::World;
use grandstand_protocol_model::state::Seen;
use grandstand_protocol_model::worlds;
use stateright::{Checker, HasDiscoveries, Model};
use std::time::Instant;

/// Explores a world, and says how large it is.
fn explore(name: &str, world: World, seen: &[Seen]) {
    let begun = Instant::now();
    let checker = world.clone().checker().threads(2);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{name}: {states} states, depth {depth}, {:.1?}", begun.elapsed());
    checker.assert_properties();
    for seen in seen {
        assert!(
            world.has_seen(*seen),
            "{name} never sees {seen:?}, so it proves less than it says"
        );
    }
}

#[test]
fn a_failover_of_redis() {
    explore(
        "failover",
        worlds::failover(None),
        &[Seen::Conflict, Seen::Loaded, Seen::Hole, Seen::Owed],
    );
}

#[test]
fn a_zombie_and_a_failover() {
    explore(
        "zombie",
        worlds::zombie(None),
        &[Seen::Fenced, Seen::Moved, Seen::Conflict, Seen::LoadedTwice],
    );
}

#[test]
fn a_gateway_without_a_reply() {
    explore(
        "gateway",
        worlds::gateway(None),
        &[Seen::Unknown, Seen::Withdrawn, Seen::Asked, Seen::Resumed],
    );
}

#[test]
fn a_wiped_redis() {
    explore("wipe", worlds::wipe(None), &[Seen::Loaded, Seen::Fenced, Seen::Moved]);
}

#[test]
fn a_promoted_standby() {
    explore("promotion", worlds::promotion(None), &[Seen::Halted, Seen::Restored]);
}

#[test]
fn a_refund() {
    explore("refund", worlds::refund(None), &[Seen::Back, Seen::Told]);
}
