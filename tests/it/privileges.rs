//! Each process has a user of Redis and a role of PostgreSQL of its own, which may do what it needs
//! and nothing else.

use crate::support::client::Client;
use crate::support::cluster::PrivateCluster;
use crate::support::node::{ADMIN, RedisChoice, TestNode, eventually, plan};
use crate::support::postgres::{private, sql};
use crate::support::purchases::sells_within;
use crate::support::wire::{ask, done};
use fred::prelude::{ClientLike as _, Error, Value as Reply};
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::ids::Partition;
use grandstand::node::{Node, NodeRole};
use grandstand::store::Store;
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use grandstand_emulator::EmulatorSettings;
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

const USERS: [&str; 4] = ["app", "worker", "deploy", "ops"];
const ROLES: &str = include_str!("../../scripts/postgres-roles.sql");

/// Makes the users of `scripts/redis.acl`; each has its name as its password. The user `default`
/// stays, because the test itself uses it.
async fn make_users(port: u16) {
    let file = include_str!("../../scripts/redis.acl");
    let users = file.lines().filter_map(|line| line.strip_prefix("user "));
    for line in users.filter(|line| !line.starts_with("default ")) {
        let name = line.split(' ').next().unwrap();
        let line = line.replace("#SHA256", &format!(">{name}"));
        let words: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(line.split(' ')).collect();
        done(port, &words).await;
    }
}

fn with_user(url: &str, user: &str) -> String {
    url.replace("://", &format!("://{user}:{user}@"))
}

async fn command(url: &str, words: &[&str]) -> Result<Reply, Error> {
    let link = grandstand::redis::connect(url).await.unwrap();
    let name = CustomCommand::new(words[0].to_owned(), ClusterHash::Random, false);
    let arguments: Vec<String> = words[1..].iter().map(|word| (*word).to_owned()).collect();
    link.custom(name, arguments).await
}

