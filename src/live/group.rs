//! The connections of one shard that watch the same. All of them stand at the same place and get
//! the same bytes; one that can't take them owes, gets nothing until it is writable again, and then
//! a snapshot: what nobody reads never piles up.

use crate::domain::position::EventId;
use crate::live::feed::{Feed, Watching};
use crate::live::frame::{Frame, LAST_CHUNK, Subject};
use crate::live::places::Place;
use bytes::Bytes;
use std::io::{self, ErrorKind};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// An event in so long a silence keeps proxies from cutting a stream, and tells a browser that the
/// stream lives. A little less than the 15 seconds that are promised, because it is looked at once
/// a second.
const HEARTBEAT: Duration = Duration::from_secs(14);
/// Who takes nothing for so long is gone, whatever its connection says.
const STUCK: Duration = Duration::from_secs(60);
/// Connections between two breaks for the other tasks of the thread.
const AT_A_TIME: usize = 128;

/// The event that a silence is filled with. Browsers drop comments, and events without data.
pub static STILL_HERE: LazyLock<Frame> =
    LazyLock::new(|| Frame::new("event: heartbeat\ndata: {}\n\n"));

/// The writing end of a connection. The tests of the orders of events have one without a network.
pub trait Pipe: Send + 'static {
    /// Writes what can be taken now.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Whether a write would be taken now.
    fn writable(&self) -> bool;
    /// Whether the other side has gone; what it sent is dropped.
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

/// Somebody who is about to watch.
pub struct Watcher {
    pub watching: Watching,
    pub subject: Subject,
    /// Where it stands, as it says.
    pub last: Option<EventId>,
    pub place: Place,
    /// The place among the connections of the node.
    pub connection: Option<Place>,
    pub ends_at: Instant,
}

/// A connection.
struct Member<P> {
    pipe: P,
    debt: Option<Box<Debt>>,
    ends_at: Instant,
    _watching: Watching,
    _places: (Place, Option<Place>),
}

/// What a connection could not take.
struct Debt {
    /// The rest of a frame that was begun.
    rest: Bytes,
    /// When it last took anything.
    since: Instant,
}

