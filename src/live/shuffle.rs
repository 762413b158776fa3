//! Tests of the order of events: a map changes while connections come, are slow, and go, in orders
//! that `shuttle` chooses. All parts but the network are the real ones.

use crate::domain::catalog::{Match, Site};
use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition, SeatId, SiteId};
use crate::domain::position::{EventId, Position, StreamId};
use crate::domain::queue::{LineState, QueueSettings};
use crate::engine::snapshot::Snapshot;
use crate::live::catalog::KnownSite;
use crate::live::frame::{LAST_CHUNK, Scope, Subject};
use crate::live::match_feed::{MatchFeed, Watching};
use crate::live::shard::{Pipe, Shard, ShardTask, Watcher};
use crate::live::slots::Slots;
use bytes::Bytes;
use serde_json::{Value, json};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread::JoinHandle;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

const SEATS: usize = 4;
const CHANGES: u64 = 5;
/// Orders that each test tries.
pub(super) const ORDERS: usize = 3000;

static HEAD: Bytes = Bytes::from_static(b"3\r\n:\n\n\r\n");

/// A connection without a network.
#[derive(Clone)]
struct TestPipe(Arc<Mutex<PipeState>>);

struct PipeState {
    /// The number of bytes that it takes now.
    room: usize,
    gone: bool,
    /// The bytes that it has taken.
    bytes: Vec<u8>,
}

impl TestPipe {
    fn new(room: usize) -> Self {
        Self(Arc::new(Mutex::new(PipeState { room, gone: false, bytes: vec![] })))
    }

    fn make_room(&self, room: usize) {
        self.0.lock().unwrap().room = room;
    }
}

impl Pipe for TestPipe {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        if state.gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(state.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.room -= count;
        state.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn writable(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.gone || state.room > 0
    }

    fn is_gone(&self) -> bool {
        self.0.lock().unwrap().gone
    }
}

pub(super) fn site() -> std::sync::Arc<KnownSite> {
    let plan = json!({
        "name": "Small", "focus": [0.0, 0.0],
        "grades": [{"code": "A", "name": "A", "price": 1, "color": "#000000"}],
        "areas": [{"id": 1, "name": "A", "sections": [{"id": 1, "name": "A", "blocks": [
            {"id": 1, "name": "A", "grade": "A",
             "outline": [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]],
             "rows": [{"label": "1", "firstSeatId": 1, "seats": SEATS, "from": [0.0, 1.0],
                "to": [4.0, 1.0]}]}]}]}]
    });
    let plan = serde_json::from_value(plan).unwrap();
    std::sync::Arc::new(KnownSite::new(Site { id: SiteId::new(Partition(0)), version: 1, plan }))
}