/// Everything that people do at the API. Returns the match, and a fan who has bought seat 1.
async fn everything(node: &TestNode, url: &str) -> (String, Client) {
    let admin = Client::new(url.to_owned(), None).log_in(ADMIN.0, ADMIN.1).await;
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201);
    let body = json!({"siteId": site["id"], "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let draft = admin.post("/api/admin/matches", &body).await.expect(201);
    admin
        .delete(&format!("/api/admin/matches/{}", draft["id"].as_str().unwrap()))
        .await
        .expect(204);
    let fixture = admin.post("/api/admin/matches", &body).await.expect(201);
    let id = fixture["id"].as_str().unwrap().to_owned();
    let of_match = format!("/api/admin/matches/{id}");
    admin.post(&format!("{of_match}/open"), &Value::Null).await.expect(200);
    let account = json!({"email": "fan@test.example", "password": "a password of tests"});
    let guest = Client::new(url.to_owned(), None);
    guest.post("/api/users/sign-up", &account).await.expect(201);
    let session = guest.post("/api/users/log-in", &account).await.expect(200);
    let refresh = json!({"refreshToken": session["refreshToken"]});
    assert!(guest.post("/api/users/refresh", &refresh).await.status < 500);
    let fan = guest.log_in("fan@test.example", "a password of tests").await;
    fan.get(&format!("/api/matches/{id}/seats")).await.expect(200);
    let queue = format!("/api/matches/{id}/queue");
    assert!(fan.post(&queue, &Value::Null).await.status < 500);
    assert!(fan.delete(&queue).await.status < 500);
    let held = fan.hold(&id, &[9]).await.expect(201);
    let hold = format!("/api/holds/{}", held["holdId"].as_str().unwrap());
    assert!(fan.delete(&hold).await.status < 500);
    for seat in [1, 2] {
        let reservation = fan.reserve(&id, &[seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, "approve").await;
        fan.confirm(&payment, &key).await.expect(200);
        if seat == 2 {
            let cancel =
                format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
            assert!(fan.post(&cancel, &json!({})).await.status < 300);
        }
    }
    fan.get("/api/reservations").await.expect(200);
    let ready = node.operator().get("/health/ready").await.expect(200);
    assert_eq!(ready.get("writesFail"), None, "the role of a worker may write: {ready}");
    (id, fan)
}

async fn denied(port: u16) -> Vec<String> {
    let log = done(port, &["ACL", "LOG"]).await;
    match log {
        crate::support::wire::Reply::List(entries) => {
            entries.iter().map(|entry| entry.texts().join(" ")).collect()
        }
        other => vec![other.text()],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_runs_with_the_least_rights_in_redis_and_postgresql() {
    let dir = TempDir::new().unwrap();
    let settings = RedisSettings { fsync: Fsync::Never };
    let redis = PrivateRedis::start(&dir.path().join("redis"), settings).await.unwrap();
    make_users(redis.port()).await;
    let postgres = private(dir.path()).await;
    sql(&postgres.url(), "create database fresh").await;
    let superuser = postgres.url_of("fresh");
    let role = |role: &str| superuser.replace("grandstand@", &format!("grandstand_{role}@"));
    sql(&superuser, ROLES).await;
    Store::new(&role("migrate"), 1).unwrap().migrate().await.unwrap();
    sql(&superuser, ROLES).await;

    // Without the functions a node does not start, and says what to do.
    let engine = grandstand::engine::Engine::connect(grandstand::engine::EngineSettings {
        redis_url: with_user(&redis.url(), "app"),
        partitions: 2,
        limits: crate::support::engine::limits(),
    });
    let refused = engine.await.err().unwrap().to_string();
    assert!(refused.contains("run `grandstand migrate`"), "{refused}");
    let deploy = with_user(&redis.url(), "deploy");
    let (loaded, _) = grandstand::engine::load_functions(&deploy).await.unwrap();
    assert!(loaded > 20, "{loaded}");
    assert_eq!(grandstand::engine::load_functions(&deploy).await.unwrap().0, 0);
    grandstand::engine::remove_unused_functions(&deploy).await.unwrap();
    done(redis.port(), &["ACL", "LOG", "RESET"]).await;
    let worker = RedisChoice::At(with_user(&redis.url(), "worker"));
    let gateway = EmulatorSettings::default();
    let mut node = TestNode::start_all(role("worker"), worker, |_| {}, gateway).await;
    let mut settings = node.settings.clone();
    settings.redis_url = with_user(&redis.url(), "app");
    settings.database_url = role("api");
    let api = Node::start(&settings, NodeRole::Api).await.unwrap();
    everything(&node, &api.url()).await;
    node.settings.redis_url = with_user(&redis.url(), "ops");
    node.settings.database_url = role("ops");
    node.verify().await;
    for arguments in [&["verify"][..], &["restore", "--dry-run"], &["dead-letters", "list"]] {
        let (status, text) = node.run(arguments).await;
        assert_eq!(status, 0, "{arguments:?}: {text}");
    }
    let (status, text) = node.run(&["rebuild", "--partition", "0"]).await;
    assert_eq!(status, 0, "{text}");
    assert_eq!(denied(redis.port()).await, Vec::<String>::new(), "nobody was refused anything");

    for user in USERS {
        for words in [
            &["FLUSHALL"][..],
            &["CONFIG", "SET", "appendonly", "no"],
            &["KEYS", "*"],
            &["EVAL", "return 1", "0"],
            &["FUNCTION", "FLUSH"],
            &["SHUTDOWN"],
            &["ACL", "LIST"],
            &["GET", "another application's key"],
        ] {
            let refused = command(&with_user(&redis.url(), user), words).await.unwrap_err();
            assert!(refused.details().contains("NOPERM"), "{user} {words:?}: {refused}");
        }
    }
    for words in [&["SET", "{0}:lease", "mine"][..], &["XADD", "{0}:persisted", "*", "a", "b"]] {
        let refused = command(&with_user(&redis.url(), "app"), words).await.unwrap_err();
        assert!(refused.details().contains("NOPERM"), "{words:?}: {refused}");
    }
    refuse_in_postgresql(&role).await;
    api.stop().await;
    node.finish().await;
    postgres.stop().await.unwrap();
}

/// What each role must not do in PostgreSQL.
async fn refuse_in_postgresql(role: &impl Fn(&str) -> String) {
    for (name, statement) in [
        ("api", "select * from accounts"),
        ("api", "delete from payments"),
        ("api", "set transaction read write; update payments set amount = 0"),
        ("worker", "drop table payments"),
        ("worker", "create table mine (id int)"),
        ("worker", "delete from refinery_schema_history"),
        ("ops", "truncate payments"),
        ("ops", "create role another"),
    ] {
        let (client, connection) =
            tokio_postgres::connect(&role(name), tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let error = client.batch_execute(statement).await.expect_err(statement);
        let code = error.code().unwrap().code().to_owned();
        assert!(["42501", "25006"].contains(&&*code), "{name}: {statement}: {error:?}");
        drop(client);
        connection.await.unwrap().unwrap();
    }
    for (name, wanted) in [("api", "2s"), ("worker", "10s"), ("ops", "10min")] {
        let rows = sql(&role(name), "show statement_timeout").await;
        assert_eq!(rows, [[wanted]], "{name}");
    }
}

/// A secret in the folder that `scripts/secrets` has made.
fn secret(folder: &std::path::Path, name: &str) -> String {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.trim_end().to_owned()
}

/// What compose.yaml starts: Redis takes the users that `scripts/secrets` makes, and the URLs of
/// the processes fit them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_takes_the_secrets_of_the_containers() {
    let dir = TempDir::new().unwrap();
    let secrets = dir.path().join("secrets");
    let make = || std::process::Command::new("scripts/secrets").arg(&secrets).output().unwrap();
    let made = make();
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| secret(&secrets, name);
    let acl = read("redis/users.acl");
    assert!(!make().status.success(), "it must not replace secrets that are in use");
    assert_eq!(read("redis/users.acl"), acl);

    let arguments =
        vec!["--aclfile".to_owned(), secrets.join("redis/users.acl").display().to_string()];
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = tokio::process::Command::new("redis-server");
    let options = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""];
    server
        .args(options)
        .args(arguments)
        .current_dir(dir.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true);
    let mut server = server.spawn().unwrap();
    let here = |url: String| url.replace("@redis:6379", &format!("@127.0.0.1:{port}"));
    let refusal = eventually("Redis is there", async || match ask(port, &["PING"]).await {
        Err(text) if text.contains("NOAUTH") => Some(text),
        Err(_) => None,
        Ok(_) => panic!("somebody without a password got a reply"),
    })
    .await;
    assert!(refusal.contains("NOAUTH"), "{refusal}");
    let health = done(port, &["AUTH", "health", "-"]).await.text();
    assert_eq!(health, "OK", "the health check");
    for process in ["api", "worker", "migrate", "ops"] {
        command(&here(read(&format!("{process}/redis_url"))), &["PING"]).await.unwrap();
    }
    server.kill().await.unwrap();
}

/// The same for the roles of PostgreSQL, before and after a migration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_takes_the_secrets_of_the_containers() {
    let dir = TempDir::new().unwrap();
    let secrets = dir.path().join("secrets");
    let made = std::process::Command::new("scripts/secrets").arg(&secrets).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| secret(&secrets, name);
    let postgres = private(dir.path()).await;
    sql(&postgres.url(), "create database fresh").await;
    let fresh = postgres.url_of("fresh");
    for _ in 0..2 {
        let mut roles = std::process::Command::new("scripts/postgres-roles");
        roles.arg(secrets.join("postgres")).arg("scripts/postgres-roles.sql");
        let (_, place) = fresh.split_once('@').unwrap();
        let (host, _) = place.split_once('/').unwrap();
        let (host, port) = host.split_once(':').unwrap();
        roles.env("PGHOST", host).env("PGPORT", port).env("PGUSER", "grandstand");
        let done = roles.env("PGDATABASE", "fresh").output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let role = fresh.replace("grandstand@", "grandstand_migrate@");
        Store::new(&role, 1).unwrap().migrate().await.unwrap();
    }
    let rows = sql(
        &fresh,
        "select count(*) from pg_authid where rolname like 'grandstand!_%'
        escape '!' and rolpassword like 'SCRAM%' and not rolsuper",
    )
    .await;
    assert_eq!(rows, [["4"]]);
    for process in ["api", "worker", "migrate", "ops"] {
        let url = read(&format!("{process}/database_url"));
        let password = read(&format!("postgres/{process}"));
        assert!(url.starts_with(&format!("postgres://grandstand_{process}:{password}@")), "{url}");
    }
    postgres.stop().await.unwrap();
}

/// A replica has the functions of its master. A server that was added without them gets them from
/// `grandstand migrate`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_without_the_right_to_load_survive_a_promotion() {
    let mut cluster = PrivateCluster::start(3, 3).await;
    for server in 0..6 {
        make_users(cluster.port(server)).await;
    }
    let deploy = with_user(&cluster.url(), "deploy");
    grandstand::engine::load_functions(&deploy).await.unwrap();
    let node = TestNode::start_on_redis(with_user(&cluster.url(), "worker"), |_| {}).await;
    let fixtures = node.match_in_each_partition().await;
    let fan = node.user("fan").await;
    let dead = cluster.owner(Partition(0)).await;
    crate::servers::replicated(cluster.port(dead), 1).await;
    cluster.kill(dead).await;
    sells_within(Duration::from_secs(30), &fan, &fixtures[0], 1).await;

    // As if a server without functions had taken the slots of the other partition.
    let other = cluster.owner(Partition(1)).await;
    done(cluster.port(other), &["FUNCTION", "FLUSH"]).await;
    assert_eq!(fan.hold(&fixtures[1].id, &[1]).await.status, 503);
    assert!(ask(cluster.port(other), &["PING"]).await.is_ok());
    let (loaded, _) = grandstand::engine::load_functions(&deploy).await.unwrap();
    assert!(loaded > 20, "{loaded}");
    sells_within(Duration::from_secs(30), &fan, &fixtures[1], 2).await;
    node.finish().await;
    cluster.stop().await;
}
