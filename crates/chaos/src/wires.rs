//! What faults of connections do to proxies.

use crate::fault::Wire;
use grandstand_faults::proxy::Proxy;
use std::time::Duration;

/// Begins a fault.
pub(crate) fn apply(proxy: &Proxy, wire: Wire) {
    match wire {
        Wire::Cut => proxy.cut(),
        Wire::Slow(ms) => proxy.slow(Duration::from_millis(ms.into())),
        Wire::DeafServer => proxy.deafen_server(),
        Wire::Swallow => proxy.swallow(),
        Wire::Short(bytes) => proxy.shorten(bytes.into()),
        Wire::DeafClient | Wire::LoseReplies => proxy.deafen_clients(),
    }
}

/// Ends a fault. Lost replies never come, so their connections are closed.
pub(crate) fn heal(proxy: &Proxy, wire: Wire) {
    if wire == Wire::LoseReplies {
        proxy.cut();
    }
    proxy.resume();
}
