//! Tests of the order of events: a map that changes, connections that come, are slow, and go, in
//! the orders that `shuttle` thinks of. The parts are the real ones; only the network is not.

use crate::domain::catalog::{Match, MatchStatus, Site};
use crate::domain::fact::Fields;
use crate::domain::ids::{MatchId, Partition, SeatId, SiteId};
use crate::domain::position::{EventId, Position, StreamId};
use crate::engine::snapshot::Snapshot;
use crate::live::catalog::KnownSite;
use crate::live::feed::{Feed, Watching};
use crate::live::frame::{LAST_CHUNK, Scope, Subject};
use crate::live::places::Places;
use crate::live::shard::{Desk, Pipe, Shard, Watcher};
use bytes::Bytes;
use serde_json::{Value, json};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread::JoinHandle;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

const SEATS: usize = 4;
const CHANGES: u64 = 5;
/// Orders that are tried.
const ORDERS: usize = 3000;

static HEAD: Bytes = Bytes::from_static(b"3\r\n:\n\n\r\n");

/// A connection without a network: what it takes now, and what it took.
#[derive(Clone)]
struct TestPipe(Arc<Mutex<Taken>>);

struct Taken {
    room: usize,
    gone: bool,
    bytes: Vec<u8>,
}

impl TestPipe {
    fn new(room: usize) -> Self {
        Self(Arc::new(Mutex::new(Taken { room, gone: false, bytes: vec![] })))
    }

    fn make_room(&self, room: usize) {
        self.0.lock().unwrap().room = room;
    }
}

impl Pipe for TestPipe {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = self.0.lock().unwrap();
        if taken.gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(taken.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        taken.room -= count;
        taken.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn writable(&self) -> bool {
        let taken = self.0.lock().unwrap();
        taken.gone || taken.room > 0
    }

    fn is_gone(&self) -> bool {
        self.0.lock().unwrap().gone
    }
}

fn site() -> std::sync::Arc<KnownSite> {
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

fn event(site: &KnownSite) -> Match {
    Match {
        id: MatchId::new(Partition(0)),
        version: 1,
        site_id: site.site.id,
        stadium: "Small".to_owned(),
        home_team: "LG Twins".to_owned(),
        away_team: "Doosan Bears".to_owned(),
        starts_at: jiff::Timestamp::UNIX_EPOCH,
        status: MatchStatus::Open,
        queue: Default::default(),
        orphan_rule: false,
        moved: false,
        archived: false,
    }
}

/// Change `number`: one seat after the other is held, then given back.
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

/// The letters of all seats after so many changes.
fn truth(changes: u64) -> String {
    let mut letters = ['A'; SEATS];
    for number in 1..=changes {
        letters[number as usize % SEATS] = letter(number);
    }
    letters.iter().collect()
}

fn snapshot(changes: u64) -> Snapshot {
    let letters = truth(changes);
    let taken = letters.bytes().zip(1..).filter(|(letter, _)| *letter != b'A');
    Snapshot {
        position: Position { epoch: 1, id: StreamId { ms: changes, seq: 0 } },
        version: changes,
        taken: taken.map(|(letter, seat)| (SeatId(seat), letter)).collect(),
        serving: 0,
        waiting: 0,
    }
}

/// What a client makes of its bytes: every chunk whole, no version back, each frame true, an end.
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
        // What is told of the seats comes first; the match, and heartbeats, are not looked at.
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
                for one in changes {
                    let seat = one["seatId"].as_u64().unwrap() as usize - 1;
                    map[seat] = one["state"].as_str().unwrap().as_bytes()[0];
                }
            }
        }
        version = now;
        assert_eq!(String::from_utf8_lossy(&map), truth(version), "a mixture, at {version}");
    }
    String::from_utf8(map).unwrap()
}

fn watcher(feed: &std::sync::Arc<Feed>, places: &Places, last: Option<u64>) -> Watcher {
    Watcher {
        watching: Watching::new(feed.clone()),
        subject: Subject::Seats(Scope::Match),
        last: last.map(|ms| EventId {
            position: Position { epoch: 1, id: StreamId { ms, seq: 0 } },
            plan: feed.plan(),
        }),
        place: places.take(None).expect("a place"),
        connection: None,
        ends_at: Instant::now() + Duration::from_secs(600),
    }
}

