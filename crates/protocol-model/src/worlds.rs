//! The worlds that are explored. One world with all faults at once would have too many states, so
//! each world has those that meet in a promise.

use crate::model::World;
use crate::mutants::Mutant;
use crate::state::Faults;

/// Two buyers want the seat. Redis loses the last of its writes at any step, once, with a new
/// server whose clock is right or behind.
pub fn failover(mutant: Option<Mutant>) -> World {
    let faults = Faults { failovers: 1, clock_behind: true, ..Faults::default() };
    World {
        confirmations: vec![(0, 0), (1, 0)],
        workers: 1,
        reconcilers: 1,
        faults,
        mutant,
        ..World::default()
    }
}

/// As before, and a worker loses its lease at any step. It wakes at any later step, when another
/// worker has the partition.
pub fn zombie(mutant: Option<Mutant>) -> World {
    let faults = Faults { leases: 1, failovers: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 0), (1, 0)],
        workers: 2,
        reconcilers: 1,
        faults,
        mutant,
        ..World::default()
    }
}

/// A buyer pays and the gateway sends no reply, or declines. The node is killed at any step. The
/// buyer may try again after a withdrawal, and two runs of the reconciler meet.
pub fn gateway(mutant: Option<Mutant>) -> World {
    let faults = Faults { unknown: 2, declines: 1, kills: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 1), (1, 0)],
        workers: 1,
        reconcilers: 2,
        faults,
        mutant,
        ..World::default()
    }
}

/// Redis loses everything at any step, and a worker becomes a zombie.
pub fn wipe(mutant: Option<Mutant>) -> World {
    let faults = Faults { leases: 1, wipes: 1, unknown: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 1), (1, 0)],
        workers: 2,
        reconcilers: 1,
        faults,
        mutant,
        ..World::default()
    }
}

/// PostgreSQL loses the last of its commits at any step. An operator restores it from Redis.
pub fn promotion(mutant: Option<Mutant>) -> World {
    let faults = Faults { database_losses: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 1), (1, 0)],
        workers: 1,
        reconcilers: 1,
        faults,
        mutant,
        ..World::default()
    }
}

/// A buyer gives a bought seat back, and another buyer wants it. Redis loses the last of its
/// writes, and the gateway sends no reply.
pub fn refund(mutant: Option<Mutant>) -> World {
    let faults = Faults { failovers: 1, unknown: 1, kills: 1, ..Faults::default() };
    World {
        confirmations: vec![(1, 0)],
        cancellations: vec![0],
        workers: 1,
        reconcilers: 1,
        faults,
        sold: true,
        mutant,
        ..World::default()
    }
}
