//! Commands say what they wait for, and do not wait for ever.

use crate::support::node::TestNode;
use crate::support::postgres::sql;
use grandstand::domain::ids::Partition;
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// It needs what only a worker does, and no worker runs. It ends with an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_waits_says_so_and_ends() {
    use fred::prelude::*;
    let mut node = TestNode::start().await;
    node.verify().await;
    node.running.take().unwrap().stop().await;
    let raw = node.raw().await;
    for number in 0..node.settings.partitions {
        let _: i64 = raw.del(PartitionKeys(Partition(number)).partition()).await.unwrap();
    }
    for command in [
        &["verify"][..],
        &["demo"],
        &["dead-letters", "replay", "--all"],
        &["dead-letters", "drop", "0/1/1-1"],
    ] {
        let begun = Instant::now();
        let mut running = node.binary(command);
        running.env("GRANDSTAND_COMMAND_WAIT_MS", "4000");
        let mut running = running.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
        let mut next = async || {
            let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await;
            line.expect("no word").unwrap().expect("no word")
        };
        let first = next().await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{command:?} says nothing for long");
        assert!(first.contains("waiting for a worker"), "{command:?}: {first}");
        let last = next().await;
        assert!(last.contains("serve") && last.contains("worker"), "{command:?}: {last}");
        let status = running.wait().await.unwrap();
        assert_eq!(status.code(), Some(1), "{command:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{command:?}: {:?}", begun.elapsed());
    }
    node.running = Some(node.another_node(NodeRole::All).await);
    node.finish().await;
}

/// `grandstand plan check missing.json 2>&1 | head -0`: it still fails in its own way.
#[test]
fn a_command_whose_words_nobody_reads_keeps_its_exit_status() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_grandstand"));
    command.args(["plan", "check", "missing.json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1), "a panic is 101");
}

/// It goes on when the other migration has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_waits_for_another_says_so() {
    let node = TestNode::start().await;
    let url = node.settings.database_url.clone();
    let lock = "select pg_advisory_lock(113740958557299), pg_sleep(4)";
    let other = tokio::spawn(async move { sql(&url, lock).await });
    let held =
        "select count(*) from pg_locks where locktype = 'advisory' and granted and database =
        (select oid from pg_database where datname = current_database())";
    crate::support::node::eventually("the other migration runs", || async {
        (sql(&node.settings.database_url, held).await[0][0] != "0").then_some(())
    })
    .await;
    let (status, text) = node.run(&["migrate"]).await;
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("waiting for another migration"), "{text}");
    other.await.unwrap();
    node.finish().await;
}

/// `grandstand openapi | head -1`: a command whose reader has seen enough has not failed.
#[test]
fn a_command_survives_the_end_of_its_reader() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_grandstand"));
    let pipe = std::process::Stdio::piped;
    let mut child = command.arg("openapi").stdout(pipe()).stderr(pipe()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", output.status);
}
