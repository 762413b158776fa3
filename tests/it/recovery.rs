//! How long people wait until they can pay again: `make chaos ARGS=recovery`. It asserts nothing,
//! and prints the table of docs/RELIABILITY.md.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode};
use crate::support::postgres;
use crate::support::purchases::confirm_within;
use grandstand_embedded::{Fsync, PrivatePostgres, PrivateRedis, RedisSettings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

const ROUNDS: usize = 5;

struct Recovery {
    node: TestNode,
    redis: PrivateRedis,
    postgres: PrivatePostgres,
    fixture: TestMatch,
    fan: Client,
    seat: u32,
    _dir: TempDir,
}

async fn worker(node: &TestNode) -> Child {
    let mut command = node.binary(&["serve", "--role", "worker"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().expect("the worker starts");
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().unwrap() as i32).unwrap(), signal).unwrap();
}

impl Recovery {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let postgres = postgres::private(dir.path()).await;
        let settings = RedisSettings { fsync: Fsync::Always };
        let redis = PrivateRedis::start(&dir.path().join("redis"), settings).await.unwrap();
        let mut node = TestNode::start_on_redis(redis.url(), |settings| {
            settings.database_url = postgres.url();
            settings.max_seats_per_user = 25;
            settings.partitions = 16;
        })
        .await;
        let fixture = node.open_match().await;
        let fan = node.user("fan").await;
        node.without_worker().await;
        let fan = Client::new(node.url(), fan.token.clone());
        Self { node, redis, postgres, fixture, fan, seat: 0, _dir: dir }
    }

    /// A payment that is ready to be confirmed.
    async fn ready(&mut self) -> (Value, String) {
        self.seat += 1;
        let (_, payment, key) = self.node.ready_to_pay(&self.fan, &self.fixture, self.seat).await;
        (payment, key)
    }

    async fn pay(&self, (payment, key): &(Value, String), since: Instant) -> Duration {
        let paid = confirm_within(Duration::from_secs(30), &self.fan, payment, key).await;
        assert_eq!(paid, 200);
        since.elapsed()
    }
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what:<48} median {middle:>8.2?}   longest {last:>8.2?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make chaos"]
async fn recovery_is_measured() {
    let mut sale = Recovery::start().await;
    let mut workers = vec![worker(&sale.node).await, worker(&sale.node).await];
    let ready = sale.ready().await;
    sale.pay(&ready, Instant::now()).await;
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let ready = sale.ready().await;
        let killed = Instant::now();
        sale.redis.kill().await;
        sale.redis.restart().await.unwrap();
        times[0].push(sale.pay(&ready, killed).await);

        let ready = sale.ready().await;
        sale.postgres.kill().await;
        tokio::time::sleep(Duration::from_secs(3)).await; // long enough to be noticed everywhere
        sale.postgres.restart().await.unwrap();
        times[1].push(sale.pay(&ready, Instant::now()).await);

        for (number, by) in [(2, Signal::KILL), (3, Signal::TERM)] {
            let ready = sale.ready().await;
            // Until the other worker stands by.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut victim = workers.remove(0);
            let ended = Instant::now();
            signal(&victim, by);
            times[number].push(sale.pay(&ready, ended).await);
            victim.wait().await.unwrap();
            workers.push(worker(&sale.node).await);
        }
    }
    let [redis, postgres, killed, stopped] = times;
    tell("Redis killed and restarted, since the kill", redis);
    tell("PostgreSQL back, since it is back", postgres);
    tell("a worker killed, another stands by", killed);
    tell("a worker stopped with SIGTERM, the same", stopped);
    sale.node.finish().await;
    for mut worker in workers {
        worker.kill().await.unwrap();
    }
}
