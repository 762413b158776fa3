//! `grandstand admin`, and what a start says about the first administrator.

use crate::support::node::{ADMIN, TestNode, eventually};
use serde_json::json;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;

/// Runs the command with a password on its standard input.
async fn run(node: &TestNode, arguments: &[&str], password: &str) -> (bool, String) {
    let mut command = node.binary(&[&["admin"], arguments].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let line = format!("{password}\n");
    child.stdin.take().unwrap().write_all(line.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_are_made_and_mended_on_the_command_line() {
    let node = TestNode::start().await;
    let fan = node.user("fan").await;
    let (done, text) = run(&node, &["create", "second@test.example"], "a second password").await;
    assert!(done, "{text}");
    assert!(!text.contains("a second password"), "{text}");
    let second = node.guest().log_in("second@test.example", "a second password").await;
    second.get("/api/admin/accounts?email=fan@test.example").await.expect(200);
    for (arguments, password, reason) in [
        (["create", "fan@test.example"], "a third password", "has an account"),
        (["create", "third@test.example"], "password", "most common"),
        (["reset", "nobody@test.example"], "a third password", "has no account"),
        (["revoke", "fan@test.example"], "", "is no administrator"),
    ] {
        let (done, text) = run(&node, &arguments, password).await;
        assert!(!done && text.contains(reason), "{arguments:?}: {text}");
    }
    let (done, text) = run(&node, &["reset", "fan@test.example", "--random"], "").await;
    assert!(done, "{text}");
    let password = text.trim().rsplit_once(": ").unwrap().1;
    fan.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let mended = node.guest().log_in("fan@test.example", password).await;
    mended.get("/api/admin/accounts?email=fan@test.example").await.expect(200);
    let (_, listed) = run(&node, &["list"], "").await;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    for email in ["second@test.example", "fan@test.example"] {
        eventually("PostgreSQL knows the administrators", || async {
            run(&node, &["revoke", email], "").await.0.then_some(())
        })
        .await;
    }
    let (done, text) = run(&node, &["revoke", ADMIN.0], "").await;
    assert!(!done && text.contains("last administrator"), "{text}");
    node.finish().await;
}

/// Nobody has logged in, so the address says where the act comes from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acts_of_the_command_line_and_of_the_start_are_in_the_trail() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    node.user("fan").await;
    for (arguments, password) in [
        (&["create", "second@test.example"][..], "a second password"),
        (&["reset", "fan@test.example"], "a third password"),
        (&["list"], ""),
    ] {
        let (done, text) = run(&node, arguments, password).await;
        assert!(done, "{text}");
    }
    eventually("PostgreSQL knows the administrators", || async {
        run(&node, &["revoke", "fan@test.example"], "").await.0.then_some(())
    })
    .await;
    let id_of = async |client: &crate::support::client::Client| {
        client.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned()
    };
    let first = id_of(&admin).await;
    let fan = id_of(&node.guest().log_in("fan@test.example", "a third password").await).await;
    let second =
        id_of(&node.guest().log_in("second@test.example", "a second password").await).await;
    let said = async |target: String| {
        let path = format!("/api/admin/audit?limit=500&target={target}");
        let page = admin.get(&path).await.expect(200);
        let entries = page["entries"].as_array().unwrap().iter().rev().map(|entry| {
            assert_eq!(entry["actor"], serde_json::Value::Null, "{entry}");
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            format!("{} {} {}", text("act"), text("address"), entry["after"])
        });
        entries.collect::<Vec<String>>()
    };
    let wanted = [
        (format!("account/{first}"), vec![r#"ACCOUNT_CREATED settings {"role":"ADMIN"}"#]),
        (format!("account/{second}"), vec![r#"ACCOUNT_CREATED command line {"role":"ADMIN"}"#]),
        (
            format!("account/{fan}"),
            vec![
                concat!(
                    r#"ACCOUNT_CHANGED command line {"disabled":false,"passwordChanged":true,"#,
                    r#""role":"ADMIN","secondFactor":false,"sites":[]}"#
                ),
                concat!(
                    r#"ACCOUNT_CHANGED command line {"disabled":false,"role":"USER","#,
                    r#""secondFactor":false,"sites":[]}"#
                ),
            ],
        ),
    ];
    for (target, wanted) in wanted {
        eventually(&target, || async { (said(target.clone()).await == wanted).then_some(()) })
            .await;
    }
    let path = "/api/admin/audit?act=ACCOUNTS_READ&target=accounts";
    eventually("the list is in the trail", || async {
        let page = admin.get(path).await.expect(200);
        (page["entries"][0]["address"] == "command line").then_some(())
    })
    .await;
    node.finish().await;
}

/// An account that somebody else has signed up with is not made an administrator in silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_says_when_the_first_administrator_does_not_fit() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let node = TestNode::start().await;
    node.user("fan").await;
    for (email, password, said) in [
        ("fan@test.example", "a password of tests", "is no administrator"),
        (ADMIN.0, "another password", "is not the password of this account"),
    ] {
        let mut command = node.binary(&["serve", "--role", "api"]);
        command.env("GRANDSTAND_ADMIN_EMAIL", email).env("GRANDSTAND_ADMIN_PASSWORD", password);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let wait = async {
            loop {
                let line = tokio::select! {
                    line = out.next_line() => line,
                    line = errors.next_line() => line,
                };
                if line.unwrap().expect("it ended without a word").contains(said) {
                    break;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect(said);
        child.kill().await.unwrap();
    }
    node.finish().await;
}

/// It would make an administrator that nobody there has asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_makes_no_accounts_in_a_real_installation() {
    let node = TestNode::start_with(|settings| {
        settings.admin_email = String::new();
        settings.admin_password = String::new();
    })
    .await;
    let live = node.binary(&["demo", "--toss-secret-key", "live_sk_x"]).output().await.unwrap();
    let text = String::from_utf8_lossy(&live.stderr).into_owned();
    assert!(!live.status.success() && text.contains("live key"), "{text}");
    let (status, text) = node.run(&["demo"]).await;
    assert_eq!(status, 0, "{text}");
    let lines = text.lines().filter(|line| line.contains("password, shown only now"));
    let passwords: Vec<&str> = lines.map(|line| line.rsplit_once(' ').unwrap().1).collect();
    assert_eq!(passwords.len(), 2, "{text}");
    let guest = node.guest();
    let body = json!({"email": "admin@grandstand.example", "password": "demo-admin-1982"});
    guest.post("/api/users/log-in", &body).await.refused(401, "BAD_CREDENTIALS");
    guest.log_in("admin@grandstand.example", passwords[1]).await;
    node.user("somebody").await;
    let (status, text) = node.run(&["demo"]).await;
    assert!(status != 0 && text.contains("accounts that are not of the demo"), "{text}");
    node.finish().await;
}

/// As in compose.yaml, where the settings name a first administrator, who has an account by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_accepts_the_first_administrator_of_its_settings() {
    let node = TestNode::start().await;
    let demo = async |admin: &str| {
        let mut command = node.binary(&["demo"]);
        let output = command.env("GRANDSTAND_ADMIN_EMAIL", admin).output().await.unwrap();
        (
            output.status.success(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    for other in ["", "somebody@test.example"] {
        let (done, text) = demo(other).await;
        assert!(!done && text.contains("accounts that are not of the demo"), "{text}");
    }
    let (done, text) = demo(&ADMIN.0.to_uppercase()).await;
    assert!(done && text.contains("2 accounts"), "{text}");
    node.finish().await;
}
