//! What the breaker prints, when nobody reads it to the end.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::process::{Command, Stdio};

/// `grandstand-chaos --dry-run | head -1`
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grandstand-chaos"));
    command.args(["--dry-run", "--seeds", "1..20"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", output.status);
}
