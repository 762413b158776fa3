//! Failures leave nothing open: there are as many connections, files, tasks and threads afterwards
//! as before. Otherwise a long outage would end with a node that can open nothing more.

use crate::support::client::Client;
use crate::support::leaks;
use crate::support::purchases::{confirm_within, sells_within};
use crate::support::sale::Sale;
use crate::support::wire::done;
use grandstand::domain::ids::Partition;
use grandstand::redis::keys::PartitionKeys;
use grandstand::stream::journal::Journal;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// How long a server is away.
const OUTAGE: Duration = Duration::from_secs(10);
/// How many more of each are allowed: 4, and 2 for each of the 2 partitions.
const MORE: usize = 8;

/// How much is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Connections to Redis.
    clients: usize,
    /// Tasks of the node in this process.
    tasks: usize,
    /// Files and threads of the node that is a process of its own.
    files: usize,
    threads: usize,
}

impl Open {
    fn within(self, before: Self) -> bool {
        self.clients <= before.clients + MORE
            && self.tasks <= before.tasks + MORE
            && self.files <= before.files + MORE
            && self.threads <= before.threads + MORE
    }
}

/// Where the node with the worker is.
#[derive(PartialEq, Eq)]
enum Worker {
    Here,
    InAProcess,
}

/// A sale on a PostgreSQL that the test may kill, and what its node has open.
struct Watched {
    sale: Sale,
    /// The process of the node, when it is not in this process.
    process: Option<Child>,
}

impl Watched {
    async fn start(worker: Worker) -> Self {
        let sale = Sale::with(|_| {}).own_postgres().start().await;
        let mut watched = Self { sale, process: None };
        if worker == Worker::InAProcess {
            watched.go_into_a_process().await;
        }
        watched
    }

    /// The node of this process ends. Another process has the worker, and serves the fan.
    async fn go_into_a_process(&mut self) {
        self.sale.node.without_worker().await;
        let mut serve = self.sale.node.binary(&["serve", "--rate-limits", "off"]);
        let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("it ended before it was ready");
        let url = line.strip_prefix("listening on ").expect(&line).to_owned();
        self.sale.fan = Client::new(url, self.sale.fan.token.clone());
        self.process = Some(process);
        // After this sale it has its leases and all of its connections.
        self.sale.sold(&[20]).await;
    }

    async fn open(&self) -> Open {
        let pid = self.process.as_ref().and_then(Child::id);
        Open {
            clients: leaks::redis_clients(self.sale.node.redis.port()).await,
            tasks: leaks::tasks(),
            files: pid.map_or(0, leaks::files),
            threads: pid.map_or(0, leaks::threads),
        }
    }

    /// Waits until no more is open than before, within the allowance.
    async fn as_before(&self, before: Open) {
        let begun = Instant::now();
        loop {
            let now = self.open().await;
            if now.within(before) {
                return;
            }
            let patient = begun.elapsed() < Duration::from_secs(5);
            assert!(patient, "{before:?} before, {now:?} afterwards");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn finish(mut self) {
        self.sale.node.wait_for_books().await;
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
        self.sale.finish().await;
    }
}

/// PostgreSQL is away for long while Redis takes hardly any more clients. Nothing piles
/// up, and payments go on soon after it is back.
async fn postgresql_is_away(worker: Worker) {
    let mut watched = Watched::start(worker).await;
    let (_, payment, key) = watched.sale.ready(&[1]).await;
    let before = watched.open().await;
    // One more for the client that counts.
    let most = (before.clients + MORE + 1).to_string();
    done(watched.sale.node.redis.port(), &["CONFIG", "SET", "maxclients", &most]).await;
    watched.sale.postgres().kill().await;
    let begun = Instant::now();
    // An entry for the journal: write-behind fails only when it has something to write.
    watched.sale.fan.confirm(&payment, &key).await.refused(503, "PAYMENTS_PAUSED");
    while begun.elapsed() < OUTAGE {
        let now = watched.open().await;
        assert!(now.within(before), "{before:?} before, {now:?} after {:?}", begun.elapsed());
        sells_within(Duration::from_secs(1), &watched.sale.fan, &watched.sale.fixture, 2).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    watched.sale.postgres().restart().await.unwrap();
    let status = confirm_within(Duration::from_secs(10), &watched.sale.fan, &payment, &key).await;
    assert_eq!(status, 200);
    watched.as_before(before).await;
    watched.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_of_postgresql_leaves_nothing_open() {
    postgresql_is_away(Worker::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_of_postgresql_leaves_nothing_open_in_a_process() {
    postgresql_is_away(Worker::InAProcess).await;
}

/// Redis dies, does not respond, or gives a lease to somebody else.
async fn redis_fails(worker: Worker) {
    let mut watched = Watched::start(worker).await;
    let before = watched.open().await;
    let soon = Duration::from_secs(10);
    for _ in 0..4 {
        watched.sale.node.redis.kill().await;
        watched.sale.node.redis.restart().await.unwrap();
        sells_within(soon, &watched.sale.fan, &watched.sale.fixture, 2).await;
        for partition in [Partition(0), Partition(1)] {
            let lease = PartitionKeys(partition).lease();
            let port = watched.sale.node.redis.port();
            done(port, &["SET", &lease, "somebody else", "PX", "1500"]).await;
        }
        // A worker looks at its lease each 1.25 s.
        tokio::time::sleep(Duration::from_millis(1_600)).await;
    }
    watched.sale.node.redis.freeze();
    // Longer than any command waits.
    tokio::time::sleep(Duration::from_secs(3)).await;
    watched.sale.node.redis.thaw();
    sells_within(soon, &watched.sale.fan, &watched.sale.fixture, 2).await;
    watched.sale.sold(&[3]).await;
    watched.as_before(before).await;
    watched.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_fails_leaves_nothing_open() {
    redis_fails(Worker::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_fails_leaves_nothing_open_in_a_process() {
    redis_fails(Worker::InAProcess).await;
}

/// Each failure of write-behind may open another journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_journals_leave_nothing_open() {
    let watched = Watched::start(Worker::Here).await;
    let before = watched.open().await;
    for _ in 0..1_000 {
        let redis = watched.sale.node.engine().redis();
        drop(Journal::open(redis, Partition(0)).await.unwrap());
    }
    watched.as_before(before).await;
    watched.finish().await;
}
