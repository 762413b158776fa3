//! Places at which a test kills or pauses the process, to prove that another one goes on from
//! there, and that this one does no harm when it wakes. Off unless a process is started with
//! `GRANDSTAND_DIE_AT`.

use rustix::process::{Signal, getpid, kill_process};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static PLACE: OnceLock<String> = OnceLock::new();
/// A process that was paused goes on when it is woken, and is not paused again.
static REACHED: AtomicBool = AtomicBool::new(false);

/// In front of a place: the process is paused there, in the place of being killed.
const PAUSE: &str = "pause:";

/// From now on the process ends, as by `kill -9`, when it comes to `place`; with `pause:` in front
/// it stops there, as by `kill -STOP`; empty: nowhere.
pub fn arm(place: &str) {
    if !place.is_empty() {
        tracing::warn!(place, "this process will end or stop there");
        let _ = PLACE.set(place.to_owned());
    }
}

/// The process is at `place`.
pub fn reached(place: &str) {
    reached_if(place, || true);
}

/// The process is at `place` if `here` says so, which is asked only when it matters.
pub fn reached_if(place: &str, here: impl FnOnce() -> bool) {
    let Some(armed) = PLACE.get() else { return };
    let (signal, wanted) = match armed.strip_prefix(PAUSE) {
        Some(wanted) => (Signal::STOP, wanted),
        None => (Signal::KILL, armed.as_str()),
    };
    if wanted == place && here() && !REACHED.swap(true, Ordering::Relaxed) {
        let _ = kill_process(getpid(), signal);
    }
}