fn publisher(
    feed: std::sync::Arc<Feed>,
    shard: std::sync::Arc<Shard<TestPipe>>,
    id: MatchId,
) -> JoinHandle<()> {
    shuttle::thread::spawn(move || {
        for number in 1..=CHANGES {
            feed.hear(&[entry(number)]).unwrap();
            if number == 3 {
                // As after a gap: everybody starts anew.
                feed.reset(&snapshot(number));
                shard.ring(id);
            }
            // The first two are told together.
            if number != 1 {
                feed.flush();
                shard.ring(id);
            }
        }
    })
}

/// One connection takes a little at a time, another one breaks.
fn network(slow: TestPipe, leaving: TestPipe) -> JoinHandle<()> {
    shuttle::thread::spawn(move || {
        for room in [7, 40, 200] {
            slow.make_room(room);
            shuttle::thread::yield_now();
        }
        leaving.0.lock().unwrap().gone = true;
    })
}

/// As the task of a shard, but it looks at slow connections at each turn.
fn task(mut desk: Desk<TestPipe>, done: Arc<AtomicBool>) -> JoinHandle<Desk<TestPipe>> {
    shuttle::thread::spawn(move || {
        shuttle::future::block_on(async {
            loop {
                let last = done.load(Ordering::SeqCst);
                desk.turn().await;
                desk.collect().await;
                if last {
                    return desk;
                }
                desk.wait().await;
            }
        })
    })
}

/// One story: a map goes through its changes while connections come, are slow, and go.
fn story(site: &std::sync::Arc<KnownSite>) {
    let event = event(site);
    let (id, feed) = (event.id, Feed::new(&event, site.clone(), &snapshot(0), &[]));
    let feed = std::sync::Arc::new(feed);
    let shard = std::sync::Arc::new(Shard::<TestPipe>::default());
    let places = Places::new(10, 10, metrics::Gauge::noop());
    let done = Arc::new(AtomicBool::new(false));
    let come = |pipe: &TestPipe, last: Option<u64>| {
        shard.take(pipe.clone(), HEAD.clone(), watcher(&feed, &places, last));
    };
    let (quick, slow, leaving) = (TestPipe::new(9999), TestPipe::new(30), TestPipe::new(9999));
    let (late, back) = (TestPipe::new(9999), TestPipe::new(9999));
    come(&quick, None);
    come(&slow, None);
    come(&leaving, None);

    let publisher = publisher(feed.clone(), shard.clone(), id);
    let network = network(slow.clone(), leaving.clone());
    let task = task(Desk::new(shard.clone()), done.clone());
    come(&late, None);
    come(&back, Some(1));
    publisher.join().unwrap();
    network.join().unwrap();
    slow.make_room(9999);
    done.store(true, Ordering::SeqCst);
    shard.ring(id);
    let mut desk = task.join().unwrap();
    desk.end();
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
    assert_eq!(feed.watchers(), 0, "who comes after the end is not kept");
}

/// The rule: whatever the order, each client ends with the state, whole frames, and no mixture.
#[test]
fn every_order_of_events_ends_with_the_state() {
    let site = site();
    shuttle::check_pct(move || story(&site), ORDERS, 3);
}

/// The rule: nobody waits for a change to be seen: who comes, and each change, wakes the shard.
#[test]
fn nobody_waits_to_be_seen() {
    let site = site();
    let story = move || {
        let event = event(&site);
        let (id, feed) = (event.id, Feed::new(&event, site.clone(), &snapshot(0), &[]));
        let feed = std::sync::Arc::new(feed);
        let shard = std::sync::Arc::new(Shard::<TestPipe>::default());
        let (places, done) =
            (Places::new(10, 10, metrics::Gauge::noop()), Arc::new(AtomicBool::new(false)));
        let task = task(Desk::new(shard.clone()), done.clone());
        let pipe = TestPipe::new(9999);
        let holds = |text: &str| {
            let bytes = pipe.0.lock().unwrap().bytes.clone();
            String::from_utf8(bytes).unwrap().contains(text)
        };
        shard.take(pipe.clone(), HEAD.clone(), watcher(&feed, &places, None));
        while !holds("event: snapshot") {
            shuttle::thread::yield_now();
        }
        feed.hear(&[entry(1)]).unwrap();
        feed.flush();
        shard.ring(id);
        while !holds("event: changes") {
            shuttle::thread::yield_now();
        }
        done.store(true, Ordering::SeqCst);
        shard.ring(id);
        task.join().unwrap().end();
    };
    shuttle::check_random(story, ORDERS);
}
