//! Load tests as a person starts them: as a program, with its output and its exit status.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use clap::Parser;
use grandstand::commands::dev::Dev;
use grandstand::config::Settings;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::ids::MatchId;
use grandstand::redis::keys::MatchKeys;
use serde_json::Value;
use std::process::Output;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Everybody picks from the map or takes the best, some walk away, some cancel, and all come
/// through the waiting room.
const EVENING: &str = r#"
people = 250
seats = 240
connections = 64
rate = 250
queue = 60000
arrivals = "ramp"
duration = 2
[pauses_ms]
payment = 20
[[kinds]]
weight = 6
choice = "map"
does = "buys"
[[kinds]]
weight = 3
choice = "best-available"
does = "buys"
[[kinds]]
weight = 2
choice = "map"
does = "cancels"
[[kinds]]
weight = 1
choice = "map"
does = "walks-away"
"#;

/// The default settings, of which a test changes some.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    settings: Settings,
}

fn load(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grandstand-load"));
    command.args(arguments).kill_on_drop(true);
    command
}

/// Everything that the program printed, for the message of a failed test.
fn text(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!("{}\n{}", String::from_utf8_lossy(out), String::from_utf8_lossy(error))
}

async fn running(dir: &TempDir) -> Dev {
    let mut settings = Defaults::try_parse_from(["test"]).unwrap().settings;
    settings.listen = "127.0.0.1:0".to_owned();
    settings.rates.rate_limits = "off".to_owned();
    Dev::start(dir.path(), settings).await.unwrap()
}

/// Returns the first match that is on sale.
fn on_sale(dev: &Dev) -> MatchId {
    let matches = dev.node.services.catalog.matches();
    matches.iter().find(|fixture| fixture.status == MatchStatus::Open).unwrap().id
}

/// Sends a command to Redis, and returns the number of its reply.
async fn redis(dev: &Dev, command: &str) -> i64 {
    let url = dev.redis.url();
    let mut stream = TcpStream::connect(url.strip_prefix("redis://").unwrap()).await.unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut reply = [0; 64];
    let length = stream.read(&mut reply).await.unwrap();
    let reply = std::str::from_utf8(&reply[..length]).unwrap();
    reply.trim().strip_prefix(':').unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_whole_rush_sells_all_seats_once() {
    let dir = TempDir::new().unwrap();
    let (file, json) = (dir.path().join("evening.toml"), dir.path().join("rush.json"));
    std::fs::write(&file, EVENING).unwrap();
    let (file, json) = (file.to_str().unwrap(), json.to_str().unwrap());
    let output = load(&["--embedded", "--file", file, "--json", json]).output().await.unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["passed"] == true), "{checks:?}");
    for words in ["granted twice", "limit", "numbers", "the money", "stream", "PostgreSQL"] {
        let is_about = |check: &Value| check["condition"].as_str().unwrap().contains(words);
        assert!(checks.iter().any(is_about), "no check about {words}: {checks:?}");
    }
    let result = |name: &str| {
        let results = report["results"].as_array().unwrap();
        let found = results.iter().find(|result| result["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}: {results:?}"))["number"].as_f64().unwrap()
    };
    assert!(result("seats granted") >= 240.0, "the seats are not sold out");
    assert!(result("tickets") >= 60.0);
    let steps = report["latencies"].as_array().unwrap();
    for step in ["join", "hold", "confirm", "cancel", "list of matches", "snapshot", "plan"] {
        assert!(steps.iter().any(|latency| latency["step"] == step), "no {step}");
    }
}

/// Redis forgets its seats in the middle of the rush, so they are granted again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_that_is_granted_twice_fails_the_run_with_the_history_of_the_seat() {
    let dir = TempDir::new().unwrap();
    let dev = running(&dir).await;
    let id = on_sale(&dev);
    let matches = dev.node.services.catalog.matches();
    let later = matches.iter().find(|fixture| fixture.status == MatchStatus::Announced);
    let later = later.unwrap().id.to_string();
    let early =
        load(&["rush", "--url", &dev.node.url(), "--match", &later]).output().await.unwrap();
    assert_eq!(early.status.code(), Some(1));
    assert!(
        text(&early).contains(&format!("the match {later} is ANNOUNCED, not OPEN")),
        "{}",
        text(&early)
    );
    let (json, url, named) = (dir.path().join("rush.json"), dev.node.url(), id.to_string());
    let people = ["--people", "40", "--seats", "6", "--rate", "20", "--connections", "8"];
    let mut command = load(&["rush", "--until", "hold", "--url", &url, "--match", &named]);
    command.args(people).arg("--json").arg(&json);
    let rush = tokio::spawn(async move { command.output().await.unwrap() });
    let seats = MatchKeys(id).seats();
    let forgetting = async {
        while redis(&dev, &format!("HLEN {seats}")).await < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        redis(&dev, &format!("DEL {seats}")).await
    };
    tokio::time::timeout(Duration::from_secs(60), forgetting).await.expect("nobody holds seats");
    let output = rush.await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["condition"] == "no seat was granted twice");
    let check = check.unwrap();
    assert_eq!(check["passed"], false, "{checks:?}");
    let history = check["history"].as_array().unwrap();
    let granted = history.iter().filter(|line| line.as_str().unwrap().ends_with(": ok")).count();
    assert!(granted >= 2, "{history:?}");
    dev.stop().await.unwrap();
}

/// What a person sees when a run can't begin: a line, and no numbers.
#[tokio::test]
async fn a_run_that_cannot_begin_says_why_in_a_line() {
    for (arguments, status, words) in [
        (&["rush", "--url", "http://127.0.0.1:1"][..], 1, "http://127.0.0.1:1: "),
        (&["rush", "--url", "https://127.0.0.1:1"], 1, "must start with http://"),
        (&["rush", "--url", "http://nowhere.invalid"], 1, "nowhere.invalid"),
        (&["engine", "--url", "http://127.0.0.1:1"], 1, "needs --embedded"),
        (&["rush", "--embedded", "--people", "0"], 2, "--people"),
        (&["rush", "--embedded", "--walk-away", "2"], 2, "--walk-away"),
        (&["--embedded", "--file", "/nowhere/evening.toml"], 2, "--file"),
        (&["rush"], 2, "--url"),
        (&["stroll", "--embedded"], 2, "stroll"),
        (&["--embedded"], 2, "SCENARIO"),
    ] {
        let output = load(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        let lines = said.lines().filter(|line| !line.contains("debug build")).count();
        assert!(status == 2 || lines == 1, "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
