//! A node under test, with its servers.

use crate::support::client::Client;
use crate::support::postgres;
use clap::Parser;
use grandstand::api::Services;
use grandstand::commands::verify::{Verified, verify};
use grandstand::config::Settings;
use grandstand::domain::ids::{MatchId, Partition};
use grandstand::engine::Engine;
use grandstand::node::{Node, NodeRole};
use grandstand::store::Store;
use grandstand::workers::Workers;
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use grandstand_emulator::{Emulator, EmulatorSettings};
pub use grandstand_faults::{eventually, eventually_within};
use serde_json::{Value, json};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tempfile::TempDir;

pub const ADMIN: (&str, &str) = ("admin@test.example", "an-admin-of-tests");
const SECRET: &str = "test_sk_of_the_tests";

/// The settings that a test starts from.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    settings: Settings,
}

/// The Redis of a node under test, used like a `PrivateRedis`. It is empty, and must not be used,
/// in a test that starts its own servers (a cluster, Sentinels).
pub struct OwnRedis(Option<PrivateRedis>);

const KEPT_BY_THE_TEST: &str = "the test has started the Redis of this node itself";

impl Deref for OwnRedis {
    type Target = PrivateRedis;

    fn deref(&self) -> &PrivateRedis {
        self.0.as_ref().expect(KEPT_BY_THE_TEST)
    }
}

impl DerefMut for OwnRedis {
    fn deref_mut(&mut self) -> &mut PrivateRedis {
        self.0.as_mut().expect(KEPT_BY_THE_TEST)
    }
}

/// Which Redis a node under test gets.
pub enum RedisChoice {
    /// A server of its own, which writes to the disk as often as this says.
    Own(Fsync),
    /// The server at this URL.
    At(String),
}

/// A node with its own Redis, database and emulator of payments.
pub struct TestNode {
    /// `None` only while a test has stopped it.
    pub running: Option<Node>,
    pub redis: OwnRedis,
    pub emulator: Emulator,
    pub settings: Settings,
    _dir: TempDir,
}

