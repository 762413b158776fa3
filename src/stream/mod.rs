//! Remember: reading the logs that the scripts wrote.

pub mod backlog;
pub mod journal;
pub mod persisted;
pub mod tail;
