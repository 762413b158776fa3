//! Tell: the catalogue of this node, the seat maps of the matches that somebody watches, and the
//! frames that go to browsers.

pub mod catalog;
mod feeds;
mod flush_schedule;
pub mod frame;
mod group;
pub mod hub;
pub mod line;
pub mod match_feed;
pub mod match_now;
pub mod pace;
pub mod packed;
pub mod proposals;
mod recent_flushes;
pub mod refresh;
mod seat_map;
pub mod shard;
#[cfg(test)]
mod shuffle;
pub mod slots;
mod sync;
