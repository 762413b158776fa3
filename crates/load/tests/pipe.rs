//! What a load test says, when nobody reads it to the end.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::process::{Command, Stdio};

/// `grandstand-load rush --url … 2>&1 | head -1`: it still fails in its own way.
#[test]
fn a_reader_that_has_seen_enough_changes_no_exit_status() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grandstand-load"));
    command.args(["rush", "--url", "http://127.0.0.1:1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(1), "a panic is 101");
}
