//! The load-test harness: `grandstand load SCENARIO`.
//!
//! Open loop: people arrive on a schedule that does not wait for the server, and each latency
//! counts from the moment at which its person meant to begin. So a server that stalls shows the
//! stall to everybody who came meanwhile, and can't hide it by slowing the test down. The client
//! is one thread of its own, because it often shares the machine with the server.

pub mod arguments;
pub mod compare;
pub mod crew;
pub mod dice;
pub mod fanout;
pub mod machine;
pub mod report;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod sessions;
pub mod tally;
pub mod target;
pub mod usage;
pub mod venue;
pub mod wire;

pub use arguments::{LoadArguments, Scenario};
pub use run::run;
