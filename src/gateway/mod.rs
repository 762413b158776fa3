//! The client of Toss Payments. Development and tests use the emulator of `crates/emulator`, which
//! is a server with the same API, and which the client reaches over HTTP like the real gateway.

pub mod client;
pub mod toss;

mod breaker;
mod codes;
mod deposit;
mod pace;
mod payment;
#[cfg(test)]
mod tests;
