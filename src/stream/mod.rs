//! Remember: reading the logs that the scripts wrote.

pub mod journal;
pub mod persisted;
pub mod tail;
