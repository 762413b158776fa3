//! What the people do.

pub mod confirm;
pub mod engine;
pub mod hold_release;
pub mod person;
pub mod purchase;
pub mod rush;
pub mod watch;
