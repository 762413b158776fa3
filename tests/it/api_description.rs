//! What the server says of itself is true: schemathesis makes requests up from the OpenAPI
//! document, such as fit it and such as do not, and compares each answer with it.

use crate::support::client::Client;
use crate::support::node::TestNode;
use std::path::Path;
use tokio::process::Command;

/// Makes the requests of one caller; the report when something does not agree.
async fn check(node: &TestNode, caller: &Client) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join(".schemathesis/bin/schemathesis");
    let mut command = Command::new(program);
    command
        .arg("--config-file")
        .arg(root.join("tests/schemathesis/schemathesis.toml"))
        .args(["run", &format!("{}/api-docs/openapi.json", node.guest().url)])
        .args(["--seed", "1982", "--max-examples", "5", "--continue-on-failure", "--no-color"])
        // Plans are large, and most that are made up do not fit: that is no fault of the server.
        .args(["--suppress-health-check", "all", "--warnings", "off"])
        .args(["--generation-database", "none"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .kill_on_drop(true);
    if let Some(token) = &caller.token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let output = command.output().await.expect("schemathesis is needed: scripts/setup test");
    if output.status.success() {
        return Ok(());
    }
    let texts = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&texts).into_owned())
}

/// The rule: whatever is made up from the document is answered as the document says, to whomever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_as_the_document_says_to_nobody_a_fan_and_an_administrator() {
    let node = TestNode::start().await;
    node.open_match().await;
    let callers = [node.guest(), node.user("fan").await, node.admin().await];
    let all = callers.iter().map(|caller| check(&node, caller));
    let found: Vec<String> =
        futures::future::join_all(all).await.into_iter().filter_map(Result::err).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    node.finish().await;
}

/// The rule: the document follows the specification, so any tool can read it.
#[tokio::test]
async fn the_document_is_valid_openapi() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join(".schemathesis/bin/openapi-spec-validator"));
    command.arg(root.join("web/openapi.json"));
    let output = command.output().await.expect("the validator is needed: scripts/setup test");
    let texts = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&texts));
}
