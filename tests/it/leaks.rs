//! Failures cost nothing that stays: connections, files, tasks and threads are as many afterwards
//! as before, because a long outage would otherwise end with a node that can open nothing more.

use crate::support::client::Client;
use crate::support::leaks;
use crate::support::node::{TestMatch, TestNode};
use crate::support::postgres;
use crate::support::sale::{confirm_within, sells_within};
use crate::support::wire::done;
use grandstand::domain::ids::Partition;
use grandstand::redis::keys::PartitionKeys;
use grandstand::stream::journal::Journal;
use grandstand_embedded::{Fsync, PrivatePostgres};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// How long a server is away.
const OUTAGE: Duration = Duration::from_secs(10);
/// How many more there may be of each: 4, and 2 for each of the 2 partitions.
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

/// A node on a PostgreSQL that the test may kill.
struct Bed {
    app: TestNode,
    postgres: PrivatePostgres,
    process: Option<Child>,
    event: TestMatch,
    fan: Client,
    _dir: TempDir,
}

impl Bed {
    async fn start(worker: Worker) -> Self {
        let dir = TempDir::new().unwrap();
        let postgres = postgres::private(dir.path()).await;
        let app = TestNode::start_on(postgres.url(), Fsync::Never, |_| {}).await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        app.verify().await;
        let mut bed = Self { app, postgres, process: None, event, fan, _dir: dir };
        if worker == Worker::InAProcess {
            bed.go_into_a_process().await;
        }
        bed
    }

    /// The node of this process ends. Another process has the worker, and serves the fan.
    async fn go_into_a_process(&mut self) {
        self.app.without_worker().await;
        let mut serve = self.app.binary(&["serve", "--rate-limits", "off"]);
        let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("it ended before it was ready");
        let url = line.strip_prefix("listening on ").expect(&line).to_owned();
        self.fan = Client::new(url, self.fan.token.clone());
        self.process = Some(process);
        // It has its leases, and it is warm.
        self.app.buy(&self.fan, &self.event, 20).await;
    }

    async fn open(&self) -> Open {
        let pid = self.process.as_ref().and_then(Child::id);
        Open {
            clients: leaks::redis_clients(self.app.redis.port()).await,
            tasks: leaks::tasks(),
            files: pid.map_or(0, leaks::files),
            threads: pid.map_or(0, leaks::threads),
        }
    }

    /// Waits until no more is open than before, and a little.
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
        self.app.wait_for_books().await;
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
        self.app.finish().await;
        self.postgres.stop().await.unwrap();
    }
}

/// The rule: PostgreSQL is away for long while Redis takes hardly any more clients. Nothing piles
/// up, and payments go on soon after it is back.
async fn postgresql_is_away(worker: Worker) {
    let mut bed = Bed::start(worker).await;
    let (_, payment, key) = bed.app.ready_to_pay(&bed.fan, &bed.event, 1).await;
    let before = bed.open().await;
    // One more for whoever counts.
    let most = (before.clients + MORE + 1).to_string();
    done(bed.app.redis.port(), &["CONFIG", "SET", "maxclients", &most]).await;
    bed.postgres.kill().await;
    let begun = Instant::now();
    // An entry for the journal: write-behind fails only when it has something to write.
    bed.fan.confirm(&payment, &key).await.refused(503, "PAYMENTS_PAUSED");
    while begun.elapsed() < OUTAGE {
        let now = bed.open().await;
        assert!(now.within(before), "{before:?} before, {now:?} after {:?}", begun.elapsed());
        sells_within(Duration::from_secs(1), &bed.fan, &bed.event, 2).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bed.postgres.restart().await.unwrap();
    let status = confirm_within(Duration::from_secs(10), &bed.fan, &payment, &key).await;
    assert_eq!(status, 200);
    bed.as_before(before).await;
    bed.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_of_postgresql_leaves_nothing_open() {
    postgresql_is_away(Worker::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_of_postgresql_leaves_nothing_open_in_a_process() {
    postgresql_is_away(Worker::InAProcess).await;
}

/// The rule: the same for Redis that dies, keeps silent, or gives a lease to somebody else.
async fn redis_fails(worker: Worker) {
    let mut bed = Bed::start(worker).await;
    let before = bed.open().await;
    let soon = Duration::from_secs(10);
    for _ in 0..4 {
        bed.app.redis.kill().await;
        bed.app.redis.restart().await.unwrap();
        sells_within(soon, &bed.fan, &bed.event, 2).await;
        for partition in [Partition(0), Partition(1)] {
            let lease = PartitionKeys(partition).lease();
            let port = bed.app.redis.port();
            done(port, &["SET", &lease, "somebody else", "PX", "1500"]).await;
        }
        // A worker looks at its lease each 1.25 s.
        tokio::time::sleep(Duration::from_millis(1_600)).await;
    }
    bed.app.redis.freeze();
    // Longer than any command waits.
    tokio::time::sleep(Duration::from_secs(3)).await;
    bed.app.redis.thaw();
    sells_within(soon, &bed.fan, &bed.event, 2).await;
    bed.app.buy(&bed.fan, &bed.event, 3).await;
    bed.as_before(before).await;
    bed.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_fails_leaves_nothing_open() {
    redis_fails(Worker::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_fails_leaves_nothing_open_in_a_process() {
    redis_fails(Worker::InAProcess).await;
}

/// The rule: a journal that is no longer used holds nothing, because each failure of write-behind
/// may open another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_journals_leave_nothing_open() {
    let bed = Bed::start(Worker::Here).await;
    let before = bed.open().await;
    for _ in 0..1_000 {
        let redis = bed.app.node().services.engine.redis();
        drop(Journal::open(redis, Partition(0)).await.unwrap());
    }
    bed.as_before(before).await;
    bed.finish().await;
}