pub(super) fn fixture(site: &KnownSite) -> Match {
    let fixture = json!({"id": MatchId::new(Partition(0)), "version": 1, "siteId": site.site.id,
        "stadium": "Small", "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "1970-01-01T00:00:00Z", "status": "OPEN", "queue": QueueSettings::default()});
    serde_json::from_value(fixture).unwrap()
}

/// Change `number`: the seats are held one after the other, then given back.
fn entry(number: u64) -> (StreamId, Fields) {
    let (seat, letter) = (number as usize % SEATS + 1, letter(number));
    let text = |name: &str, value: String| (name.to_owned(), value);
    let fields = [
        text("v", number.to_string()),
        text("p", (number - 1).to_string()),
        text("d", format!("{letter}{seat}")),
    ];
    (StreamId { ms: number, seq: 0 }, Fields::from_iter(fields))
}

fn letter(number: u64) -> char {
    if (number as usize / SEATS).is_multiple_of(2) { 'H' } else { 'A' }
}

/// The letters of all seats after this number of changes.
fn truth(changes: u64) -> String {
    let mut letters = ['A'; SEATS];
    for number in 1..=changes {
        letters[number as usize % SEATS] = letter(number);
    }
    letters.iter().collect()
}

pub(super) fn snapshot(changes: u64) -> Snapshot {
    let letters = truth(changes);
    let taken = letters.bytes().zip(1..).filter(|(letter, _)| *letter != b'A');
    Snapshot {
        position: Position { epoch: 1, id: StreamId { ms: changes, seq: 0 } },
        version: changes,
        taken: taken.map(|(letter, seat)| (SeatId(seat), letter)).collect(),
        line: LineState::default(),
    }
}

/// Reads the bytes of a client as a browser would, and returns the letters at the end. All chunks
/// must be whole, no version may go back, each frame must be true, and the stream must end.
fn read(bytes: &[u8], from: u64) -> String {
    let mut rest = bytes.strip_suffix(&LAST_CHUNK[..]).expect("the stream ends as it should");
    let (mut map, mut version): (Vec<u8>, u64) = (truth(from).into_bytes(), from);
    while !rest.is_empty() {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("the size of a chunk");
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).expect("a size");
        let text = std::str::from_utf8(&rest[end + 2..end + 2 + size]).unwrap();
        assert_eq!(&rest[end + 2 + size..end + 4 + size], b"\r\n");
        rest = &rest[end + 4 + size..];
        // Events of seats come first in a frame. The match and heartbeats are not checked.
        let Some((_, data)) = text.strip_prefix("id: ").and_then(|text| text.split_once("data: "))
        else {
            continue;
        };
        let (data, _) = data.split_once("\n\n").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        let now = data["version"].as_u64().unwrap();
        match data["changes"].as_array() {
            None => map = data["blocks"][0]["states"].as_str().unwrap().as_bytes().to_vec(),
            Some(changes) => {
                assert!(now >= version, "version {now} after {version}");
                for change in changes {
                    let seat = change["seatId"].as_u64().unwrap() as usize - 1;
                    map[seat] = change["state"].as_str().unwrap().as_bytes()[0];
                }
            }
        }
        version = now;
        assert_eq!(String::from_utf8_lossy(&map), truth(version), "a mixture, at {version}");
    }
    String::from_utf8(map).unwrap()
}

fn watcher(feed: &std::sync::Arc<MatchFeed>, slots: &Slots, last: Option<u64>) -> Watcher {
    Watcher {
        watching: Watching::new(feed.clone()),
        subject: Subject::Seats(Scope::Match),
        last: last.map(|ms| EventId {
            position: Position { epoch: 1, id: StreamId { ms, seq: 0 } },
            plan: feed.plan(),
        }),
        stream_slot: slots.take(&[], 10).expect("a slot"),
        connection_slot: None,
        ends_at: Instant::now() + Duration::from_secs(600),
    }
}

fn publisher(
    feed: std::sync::Arc<MatchFeed>,
    shard: std::sync::Arc<Shard<TestPipe>>,
    id: MatchId,
) -> JoinHandle<()> {
    shuttle::thread::spawn(move || {
        for number in 1..=CHANGES {
            feed.apply(&[entry(number)]).unwrap();
            if number == 3 {
                // As after a gap: everybody gets a snapshot.
                feed.reset(&snapshot(number));
                shard.notify(id);
            }
            // The first two changes go out in one flush.
            if number != 1 {
                feed.flush();
                shard.notify(id);
            }
        }
    })
}

/// One connection takes a little at a time, and another breaks.
fn network(slow: TestPipe, leaving: TestPipe) -> JoinHandle<()> {
    shuttle::thread::spawn(move || {
        for room in [7, 40, 200] {
            slow.make_room(room);
            shuttle::thread::yield_now();
        }
        leaving.0.lock().unwrap().gone = true;
    })
}

/// The task of a shard, but it tries slow connections again at each turn.
fn run(mut task: ShardTask<TestPipe>, done: Arc<AtomicBool>) -> JoinHandle<ShardTask<TestPipe>> {
    shuttle::thread::spawn(move || {
        shuttle::future::block_on(async {
            loop {
                let last = done.load(Ordering::SeqCst);
                task.turn().await;
                task.retry().await;
                if last {
                    return task;
                }
                task.wait().await;
            }
        })
    })
}

/// One run: a map goes through its changes while connections come, are slow, and go.
fn run_once(site: &std::sync::Arc<KnownSite>) {
    let fixture = fixture(site);
    let (id, feed) = (fixture.id, MatchFeed::new(&fixture, site.clone(), &snapshot(0), &[]));
    let feed = std::sync::Arc::new(feed);
    let shard = std::sync::Arc::new(Shard::<TestPipe>::default());
    let slots = Slots::new(metrics::Gauge::noop());
    let done = Arc::new(AtomicBool::new(false));
    let come = |pipe: &TestPipe, last: Option<u64>| {
        shard.take(pipe.clone(), HEAD.clone(), watcher(&feed, &slots, last));
    };
    let (quick, slow, leaving) = (TestPipe::new(9999), TestPipe::new(30), TestPipe::new(9999));
    let (late, back) = (TestPipe::new(9999), TestPipe::new(9999));
    come(&quick, None);
    come(&slow, None);
    come(&leaving, None);

    let publisher = publisher(feed.clone(), shard.clone(), id);
    let network = network(slow.clone(), leaving.clone());
    let task = run(ShardTask::new(shard.clone()), done.clone());
    come(&late, None);
    come(&back, Some(1));
    publisher.join().unwrap();
    network.join().unwrap();
    slow.make_room(9999);
    done.store(true, Ordering::SeqCst);
    shard.notify(id);
    let mut task = task.join().unwrap();
    task.end();
    for (name, pipe, from) in
        [("quick", &quick, 0), ("slow", &slow, 0), ("late", &late, 0), ("back", &back, 1)]
    {
        let bytes = pipe.0.lock().unwrap().bytes.clone();
        assert_eq!(
            read(&bytes, from),
            truth(CHANGES),
            "{name}: {}",
            String::from_utf8_lossy(&bytes)
        );
    }
    assert_eq!(feed.watchers(), 0, "all have left");
    come(&quick, None);
    assert_eq!(feed.watchers(), 0, "a connection that comes after the end is not kept");
}

/// The rule: in any order, each client gets whole frames, and ends with the last state.
#[test]
fn every_order_of_events_ends_with_the_state() {
    let site = site();
    shuttle::check_pct(move || run_once(&site), ORDERS, 3);
}

/// The rule: a connection that takes a snapshot in parts gets it once, and then only changes.
#[test]
fn a_snapshot_that_does_not_fit_into_the_buffer_is_sent_once() {
    let site = site();
    let run_once = move || {
        let fixture = fixture(&site);
        let feed = MatchFeed::new(&fixture, site.clone(), &snapshot(0), &[]);
        let feed = std::sync::Arc::new(feed);
        let shard = std::sync::Arc::new(Shard::<TestPipe>::default());
        let slots = Slots::new(metrics::Gauge::noop());
        let mut task = ShardTask::new(shard.clone());
        // It takes so many bytes at a time that no frame fits.
        let pipe = TestPipe::new(20);
        shard.take(pipe.clone(), HEAD.clone(), watcher(&feed, &slots, None));
        shuttle::future::block_on(async {
            task.turn().await;
            for _ in 0..5 {
                task.retry().await;
            }
            feed.apply(&[entry(1)]).unwrap();
            feed.flush();
            task.turn().await;
            for _ in 0..5 {
                task.retry().await;
            }
            pipe.make_room(9999);
            task.retry().await;
        });
        task.end();
        let bytes = pipe.0.lock().unwrap().bytes.clone();
        let text = String::from_utf8_lossy(&bytes);
        let count = |event: &str| text.matches(event).count();
        assert_eq!((count("event: snapshot"), count("event: changes")), (1, 1), "{text}");
        assert_eq!(read(&bytes, 0), truth(1));
    };
    shuttle::check_random(run_once, 1);
}

/// The rule: a newcomer between a change and its flush makes nobody else miss the change.
#[test]
fn a_newcomer_before_a_flush_takes_no_change_from_a_slow_connection() {
    let site = site();
    let run_once = move || {
        let fixture = fixture(&site);
        let feed = MatchFeed::new(&fixture, site.clone(), &snapshot(0), &[]);
        let feed = std::sync::Arc::new(feed);
        let shard = std::sync::Arc::new(Shard::<TestPipe>::default());
        let slots = Slots::new(metrics::Gauge::noop());
        let mut task = ShardTask::new(shard.clone());
        let (slow, newcomer) = (TestPipe::new(9999), TestPipe::new(9999));
        let come = |pipe: &TestPipe| {
            shard.take(pipe.clone(), HEAD.clone(), watcher(&feed, &slots, None));
        };
        come(&slow);
        shuttle::future::block_on(async {
            task.turn().await;
            feed.apply(&[entry(1)]).unwrap();
            come(&newcomer);
            task.turn().await;
            slow.make_room(0);
            feed.flush();
            shard.notify(fixture.id);
            task.turn().await;
            slow.make_room(9999);
            task.retry().await;
        });
        task.end();
        for (name, pipe) in [("slow", &slow), ("newcomer", &newcomer)] {
            let bytes = pipe.0.lock().unwrap().bytes.clone();
            assert_eq!(read(&bytes, 0), truth(1), "{name}: {}", String::from_utf8_lossy(&bytes));
        }
    };
    shuttle::check_random(run_once, 1);
}

/// The rule: a new connection and each flush wake the shard, so that nobody waits for an interval.
#[test]
fn a_connection_and_a_flush_wake_the_shard() {
    let site = site();
    let run_once = move || {
        let fixture = fixture(&site);
        let (id, feed) = (fixture.id, MatchFeed::new(&fixture, site.clone(), &snapshot(0), &[]));
        let feed = std::sync::Arc::new(feed);
        let shard = std::sync::Arc::new(Shard::<TestPipe>::default());
        let (slots, done) = (Slots::new(metrics::Gauge::noop()), Arc::new(AtomicBool::new(false)));
        let task = run(ShardTask::new(shard.clone()), done.clone());
        let pipe = TestPipe::new(9999);
        let holds = |text: &str| {
            let bytes = pipe.0.lock().unwrap().bytes.clone();
            String::from_utf8(bytes).unwrap().contains(text)
        };
        shard.take(pipe.clone(), HEAD.clone(), watcher(&feed, &slots, None));
        while !holds("event: snapshot") {
            shuttle::thread::yield_now();
        }
        feed.apply(&[entry(1)]).unwrap();
        feed.flush();
        shard.notify(id);
        while !holds("event: changes") {
            shuttle::thread::yield_now();
        }
        done.store(true, Ordering::SeqCst);
        shard.notify(id);
        task.join().unwrap().end();
    };
    shuttle::check_random(run_once, ORDERS);
}
