//! An hour of 2,000 fans behind one address, in scaled time and with the default limits: the fans
//! of a town behind a mobile carrier. The clock of the limits is moved on from second to second of
//! that hour, and all calls of a second are made against a real node. None is refused.
//!
//! In the short test every fourth fan buys. In the long one all of them do, and ask more often
//! (`make chaos ARGS=limits_fans`).

use crate::support::client::{Answer, Client};
use crate::support::crowd::{CONCURRENT, PASSWORD, email_of, house, seat_of};
use crate::support::node::{TestMatch, TestNode};
use futures::StreamExt as _;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const FANS: usize = 2_000;

/// How much of the hour is played.
#[derive(Debug, Clone, Copy)]
struct Play {
    /// One of so many fans buys.
    fans_per_buyer: usize,
    /// How many seconds a page without a stream waits between two questions.
    poll_interval: u64,
    /// How many seconds the people with made-up tokens wait.
    flood_interval: u64,
}

const SHORT: Play = Play { fans_per_buyer: 4, poll_interval: 360, flood_interval: 400 };
const LONG: Play = Play { fans_per_buyer: 1, poll_interval: 30, flood_interval: 100 };

/// What a fan does in a second of the hour.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Loads the page, the match and the time, without a token.
    Visit,
    LogIn,
    Join,
    /// Opens the stream of the seats. An earlier one is cut.
    Watch,
    Poll,
    Refresh,
    Buy,
}

#[derive(Default)]
struct Fan {
    access: String,
    refresh: String,
    stream: Option<reqwest::Response>,
}

struct Hour {
    node: TestNode,
    fixture: TestMatch,
    phone: Client,
    fans: Vec<Mutex<Fan>>,
    bought: AtomicU32,
}

/// The steps of a fan, each with its second.
fn steps(fan: usize, play: Play) -> Vec<(u64, Step)> {
    // They come within five minutes.
    let comes = (fan * 300 / FANS) as u64;
    let mut steps = vec![
        (comes, Step::Visit),
        (comes + 20, Step::LogIn),
        (comes + 21, Step::Join),
        (comes + 22, Step::Watch),
    ];
    if fan.is_multiple_of(play.fans_per_buyer) {
        steps.push((comes + 1200, Step::Buy));
    }
    steps.extend((1..=2).map(|cut| (comes + 22 + cut * 700, Step::Watch)));
    // A page that has no stream asks again and again. A fifth of the fans have such a page.
    if fan.is_multiple_of(5) {
        let polls = 1..=1080 / play.poll_interval;
        steps.extend(polls.map(|poll| (comes + 22 + poll * play.poll_interval, Step::Poll)));
    }
    steps.extend((1..=3).map(|age| (comes + 20 + age * 840, Step::Refresh)));
    steps
}

impl Hour {
    async fn begin() -> Self {
        let node = TestNode::start_with(|settings| settings.rates.rate_limits = "on".to_owned());
        let node = node.await;
        node.create_crowd("fan", FANS).await;
        let fixture = node.open_match_at(&house(4)).await;
        let queue = json!({"enabled": true, "admitPerMinute": 1_000_000, "maxActive": 1_000_000,
            "passTtlMs": 3_600_000, "admissionTtlMs": 3_600_000, "buyersPerFreeSeat": 10});
        let path = format!("/api/admin/matches/{}/queue", fixture.id);
        node.admin().await.put(&path, &queue).await.expect(200);
        let phone = Client::from_address(node.url(), IpAddr::from([127, 0, 0, 2]));
        let fans = (0..FANS).map(|_| Mutex::default()).collect();
        Self { node, fixture, phone, fans, bought: AtomicU32::new(0) }
    }

    fn client(&self, fan: usize) -> Client {
        self.phone.with_token(&self.fans[fan].lock().access)
    }

    fn keep(&self, fan: usize, session: &Value) {
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        let mut fan = self.fans[fan].lock();
        (fan.access, fan.refresh) = (text("accessToken"), text("refreshToken"));
    }

