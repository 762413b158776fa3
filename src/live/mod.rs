//! Tell: what this node knows and shows. The catalogue, the seat maps of the matches that someone
//! watches, and the frames that go to browsers.

pub mod catalog;
pub mod feed;
pub mod frame;
pub mod hub;
pub mod line;
