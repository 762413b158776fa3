//! Bytes of HTTP/2 that belong to no request: settings, pings, windows, priorities, resets. They
//! cost the node time, and no limit of requests counts them, so a flood of them ends its
//! connection. nginx has a similar rule.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes of this kind that a connection may be ahead of what it may send. It is more than
/// the bytes of bodies that may come unasked. Larger: a flood costs more time before it ends.
const BYTES_MAX: usize = 256 * 1024;
/// So many of these bytes are forgiven per second: 2,500 frames that open a window. Fewer: a client
/// that reads a fast stream loses its connection. More: a slow flood costs more.
const BYTES_PER_SECOND: usize = 32 * 1024;
/// The bytes of the head of a request, which belong to it: the most that it may have.
const HEAD_BYTES: usize = 16 * 1024;
/// The frames of a body, and TLS, may add one byte to so many bytes of it.
const BODY_OVERHEAD_DIVISOR: usize = 8;

/// The bytes of one connection that belong to no request yet.
#[derive(Debug, Default)]
pub(super) struct Noise(AtomicUsize);

impl Noise {
    /// Bytes have come; whether there are too many.
    pub(super) fn came(&self, bytes: usize) -> bool {
        self.0.fetch_add(bytes, Ordering::Relaxed) + bytes > BYTES_MAX
    }

    /// Some of them were the head of a request.
    pub(super) fn was_head(&self) {
        self.forgive(HEAD_BYTES);
    }

    /// Some of them were so many bytes of a body.
    pub(super) fn was_body(&self, bytes: usize) {
        self.forgive(bytes + bytes / BODY_OVERHEAD_DIVISOR);
    }

    /// A second has passed.
    pub(super) fn second_passed(&self) {
        self.forgive(BYTES_PER_SECOND);
    }

    fn forgive(&self, bytes: usize) {
        let less = |noise: usize| Some(noise.saturating_sub(bytes));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_too_much_and_requests_are_not() {
        let noise = Noise::default();
        for _ in 0..100_000 {
            assert!(!noise.came(300), "the head of a request");
            noise.was_head();
        }
        for _ in 0..10_000 {
            assert!(!noise.came(16 * 1024 + 9), "a piece of a body");
            noise.was_body(16 * 1024);
        }
        let pings = (0..100_000).take_while(|_| !noise.came(17)).count();
        assert!((14_000..16_000).contains(&pings), "{pings}");
    }

    #[test]
    fn a_client_that_reads_a_stream_for_hours_is_no_flood() {
        let noise = Noise::default();
        for _ in 0..10_000 {
            for _ in 0..2_000 {
                assert!(!noise.came(13), "a frame that opens a window");
            }
            noise.second_passed();
        }
    }
}