    async fn take(&self, fan: usize, step: Step) {
        match step {
            Step::Visit => {
                for path in ["/", "/app.js", "/app.css", &self.fixture.path(""), "/api/time"] {
                    assert_eq!(self.phone.get(path).await.status, 200, "{path}");
                }
            }
            Step::LogIn => {
                let body = json!({"email": email_of("fan", fan), "password": PASSWORD});
                self.keep(fan, &self.phone.post("/api/users/log-in", &body).await.expect(200));
            }
            Step::Refresh => {
                let body = json!({"refreshToken": self.fans[fan].lock().refresh.clone()});
                self.keep(fan, &self.phone.post("/api/users/refresh", &body).await.expect(200));
            }
            Step::Join => {
                let path = self.fixture.path("/queue");
                self.client(fan).post(&path, &Value::Null).await.expect(201);
            }
            Step::Poll => {
                self.client(fan).get(&self.fixture.path("/queue")).await.expect(200);
            }
            Step::Watch => {
                self.fans[fan].lock().stream = None;
                let path = self.fixture.path("/blocks/1/seats/events");
                let stream = self.client(fan).request(Method::GET, &path).send().await.unwrap();
                assert_eq!(stream.status(), 200);
                self.fans[fan].lock().stream = Some(stream);
            }
            Step::Buy => self.buy(fan).await,
        }
    }

    async fn buy(&self, fan: usize) {
        let client = self.client(fan);
        let place = client.get(&self.fixture.path("/queue")).await.expect(200);
        assert_eq!(place["state"], "ADMITTED");
        let reservation = client.reserve(&self.fixture.id, &[seat_of(fan)]).await;
        let payment = client.request_payment(&reservation).await;
        let key = self.node.pay_at_gateway(&payment, "approve").await;
        let status = client.confirm(&payment, &key).await.status;
        assert!(status == 200 || status == 202, "{status}");
        self.bought.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls with a made-up token, all in one second; how many are refused.
    async fn flood(&self, from: IpAddr, calls: usize) -> usize {
        let rude = Client::from_address(self.node.url(), from).with_token("made.up.token");
        let call = |_| {
            let rude = rude.clone();
            async move { rude.get("/api/matches").await }
        };
        let answers = futures::stream::iter(0..calls).map(call).buffer_unordered(CONCURRENT);
        answers.filter(|answer: &Answer| futures::future::ready(answer.status == 429)).count().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_2000_fans_behind_one_address() {
    play(SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make chaos"]
async fn an_hour_of_2000_fans_behind_one_address_who_all_buy() {
    play(LONG).await;
}

async fn play(play: Play) {
    let hour = Hour::begin().await;
    let mut seconds: BTreeMap<u64, Vec<(usize, Step)>> = BTreeMap::new();
    for fan in 0..FANS {
        for (second, step) in steps(fan, play) {
            seconds.entry(second).or_default().push((fan, step));
        }
    }
    let (mut now, mut refused, mut floods) = (0, [0, 0], 0_usize);
    for (second, steps) in seconds {
        assert!(second < 3600);
        hour.node.services().limits.clock.skip(Duration::from_secs(second - now));
        now = second;
        // A neighbour behind the same address, and a stranger, both with made-up tokens.
        if second >= 400 && second % play.flood_interval == 0 {
            floods += 1;
            refused[0] += hour.flood(IpAddr::from([127, 0, 0, 2]), 400).await;
            refused[1] += hour.flood(IpAddr::from([127, 0, 0, 3]), 400).await;
        }
        let taken = steps.into_iter().map(|(fan, step)| hour.take(fan, step));
        futures::stream::iter(taken).buffer_unordered(CONCURRENT).collect::<Vec<()>>().await;
    }
    assert_eq!(hour.bought.load(Ordering::Relaxed), (FANS / play.fans_per_buyer) as u32);
    let watching = hour.fans.iter().filter(|fan| fan.lock().stream.is_some()).count();
    assert_eq!(watching, FANS);
    for refused in refused {
        assert!(refused >= floods * 30, "{refused} calls of {floods} floods were refused");
    }
    drop(hour.fans);
    hour.node.finish().await;
}
