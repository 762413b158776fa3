//! Tell: what this node knows and shows. The catalogue, the seat maps of the matches that someone
//! watches, and the frames that go to browsers.

pub mod catalog;
pub mod feed;
pub mod frame;
mod group;
pub mod hub;
pub mod line;
mod map;
pub mod match_now;
mod pace;
mod past;
pub mod places;
pub mod refresh;
pub mod shard;
#[cfg(test)]
mod shuffle;
mod sync;
