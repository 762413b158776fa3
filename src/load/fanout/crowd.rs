//! Very many event streams on one match, each as cheap as it can be: a frame that all get is read
//! once, and a map is only a sum that any lost or doubled change spoils.

use crate::domain::ids::SeatId;
use crate::live::catalog::KnownSite;
use crate::load::venue::letters;
use crate::load::wire::{Connection, Place};
use anyhow::ensure;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Connections that open at once; the others follow.
const OPENING: usize = 500;
/// All of them must be there after so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A frame, read once.
pub struct Heard {
    snapshot: bool,
    pub id: String,
    /// The sum over the taken seats that it names.
    sum: u64,
    /// Places of the seats that changed.
    pub seats: Vec<u32>,
}

/// What the streams share.
pub struct Board {
    site: Arc<KnownSite>,
    /// By name and id, and by length: two that end at the same place may begin at different ones.
    heard: Mutex<HashMap<(String, usize), Arc<Heard>>>,
    /// Streams that have the state.
    ready: AtomicU64,
    frames: AtomicU64,
}

/// What one stream saw.
#[derive(Default)]
pub struct Seen {
    /// The sum over all seats that are taken: the same for the same map.
    pub sum: u64,
    pub last_id: String,
    /// Frames with changes, and when they came (µs since 1970).
    pub frames: Vec<(Arc<Heard>, i64)>,
    pub failed: bool,
}

/// Where streams are opened.
pub struct Target {
    pub place: Place,
    pub path: String,
    pub site: Arc<KnownSite>,
}

/// The streams.
pub struct Crowd {
    pub board: Arc<Board>,
    tasks: Vec<JoinHandle<Seen>>,
    stop: CancellationToken,
}

impl Crowd {
    /// Opens a stream for each place to resume from (sum and id; empty: from the start).
    pub fn open(to: &Target, from: Vec<(u64, String)>) -> Self {
        let Target { place, path, site } = to;
        let (heard, ready, frames) = Default::default();
        let board = Arc::new(Board { site: site.clone(), heard, ready, frames });
        let stop = CancellationToken::new();
        let opening = Arc::new(Semaphore::new(OPENING));
        let one = |(sum, last_id): (u64, String)| {
            let path = match last_id.is_empty() {
                true => path.clone(),
                false => format!("{path}?lastEventId={last_id}"),
            };
            let (board, opening) = (board.clone(), opening.clone());
            let connection = Connection::new(place.clone());
            let seen = Seen { sum, last_id, ..Seen::default() };
            tokio::spawn(watch(connection, path, seen, board, opening, stop.clone()))
        };
        let tasks = from.into_iter().map(one).collect();
        Self { board, tasks, stop }
    }

    /// Opens so many from the start and waits until all have the state; how long that took.
    pub async fn gather(to: &Target, count: usize) -> anyhow::Result<(Self, Duration)> {
        let crowd = Self::open(to, vec![Default::default(); count]);
        let took = crowd.ready().await?;
        Ok((crowd, took))
    }

    /// Waits until all have the state; how long that took.
    pub async fn ready(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while (self.board.ready.load(Ordering::Relaxed) as usize) < self.tasks.len() {
            ensure!(begun.elapsed() < PATIENCE, "not all streams opened");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(begun.elapsed())
    }

    /// Frames with changes so far, of all streams together.
    pub fn frames(&self) -> u64 {
        self.board.frames.load(Ordering::Relaxed)
    }

    /// Waits until the node has ended all streams.
    pub async fn ended(self) -> anyhow::Result<Vec<Seen>> {
        let mut all = Vec::new();
        for task in self.tasks {
            all.push(task.await?);
        }
        Ok(all)
    }

    /// Ends all streams.
    pub async fn leave(self) -> anyhow::Result<Vec<Seen>> {
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
    let place = opening.acquire().await;
    seen.failed = connection.listen(&path).await.is_err();
    drop(place);
    let mut ready = false;
    while !seen.failed {
        let chunk = tokio::select! {
            chunk = connection.chunk() => chunk,
            () = stop.cancelled() => break,
        };
        let Ok(Some(chunk)) = chunk else { break };
        let Some(heard) = board.read(&chunk) else { continue };
        seen.last_id.clone_from(&heard.id);
        if heard.snapshot {
            seen.sum = heard.sum;
        } else {
            seen.sum ^= heard.sum;
            board.frames.fetch_add(1, Ordering::Relaxed);
            seen.frames.push((heard, jiff::Timestamp::now().as_microsecond()));
        }
        if !ready {
            ready = true;
            board.ready.fetch_add(1, Ordering::Relaxed);
        }
    }
    seen
}

impl Board {
    /// Reads what a frame tells of seats, or finds it read: that comes first in it, and what else
    /// there is of the match comes behind. Nothing but seats that are taken for good is told in
    /// these tests, so a change adds its seat to the sum.
    fn read(&self, chunk: &[u8]) -> Option<Arc<Heard>> {
        let text = std::str::from_utf8(chunk).ok()?;
        let (first, _) = text.split_once("\n\n")?;
        let (id, rest) = first.strip_prefix("id: ")?.split_once("\nevent: ")?;
        let snapshot = rest.starts_with("snapshot");
        let name = if snapshot { format!("snapshot {id}") } else { id.to_owned() };
        let key = (name, chunk.len());
        let mut heard = self.heard.lock();
        if let Some(heard) = heard.get(&key) {
            return Some(heard.clone());
        }
        let data: Value = serde_json::from_str(rest.split_once("\ndata: ")?.1).ok()?;
        let seats = if snapshot { taken(&data) } else { self.changed(&data) };
        let sum = seats.iter().fold(0, |sum, seat| sum ^ mark(*seat));
        let one = Arc::new(Heard { snapshot, id: id.to_owned(), sum, seats });
        heard.insert(key, one.clone());
        Some(one)
    }

    fn changed(&self, data: &Value) -> Vec<u32> {
        let list = data["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let seats = list.iter().filter_map(|one| Some(SeatId(one["seatId"].as_u64()? as u32)));
        seats.filter_map(|seat| self.site.index.position(seat)).collect()
    }
}

fn taken(data: &Value) -> Vec<u32> {
    let letters = letters(data);
    (0..letters.len()).filter(|at| letters[*at] != b'A').map(|at| at as u32).collect()
}

/// A number for each seat that no few others add up to.
pub fn mark(place: u32) -> u64 {
    let mixed = u64::from(place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}
