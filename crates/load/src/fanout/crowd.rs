//! Very many event streams on one match, each as cheap as possible. A frame that all streams get is
//! parsed once. A map is only a checksum, which any lost or repeated change would make wrong.

use crate::venue::letters;
use crate::wire::{Connection, ServerAddress};
use anyhow::ensure;
use grandstand::domain::ids::SeatId;
use grandstand::live::catalog::KnownSite;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Connections that open in parallel; the others follow.
const PARALLEL_OPENINGS: usize = 500;
/// All streams must be open after this timeout.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// A parsed frame.
pub(crate) struct Frame {
    snapshot: bool,
    pub(crate) id: String,
    /// The checksum over the taken seats in it.
    sum: u64,
    /// Positions of the seats that changed.
    pub(crate) seats: Vec<u32>,
}

/// The state that all streams share.
pub(crate) struct Board {
    site: Arc<KnownSite>,
    /// Frames by name and id, and by length, because frames that end at the same id may begin at
    /// different ones.
    parsed: Mutex<HashMap<(String, usize), Arc<Frame>>>,
    /// Streams that have received their first state.
    ready: AtomicU64,
    frames: AtomicU64,
}

/// What a stream has received.
#[derive(Default)]
pub(crate) struct Seen {
    /// The checksum over all taken seats. Equal maps have equal checksums.
    pub(crate) sum: u64,
    pub(crate) last_id: String,
    /// Frames with changes, and the times of their arrival (µs since 1970).
    pub(crate) frames: Vec<(Arc<Frame>, i64)>,
    pub(crate) failed: bool,
}

/// The address of the streams, and the plan of their match.
pub(crate) struct Target {
    pub(crate) server: ServerAddress,
    pub(crate) path: String,
    pub(crate) site: Arc<KnownSite>,
}

/// A crowd of streams.
pub(crate) struct Crowd {
    pub(crate) board: Arc<Board>,
    tasks: Vec<JoinHandle<Seen>>,
    stop: CancellationToken,
}

impl Crowd {
    /// Opens a stream for each pair of checksum and id. A stream resumes behind its id; with an
    /// empty id, it starts with a snapshot.
    pub(crate) fn open(to: &Target, from: Vec<(u64, String)>) -> Self {
        let Target { server, path, site } = to;
        let (parsed, ready, frames) = Default::default();
        let board = Arc::new(Board { site: site.clone(), parsed, ready, frames });
        let stop = CancellationToken::new();
        let opening = Arc::new(Semaphore::new(PARALLEL_OPENINGS));
        let stream = |(sum, last_id): (u64, String)| {
            let path = match last_id.is_empty() {
                true => path.clone(),
                false => format!("{path}?lastEventId={last_id}"),
            };
            let (board, opening) = (board.clone(), opening.clone());
            let connection = Connection::new(server.clone());
            let seen = Seen { sum, last_id, ..Seen::default() };
            tokio::spawn(watch(connection, path, seen, board, opening, stop.clone()))
        };
        let tasks = from.into_iter().map(stream).collect();
        Self { board, tasks, stop }
    }

    /// Opens `count` streams from the start, and waits until all have their state. Returns the time
    /// that it took.
    pub(crate) async fn gather(to: &Target, count: usize) -> anyhow::Result<(Self, Duration)> {
        let crowd = Self::open(to, vec![Default::default(); count]);
        let took = crowd.ready().await?;
        Ok((crowd, took))
    }

    /// Waits until all streams have their state. Returns the time that it took.
    pub(crate) async fn ready(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while (self.board.ready.load(Ordering::Relaxed) as usize) < self.tasks.len() {
            ensure!(begun.elapsed() < OPEN_TIMEOUT, "not all streams opened");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(begun.elapsed())
    }

    /// Returns the number of frames with changes, over all streams.
    pub(crate) fn frames(&self) -> u64 {
        self.board.frames.load(Ordering::Relaxed)
    }

    /// Waits until the node has ended all streams.
    pub(crate) async fn ended(self) -> anyhow::Result<Vec<Seen>> {
        let mut all = Vec::new();
        for task in self.tasks {
            all.push(task.await?);
        }
        Ok(all)
    }

    /// Ends all streams.
    pub(crate) async fn leave(self) -> anyhow::Result<Vec<Seen>> {
        self.stop.cancel();
        self.ended().await
    }
}

async fn watch(
    mut connection: Connection,
    path: String,
    mut seen: Seen,
    board: Arc<Board>,
    opening: Arc<Semaphore>,
    stop: CancellationToken,
) -> Seen {
    let permit = opening.acquire().await;
    seen.failed = connection.listen(&path).await.is_err();
    drop(permit);
    let mut ready = false;
    while !seen.failed {
        let chunk = tokio::select! {
            chunk = connection.chunk() => chunk,
            () = stop.cancelled() => break,
        };
        let Ok(Some(chunk)) = chunk else { break };
        let Some(frame) = board.parse(&chunk) else { continue };
        seen.last_id.clone_from(&frame.id);
        if frame.snapshot {
            seen.sum = frame.sum;
        } else {
            seen.sum ^= frame.sum;
            board.frames.fetch_add(1, Ordering::Relaxed);
            seen.frames.push((frame, jiff::Timestamp::now().as_microsecond()));
        }
        if !ready {
            ready = true;
            board.ready.fetch_add(1, Ordering::Relaxed);
        }
    }
    seen
}

impl Board {
    /// Parses the seats of a frame, or finds the parsed frame. The seats come first in a chunk, and
    /// other news of the match behind them. In these tests each change takes a seat for good, so a
    /// change adds its seat to the checksum.
    fn parse(&self, chunk: &[u8]) -> Option<Arc<Frame>> {
        let text = std::str::from_utf8(chunk).ok()?;
        let (first, _) = text.split_once("\n\n")?;
        let (id, rest) = first.strip_prefix("id: ")?.split_once("\nevent: ")?;
        let snapshot = rest.starts_with("snapshot");
        let name = if snapshot { format!("snapshot {id}") } else { id.to_owned() };
        let key = (name, chunk.len());
        let mut parsed = self.parsed.lock();
        if let Some(frame) = parsed.get(&key) {
            return Some(frame.clone());
        }
        let data: Value = serde_json::from_str(rest.split_once("\ndata: ")?.1).ok()?;
        let seats = if snapshot { taken(&data) } else { self.changed(&data) };
        let sum = seats.iter().fold(0, |sum, seat| sum ^ mark(*seat));
        let frame = Arc::new(Frame { snapshot, id: id.to_owned(), sum, seats });
        parsed.insert(key, frame.clone());
        Some(frame)
    }

    fn changed(&self, data: &Value) -> Vec<u32> {
        let list = data["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let seats =
            list.iter().filter_map(|change| Some(SeatId(change["seatId"].as_u64()? as u32)));
        seats.filter_map(|seat| self.site.index.position(seat)).collect()
    }
}

fn taken(data: &Value) -> Vec<u32> {
    let letters = letters(data);
    (0..letters.len()).filter(|position| letters[*position] != b'A').map(|at| at as u32).collect()
}

/// Returns the part of a seat in a checksum: a mixed number, so that a few seats never cancel out.
pub(crate) fn mark(position: u32) -> u64 {
    let mixed = u64::from(position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}
