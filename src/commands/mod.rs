//! The commands of the program, except `serve`.

pub mod admin;
pub mod dead_letters;
pub mod demo;
pub mod dev;
pub mod load;
pub mod migrate;
pub mod plan;
pub mod queue_check;
pub mod rebuild;
pub mod restore;
pub mod verify;
