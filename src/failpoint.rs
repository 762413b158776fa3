//! Failpoints: points in the code at which a test kills or pauses the process. The test proves that
//! another process goes on from there, and that a paused process does no harm when it wakes. They
//! are off unless a process is started with `GRANDSTAND_DIE_AT`.

use rustix::process::{Signal, getpid, kill_process};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static ARMED: OnceLock<String> = OnceLock::new();
/// A process that wakes after a pause goes on, and is not paused again.
static REACHED: AtomicBool = AtomicBool::new(false);

/// The threads of a process stop a moment after the signal. The thread that has sent it must not go
/// on meanwhile, because it would take one step more.
const STOP_PAUSE: Duration = Duration::from_millis(100);

/// This prefix of a failpoint pauses the process instead of killing it.
const PAUSE_PREFIX: &str = "pause:";

/// Arms a failpoint: the process ends there, as by `kill -9`. With `pause:` in front it stops
/// there, as by `kill -STOP`. An empty text arms nothing.
pub fn arm(failpoint: &str) {
    if !failpoint.is_empty() {
        tracing::warn!(failpoint, "this process will end or stop there");
        let _ = ARMED.set(failpoint.to_owned());
    }
}

/// Ends or stops the process if this failpoint is armed.
pub fn reached(failpoint: &str) {
    reached_if(failpoint, || true);
}

/// Ends or stops the process if this failpoint is armed and `condition` holds. The condition is
/// evaluated only then.
pub fn reached_if(failpoint: &str, condition: impl FnOnce() -> bool) {
    let Some(armed) = ARMED.get() else { return };
    let (signal, wanted) = match armed.strip_prefix(PAUSE_PREFIX) {
        Some(wanted) => (Signal::STOP, wanted),
        None => (Signal::KILL, armed.as_str()),
    };
    if wanted == failpoint && condition() && !REACHED.swap(true, Ordering::Relaxed) {
        let _ = kill_process(getpid(), signal);
        std::thread::sleep(STOP_PAUSE);
    }
}
