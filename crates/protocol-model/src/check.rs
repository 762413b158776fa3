//! Explores a world, in here and not in the tests, so that the checker is compiled once.

use crate::model::{Action, World};
use stateright::{Checker, HasDiscoveries, Model};
use std::fmt::{Display, Formatter};
use std::time::{Duration, Instant};

/// Threads that explore: the cores of a small machine.
const THREADS: usize = 2;

/// What an exploration has found.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    /// The length of the longest way that was followed, in actions.
    pub depth: usize,
    pub took: Duration,
    /// The broken promises, each with a way to a state that breaks it. Without any, all states were
    /// visited.
    pub broken: Vec<(&'static str, Vec<Action>)>,
}

/// Visits all states of a world, or ends at the first that breaks a promise.
pub fn explore(world: &World) -> Explored {
    until(world, HasDiscoveries::AnyFailures)
}

/// Visits all states of a world, or ends at the first that breaks this promise.
pub fn explore_for(world: &World, promise: &'static str) -> Explored {
    until(world, HasDiscoveries::AnyOf([promise].into()))
}

fn until(world: &World, end: HasDiscoveries) -> Explored {
    let begun = Instant::now();
    let checker = world.clone().checker().threads(THREADS);
    let checker = checker.finish_when(end).spawn_bfs().join();
    let found = checker.discoveries().into_iter();
    Explored {
        states: checker.unique_state_count(),
        depth: checker.max_depth().saturating_sub(1),
        took: begun.elapsed(),
        broken: found.map(|(promise, path)| (promise, path.into_actions())).collect(),
    }
}

impl Display for Explored {
    fn fmt(&self, text: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(text, "{} states, depth {}, {:.1?}", self.states, self.depth, self.took)?;
        for (promise, actions) in &self.broken {
            writeln!(text, "broken: {promise}")?;
            for action in actions {
                writeln!(text, "- {action:?}")?;
            }
        }
        Ok(())
    }
}
