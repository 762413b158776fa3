//! The commands of the binary, beside `serve`.

pub mod dead_letters;
pub mod demo;
pub mod dev;
pub mod rebuild;
pub mod restore;
pub mod verify;
