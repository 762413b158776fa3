//! The protocol of a payment between Redis, the journal, the workers, the nodes, the gateway and
//! PostgreSQL, as a model that a checker explores completely. `docs/MODEL.md` says what each part
//! stands for, and how to read a counterexample.

pub mod check;
pub mod model;
pub mod mutants;
pub mod state;
pub mod worlds;
