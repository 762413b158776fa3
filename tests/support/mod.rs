//! What every test starts from: a node of its own on real servers. Redis is private to each test;
//! PostgreSQL is one server per test binary, with a database for each test.

pub mod books;
pub mod calls;
pub mod claims;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod disk;
pub mod engine;
pub mod events;
pub mod gateway;
pub mod leaks;
pub mod model_effect;
pub mod model_system;
pub mod node;
pub mod partition;
pub mod postgres;
pub mod proxy;
pub mod purchases;
pub mod room;
pub mod rude;
pub mod sale;
pub mod sentinel;
pub mod smtp;
pub mod table;
pub mod wire;
