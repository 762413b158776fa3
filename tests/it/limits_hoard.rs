//! Somebody with a whole network /48 of IPv6 and 600 accounts tries to hold a house of 25,000 seats
//! for an hour, in scaled time: holds live for 2.5 seconds instead of 5 minutes, and so on, and the
//! clock of the limits runs 120 times as fast. No account has a verified e-mail address.

use crate::support::client::Client;
use crate::support::crowd::{CONCURRENT, PASSWORD, email_of, house, seat_of};
use crate::support::node::{TestMatch, TestNode};
use futures::StreamExt as _;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How much faster the time runs.
const SCALE: u32 = 120;
const HOUR: Duration = Duration::from_secs(3600 / SCALE as u64);
const ACCOUNTS: usize = 600;
const HONEST: usize = 2_000;
const SEATS: usize = 25_000;
/// 4 seats for each of 230 users that count in Redis, and of 8 that the node does not count.
const BOUND: usize = 4 * (230 + 8);

struct Siege {
    node: TestNode,
    fixture: TestMatch,
    granted: AtomicUsize,
    stop: CancellationToken,
}

/// Hoarders have networks of one /48, and honest people have blocks of their own.
fn address_of(name: &str, number: usize) -> String {
    match name {
        "hoarder" => format!("2001:db8:1:{number:x}::1"),
        _ => format!("10.{}.{}.7", number / 200, number % 200),
    }
}

impl Siege {
    async fn begin() -> Arc<Self> {
        let node = TestNode::start_with(|settings| {
            settings.rates.rate_limits = "on".to_owned();
            settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
            settings.hold_ttl_ms /= u64::from(SCALE);
            settings.payment_ttl_ms /= u64::from(SCALE);
            // The cool-down and the holds in ten minutes run in real time. In a scaled hour they
            // would refuse the hoarders 120 times as much, so the bound rests on the other limits.
            settings.rates.cool_down_after = 0;
            settings.rates.holds_per_ten_minutes = 0;
        });
        let node = node.await;
        node.create_crowd("hoarder", ACCOUNTS).await;
        node.create_crowd("honest", HONEST).await;
        let fixture = node.open_match_at(&house(50)).await;
        let siege = Self { node, fixture, granted: AtomicUsize::new(0), stop: Default::default() };
        Arc::new(siege)
    }

    /// Logs people in, each at an address of their own.
    async fn log_in(&self, name: &str, people: usize) -> Vec<Client> {
        let guest = self.node.guest();
        let log_in = |number: usize| {
            let (guest, from) = (guest.clone(), address_of(name, number));
            let body = json!({"email": email_of(name, number), "password": PASSWORD});
            async move {
                let session = guest.post_from(&from, "/api/users/log-in", &body).await.expect(200);
                guest.with_token(session["accessToken"].as_str().unwrap())
            }
        };
        futures::stream::iter((0..people).map(log_in)).buffered(CONCURRENT).collect().await
    }

    /// Holds four seats again and again, and reserves them, from an address of its own.
    async fn hoard(self: Arc<Self>, number: usize, client: Client) -> (usize, usize) {
        let from = address_of("hoarder", number);
        let (mut held, mut refused, mut next) = (0, 0, number * 40);
        while !self.stop.is_cancelled() {
            next = (next + 4) % SEATS;
            let seats: Vec<u32> = (next..next + 4).map(seat_of).collect();
            let path = self.fixture.path("/holds");
            let answer = client.post_from(&from, &path, &json!({"seatIds": seats})).await;
            refused += usize::from(answer.status == 429);
            if answer.status == 201 {
                held += 1;
                let hold = &answer.body["data"]["holdId"];
                let body = json!({"matchId": self.fixture.id, "holdId": hold});
                client.post_from(&from, "/api/reservations", &body).await;
            }
            tokio::time::sleep(Duration::from_millis(900)).await;
        }
        (held, refused)
    }

    /// A person in a block of addresses of their own gets a seat.
    async fn buy(&self, number: usize, client: &Client) {
        let from = address_of("honest", number);
        for choice in 0..40 {
            let seat = seat_of((number * 12 + choice * 7) % SEATS);
            self.granted.fetch_add(1, Ordering::Relaxed);
            let body = json!({"seatIds": [seat]});
            let answer = client.post_from(&from, &self.fixture.path("/holds"), &body).await;
            if answer.status == 201 {
                return;
            }
            self.granted.fetch_sub(1, Ordering::Relaxed);
            // A machine that is busy with other tests may be overloaded.
            assert!(answer.status == 503 || answer.body["code"] == "SEAT_TAKEN", "{}", answer.body);
        }
        panic!("{number} gets no seat");
    }

    /// Seats that are not free.
    async fn taken(&self) -> usize {
        let map = self.node.guest().get(&self.fixture.path("/seats")).await.expect(200);
        let states = map["blocks"].as_array().unwrap().iter().map(|block| {
            let states = block["states"].as_str().unwrap();
            states.bytes().filter(|state| *state != b'A').count()
        });
        states.sum()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_network_of_ipv6_does_not_hoard_the_house() {
    let siege = Siege::begin().await;
    let people = siege.log_in("honest", HONEST).await;
    let hoarders = siege.log_in("hoarder", ACCOUNTS).await.into_iter().enumerate();
    // Not earlier: a log-in that has read the time before a skip would be refused after it, when
    // another one of the same network has read it later.
    let clock = siege.node.services().limits.clock.clone();
    let scaled = tokio::spawn(async move {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            clock.skip(last.elapsed() * (SCALE - 1));
            last = Instant::now();
        }
    });
    let hoarders: Vec<_> = hoarders
        .map(|(number, client)| tokio::spawn(siege.clone().hoard(number, client)))
        .collect();
    let honest = tokio::spawn({
        let siege = siege.clone();
        async move {
            tokio::time::sleep(HOUR / 2).await;
            let people = people.into_iter().enumerate().map(|(number, client)| {
                let siege = siege.clone();
                async move { siege.buy(number, &client).await }
            });
            futures::stream::iter(people).buffer_unordered(CONCURRENT).collect::<Vec<()>>().await;
        }
    });
    let (begun, mut most) = (Instant::now(), 0);
    while begun.elapsed() < HOUR || !honest.is_finished() {
        // The honest people who had their seats before the map was read, and perhaps a few more.
        let taken = siege.taken().await;
        let hoarded = taken.saturating_sub(siege.granted.load(Ordering::Relaxed));
        assert!(hoarded <= BOUND, "{hoarded} of {SEATS} seats are hoarded");
        most = most.max(hoarded);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    honest.await.unwrap();
    siege.stop.cancel();
    let (mut held, mut refused) = (0, 0);
    for hoarder in hoarders {
        let (more_held, more_refused) = hoarder.await.unwrap();
        (held, refused) = (held + more_held, refused + more_refused);
    }
    println!("at most {most} of {SEATS} seats at once, {held} holds, {refused} refused");
    assert!(BOUND * 25 <= SEATS && most >= BOUND / 2, "{most}: the siege was none");
    assert!(refused >= ACCOUNTS, "{refused} holds were refused");
    scaled.abort();
    let siege = Arc::try_unwrap(siege).unwrap_or_else(|_| panic!("somebody is still there"));
    siege.node.finish().await;
}
