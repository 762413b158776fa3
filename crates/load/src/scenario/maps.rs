//! Event streams of a match, each with a map of its seats. People of the same client share a map,
//! because a stream for each of them would cost the client more than it costs the server.

use crate::crew::SharedCrew;
use crate::scenario::house::{House, SeatMap};
use crate::venue::map_of;
use crate::wire::Connection;
use grandstand::domain::ids::SeatId;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// The largest number of decoded frames that are kept, because all streams of a match get the same
/// frames.
const DECODED_FRAMES_MAX: usize = 256;
/// All streams must be open after this timeout.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// All maps must show the last change after this timeout.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before a stream that ended opens again.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);

/// A decoded frame.
enum Frame {
    Snapshot(Vec<u8>),
    /// Positions of seats, and their letters.
    Changes(Vec<(u32, u8)>),
}

#[derive(Deserialize)]
struct Snapshot<'text> {
    #[serde(borrow)]
    blocks: Vec<Block<'text>>,
}

#[derive(Deserialize)]
struct Block<'text> {
    states: &'text str,
}

#[derive(Deserialize)]
struct Changes<'text> {
    #[serde(borrow)]
    changes: Vec<Change<'text>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change<'text> {
    seat_id: SeatId,
    state: &'text str,
}

/// The streams and their maps.
pub(crate) struct Maps {
    crew: SharedCrew,
    pub(crate) house: Arc<House>,
    maps: Vec<Mutex<SeatMap>>,
    /// For each seat, the time of the response to its hold, in ns since `begun`; 0 means not yet.
    responded: Vec<AtomicU64>,
    begun: Instant,
    decoded: Mutex<HashMap<String, Arc<Frame>>>,
    frames: AtomicU64,
    ended: AtomicU64,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Maps {
    /// Opens the streams, and waits until each has its first state, or until the timeout.
    pub(crate) async fn open(crew: &SharedCrew, house: &Arc<House>, streams: usize) -> Arc<Self> {
        let seats = crew.venue.index.seat_count() as usize;
        let maps = Arc::new(Self {
            crew: crew.clone(),
            house: house.clone(),
            maps: (0..streams).map(|_| Mutex::default()).collect(),
            responded: (0..seats).map(|_| AtomicU64::new(0)).collect(),
            begun: Instant::now(),
            decoded: Mutex::default(),
            frames: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            tasks: Mutex::default(),
        });
        for number in 0..streams {
            let task = tokio::spawn(watch(maps.clone(), number));
            maps.tasks.lock().push(task.abort_handle());
        }
        while maps.opened() < streams && maps.begun.elapsed() < OPEN_TIMEOUT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        maps
    }

    /// Returns the number of streams that have their first state.
    pub(crate) fn opened(&self) -> usize {
        self.maps.iter().filter(|map| !map.lock().letters().is_empty()).count()
    }

    /// Returns the number of streams.
    pub(crate) fn streams(&self) -> usize {
        self.maps.len()
    }

    /// Returns the number of frames with changes, over all streams.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Returns how many times a stream ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Shows a person the map.
    pub(crate) fn look<T>(&self, person: usize, look: impl FnOnce(&SeatMap, &House) -> T) -> T {
        look(&self.maps[person % self.maps.len()].lock(), &self.house)
    }

    /// Notes that the response to a hold has come, so that the delay of the map can be measured.
    pub(crate) fn note_hold(&self, seats: &[SeatId]) {
        let now = self.begun.elapsed().as_nanos() as u64;
        for position in seats.iter().filter_map(|seat| self.crew.venue.index.position(*seat)) {
            self.responded[position as usize].store(now, Ordering::Relaxed);
        }
    }

    /// Waits until all maps equal the snapshot of the server, or until the timeout. Returns the
    /// snapshot, and the numbers of the streams whose maps differ.
    pub(crate) async fn settle(&self) -> anyhow::Result<(Vec<u8>, Vec<usize>)> {
        let begun = Instant::now();
        loop {
            let (_, truth) = map_of(&self.crew.server, &self.crew.venue.matches[0]).await?;
            let differs = |number: &usize| self.maps[*number].lock().letters() != truth;
            let differ: Vec<usize> = (0..self.maps.len()).filter(differs).collect();
            if differ.is_empty() || begun.elapsed() > SETTLE_TIMEOUT {
                return Ok((truth, differ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends all streams.
    pub(crate) fn close(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
    }

    fn apply(&self, number: usize, frame: &Frame) {
        let mut map = self.maps[number].lock();
        match frame {
            Frame::Snapshot(letters) => map.reset(&self.house, letters),
            Frame::Changes(changes) => {
                self.frames.fetch_add(1, Ordering::Relaxed);
                let now = self.begun.elapsed().as_nanos() as u64;
                for (position, letter) in changes {
                    map.change(&self.house, *position, *letter);
                    if *letter == b'H' {
                        // A frame can arrive before the response. It is not late then.
                        let responded = &self.responded[*position as usize];
                        let responded = responded.load(Ordering::Relaxed);
                        let late = if responded == 0 { 0 } else { now.saturating_sub(responded) };
                        self.crew.tally.record("response to frame", Duration::from_nanos(late));
                    }
                    if *letter == b'A' {
                        self.responded[*position as usize].store(0, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Decodes an event, or finds the decoded frame. For most streams, another stream has decoded
    /// it.
    fn decoded(&self, event: &[u8]) -> Option<Arc<Frame>> {
        let text = std::str::from_utf8(event).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let (id, name) = (field("id: ")?, field("event: ")?);
        // Frames that end at the same id may begin at different ones.
        let key = format!("{name} {id} {}", event.len());
        if let Some(frame) = self.decoded.lock().get(&key) {
            return Some(frame.clone());
        }
        let frame = Arc::new(self.parse(name, field("data: ")?)?);
        let mut decoded = self.decoded.lock();
        if decoded.len() >= DECODED_FRAMES_MAX {
            decoded.clear();
        }
        decoded.insert(key, frame.clone());
        Some(frame)
    }

    fn parse(&self, name: &str, data: &str) -> Option<Frame> {
        match name {
            "snapshot" => {
                let Snapshot { blocks } = serde_json::from_str(data).ok()?;
                Some(Frame::Snapshot(
                    blocks.iter().flat_map(|block| block.states.bytes()).collect(),
                ))
            }
            "changes" => {
                let Changes { changes } = serde_json::from_str(data).ok()?;
                let change = |Change { seat_id, state }: &Change| {
                    let position = self.crew.venue.index.position(*seat_id)?;
                    Some((position, state.bytes().next()?))
                };
                Some(Frame::Changes(changes.iter().filter_map(change).collect()))
            }
            _ => None,
        }
    }
}

/// Reads a stream, and opens it again when it ends, because a server ends old streams.
async fn watch(maps: Arc<Maps>, number: usize) {
    let path = format!("/api/matches/{}/seats/events", maps.crew.venue.matches[0]);
    loop {
        let mut connection = Connection::new(maps.crew.server.clone());
        if let Err(error) = connection.listen(&path).await {
            tracing::warn!(%error, "a stream did not open");
        } else {
            let mut text = Vec::new();
            while let Ok(Some(chunk)) = connection.chunk().await {
                text.extend_from_slice(&chunk);
                while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                    if let Some(frame) = maps.decoded(&text[..end + 2]) {
                        maps.apply(number, &frame);
                    }
                    text.drain(..end + 2);
                }
            }
        }
        maps.ended.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(REOPEN_PAUSE).await;
    }
}
