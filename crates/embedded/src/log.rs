//! The log file of a private server, which is also the lock of its directory.
//!
//! The server inherits the locked file as its standard error. Such a lock lives until the last
//! process that holds the file has ended. So a free lock proves that no process of an earlier
//! server is left: no master, no backend, no child that rewrites a log.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A little more than the 8 s after which the watcher of a dying server sends SIGKILL.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(12);
/// A log that is longer is emptied at the next start.
const LOG_BYTES_MAX: u64 = 8 << 20;
/// An error shows the end of the log: at most this many bytes and lines.
const TAIL_BYTES_MAX: u64 = 8 << 10;
const TAIL_LINES_MAX: usize = 15;
const POLL_PAUSE: Duration = Duration::from_millis(2);

#[derive(Clone)]
pub(crate) struct Log {
    path: PathBuf,
}

impl Log {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens and locks the file. Waits while an earlier server of this directory is dying. Fails
    /// when the file can't be written, or when a living server holds it.
    pub(crate) async fn open(&self) -> Result<File> {
        let begun = Instant::now();
        let mut logged = false;
        loop {
            if let Some(file) = self.try_open()? {
                if file.metadata()?.len() > LOG_BYTES_MAX {
                    file.set_len(0)?;
                }
                return Ok(file);
            }
            if begun.elapsed() > RELEASE_TIMEOUT {
                bail!("another server is using {}", self.path.with_file_name("").display());
            }
            if !logged && begun.elapsed() > Duration::from_secs(1) {
                logged = true;
                tracing::info!(log = %self.path.display(), "waiting for an earlier server to end");
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// Waits until no process of the server is left. Returns false when some are left after
    /// `RELEASE_TIMEOUT`.
    pub(crate) async fn released(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < RELEASE_TIMEOUT {
            if self.is_free() {
                return true;
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
        false
    }

    /// The same for `drop`, which can't be asynchronous. Blocks for two seconds at most.
    pub(crate) fn released_blocking(&self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) && !self.is_free() {
            std::thread::sleep(POLL_PAUSE);
        }
    }

    /// Returns the last lines that were written behind the first `from` bytes.
    pub(crate) fn tail(&self, from: u64) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL_BYTES_MAX))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].join("\n");
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
