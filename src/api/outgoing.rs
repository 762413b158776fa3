//! Everything that a node keeps for clients that are slow: responses that nobody reads, and bodies
//! that do not end. The bytes are bounded per address and in all, and a client that makes no
//! progress loses its connection (docs/adr/0018-who-pays-for-a-slow-client.md).

use crate::api::noise::Noise;
use crate::api::progress::Call;
use metrics::Counter;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A response or a body without any progress for this time ends with its connection. Shorter: a
/// phone in a tunnel loses its connection. Longer: slow clients keep the memory of the node.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be open without a request.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval at which the times above are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// When there is no room, only a connection that makes no progress for this time has to go. A
/// browser on a phone makes some progress in it.
const ROOM_STALL_MIN: Duration = Duration::from_millis(250);
/// The pause after a search for a stalled connection that has found none.
const SEARCH_PAUSE: Duration = Duration::from_millis(50);
/// The most bytes that are kept for slow clients of a node. More: less memory is left for seats.
/// Fewer: a crowd of slow phones is refused.
const NODE_BYTES_MAX: usize = 40 * 1024 * 1024;
/// The most bytes that are kept for slow clients behind one address: a fifth of the above.
const ADDRESS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A call of HTTP/2 with its task and its buffers, in bytes (measured).
const CALL_COST_BYTES: usize = 8 * 1024;
/// The buffers of a connection whose other side reads nothing, in bytes (measured).
const BLOCKED_COST_BYTES: usize = 48 * 1024;
/// A connection of HTTP/2 ends when so many of its requests found no room, because a client that
/// begins a hundred requests at once would keep the node busy with refusals.
const REFUSALS_MAX: u32 = 8;

/// There is no room for more, and nobody has to go.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("too many slow clients")]
pub(super) struct Full;

/// What the clients of one listener keep.
pub(super) struct Outgoing {
    address_bytes_max: usize,
    bytes: Arc<AtomicUsize>,
    connections: Mutex<Connections>,
    slow: Counter,
    crowded: Counter,
    flood: Counter,
}

#[derive(Default)]
struct Connections {
    next: u64,
    open: HashMap<u64, Arc<Peer>>,
    addresses: HashMap<IpAddr, Address>,
    /// When a search found no stalled connection.
    searched_in_vain: Option<Instant>,
}

struct Address {
    connections: usize,
    bytes: Arc<AtomicUsize>,
}

/// A connection.
pub(super) struct Peer {
    outgoing: Arc<Outgoing>,
    number: u64,
    address: Option<(IpAddr, Arc<AtomicUsize>)>,
    is_http2: bool,
    noise: Noise,
    state: Mutex<State>,
    /// Ends the connection at once.
    pub(super) cut: Notify,
    /// Ends the connection after the calls that it has (HTTP/2).
    pub(super) idle: Notify,
}

/// What a connection waits for.
struct State {
    calls: HashMap<u64, Arc<Call>>,
    next: u64,
    /// Since when the head of a request arrives (HTTP/1.1).
    head_since: Option<Instant>,
    /// Since when the socket takes no bytes.
    blocked_since: Option<Instant>,
    /// Since when there is no call.
    idle_since: Option<Instant>,
    /// Requests that found no room.
    refused: u32,
    is_cut: bool,
}

impl Outgoing {
    /// Without a bound per address for load tests, whose people all have the same.
    pub(super) fn new(with_addresses: bool) -> Arc<Self> {
        let cut = |why| metrics::counter!("grandstand_connections_cut_total", "why" => why);
        Arc::new(Self {
            address_bytes_max: if with_addresses { ADDRESS_BYTES_MAX } else { usize::MAX },
            bytes: Arc::default(),
            connections: Mutex::default(),
            slow: cut("slow"),
            crowded: cut("crowded"),
            flood: cut("flood"),
        })
    }

