//! The OpenAPI document is true: schemathesis makes up requests from it, valid and invalid, and
//! compares each response with it. The long test has more requests (`make fuzz`).

use crate::support::client::Client;
use crate::support::node::TestNode;
use std::path::Path;
use tokio::process::Command;

/// All that schemathesis can do with this number of examples per operation.
const ALL: &[&str] = &["--max-examples", "25"];
/// Nobody and a fan get the same refusal for all that administrators do, whatever they send
/// (`roles` has a test of that), so the short test asks for these operations as an administrator.
const OF_NOBODY: &[&str] =
    &["--phases", "examples,coverage", "--exclude-path-regex", "^/api/admin/"];
const OF_A_FAN: &[&str] = &["--max-examples", "5", "--exclude-path-regex", "^/api/admin/"];
const OF_AN_ADMINISTRATOR: &[&str] = &["--max-examples", "5"];

/// Makes the requests of one caller; the report when something does not agree.
async fn check(node: &TestNode, caller: &Client, which: &[&str]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join(".schemathesis/bin/schemathesis");
    let mut command = Command::new(program);
    command
        .arg("--config-file")
        .arg(root.join("tests/schemathesis/schemathesis.toml"))
        .args(["run", &format!("{}/api-docs/openapi.json", node.guest().url)])
        .args(["--seed", "1982", "--continue-on-failure", "--no-color"])
        .args(which)
        // Plans are large, and most plans that are made up are invalid.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_match_the_openapi_document() {
    check_all([OF_NOBODY, OF_A_FAN, OF_AN_ADMINISTRATOR]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make chaos"]
async fn responses_to_many_requests_match_the_openapi_document() {
    check_all([ALL; 3]).await;
}

/// For a caller without a token, a fan and an administrator.
async fn check_all(which: [&[&str]; 3]) {
    let node = TestNode::start().await;
    node.open_match().await;
    let callers = [node.guest(), node.user("fan").await, node.admin().await];
    let all = callers.iter().zip(which).map(|(caller, which)| check(&node, caller, which));
    let found: Vec<String> =
        futures::future::join_all(all).await.into_iter().filter_map(Result::err).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    node.finish().await;
}

/// Any tool for OpenAPI can read it.
#[tokio::test]
async fn the_document_is_valid_openapi() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join(".schemathesis/bin/openapi-spec-validator"));
    command.arg(root.join("web/openapi.json"));
    let output = command.output().await.expect("the validator is needed: scripts/setup test");
    let texts = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&texts));
}
