//! Clients of every kind follow a match that opens, sells out and is refunded. Each map that a
//! client had must be the map of Redis at the same version.

use crate::support::client::Client;
use crate::support::events::{Event, EventStream};
use crate::support::node::{TestMatch, TestNode};
use fred::prelude::*;
use grandstand::engine::snapshot::parse_told;
use grandstand::node::NodeRole;
use grandstand::redis::keys::MatchKeys;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The map of the match at each version, from the stream of changes: read as it grows, because
/// the stream is cut meanwhile.
struct Book {
    raw: grandstand::redis::Link,
    key: String,
    at: String,
    map: BTreeMap<u64, String>,
    maps: HashMap<u64, BTreeMap<u64, String>>,
    /// The last version at which a seat of block 1 changed.
    last: u64,
}

impl Book {
    async fn open(node: &TestNode, fixture: &TestMatch) -> Self {
        let id = fixture.match_id();
        let map: BTreeMap<u64, String> =
            (1..=25).map(|seat| (seat, "AVAILABLE".to_owned())).collect();
        let maps = HashMap::from([(0, map.clone())]);
        let key = MatchKeys(id).changes();
        Self { raw: node.raw().await, key, at: "-".to_owned(), map, maps, last: 0 }
    }

    /// Reads the new entries, and with `cut` deletes them from the stream.
    async fn read(&mut self, cut: bool) {
        let entries: Vec<(String, HashMap<String, String>)> =
            self.raw.xrange_values(&self.key, &self.at, "+", None).await.unwrap();
        for (id, fields) in entries {
            self.at = format!("({id}");
            let version = fields["v"].parse().unwrap();
            for (seat, letter) in parse_told(&fields["d"]).unwrap() {
                if seat.0 <= 20 {
                    self.last = version;
                }
                self.map.insert(u64::from(seat.0), word(letter).to_owned());
            }
            self.maps.insert(version, self.map.clone());
        }
        if cut {
            let _: i64 = self.raw.xtrim(&self.key, ("MAXLEN", "=", 0)).await.unwrap();
        }
    }
}

fn word(letter: u8) -> &'static str {
    match letter {
        b'A' => "AVAILABLE",
        b'H' => "HOLD",
        b'P' => "PENDING",
        b'O' => "OCCUPIED",
        b'B' => "BLOCKED",
        _ => panic!("state {letter}"),
    }
}

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
enum Habit {
    Steady,
    /// Waits after each event.
    Slow,
    /// Is cut off after this number of events, and returns with its id to the other node.
    Returning(usize),
    /// The same without an id.
    Forgetful(usize),
}

/// What a client was told: version and map, after each event.
type Told = Vec<(u64, BTreeMap<u64, String>)>;

/// Follows until it has the last version, once that is known (0: not yet).
async fn follow(urls: [String; 2], habit: Habit, mut last: watch::Receiver<u64>) -> Told {
    let mut told = Told::new();
    let mut stream = EventStream::open(&urls[0], None).await;
    let (mut count, mut turn) = (0, 0);
    loop {
        let version = *last.borrow_and_update();
        if version > 0 && told.last().is_some_and(|(at, _)| *at >= version) {
            return told;
        }
        let event = tokio::select! {
            event = stream.next() => event.expect("the stream goes on"),
            _ = last.changed() => continue,
        };
        note(&mut told, &event, &stream);
        count += 1;
        match habit {
            Habit::Slow => tokio::time::sleep(Duration::from_millis(40)).await,
            Habit::Returning(often) | Habit::Forgetful(often) if count % often == 0 => {
                turn += 1;
                let last = matches!(habit, Habit::Returning(_)).then(|| stream.last_id.clone());
                let seats = std::mem::take(&mut stream.seats);
                stream = EventStream::open(&urls[turn % 2], last.as_deref()).await;
                stream.seats = seats;
            }
            Habit::Steady | Habit::Returning(_) | Habit::Forgetful(_) => {}
        }
    }
}

fn note(told: &mut Told, event: &Event, stream: &EventStream) {
    let version = event.data["version"].as_u64().unwrap();
    let before = told.last().map_or(0, |(version, _)| *version);
    let snapshot = event.name == "snapshot";
    assert!(version >= before || snapshot, "version {version} after {before} without a snapshot");
    told.push((version, stream.seats.clone()));
}

/// Sells everything, and gives half of it back.
async fn sell_out_and_refund(
    node: &TestNode,
    fixture: &TestMatch,
    fans: &[Client],
    book: &mut Book,
) {
    let mut sold = Vec::new();
    for (number, fan) in fans.iter().enumerate() {
        let seats: Vec<u32> = (0..5).map(|seat| (number * 5 + seat + 1) as u32).collect();
        let hold = fan.hold(&fixture.id, &seats).await.expect(201);
        if number % 2 == 0 {
            // Somebody changes their mind first.
            let path = fixture.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
            fan.delete(&path).await.expect(204);
            book.read(number == 2).await;
            fan.hold(&fixture.id, &seats).await.expect(201);
        }
        let body = json!({"matchId": fixture.id, "seatIds": seats});
        let reservation = fan.post("/api/reservations", &body).await.expect(201);
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, "approve").await;
        fan.confirm(&payment, &key).await.expect(200);
        sold.push((fan, reservation));
        book.read(number == 3).await;
    }
    for (fan, reservation) in sold.iter().step_by(2) {
        let path = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
        fan.post(&path, &Value::Null).await.expect(200);
        book.read(false).await;
    }
}

/// On two nodes, for quick and slow clients, for clients that return, and for a stream that is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_map_that_a_client_ever_had_was_that_of_redis() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 20).await;
    let fixture = node.open_match().await;
    let second = node.another_node(NodeRole::Api).await;
    let mut book = Book::open(&node, &fixture).await;
    let mut fans = Vec::new();
    for number in 0..5 {
        fans.push(node.user(&format!("fan{number}")).await);
    }
    let path = fixture.path("/blocks/1/seats/events");
    let urls = [format!("{}{path}", node.url()), format!("{}{path}", second.url())];
    let turned = [urls[1].clone(), urls[0].clone()];
    let last = watch::Sender::new(0);
    let habits =
        [Habit::Steady, Habit::Slow, Habit::Returning(1), Habit::Returning(3), Habit::Forgetful(2)];
    let clients: Vec<(Habit, JoinHandle<Told>)> = [urls, turned]
        .iter()
        .flat_map(|urls| habits.map(|habit| (urls.clone(), habit)))
        .map(|(urls, habit)| (habit, tokio::spawn(follow(urls, habit, last.subscribe()))))
        .collect();
    sell_out_and_refund(&node, &fixture, &fans, &mut book).await;
    book.read(false).await;
    last.send_replace(book.last);
    for (habit, client) in clients {
        let told = client.await.unwrap();
        assert!(told.len() > 3, "{habit:?} heard {} events", told.len());
        for (version, map) in &told {
            let truth = book.maps.get(version).unwrap_or_else(|| panic!("no version {version}"));
            let truth: BTreeMap<u64, String> =
                truth.range(1..=20).map(|(seat, state)| (*seat, state.clone())).collect();
            assert_eq!(*map, truth, "{habit:?} at version {version}");
        }
        let (_, map) = told.last().unwrap();
        assert!(map.iter().all(|(seat, state)| book.map[seat] == *state), "{habit:?} at the end");
    }
    second.stop().await;
    node.finish().await;
}
