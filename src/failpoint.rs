//! Places at which a test kills the process, to prove that another one goes on from there. Off
//! unless a process is started with `GRANDSTAND_DIE_AT`.

use rustix::process::{Signal, getpid, kill_process};
use std::sync::OnceLock;

static PLACE: OnceLock<String> = OnceLock::new();

/// From now on the process ends, as by `kill -9`, when it comes to `place`; empty: nowhere.
pub fn arm(place: &str) {
    if !place.is_empty() {
        tracing::warn!(place, "this process will end there");
        let _ = PLACE.set(place.to_owned());
    }
}

/// The process is at `place`.
pub fn reached(place: &str) {
    reached_if(place, || true);
}

/// The process is at `place` if `here` says so, which is asked only when it matters.
pub fn reached_if(place: &str, here: impl FnOnce() -> bool) {
    if PLACE.get().is_some_and(|armed| armed == place) && here() {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