impl TestNode {
    /// A node with the settings of tests: 2 partitions, rate limits off.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A node with settings that the test changes.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_on(postgres::database().await, Fsync::Never, change).await
    }

    /// A node whose gateway behaves as the test says.
    pub async fn start_with_gateway(
        change: impl FnOnce(&mut Settings),
        gateway: EmulatorSettings,
    ) -> Self {
        let redis = RedisChoice::Own(Fsync::Never);
        Self::start_all(postgres::database().await, redis, change, gateway).await
    }

    /// A node on this database, and on a Redis that writes to the disk as often as `fsync` says.
    pub async fn start_on(
        database: String,
        fsync: Fsync,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let redis = RedisChoice::Own(fsync);
        Self::start_all(database, redis, change, EmulatorSettings::default()).await
    }

    /// A node on a Redis that the test has started: a cluster, Sentinels, a server behind a proxy.
    pub async fn start_on_redis(url: String, change: impl FnOnce(&mut Settings)) -> Self {
        let (database, redis) = (postgres::database().await, RedisChoice::At(url));
        Self::start_all(database, redis, change, EmulatorSettings::default()).await
    }

    pub async fn start_all(
        database: String,
        redis: RedisChoice,
        change: impl FnOnce(&mut Settings),
        gateway: EmulatorSettings,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let (redis_url, redis) = match redis {
            RedisChoice::Own(fsync) => {
                let settings = RedisSettings { fsync };
                let redis = PrivateRedis::start(dir.path(), settings).await.unwrap();
                (redis.url(), Some(redis))
            }
            RedisChoice::At(url) => (url, None),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let emulator = Emulator::start(
            listener,
            EmulatorSettings { secret_key: SECRET.to_owned(), ..gateway },
        )
        .unwrap();
        let mut settings = Defaults::parse_from(["test"]).settings;
        settings.listen = "127.0.0.1:0".to_owned();
        settings.ops_listen = "127.0.0.1:0".to_owned();
        settings.redis_url = redis_url;
        settings.database_url = database;
        settings.database_connections = 4;
        settings.allow_unsafe_database = true;
        settings.jwt_secret = "a secret of the tests, long enough".to_owned();
        settings.toss_base_url = emulator.url();
        settings.toss_checkout_url = format!("{}/pay", emulator.url());
        settings.toss_secret_key = SECRET.to_owned();
        settings.admin_email = ADMIN.0.to_owned();
        settings.admin_password = ADMIN.1.to_owned();
        settings.partitions = 2;
        settings.drain_ms = 0;
        settings.docs = true;
        settings.rates.rate_limits = "off".to_owned();
        change(&mut settings);
        let node = Node::start(&settings, NodeRole::All).await.unwrap();
        Self { running: Some(node), redis: OwnRedis(redis), emulator, settings, _dir: dir }
    }

    /// The node, which must not be stopped.
    pub fn running(&self) -> &Node {
        self.running.as_ref().expect("the node is stopped")
    }

    pub fn services(&self) -> &Services {
        &self.running().services
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.services().engine
    }

    pub fn store(&self) -> &Store {
        &self.services().store
    }

    pub fn workers(&self) -> &Arc<Workers> {
        &self.running().workers
    }

    pub fn url(&self) -> String {
        self.running().url()
    }

    /// Another node on the same servers.
    pub async fn another_node(&self, role: NodeRole) -> Node {
        Node::start(&self.settings, role).await.unwrap()
    }

    /// Stops the node. Its servers go on.
    pub async fn stop_node(&mut self) {
        self.running.take().expect("the node is stopped already").stop().await;
    }

    /// Starts the node again after `stop_node`.
    pub async fn start_node(&mut self) {
        self.running = Some(self.another_node(NodeRole::All).await);
    }

    /// Replaces the node by a node without a worker: only the test itself then takes entries of
    /// the journal to PostgreSQL.
    pub async fn without_worker(&mut self) {
        self.verify().await;
        self.stop_node().await;
        self.running = Some(self.another_node(NodeRole::Api).await);
    }

    /// The binary with the settings of this installation. `GRANDSTAND_BIN` names another one, such
    /// as that of a release, of which times are measured.
    pub fn binary(&self, arguments: &[&str]) -> tokio::process::Command {
        let program = std::env::var_os("GRANDSTAND_BIN");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_grandstand").into());
        self.program(program.as_ref(), arguments)
    }

    /// The same with another binary.
    pub fn program(
        &self,
        program: &std::path::Path,
        arguments: &[&str],
    ) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).kill_on_drop(true).stdin(std::process::Stdio::null());
        let settings = &self.settings;
        command.envs([
            ("GRANDSTAND_LISTEN", "127.0.0.1:0"),
            ("GRANDSTAND_OPS_LISTEN", "127.0.0.1:0"),
            ("GRANDSTAND_REDIS_URL", &settings.redis_url),
            ("GRANDSTAND_DATABASE_URL", &settings.database_url),
            ("GRANDSTAND_ALLOW_UNSAFE_DATABASE", "true"),
            ("GRANDSTAND_JWT_SECRET", &settings.jwt_secret),
            ("GRANDSTAND_TOSS_BASE_URL", &settings.toss_base_url),
            ("GRANDSTAND_TOSS_SECRET_KEY", &settings.toss_secret_key),
            ("GRANDSTAND_PARTITIONS", &settings.partitions.to_string()),
            ("GRANDSTAND_DRAIN_MS", "0"),
            ("GRANDSTAND_LOG", "error"),
        ]);
        command
    }

    /// Runs a command of the binary to its end; its exit status and its output.
    pub async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.binary(arguments).output().await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        (output.status.code().unwrap_or(-1), format!("{text}{errors}"))
    }

    /// A client without an account.
    pub fn guest(&self) -> Client {
        Client::new(self.url(), None)
    }

    /// Somebody at the operations listener.
    pub fn operator(&self) -> Client {
        Client::new(self.running().ops_url(), None)
    }

    /// The first administrator.
    pub async fn admin(&self) -> Client {
        self.guest().log_in(ADMIN.0, ADMIN.1).await
    }

    /// A new user, logged in.
    pub async fn user(&self, name: &str) -> Client {
        let email = format!("{name}@test.example");
        let guest = self.guest();
        let body = json!({"email": email, "password": "a password of tests"});
        guest.post("/api/users/sign-up", &body).await.expect(201);
        guest.log_in(&email, "a password of tests").await
    }

    /// A small site and an open match at it.
    pub async fn open_match(&self) -> TestMatch {
        self.open_match_at(&plan()).await
    }

    /// An open match at a new site with this plan.
    pub async fn open_match_at(&self, plan: &Value) -> TestMatch {
        let admin = self.admin().await;
        let site = admin.post("/api/admin/sites", plan).await.expect(201);
        let site_id = site["id"].as_str().unwrap().to_owned();
        let body = json!({"siteId": site_id, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
            "startsAt": "2030-05-05T05:00:00Z"});
        let id = admin.post("/api/admin/matches", &body).await.expect(201)["id"].clone();
        let id = id.as_str().unwrap().to_owned();
        admin.post(&format!("/api/admin/matches/{id}/open"), &Value::Null).await.expect(200);
        TestMatch { id, site_id }
    }

    /// Compares Redis with PostgreSQL once all partitions are loaded and the journal is drained.
    pub async fn verify(&self) -> Verified {
        let (engine, store) = (self.engine(), self.store());
        eventually("the journal is drained", || async {
            let found = verify(engine, store).await.ok()?;
            let mut faults = found.disagreements.iter();
            let loading = faults.any(|fault| fault.what == "not loaded in Redis");
            (found.backlog == 0 && !loading).then_some(found)
        })
        .await
    }

    /// Ends the test: Redis and PostgreSQL must agree.
    pub async fn finish(mut self) {
        let found = self.verify().await;
        assert_eq!(found.disagreements, vec![], "Redis and PostgreSQL disagree");
        if let Some(node) = self.running.take() {
            node.stop().await;
        }
        self.emulator.stop().await;
        if let Some(redis) = self.redis.0.take() {
            redis.stop().await.unwrap();
        }
    }
}

