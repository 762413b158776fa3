//! `watch`: N event streams on a match while people hold seats. It measures the time from the
//! response to a hold until the frame arrives at each client. At the end, every map must equal the
//! server's.

use crate::crew::{Findings, SharedCrew, all};
use crate::scenario::person::Person;
use crate::schedule::{Plan, Schedule};
use crate::venue::{letters, map_of};
use crate::wire::Connection;
use grandstand::domain::ids::SeatId;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The largest number of decoded frames that are kept, because all streams of a match get the same
/// frames.
const DECODED_FRAMES_MAX: usize = 256;
/// The streams have this long to catch up after the last hold.
const SETTLE_PAUSE: Duration = Duration::from_secs(2);
/// All streams must be open after this timeout.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// A decoded frame.
enum Frame {
    Snapshot(Vec<u8>),
    /// Positions of seats, and their letters.
    Changes(Vec<(u32, u8)>),
}

/// The state that all streams share.
struct Board {
    /// For each seat, the time of the response to its hold, in ns since `begun`; 0 means not yet.
    responded: Vec<AtomicU64>,
    begun: Instant,
    decoded: Mutex<HashMap<String, Arc<Frame>>>,
    open: AtomicU64,
    frames: AtomicU64,
    ended_early: AtomicU64,
    finished: AtomicBool,
    /// The last map of each stream.
    maps: Mutex<Vec<Vec<u8>>>,
}

/// Opens the streams, holds seats, and compares the maps.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let seats = crew.venue.index.seat_count() as usize;
    let board = Arc::new(Board {
        responded: (0..seats).map(|_| AtomicU64::new(0)).collect(),
        begun: Instant::now(),
        decoded: Mutex::default(),
        open: AtomicU64::new(0),
        frames: AtomicU64::new(0),
        ended_early: AtomicU64::new(0),
        finished: AtomicBool::new(false),
        maps: Mutex::default(),
    });
    let streams = crew.numbers.people;
    let watching: Vec<_> =
        (0..streams).map(|_| tokio::spawn(watch(crew.clone(), board.clone()))).collect();
    let opening = Instant::now();
    while (board.open.load(Ordering::Relaxed) as usize) < streams
        && opening.elapsed() < OPEN_TIMEOUT
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let opened_ms = opening.elapsed().as_secs_f64() * 1000.0;
    let opened = board.open.load(Ordering::Relaxed);
    let frames_before = board.frames.load(Ordering::Relaxed);
    crew.measure(hold_seats(crew, &board)).await?;
    let (time, _) = crew.measured();
    let frames = board.frames.load(Ordering::Relaxed) - frames_before;
    tokio::time::sleep(SETTLE_PAUSE).await;
    board.finished.store(true, Ordering::Relaxed);
    // A last change wakes every stream, so that the stream sees `finished`.
    last_change(crew).await;
    tokio::time::sleep(SETTLE_PAUSE).await;
    let (_, truth) = map_of(&crew.server, &crew.venue.matches[0]).await?;
    for task in watching {
        task.abort();
    }
    let mut findings = Findings::default();
    findings.result("streams open", opened as f64, "streams");
    findings.result("all open after", opened_ms, "ms");
    findings.result("frames delivered", frames as f64 / time.as_secs_f64(), "per second");
    report(&mut findings, &board, opened, streams, &truth);
    Ok(findings)
}

fn report(findings: &mut Findings, board: &Board, opened: u64, streams: usize, truth: &[u8]) {
    let maps = board.maps.lock();
    let equal = maps.iter().filter(|map| *map == truth).count();
    let early = board.ended_early.load(Ordering::Relaxed);
    let detail = format!("{opened} of {streams} opened, {early} ended early");
    findings.check(
        "every stream opened and stayed",
        opened as usize == streams && early == 0,
        detail,
    );
    let detail = format!("{equal} of {streams} maps equal the server's");
    findings.check("every map ends equal to the server's", equal == streams, detail);
}

