//! The private servers start, resume, fail on request, and end with their parent.
//!
//! The tests speak plain text to Redis and use `psql` for PostgreSQL, because the clients belong to
//! the engine.

use super::*;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CONDITION_TIMEOUT: Duration = Duration::from_secs(30);
const FAST: PostgresSettings = PostgresSettings { durable: false, max_connections: 20 };

/// Returns the first line of the reply to an inline command, or the error of the connection.
fn ask(redis_url: &str, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(redis_url.trim_start_matches("redis://"))?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.starts_with('$') {
        line.clear();
        reader.read_line(&mut line)?;
    }
    Ok(line.trim().to_owned())
}

fn sql(url: &str, statement: &str) -> Result<String> {
    let psql = discover::postgres_folder()?.join("psql");
    let output = Command::new(psql).args(["-XqAt", "-d", url, "-c", statement]).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < CONDITION_TIMEOUT, "not within {CONDITION_TIMEOUT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process lives. A dead process for which nobody has waited does not count.
fn lives(pid: u32) -> bool {
    let found = Pid::from_raw(pid.cast_signed()).map(test_kill_process);
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    matches!(found, Some(Ok(()))) && !state.contains(") Z ")
}

#[tokio::test]
async fn redis_keeps_its_data_and_its_port_over_stop_kill_and_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = PrivateRedis::start(dir.path(), RedisSettings::default()).await.unwrap();
    let (url, first) = (redis.url(), redis.pid());
    assert_eq!(ask(&url, "SET seat held").unwrap(), "+OK");
    redis.kill().await;
    assert!(!lives(first));
    assert_eq!(ask(&url, "PING").unwrap_err().kind(), ErrorKind::ConnectionRefused);
    redis.restart().await.unwrap();
    assert_eq!((redis.url(), ask(&url, "GET seat").unwrap()), (url, "held".to_owned()));
    assert_ne!(redis.pid(), first);
    let last = redis.pid();
    redis.stop().await.unwrap();
    assert!(!lives(last));

    let settings = RedisSettings { fsync: Fsync::EverySecond };
    let redis = PrivateRedis::start(dir.path(), settings).await.unwrap();
    assert_eq!(ask(&redis.url(), "GET seat").unwrap(), "held");
    let pid = redis.pid();
    drop(redis);
    assert!(!lives(pid), "dropping it ends it");
}

#[tokio::test]
async fn a_restart_needs_no_kill_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let settings = RedisSettings { fsync: Fsync::Never };
    let mut redis = PrivateRedis::start(dir.path(), settings).await.unwrap();
    ask(&redis.url(), "SET seat held").unwrap();
    redis.restart().await.unwrap();
    assert_eq!(ask(&redis.url(), "GET seat").unwrap(), "held");
}

#[tokio::test]
async fn a_frozen_redis_sends_no_reply_until_it_is_thawed() {
    let dir = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(dir.path(), RedisSettings::default()).await.unwrap();
    redis.freeze();
    let kind = ask(&redis.url(), "PING").unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
    redis.thaw();
    eventually("it replies", || ask(&redis.url(), "PING").is_ok_and(|reply| reply == "+PONG"));
    redis.freeze();
    redis.stop().await.unwrap();
}

#[tokio::test]
async fn many_redis_servers_start_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let starts = (0..12).map(|number| {
        let dir = dir.path().join(number.to_string());
        async move { PrivateRedis::start(&dir, RedisSettings::default()).await.unwrap() }
    });
    let servers = futures::future::join_all(starts).await;
    let urls: std::collections::HashSet<String> = servers.iter().map(PrivateRedis::url).collect();
    assert_eq!(urls.len(), servers.len());
}

#[tokio::test]
async fn a_failed_start_shows_the_end_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("appendonlydir"), "a file where a directory should be").unwrap();
    let settings = RedisSettings::default();
    let error = PrivateRedis::start(dir.path(), settings).await.err().unwrap().to_string();
    assert!(error.contains("appendonlydir") && error.contains("redis.log"), "{error}");
}

#[tokio::test]
async fn postgres_keeps_its_data_and_its_port_over_stop_kill_and_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = PrivatePostgres::start(dir.path(), FAST).await.unwrap();
    let (url, first) = (postgres.url(), postgres.pid());
    sql(&url, "CREATE TABLE seats (id int); INSERT INTO seats VALUES (7)").unwrap();
    assert_eq!(
        sql(&url, "SELECT current_user || current_database()").unwrap(),
        "grandstandgrandstand"
    );
    assert_eq!(sql(&url, "SHOW server_encoding").unwrap(), "UTF8");
    assert_eq!(sql(&postgres.url_of("postgres"), "SHOW fsync").unwrap(), "off");

    // A backend that is too busy to notice the end of the postmaster ends too.
    let busy = "SELECT set_config('application_name', 'busy', false); \
                SELECT count(*) FROM generate_series(1, 100000000000)";
    let psql = discover::postgres_folder().unwrap().join("psql");
    let mut client = Command::new(psql)
        .args(["-Xqd", &url, "-c", busy])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let find = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%generate_series%' \
                AND pid <> pg_backend_pid()";
    eventually("the busy backend is there", || sql(&url, find).is_ok_and(|pid| !pid.is_empty()));
    let backend: u32 = sql(&url, find).unwrap().parse().unwrap();
    postgres.kill().await;
    // The system may still remove the processes, but they hold nothing any more.
    eventually("postmaster and backend are gone", || !lives(first) && !lives(backend));
    client.wait().unwrap();

    postgres.restart().await.unwrap();
    assert_eq!(postgres.url(), url);
    assert_eq!(sql(&url, "SELECT id FROM seats").unwrap(), "7");
    let last = postgres.pid();
    postgres.stop().await.unwrap();
    assert!(!lives(last));

    let postgres = PrivatePostgres::start(dir.path(), FAST).await.unwrap();
    assert_eq!(sql(&postgres.url(), "SELECT id FROM seats").unwrap(), "7");
    let log = fs::read_to_string(dir.path().join("postgres.log")).unwrap();
    assert!(log.contains("received fast shutdown request"), "stop is clean");
}

