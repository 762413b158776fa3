//! Each world is explored completely: all promises hold in all of its states, and the dangerous
//! states are among them.

use grandstand_protocol_model::check::explore;
use grandstand_protocol_model::model::World;
use grandstand_protocol_model::mutants::Mutant;
use grandstand_protocol_model::state::Seen;
use grandstand_protocol_model::worlds;

/// Explores a world, and says how large it is.
fn keeps_all(name: &str, world: fn(Option<Mutant>) -> World, seen: &[Seen]) {
    let world = world(None);
    let explored = explore(&world);
    println!("{name}: {explored}");
    assert!(explored.broken.is_empty(), "{name} breaks a promise: {explored}");
    for seen in seen {
        assert!(
            world.has_seen(*seen),
            "{name} never sees {seen:?}, so it proves less than it says"
        );
    }
}

#[test]
fn a_failover_of_redis() {
    let seen = [Seen::Conflict, Seen::Loaded, Seen::Owed];
    keeps_all("failover", worlds::failover, &seen);
}

#[test]
fn a_failover_between_the_steps_of_a_worker() {
    let seen = [Seen::Hole, Seen::Loaded, Seen::Stale];
    keeps_all("hole", worlds::hole, &seen);
}

#[test]
fn a_zombie_and_a_failover() {
    let seen = [Seen::Fenced, Seen::Moved, Seen::Orphan];
    keeps_all("zombie", worlds::zombie, &seen);
}

#[test]
fn a_worker_that_loses_its_lease() {
    let seen = [Seen::Fenced, Seen::Moved, Seen::Resumed];
    keeps_all("takeover", worlds::takeover, &seen);
}

#[test]
fn a_gateway_without_a_reply() {
    let seen = [Seen::Unknown, Seen::Withdrawn, Seen::Asked, Seen::Resumed, Seen::Told];
    keeps_all("gateway", worlds::gateway, &seen);
}

#[test]
fn rivals_for_a_seat() {
    let seen = [Seen::Unknown, Seen::Withdrawn, Seen::SecondTriesAgain];
    keeps_all("rivals", worlds::rivals, &seen);
}

#[test]
fn a_wiped_redis() {
    let seen = [Seen::Loaded, Seen::Owed, Seen::Asked, Seen::SecondTriesAgain];
    keeps_all("wipe", worlds::wipe, &seen);
}

#[test]
fn a_load_with_a_zombie() {
    let seen = [Seen::Loaded, Seen::Fenced, Seen::Moved];
    keeps_all("load", worlds::load, &seen);
}

#[test]
fn a_promoted_standby() {
    let seen = [Seen::Halted, Seen::Restored, Seen::Moved, Seen::SecondTriesAgain];
    keeps_all("promotion", worlds::promotion, &seen);
}

#[test]
fn a_refund() {
    let seen = [Seen::Back, Seen::Unknown];
    keeps_all("refund", worlds::refund, &seen);
}

#[test]
fn a_refund_and_a_failover() {
    let seen = [Seen::Back, Seen::Loaded, Seen::Orphan];
    keeps_all("refund_failover", worlds::refund_failover, &seen);
}

#[test]
fn two_nodes_and_two_workers_and_a_failover() {
    let seen = [Seen::Conflict, Seen::Fenced, Seen::Moved, Seen::Hole, Seen::Owed, Seen::Orphan];
    keeps_all("crowded_failover", worlds::crowded_failover, &seen);
}

#[test]
fn two_nodes_and_two_workers_and_a_promotion() {
    let seen = [Seen::Halted, Seen::Restored, Seen::Moved, Seen::Fenced];
    keeps_all("crowded_promotion", worlds::crowded_promotion, &seen);
}
