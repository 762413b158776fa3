//! The log file of a private server, which is also the lock of its directory.
//!
//! The server inherits the locked file as its standard error. A lock of this kind lives until the
//! last process that holds the file is gone, so a free lock proves that no process of an earlier
//! server is left: no master, no backend, no child that rewrites a log.
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A server that dies has 8 s before its watcher stops being polite; this is a little more.
const PATIENCE: Duration = Duration::from_secs(12);
/// A log that is longer, in bytes, starts anew.
const LONGEST: u64 = 8 << 20;
/// How much of the end of a log, in bytes and in lines, an error shows.
const TAIL_BYTES: u64 = 8 << 10;
const TAIL_LINES: usize = 15;
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Clone)]
pub(super) struct Log {
    path: PathBuf,
}

impl Log {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens and locks the file; waits while an earlier server of this directory is dying.
    ///
    /// # Errors
    /// The file can't be written, or a living server holds it.
    pub(super) async fn open(&self) -> Result<File> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            if let Some(file) = self.try_open()? {
                if file.metadata()?.len() > LONGEST {
                    file.set_len(0)?;
                }
                return Ok(file);
            }
            if begun.elapsed() > PATIENCE {
                bail!("another server is using {}", self.path.with_file_name("").display());
            }
            if !told && begun.elapsed() > Duration::from_secs(1) {
                told = true;
                tracing::info!(log = %self.path.display(), "waiting for an earlier server to end");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until no process of the server is left; false when some are after `PATIENCE`.
    pub(super) async fn released(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.is_free() {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }

    /// The same for `drop`, which can't be asynchronous: it blocks, for two seconds at most.
    pub(super) fn released_blocking(&self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) && !self.is_free() {
            std::thread::sleep(PAUSE);
        }
    }

    /// The last lines that were written after the first `from` bytes.
    pub(super) fn tail(&self, from: u64) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        format!("{shown}\n(log: {})", self.path.display())
    }

    fn try_open(&self) -> Result<Option<File>> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .with_context(|| format!("can't write {}", self.path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("can't lock {}", self.path.display()))
            }
        }
    }

    fn is_free(&self) -> bool {
        match File::open(&self.path) {
            Ok(file) => file.try_lock().is_ok(),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }
}
