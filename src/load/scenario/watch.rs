//! `watch`: N event streams on one match while seats are held. Measured is the time from the answer
//! of a hold to the frame at each client; at the end every map must be the server's.

use crate::load::crew::{Findings, SharedCrew, all};
use crate::load::scenario::person::Person;
use crate::load::schedule::{Plan, Schedule};
use crate::load::venue::{letters, map_of};
use crate::load::wire::Connection;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Frames that are kept decoded: the streams of one match all get the same ones.
const FRAMES_KEPT: usize = 256;
/// After the last hold the streams get so long to catch up.
const SETTLING: Duration = Duration::from_secs(2);
/// All streams must be open after so long.
const OPENING: Duration = Duration::from_secs(60);

/// A decoded frame.
enum Frame {
    Snapshot(Vec<u8>),
    /// Place of the seat and its letter.
    Changes(Vec<(u32, u8)>),
}

/// What the streams share.
struct Board {
    /// When the hold of each seat was answered, in ns since `begun`; 0: not yet.
    answered: Vec<AtomicU64>,
    begun: Instant,
    decoded: Mutex<HashMap<String, Arc<Frame>>>,
    open: AtomicU64,
    frames: AtomicU64,
    ended_early: AtomicU64,
    finished: AtomicBool,
    /// Streams by whether their map is the server's.
    maps: Mutex<Vec<Vec<u8>>>,
}

/// Opens the streams, holds seats, compares the maps.
pub async fn run(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let seats = crew.venue.index.seat_count() as usize;
    let board = Arc::new(Board {
        answered: (0..seats).map(|_| AtomicU64::new(0)).collect(),
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
    while (board.open.load(Ordering::Relaxed) as usize) < streams && opening.elapsed() < OPENING {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let opened_ms = opening.elapsed().as_secs_f64() * 1000.0;
    let opened = board.open.load(Ordering::Relaxed);
    let frames_before = board.frames.load(Ordering::Relaxed);
    crew.measure(hold_seats(crew, &board)).await?;
    let (time, _) = crew.measured();
    let frames = board.frames.load(Ordering::Relaxed) - frames_before;
    tokio::time::sleep(SETTLING).await;
    board.finished.store(true, Ordering::Relaxed);
    // A last change wakes every stream, so that it sees that it is over.
    last_change(crew).await;
    tokio::time::sleep(SETTLING).await;
    let (_, truth) = map_of(&crew.place, &crew.venue.matches[0]).await?;
    for task in watching {
        task.abort();
    }
    let mut findings = Findings::default();
    findings.result("streams open", opened as f64, "streams");
    findings.result("all open after", opened_ms, "ms");
    findings.result("frames delivered", frames as f64 / time.as_secs_f64(), "per second");
    tell(&mut findings, &board, opened, streams, &truth);
    Ok(findings)
}

fn tell(findings: &mut Findings, board: &Board, opened: u64, streams: usize, truth: &[u8]) {
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
    findings.check("every map ends as the server's", equal == streams, detail);
}

/// Each arrival holds one seat that nobody held before.
async fn hold_seats(crew: &SharedCrew, board: &Arc<Board>) -> anyhow::Result<()> {
    let groups = Arc::new(crew.venue.groups(1));
    let schedule = Schedule::start(Plan {
        rate: crew.numbers.rate,
        duration: crew.numbers.duration,
        arrivals: crew.arguments.arrivals,
        // The last seat wakes the streams at the end.
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
                let place = seats.first().and_then(|seat| crew.venue.index.position(*seat));
                if let (Ok(_), Some(place)) = (held, place) {
                    let now = board.begun.elapsed().as_nanos() as u64;
                    board.answered[place as usize].store(now, Ordering::Relaxed);
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

/// One stream, until it is over; leaves its map on the board.
async fn watch(crew: SharedCrew, board: Arc<Board>) {
    let mut connection = Connection::new(crew.place.clone());
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
            for (place, letter) in changes {
                map[*place as usize] = *letter;
                if *letter == b'H' {
                    // A frame may be faster than the answer: then there was nothing to wait for.
                    let answered = board.answered[*place as usize].load(Ordering::Relaxed);
                    let late = if answered == 0 { 0 } else { now.saturating_sub(answered) };
                    crew.tally.record("answer to frame", Duration::from_nanos(late));
                }
            }
        }
    }
}

/// Decodes an event, or finds it decoded: most streams are not the first to see a frame.
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
    if decoded.len() >= FRAMES_KEPT {
        decoded.clear();
    }
    decoded.insert(key, frame.clone());
    Some(frame)
}

fn changes(crew: &SharedCrew, data: &Value) -> Vec<(u32, u8)> {
    let list = data["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let change = |one: &Value| {
        let seat = crate::domain::ids::SeatId(one["seatId"].as_u64()? as u32);
        let letter = one["state"].as_str()?.bytes().next()?;
        Some((crew.venue.index.position(seat)?, letter))
    };
    list.iter().filter_map(change).collect()
}
