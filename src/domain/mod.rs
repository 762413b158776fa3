//! What is true: the words of the design as types, without any input or output.

pub mod ids;
pub mod plan;
pub mod seat;
