//! The connections of one shard that watch the same subject. All of them have the same cursor and
//! get the same bytes. A connection that can't take all bytes of a frame gets nothing more until it
//! is writable again, and then what it has missed, or a snapshot. So unread frames never pile up.

use crate::domain::position::EventId;
use crate::live::frame::{Frame, LAST_CHUNK, Subject};
use crate::live::match_feed::{MatchFeed, Watching};
use crate::live::slots::Slot;
use bytes::Bytes;
use std::io::{self, ErrorKind};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// After this time without an event a heartbeat is sent. It keeps proxies from closing the stream,
/// and shows a browser that the stream is alive. The API promises 15 s; it is a second less because
/// the time is checked once a second.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(14);
/// A connection that takes no bytes for this time is closed, whatever its state says. A shorter
/// time loses phones in a tunnel, a longer one keeps the slots of dead ones.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that are served before the other tasks of the thread get their turn. More delay
/// these tasks; fewer make the frame of a large crowd late.
const CONNECTIONS_PER_TURN: usize = 128;

/// The heartbeat. Browsers drop comments, and events without data.
pub static HEARTBEAT_FRAME: LazyLock<Frame> =
    LazyLock::new(|| Frame::new("event: heartbeat\ndata: {}\n\n"));

/// The writing end of a connection. `shuffle.rs` tests with a pipe that has no network.
pub trait Pipe: Send + 'static {
    /// Writes as many bytes as the connection takes now.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Whether the connection takes bytes now.
    fn writable(&self) -> bool;
    /// Whether the other side has closed the connection. Bytes that it sent are dropped.
    fn is_gone(&self) -> bool;
}