    /// Looks at all connections once a second until `stop`.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let gauge = metrics::gauge!("grandstand_slow_client_bytes");
        loop {
            tokio::select! {
                () = tokio::time::sleep(SWEEP_INTERVAL) => {}
                () = stop.cancelled() => return,
            }
            gauge.set(self.bytes.load(Ordering::Relaxed) as f64);
            let peers: Vec<Arc<Peer>> = self.connections.lock().open.values().cloned().collect();
            let now = Instant::now();
            for peer in peers {
                peer.noise.second_passed();
                if peer.is_overdue(now) && peer.end() {
                    self.slow.increment(1);
                } else if peer.is_http2 && peer.is_idle(now) {
                    peer.idle.notify_one();
                }
            }
        }
    }

    /// A new connection; `None` is the address of a proxy that many people share.
    pub(super) fn connect(self: &Arc<Self>, address: Option<IpAddr>, is_http2: bool) -> Connected {
        let mut connections = self.connections.lock();
        connections.next += 1;
        let number = connections.next;
        let address = address.map(|address| {
            let new = || Address { connections: 0, bytes: Arc::default() };
            let entry = connections.addresses.entry(address).or_insert_with(new);
            entry.connections += 1;
            (address, entry.bytes.clone())
        });
        let now = Instant::now();
        let peer = Arc::new(Peer {
            outgoing: self.clone(),
            number,
            address,
            is_http2,
            noise: Noise::default(),
            state: Mutex::new(State {
                calls: HashMap::new(),
                next: 0,
                head_since: (!is_http2).then_some(now),
                blocked_since: None,
                idle_since: Some(now),
                refused: 0,
                is_cut: false,
            }),
            cut: Notify::new(),
            idle: Notify::new(),
        });
        connections.open.insert(number, peer.clone());
        Connected(peer)
    }

    /// Makes room by ending the connection that has waited longest without progress: of the same
    /// address, or of all. Its memory is free a moment later.
    fn make_room(&self, of: Option<IpAddr>) -> Result<(), Full> {
        let now = Instant::now();
        let mut connections = self.connections.lock();
        let in_vain = connections.searched_in_vain;
        if in_vain.is_some_and(|at| now.saturating_duration_since(at) < SEARCH_PAUSE) {
            return Err(Full);
        }
        let peers = connections.open.values().filter(|peer| of.is_none() || peer.address() == of);
        let stalled = peers.filter_map(|peer| Some((peer.stalled_since()?, peer)));
        let oldest = stalled.min_by_key(|(since, _)| *since);
        let enough = |since: Instant| now.saturating_duration_since(since) >= ROOM_STALL_MIN;
        match oldest {
            Some((since, peer)) if enough(since) && peer.end() => {
                self.crowded.increment(1);
                Ok(())
            }
            _ => {
                connections.searched_in_vain = Some(now);
                Err(Full)
            }
        }
    }
}

/// A connection that is open until this is dropped.
pub(super) struct Connected(pub(super) Arc<Peer>);

impl Drop for Connected {
    fn drop(&mut self) {
        let peer = &self.0;
        let mut connections = peer.outgoing.connections.lock();
        connections.open.remove(&peer.number);
        if let Some((address, _)) = &peer.address
            && let Some(entry) = connections.addresses.get_mut(address)
        {
            entry.connections -= 1;
            if entry.connections == 0 {
                connections.addresses.remove(address);
            }
        }
        drop(connections);
        peer.unblocked();
    }
}

impl Peer {
    fn address(&self) -> Option<IpAddr> {
        self.address.as_ref().map(|(address, _)| *address)
    }

    /// Ends the connection; `false` when it is about to end already.
    fn end(&self) -> bool {
        let was_cut = std::mem::replace(&mut self.state.lock().is_cut, true);
        self.cut.notify_one();
        !was_cut
    }