#[tokio::test]
async fn postgres_works_below_a_directory_that_only_its_owner_may_enter() {
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed to others");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let inner = closed.join("postgres");
    let settings = PostgresSettings { durable: true, max_connections: 10 };
    let postgres = PrivatePostgres::start(&inner, settings).await.unwrap();
    sql(&postgres.url(), "CREATE TABLE seats (id int)").unwrap();
    assert_eq!(sql(&postgres.url(), "SHOW fsync").unwrap(), "on");
    assert_eq!(sql(&postgres.url(), "SELECT pg_reload_conf()").unwrap(), "t");
    drop(postgres);
    let postgres = PrivatePostgres::start(&inner, settings).await.unwrap();
    assert_eq!(sql(&postgres.url(), "SELECT count(*) FROM seats").unwrap(), "0");
}

#[tokio::test]
async fn a_frozen_postgres_sends_no_reply_until_it_is_thawed() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = PrivatePostgres::start(dir.path(), FAST).await.unwrap();
    let ask = format!("{}?connect_timeout=2", postgres.url());
    postgres.freeze();
    assert!(sql(&ask, "SELECT 1").is_err());
    postgres.thaw();
    eventually("it replies", || sql(&ask, "SELECT 1").is_ok());
    postgres.freeze();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn an_initdb_that_was_interrupted_runs_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data.new")).unwrap();
    fs::write(dir.path().join("data.new/PG_VERSION"), "half").unwrap();
    let postgres = PrivatePostgres::start(dir.path(), FAST).await.unwrap();
    sql(&postgres.url(), "SELECT 1").unwrap();
}

/// The parent that the next test kills: this test program, with the directory as its input.
#[test]
#[ignore = "is a part of the next test"]
fn a_parent_that_waits_for_its_end() {
    let mut dir = String::new();
    std::io::stdin().read_line(&mut dir).unwrap();
    if dir.is_empty() {
        return; // all ignored tests were run
    }
    let dir = PathBuf::from(dir.trim());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let redis =
            PrivateRedis::start(&dir.join("redis"), RedisSettings::default()).await.unwrap();
        let postgres = PrivatePostgres::start(&dir.join("postgres"), FAST).await.unwrap();
        println!("\nready {} {} {}", redis.pid(), redis.url(), postgres.pid());
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    });
}

async fn kill_a_parent(freeze_first: bool) {
    let dir = tempfile::tempdir().unwrap();
    let name = "tests::a_parent_that_waits_for_its_end";
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = parent.stdin.take().unwrap();
    writeln!(input, "{}", dir.path().display()).unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let ready = lines.find_map(|line| Some(line.unwrap().strip_prefix("ready ")?.to_owned()));
    let ready = ready.unwrap();
    let [redis_pid, redis_url, postgres_pid] = ready.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{ready}");
    };
    ask(redis_url, "SET seat held").unwrap();
    let pids: Vec<u32> = [redis_pid, postgres_pid].map(|pid| pid.parse().unwrap()).into();
    assert!(pids.iter().all(|pid| lives(*pid)));
    if freeze_first {
        for pid in &pids {
            let pid = Pid::from_raw(pid.cast_signed()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        }
    }
    parent.kill().unwrap();
    parent.wait().unwrap();

    // At once, while the old servers are still dying.
    let settings = RedisSettings::default();
    let redis = PrivateRedis::start(&dir.path().join("redis"), settings).await.unwrap();
    assert_eq!(ask(&redis.url(), "GET seat").unwrap(), "held");
    let postgres = PrivatePostgres::start(&dir.path().join("postgres"), FAST).await.unwrap();
    sql(&postgres.url(), "SELECT 1").unwrap();
    eventually("the old servers are gone", || !pids.iter().any(|pid| lives(*pid)));
}

#[tokio::test]
async fn no_server_outlives_a_killed_parent() {
    kill_a_parent(false).await;
}

#[tokio::test]
async fn not_even_a_frozen_server_outlives_a_killed_parent() {
    kill_a_parent(true).await;
}

#[test]
fn the_newest_postgres_is_found_first_and_links_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let program = |path: &Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    for version in ["9.6", "15", "17"] {
        program(&dir.path().join(format!("pgsql-{version}/bin/postgres")));
    }
    fs::create_dir(dir.path().join("pgsql-common")).unwrap();
    let found = discover::newest_first(dir.path(), "pgsql-");
    let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(names, ["pgsql-17", "pgsql-15", "pgsql-9.6"]);

    let bin = dir.path().join("pgsql-17/bin").canonicalize().unwrap();
    assert_eq!(discover::postgres_in(&bin), None, "without initdb the folder is useless");
    program(&bin.join("initdb"));
    let links = dir.path().join("links");
    fs::create_dir(&links).unwrap();
    symlink(bin.join("postgres"), links.join("postgres")).unwrap();
    assert_eq!(discover::postgres_in(&links), Some(bin));

    program(&links.join("valkey-server"));
    let places = [dir.path().join("nowhere"), links.clone()];
    assert_eq!(discover::redis_among(&places), Some(links.join("valkey-server")));
}
