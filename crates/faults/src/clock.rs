//! A wall clock that a test sets while a server runs: a small library is compiled with `cc` and
//! preloaded into the server (`clock.c`). Linux only.

use crate::preload::compile;
use grandstand_embedded::RedisExtras;
use std::ffi::OsString;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The clock of the servers that were started with its environment.
pub struct Clock {
    dir: TempDir,
}

impl Clock {
    /// A clock that is right.
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        compile("clock", include_str!("clock.c"), dir.path());
        let clock = Self { dir };
        std::fs::write(clock.file(), 0_i64.to_ne_bytes()).unwrap();
        clock
    }

    /// What makes a program use this clock.
    pub fn environment(&self) -> Vec<(String, OsString)> {
        let variable = |name: &str, path: &Path| (name.to_owned(), path.as_os_str().to_owned());
        vec![
            variable("LD_PRELOAD", &self.dir.path().join("clock.so")),
            variable("FAULTS_CLOCK_FILE", &self.file()),
        ]
    }

    /// What makes a private Redis use this clock.
    pub fn extras(&self) -> RedisExtras {
        RedisExtras { environment: self.environment(), ..RedisExtras::default() }
    }

    /// Sets how many ms the clock is ahead of the right time; a negative number is behind it.
    pub fn set_ahead_ms(&self, ms: i64) {
        // One write in place: the servers have this very file in their memory.
        let file = std::fs::OpenOptions::new().write(true).open(self.file()).unwrap();
        file.write_all_at(&ms.to_ne_bytes(), 0).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ahead-ms")
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
