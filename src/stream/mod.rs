//! Remember: the streams that the scripts write. Reads journals and changes, measures how far
//! PostgreSQL is behind, and writes dead letters.

pub mod backlog;
pub mod journal;
pub mod persisted;
pub mod tail;
