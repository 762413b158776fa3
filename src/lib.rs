//! Grandstand: a seat engine for ticket sales.
//!
//! ```text
//! api ──▶ engine (batcher ─▶ Lua in Redis) ──┬─▶ stream: changes ─▶ live ─▶ SSE
//!                                            └─▶ stream: journal ─▶ workers ─▶ store (PostgreSQL)
//! ```
//! Modules in reading order: what is true, decide, remember, tell, keep, and what ties them.

pub mod api;
pub mod checkout;
pub mod commands;
pub mod config;
pub mod demo;
pub mod domain;
pub mod embedded;
pub mod engine;
pub mod failpoint;
pub mod gateway;
pub mod live;
pub mod load;
pub mod node;
pub mod redis;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod workers;