    /// Since when something waits for the other side. `None` for a connection that ends.
    fn stalled_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        let calls = state.calls.values().filter_map(|call| call.stalled_since());
        calls.chain(state.blocked_since).min().filter(|_| !state.is_cut)
    }

    fn is_overdue(&self, now: Instant) -> bool {
        let after = |since: Option<Instant>, time| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= time)
        };
        let head_since = self.state.lock().head_since;
        after(head_since, HEAD_TIMEOUT) || after(self.stalled_since(), STALL_TIMEOUT)
    }

    fn is_idle(&self, now: Instant) -> bool {
        let since = self.state.lock().idle_since;
        since.is_some_and(|since| now.saturating_duration_since(since) >= IDLE_TIMEOUT)
    }

    /// Bytes have come. Between two requests they begin the head of the next one.
    pub(super) fn received(&self) {
        let mut state = self.state.lock();
        if !self.is_http2 && state.calls.is_empty() && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    /// So many bytes have come, or it fails because they are a flood of frames (HTTP/2).
    pub(super) fn read(&self, bytes: usize) -> std::io::Result<()> {
        if self.is_http2 && self.noise.came(bytes) {
            self.outgoing.flood.increment(1);
            return Err(std::io::Error::other("a flood of frames"));
        }
        Ok(())
    }

    /// The socket takes no bytes. If there is no room for that, this connection ends.
    pub(super) fn blocked(&self) {
        if self.check_room(BLOCKED_COST_BYTES).is_err() && self.end() {
            self.outgoing.crowded.increment(1);
        }
        let mut state = self.state.lock();
        if state.blocked_since.is_none() {
            state.blocked_since = Some(Instant::now());
            self.add(BLOCKED_COST_BYTES);
        }
    }

    /// A request found no room.
    fn refused(&self) {
        let mut state = self.state.lock();
        state.refused += 1;
        let is_hasty = state.refused >= REFUSALS_MAX;
        drop(state);
        if is_hasty && self.end() {
            self.outgoing.crowded.increment(1);
        }
    }

    /// The socket takes bytes again.
    pub(super) fn unblocked(&self) {
        if self.state.lock().blocked_since.take().is_some() {
            self.subtract(BLOCKED_COST_BYTES);
        }
    }

    fn add(&self, bytes: usize) {
        self.outgoing.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some((_, of_address)) = &self.address {
            of_address.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn subtract(&self, bytes: usize) {
        self.outgoing.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if let Some((_, of_address)) = &self.address {
            of_address.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Refuses more bytes when there is no room for them.
    fn check_room(&self, bytes: usize) -> Result<(), Full> {
        if let Some((address, of_address)) = &self.address
            && of_address.load(Ordering::Relaxed) + bytes > self.outgoing.address_bytes_max
        {
            return self.outgoing.make_room(Some(*address));
        }
        if self.outgoing.bytes.load(Ordering::Relaxed) + bytes > NODE_BYTES_MAX {
            return self.outgoing.make_room(None);
        }
        Ok(())
    }
}

/// A request until the end of its response; its drop frees the bytes.
pub(super) struct Ticket {
    peer: Arc<Peer>,
    number: u64,
    call: Arc<Call>,
}

impl Ticket {
    /// The head of a request has come. A connection of HTTP/2 may have many requests at once, so
    /// each of them needs room.
    pub(super) fn begin(peer: &Arc<Peer>) -> Result<Self, Full> {
        let bytes = if peer.is_http2 { CALL_COST_BYTES } else { 0 };
        if bytes > 0 {
            peer.check_room(bytes).inspect_err(|_| peer.refused())?;
        }
        peer.noise.was_head();
        let call = Arc::new(Call::new(bytes));
        peer.add(bytes);
        let mut state = peer.state.lock();
        (state.head_since, state.idle_since) = (None, None);
        state.next += 1;
        let number = state.next;
        state.calls.insert(number, call.clone());
        drop(state);
        Ok(Self { peer: peer.clone(), number, call })
    }

    pub(super) fn is_http2(&self) -> bool {
        self.peer.is_http2
    }

    /// More bytes are kept for this call.
    pub(super) fn grow(&self, bytes: usize) -> Result<(), Full> {
        if bytes == 0 {
            return Ok(());
        }
        self.peer.check_room(bytes)?;
        self.call.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.peer.add(bytes);
        Ok(())
    }

    /// So many bytes of the body have come.
    pub(super) fn body_came(&self, bytes: usize) {
        self.peer.noise.was_body(bytes);
        self.call.progress();
    }

    /// The bytes of the request are gone.
    pub(super) fn shrink(&self, bytes: usize) {
        self.call.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.peer.subtract(bytes);
    }
}

impl Deref for Ticket {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.call
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.peer.subtract(self.call.bytes.load(Ordering::Relaxed));
        let mut state = self.peer.state.lock();
        state.calls.remove(&self.number);
        if state.calls.is_empty() {
            state.idle_since = Some(Instant::now());
        }
    }
}
