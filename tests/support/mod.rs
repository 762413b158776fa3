//! What every test starts from: a node of its own on real servers. Redis is private to each test;
//! PostgreSQL is one server per test binary, with a database for each test.

pub mod books;
pub mod calls;
pub mod certificates;
pub mod claims;
pub mod client;
pub mod crowd;
pub mod engine;
pub mod events;
pub mod flood;
pub mod gateway;
pub mod given;
pub mod leaks;
pub mod model_compare;
pub mod model_effect;
pub mod model_system;
pub mod node;
pub mod partition;
pub mod postgres;
pub mod process;
pub mod purchases;
pub mod room;
pub mod rude;
pub mod sale;
pub mod smtp;
pub mod table;
pub mod traces;

#[allow(unused_imports, reason = "each test binary uses some of them")]
pub use grandstand_faults::{clock, cluster, disk, front, proxy, sentinel, wire};
