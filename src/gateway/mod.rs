//! Toss Payments: a client of its API, and an emulator that speaks the same API for development
//! and tests. The emulator is a server of its own, reached over HTTP like the real one.

pub mod emulator;
pub mod toss;

mod breaker;
mod client;
mod codes;
mod deposit;
mod pace;
mod payment;
#[cfg(test)]
mod tests;