impl Pipe for TcpStream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }

    fn writable(&self) -> bool {
        self.poll_write_ready(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn is_gone(&self) -> bool {
        match self.try_read(&mut [0; 512]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// A client that is about to watch.
pub struct Watcher {
    pub watching: Watching,
    pub subject: Subject,
    /// The last event that it has seen, as it says.
    pub last: Option<EventId>,
    /// Its slot among the event streams of the node.
    pub stream_slot: Slot,
    /// Its slot among the connections of the node.
    pub connection_slot: Option<Slot>,
    pub ends_at: Instant,
}

/// A connection.
struct Member<P> {
    pipe: P,
    unsent: Option<Box<Unsent>>,
    ends_at: Instant,
    _watching: Watching,
    _slots: (Slot, Option<Slot>),
}

/// The state of a connection that could not take all bytes of a frame.
struct Unsent {
    /// The rest of a frame that was sent in part.
    rest: Bytes,
    /// When the connection last took bytes.
    since: Instant,
    /// The last event that it will have seen once it has the rest.
    seen: Option<EventId>,
}

/// Whether a connection has taken the rest of a frame.
enum Rest {
    Waits,
    Sent { seen: Option<EventId> },
}

impl<P: Pipe> Member<P> {
    /// Writes a frame; `false` when the connection is gone. `before` and `after` are the last
    /// events that the connection has seen without the frame and with it.
    fn send(
        &mut self,
        bytes: &Bytes,
        now: Instant,
        (before, after): (Option<EventId>, Option<EventId>),
    ) -> bool {
        let sent = match self.pipe.try_write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return false,
        };
        if sent < bytes.len() {
            // A frame that was not begun is dropped, because what it says follows later.
            let (rest, seen) = match sent {
                0 => (Bytes::new(), before),
                _ => (bytes.slice(sent..), after),
            };
            self.unsent = Some(Box::new(Unsent { rest, since: now, seen }));
        }
        true
    }

    /// Writes the rest of a frame. Once the connection has taken all of it, returns the last event
    /// that it has seen.
    ///
    /// # Errors
    /// The connection is gone.
    fn send_rest(&mut self, now: Instant) -> io::Result<Rest> {
        let Some(unsent) = &mut self.unsent else { return Ok(Rest::Waits) };
        if !self.pipe.writable() {
            let stuck = now.saturating_duration_since(unsent.since) > WRITE_TIMEOUT;
            return if stuck { Err(ErrorKind::TimedOut.into()) } else { Ok(Rest::Waits) };
        }
        while !unsent.rest.is_empty() {
            match self.pipe.try_write(&unsent.rest) {
                Ok(sent) => {
                    unsent.rest = unsent.rest.slice(sent..);
                    unsent.since = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Rest::Waits),
                Err(error) => return Err(error),
            }
        }
        let seen = unsent.seen;
        self.unsent = None;
        Ok(Rest::Sent { seen })
    }

    /// Ends the stream with the last chunk, unless it is in the middle of a frame.
    fn end(&self) {
        if self.unsent.as_ref().is_none_or(|unsent| unsent.rest.is_empty()) {
            let _ = self.pipe.try_write(&LAST_CHUNK);
        }
    }
}

/// The connections that watch one subject of one match.
pub(super) struct Group<P> {
    feed: Arc<MatchFeed>,
    subject: Subject,
    cursor: u64,
    /// The last event that the connections without unsent bytes have seen.
    seen: Option<EventId>,
    members: Vec<Member<P>>,
    written_at: Instant,
}

impl<P: Pipe> Group<P> {
    pub(super) fn new(feed: Arc<MatchFeed>, subject: Subject) -> Self {
        let cursor = feed.cursor();
        Self { feed, subject, cursor, seen: None, members: Vec::new(), written_at: Instant::now() }
    }

    pub(super) fn is_of(&self, feed: &Arc<MatchFeed>) -> bool {
        Arc::ptr_eq(&self.feed, feed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes new connections, each with the head of its response, and brings the others up to date.
    pub(super) async fn add(&mut self, newcomers: Vec<(P, Bytes, Watcher)>) {
        let now = Instant::now();
        let mut joining = Vec::new();
        for (pipe, head, watcher) in newcomers {
            let Watcher { watching, last, stream_slot, connection_slot, ends_at, .. } = watcher;
            let slots = (stream_slot, connection_slot);
            let mut member =
                Member { pipe, unsent: None, ends_at, _watching: watching, _slots: slots };
            if member.send(&head, now, (last, last)) {
                joining.push((member, last));
            }
        }
        self.advance(joining).await;
        // The feed may have ended before these connections came, and it does not notify twice.
        if self.feed.is_over() {
            self.end();
        }
    }

    /// Sends the flushes that the connections have not seen.
    pub(super) async fn update(&mut self) {
        if self.feed.is_over() {
            self.end();
            return;
        }
        self.advance(Vec::new()).await;
    }

    async fn advance(&mut self, joining: Vec<(Member<P>, Option<EventId>)>) {
        let lasts: Vec<Option<EventId>> = joining.iter().map(|(_, last)| *last).collect();
        let update = self.feed.advance(&self.subject, &mut self.cursor, &lasts);
        let (before, after) = (self.seen, update.id);
        self.seen = after;
        if let Some(frame) = update.for_watchers {
            self.write(frame.chunk(), (before, after)).await;
        }
        let mut since_break = 0;
        for ((mut member, last), first) in joining.into_iter().zip(update.for_newcomers) {
            // A connection with unsent bytes gets what it misses later.
            let open = member.unsent.is_some()
                || member.send(first.chunk(), Instant::now(), (last, after));
            if open {
                self.members.push(member);
            }
            since_break += 1;
            if since_break % CONNECTIONS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn write(&mut self, bytes: &Bytes, seen: (Option<EventId>, Option<EventId>)) {
        let now = Instant::now();
        self.written_at = now;
        let (mut at, mut sent) = (0, 0_u64);
        while let Some(member) = self.members.get_mut(at) {
            if member.unsent.is_none() {
                sent += 1;
                if !member.send(bytes, now, seen) {
                    self.members.swap_remove(at);
                    continue;
                }
            }
            at += 1;
            if at % CONNECTIONS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        metrics::counter!("grandstand_frames_total").increment(sent);
    }

    /// Sends unsent bytes. A connection that has taken all of them gets what it has missed in the
    /// meantime. A large snapshot never fits into the buffer of a connection, so without the last
    /// event it would get snapshots without end.
    pub(super) async fn retry(&mut self) {
        let (now, mut at, mut joining) = (Instant::now(), 0, Vec::new());
        while let Some(member) = self.members.get_mut(at) {
            match member.send_rest(now) {
                Ok(Rest::Waits) => at += 1,
                Ok(Rest::Sent { seen }) => joining.push((self.members.swap_remove(at), seen)),
                Err(_) => drop(self.members.swap_remove(at)),
            }
        }
        if !joining.is_empty() {
            metrics::counter!("grandstand_streams_resent_total").increment(joining.len() as u64);
            self.advance(joining).await;
        }
    }

    /// Whether a connection has unsent bytes.
    pub(super) fn has_unsent(&self) -> bool {
        self.members.iter().any(|member| member.unsent.is_some())
    }

    /// Removes connections that are gone or whose time is over, and sends a heartbeat when it is
    /// due. Called once a second.
    pub(super) async fn inspect(&mut self) {
        let now = Instant::now();
        self.members.retain(|member| {
            let over = now >= member.ends_at;
            if over {
                member.end();
            }
            !over && !member.pipe.is_gone()
        });
        if now.saturating_duration_since(self.written_at) >= HEARTBEAT_INTERVAL {
            self.write(HEARTBEAT_FRAME.chunk(), (self.seen, self.seen)).await;
        }
    }

    /// Ends all streams.
    pub(super) fn end(&mut self) {
        for member in self.members.drain(..) {
            member.end();
        }
    }
}