impl<P: Pipe> Member<P> {
    /// Writes a frame; `false` when the connection is gone.
    fn send(&mut self, bytes: &Bytes, now: Instant) -> bool {
        let sent = match self.pipe.try_write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return false,
        };
        if sent < bytes.len() {
            // A frame that was not begun is not owed: a snapshot will say the same.
            let rest = if sent == 0 { Bytes::new() } else { bytes.slice(sent..) };
            self.debt = Some(Box::new(Debt { rest, since: now }));
        }
        true
    }

    /// Writes what is owed; whether nothing is owed any more. An error: the connection is gone.
    fn pay(&mut self, now: Instant) -> io::Result<bool> {
        let Some(debt) = &mut self.debt else { return Ok(false) };
        if !self.pipe.writable() {
            let stuck = now.saturating_duration_since(debt.since) > STUCK;
            return if stuck { Err(ErrorKind::TimedOut.into()) } else { Ok(false) };
        }
        while !debt.rest.is_empty() {
            match self.pipe.try_write(&debt.rest) {
                Ok(sent) => {
                    debt.rest = debt.rest.slice(sent..);
                    debt.since = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.debt = None;
        Ok(true)
    }

    /// Ends the stream as it should be, where that can be done.
    fn end(&self) {
        if self.debt.as_ref().is_none_or(|debt| debt.rest.is_empty()) {
            let _ = self.pipe.try_write(&LAST_CHUNK);
        }
    }
}

/// The connections that watch one subject of one match.
pub(super) struct Group<P> {
    feed: Arc<Feed>,
    subject: Subject,
    cursor: u64,
    members: Vec<Member<P>>,
    told_at: Instant,
}

impl<P: Pipe> Group<P> {
    pub(super) fn new(feed: Arc<Feed>, subject: Subject) -> Self {
        let cursor = feed.cursor();
        Self { feed, subject, cursor, members: Vec::new(), told_at: Instant::now() }
    }

    pub(super) fn is_of(&self, feed: &Arc<Feed>) -> bool {
        Arc::ptr_eq(&self.feed, feed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes new connections, each with the head of its answer, and tells the others meanwhile.
    pub(super) async fn welcome(&mut self, newcomers: Vec<(P, Bytes, Watcher)>) {
        let now = Instant::now();
        let mut joining = Vec::new();
        for (pipe, head, watcher) in newcomers {
            let Watcher { watching, last, place, connection, ends_at, .. } = watcher;
            let places = (place, connection);
            let mut member =
                Member { pipe, debt: None, ends_at, _watching: watching, _places: places };
            if member.send(&head, now) {
                joining.push((member, last));
            }
        }
        self.advance(joining).await;
        // It may have ended while they were on their way here, and will not ring again.
        if self.feed.is_over() {
            self.end();
        }
    }

    /// Tells what is new.
    pub(super) async fn tell(&mut self) {
        if self.feed.is_over() {
            self.end();
            return;
        }
        self.advance(Vec::new()).await;
    }

    async fn advance(&mut self, joining: Vec<(Member<P>, Option<EventId>)>) {
        let lasts: Vec<Option<EventId>> = joining.iter().map(|(_, last)| *last).collect();
        let tide = self.feed.advance(&self.subject, &mut self.cursor, &lasts);
        if let Some(frame) = tide.told {
            self.write(frame.chunk()).await;
        }
        let mut since_break = 0;
        for ((mut member, _), first) in joining.into_iter().zip(tide.first) {
            // One that owes already gets its snapshot later.
            let open = member.debt.is_some() || member.send(first.chunk(), Instant::now());
            if open {
                self.members.push(member);
            }
            since_break += 1;
            if since_break % AT_A_TIME == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn write(&mut self, bytes: &Bytes) {
        let now = Instant::now();
        self.told_at = now;
        let (mut at, mut told) = (0, 0_u64);
        while let Some(member) = self.members.get_mut(at) {
            if member.debt.is_none() {
                told += 1;
                if !member.send(bytes, now) {
                    self.members.swap_remove(at);
                    continue;
                }
            }
            at += 1;
            if at % AT_A_TIME == 0 {
                tokio::task::yield_now().await;
            }
        }
        metrics::counter!("grandstand_frames_total").increment(told);
    }

    /// Lets the connections that owe pay, and brings those that have up to date.
    pub(super) async fn collect(&mut self) {
        let (now, mut at, mut joining) = (Instant::now(), 0, Vec::new());
        while let Some(member) = self.members.get_mut(at) {
            match member.pay(now) {
                Ok(false) => at += 1,
                Ok(true) => joining.push((self.members.swap_remove(at), None)),
                Err(_) => drop(self.members.swap_remove(at)),
            }
        }
        if !joining.is_empty() {
            metrics::counter!("grandstand_streams_resent_total").increment(joining.len() as u64);
            self.advance(joining).await;
        }
    }

    /// Whether a connection could not take all of a frame.
    pub(super) fn owes(&self) -> bool {
        self.members.iter().any(|member| member.debt.is_some())
    }

    /// Once a second: who has gone leaves, whose time is over is ended, a silence is filled.
    pub(super) async fn inspect(&mut self) {
        let now = Instant::now();
        self.members.retain(|member| {
            let over = now >= member.ends_at;
            if over {
                member.end();
            }
            !over && !member.pipe.is_gone()
        });
        if now.saturating_duration_since(self.told_at) >= HEARTBEAT {
            self.write(STILL_HERE.chunk()).await;
        }
    }

    /// Ends all streams.
    pub(super) fn end(&mut self) {
        for member in self.members.drain(..) {
            member.end();
        }
    }
}
