//! The checks: each promise that is broken in the evidence is a violation, with the number of the
//! invariant in docs/RELIABILITY.md.

mod confirmed;
mod counts;
mod ends;
mod frames;
mod gate;
mod health;
mod holds;
mod log;
mod maps;
mod money;
mod order;
mod other_body;
mod paid_late;
mod paying;
mod queue;
mod reasons;
mod repeats;
mod sales;
mod seats;
mod second;
mod shown;
mod taken;

use crate::evidence::Evidence;

pub(crate) use ends::lost_holds;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The number of the invariant.
    pub(crate) invariant: u8,
    pub(crate) what: String,
    /// The match and the seats that it is about: the report shows their history.
    pub(crate) seats: Vec<(String, u32)>,
}

impl Violation {
    pub(crate) fn new(invariant: u8, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into(), seats: vec![] }
    }

    fn about(mut self, fixture: &str, seats: &[u32]) -> Self {
        self.seats = seats.iter().map(|seat| (fixture.to_owned(), *seat)).collect();
        self
    }
}

/// All violations, in the order of the checks.
pub(crate) fn all(evidence: &Evidence) -> Vec<Violation> {
    let checks: [fn(&Evidence) -> Vec<Violation>; 22] = [
        confirmed::check,
        money::check,
        sales::check,
        seats::check,
        holds::check,
        second::check,
        ends::check,
        paid_late::check,
        gate::check,
        queue::check,
        reasons::check,
        repeats::check,
        other_body::check,
        maps::check,
        counts::check,
        log::check,
        frames::check,
        order::check,
        taken::check,
        paying::check,
        shown::check,
        health::check,
    ];
    checks.iter().flat_map(|check| check(evidence)).collect()
}

#[cfg(test)]
pub(crate) mod samples;
