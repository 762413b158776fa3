//! Grandstand: a seat engine for ticket sales.
//!
//! ```text
//! api ──▶ engine (batcher ─▶ Lua in Redis) ──┬─▶ stream: changes ─▶ live ─▶ SSE
//!                                            └─▶ stream: journal ─▶ workers ─▶ store (PostgreSQL)
//! ```
//! The tools around the engine are crates of their own: `crates/{demo,embedded,emulator,load}`.

// They panic when their reader has gone: use `print` and `tell` of `grandstand_embedded`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod api;
pub mod checkout;
pub mod commands;
pub mod config;
pub mod domain;
pub mod engine;
pub mod failpoint;
pub mod gateway;
pub mod live;
pub mod node;
pub mod plan_import;
pub mod redis;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod tls;
pub mod workers;