/// Each person holds a seat that nobody has held before.
async fn hold_seats(crew: &SharedCrew, board: &Arc<Board>) -> anyhow::Result<()> {
    let groups = Arc::new(crew.venue.groups(1));
    let schedule = Schedule::start(Plan {
        rate: crew.numbers.rate,
        duration: crew.numbers.duration,
        arrivals: crew.arguments.arrivals,
        // The last seat is left for `last_change`.
        count_max: groups.len() as u64 - 1,
    })?;
    all(crew.numbers.connections, |_| {
        let (crew, board) = (crew.clone(), board.clone());
        let (schedule, groups) = (schedule.clone(), groups.clone());
        async move {
            let mut person = Person::new(&crew, 0);
            while let Some(arrival) = schedule.next().await {
                let number = arrival.number as usize;
                person.number = number;
                let seats = &groups[number];
                let held = person.hold(&crew.venue.matches[0], seats, arrival.at).await;
                let position = seats.first().and_then(|seat| crew.venue.index.position(*seat));
                if let (Ok(_), Some(position)) = (held, position) {
                    let now = board.begun.elapsed().as_nanos() as u64;
                    board.responded[position as usize].store(now, Ordering::Relaxed);
                }
            }
        }
    })
    .await
}

async fn last_change(crew: &SharedCrew) {
    let mut person = Person::new(crew, crew.tokens.len() - 1);
    if let Some(seats) = crew.venue.groups(1).last() {
        let _ = person.hold(&crew.venue.matches[0], seats, Instant::now()).await;
    }
}

/// Reads a stream to its end, and leaves its map on the board.
async fn watch(crew: SharedCrew, board: Arc<Board>) {
    let mut connection = Connection::new(crew.server.clone());
    let path = format!("/api/matches/{}/seats/events", crew.venue.matches[0]);
    if let Err(error) = connection.listen(&path).await {
        tracing::warn!(%error, "a stream did not open");
        board.ended_early.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let (mut map, mut text) = (Vec::new(), Vec::new());
    while let Ok(Some(chunk)) = connection.chunk().await {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            if let Some(frame) = decoded(&crew, &board, &event) {
                apply(&crew, &board, &frame, &mut map);
            }
        }
        if board.finished.load(Ordering::Relaxed) {
            board.maps.lock().push(map);
            return;
        }
    }
    board.ended_early.fetch_add(1, Ordering::Relaxed);
}

fn apply(crew: &SharedCrew, board: &Board, frame: &Frame, map: &mut Vec<u8>) {
    match frame {
        Frame::Snapshot(letters) => {
            if map.is_empty() {
                board.open.fetch_add(1, Ordering::Relaxed);
            }
            map.clone_from(letters);
        }
        Frame::Changes(changes) => {
            board.frames.fetch_add(1, Ordering::Relaxed);
            let now = board.begun.elapsed().as_nanos() as u64;
            for (position, letter) in changes {
                map[*position as usize] = *letter;
                if *letter == b'H' {
                    // A frame can arrive before the response. It is not late then.
                    let responded = &board.responded[*position as usize];
                    let responded = responded.load(Ordering::Relaxed);
                    let late = if responded == 0 { 0 } else { now.saturating_sub(responded) };
                    crew.tally.record("response to frame", Duration::from_nanos(late));
                }
            }
        }
    }
}

/// Decodes an event, or finds the decoded frame. For most streams, another stream has decoded it.
fn decoded(crew: &SharedCrew, board: &Board, event: &[u8]) -> Option<Arc<Frame>> {
    let text = std::str::from_utf8(event).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let (id, name) = (field("id: ")?, field("event: ")?);
    let key = format!("{name} {id}");
    if let Some(frame) = board.decoded.lock().get(&key) {
        return Some(frame.clone());
    }
    let data: Value = serde_json::from_str(field("data: ")?).ok()?;
    let frame = match name {
        "snapshot" => Frame::Snapshot(letters(&data)),
        "changes" => Frame::Changes(changes(crew, &data)),
        _ => return None,
    };
    let frame = Arc::new(frame);
    let mut decoded = board.decoded.lock();
    if decoded.len() >= DECODED_FRAMES_MAX {
        decoded.clear();
    }
    decoded.insert(key, frame.clone());
    Some(frame)
}

fn changes(crew: &SharedCrew, data: &Value) -> Vec<(u32, u8)> {
    let list = data["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let change = |change: &Value| {
        let seat = SeatId(change["seatId"].as_u64()? as u32);
        let letter = change["state"].as_str()?.bytes().next()?;
        Some((crew.venue.index.position(seat)?, letter))
    };
    list.iter().filter_map(change).collect()
}
