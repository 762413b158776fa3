//! Whether one request, until the end of its response, waits for its client.

use parking_lot::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

/// A request until the end of its response.
pub(super) struct Call {
    /// The bytes that are kept for it.
    pub bytes: AtomicUsize,
    progress: Mutex<Progress>,
}

/// Whether a call waits for the other side.
#[derive(Default)]
struct Progress {
    /// Since when it waits without any progress.
    stalled_since: Option<Instant>,
    /// Pieces of the response that are not written yet (HTTP/2).
    pieces: usize,
    /// Whether the response has nothing more to send at the moment.
    has_nothing: bool,
}

impl Call {
    /// A call for which so many bytes are kept.
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes: AtomicUsize::new(bytes), progress: Mutex::default() }
    }

    /// Since when it waits for the other side without any progress.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.progress.lock().stalled_since
    }

    /// The other side has done something.
    pub(super) fn progress(&self) {
        self.progress.lock().stalled_since = None;
    }

    /// The other side has to do something. The time counts from its last progress.
    pub(super) fn wait(&self) {
        self.progress.lock().stalled_since.get_or_insert_with(Instant::now);
    }

    /// A piece of the response was handed over (HTTP/2). The time counts from now.
    pub(super) fn piece_handed(&self) {
        let mut progress = self.progress.lock();
        progress.pieces += 1;
        (progress.has_nothing, progress.stalled_since) = (false, Some(Instant::now()));
    }

    /// A piece of the response was written.
    pub(super) fn piece_written(&self) {
        let mut progress = self.progress.lock();
        progress.pieces -= 1;
        let waits = progress.pieces > 0 || !progress.has_nothing;
        progress.stalled_since = waits.then(Instant::now);
    }

    /// The response has nothing to send at the moment.
    pub(super) fn has_nothing(&self) {
        let mut progress = self.progress.lock();
        progress.has_nothing = true;
        if progress.pieces == 0 {
            progress.stalled_since = None;
        }
    }
}