impl TestNode {
    /// A connection to Redis of the test's own.
    pub async fn raw(&self) -> grandstand::redis::Link {
        grandstand::redis::connect(&self.settings.redis_url).await.unwrap()
    }

    /// Waits until a reservation has this status; the reservation.
    pub async fn wait_for_status(
        &self,
        client: &Client,
        reservation: &Value,
        status: &str,
    ) -> Value {
        let path = format!("/api/reservations/{}", reservation["id"].as_str().unwrap());
        eventually(&format!("the reservation is {status}"), || async {
            let answer = client.get(&path).await;
            (answer.body["data"]["status"] == status).then(|| answer.body["data"].clone())
        })
        .await
    }
}

/// An open match: block 1 has seats 1 to 20 in two rows, block 2 seats 21 to 25.
pub struct TestMatch {
    pub id: String,
    pub site_id: String,
}

impl TestMatch {
    pub fn match_id(&self) -> MatchId {
        self.id.parse().unwrap()
    }

    pub fn partition(&self) -> Partition {
        self.match_id().partition()
    }

    /// A path below the match.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/matches/{}{rest}", self.id)
    }
}

/// The plan of the small site: 25 seats, 10,000 KRW in block 1 and 20,000 in block 2.
pub fn plan() -> Value {
    let row = |label: &str, first: u32, seats: u32, y: f64| {
        json!({"label": label, "firstSeatId": first, "seats": seats, "from": [0.0, y],
            "to": [f64::from(seats - 1), y]})
    };
    json!({
        "name": "Test Ground", "focus": [5.0, 0.0],
        "grades": [
            {"code": "BLUE", "name": "Blue", "price": 10000, "color": "#1144cc"},
            {"code": "RED", "name": "Red", "price": 20000, "color": "#cc2211"}],
        "areas": [{"id": 1, "name": "Infield", "sections": [{"id": 1, "name": "Home", "blocks": [
            {"id": 1, "name": "101", "grade": "BLUE",
             "outline": [[-1.0, 1.0], [10.0, 1.0], [10.0, 4.0]],
             "rows": [row("1", 1, 10, 2.0), row("2", 11, 10, 3.0)]},
            {"id": 2, "name": "102", "grade": "RED",
             "outline": [[-1.0, 5.0], [10.0, 5.0], [10.0, 7.0]],
             "rows": [row("1", 21, 5, 6.0)]}]}]}]
    })
}
