//! The worlds that are explored. One world with all faults at once would have too many states, so
//! each world has those that meet in a promise.

use crate::model::World;
use crate::mutants::Mutant;
use crate::state::Faults;

/// Two buyers want the seat. Redis loses the last of its writes at any step, once. The clock of
/// the new server is right, or behind.
pub fn failover(mutant: Option<Mutant>) -> World {
    let faults = Faults { failovers: 1, clock_behind: true, ..Faults::default() };
    World {
        confirmations: vec![(0, 0), (1, 0)],
        cancellations: vec![],
        workers: 1,
        quick_workers: true,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// A buyer pays. Redis loses the last of its writes between any two steps of the worker. The
/// clock of the new server is right, or behind.
pub fn hole(mutant: Option<Mutant>) -> World {
    let faults = Faults { failovers: 1, clock_behind: true, ..Faults::default() };
    World {
        confirmations: vec![(0, 0)],
        cancellations: vec![],
        workers: 1,
        quick_workers: false,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// The buyer may try again. The server of a failover does not know the lease of the first worker,
/// so another takes the partition, and the first one wakes at any later step.
pub fn zombie(mutant: Option<Mutant>) -> World {
    let faults = Faults { failovers: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 1)],
        cancellations: vec![],
        workers: 2,
        quick_workers: false,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// Two buyers, and a worker loses its lease at any step, while all servers are well.
pub fn takeover(mutant: Option<Mutant>) -> World {
    let faults = Faults { leases: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 0), (1, 0)],
        cancellations: vec![],
        workers: 2,
        quick_workers: false,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// The gateway sends no reply, or declines. The node is killed at any step. Two runs of the
/// reconciler meet the call.
pub fn gateway(mutant: Option<Mutant>) -> World {
    let faults = Faults { unknown: 1, declines: 1, kills: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 1)],
        cancellations: vec![],
        workers: 1,
        quick_workers: true,
        reconcilers: 2,
        quick_reconcilers: false,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// Two buyers want the seat, and the gateway sends no reply.
pub fn rivals(mutant: Option<Mutant>) -> World {
    let faults = Faults { unknown: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 1), (1, 0)],
        cancellations: vec![],
        workers: 1,
        quick_workers: true,
        reconcilers: 1,
        quick_reconcilers: false,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// Redis loses everything at any step.
pub fn wipe(mutant: Option<Mutant>) -> World {
    let faults = Faults { wipes: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 1), (1, 0)],
        cancellations: vec![],
        workers: 1,
        quick_workers: true,
        reconcilers: 1,
        quick_reconcilers: false,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// The same between any two steps of a load, with a worker that loses its lease and wakes later.
pub fn load(mutant: Option<Mutant>) -> World {
    let faults = Faults { leases: 1, wipes: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 0)],
        cancellations: vec![],
        workers: 2,
        quick_workers: false,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// PostgreSQL loses the last of its commits at any step. An operator restores it from Redis.
pub fn promotion(mutant: Option<Mutant>) -> World {
    let faults = Faults { database_losses: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 1), (1, 0)],
        cancellations: vec![],
        workers: 1,
        quick_workers: false,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// A buyer gives a bought seat back, and another wants it. The gateway sends no reply, and a node
/// is killed.
pub fn refund(mutant: Option<Mutant>) -> World {
    let faults = Faults { unknown: 1, kills: 1, ..Faults::default() };
    World {
        confirmations: vec![(1, 0)],
        cancellations: vec![0],
        workers: 1,
        quick_workers: true,
        reconcilers: 1,
        quick_reconcilers: false,
        faults,
        sold: true,
        mutant,
        ..World::default()
    }
}

/// The same, and Redis loses the last of its writes.
pub fn refund_failover(mutant: Option<Mutant>) -> World {
    let faults = Faults { failovers: 1, ..Faults::default() };
    World {
        confirmations: vec![(1, 0)],
        cancellations: vec![0],
        workers: 1,
        quick_workers: true,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        sold: true,
        mutant,
        ..World::default()
    }
}

/// Two buyers, two workers, each step of them, and Redis loses the last of its writes: the worlds
/// `failover`, `zombie` and `takeover` at once.
pub fn crowded_failover(mutant: Option<Mutant>) -> World {
    let faults = Faults { failovers: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 0), (1, 0)],
        cancellations: vec![],
        workers: 2,
        quick_workers: false,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        may_lose_seat: true,
        sold: false,
        mutant,
        ..World::default()
    }
}

/// Two buyers, two workers, each step of them, and PostgreSQL loses the last of its commits.
pub fn crowded_promotion(mutant: Option<Mutant>) -> World {
    let faults = Faults { database_losses: 1, leases: 1, ..Faults::default() };
    World {
        confirmations: vec![(0, 0), (1, 0)],
        cancellations: vec![],
        workers: 2,
        quick_workers: false,
        reconcilers: 1,
        quick_reconcilers: true,
        faults,
        sold: false,
        mutant,
        ..World::default()
    }
}
