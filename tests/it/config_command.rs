//! `grandstand config`, and the digest by which a monitor sees that two processes differ.

use crate::support::node::TestNode;
use crate::support::process::Process;
use grandstand::config::parse_settings;

/// Each setting has the place that it comes from, and no secret is printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config_shows_every_setting_with_its_source_and_no_secret() {
    let node = TestNode::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    let password = dir.path().join("password");
    std::fs::write(&password, "a password in a file\n").unwrap();
    let text = "payment_ttl_ms = 400000\ntrusted_proxies = [\"10.0.0.1\", \"10.1.0.0/16\"]\n\
        smtp_url = \"smtps://me:a-hidden-word@mail.example\"\n";
    std::fs::write(&file, text).unwrap();
    let mut command = node.binary(&["config", "--hold-ttl-ms", "200000"]);
    command.arg("--config").arg(&file).env("GRANDSTAND_ADMIN_PASSWORD_FILE", &password);
    let output = command.output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let path = file.display();
    for line in [
        "hold_ttl_ms = 200000 # flag",
        "partitions = 2 # environment: GRANDSTAND_PARTITIONS",
        &format!("payment_ttl_ms = 400000 # file: {path}"),
        &format!("trusted_proxies = \"10.0.0.1,10.1.0.0/16\" # file: {path}"),
        &format!("# smtp_url = \"***\" # file: {path}"),
        "# jwt_secret = \"***\" # environment: GRANDSTAND_JWT_SECRET",
        "# database_url = \"***\" # environment: GRANDSTAND_DATABASE_URL",
        "# admin_password = \"***\" # file that GRANDSTAND_ADMIN_PASSWORD_FILE names",
        "jwt_secret_old = \"\" # default",
        "max_seats_per_user = 4 # default",
        "docs = false # default",
        "# tls_cert_file: not set",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
    }
    for secret in ["a-hidden-word", "a password in a file", &node.settings.jwt_secret] {
        assert!(!text.contains(secret), "{secret} is printed: {text}");
    }
    let again = parse_settings(&text).unwrap();
    assert!(again.contains(&("hold_ttl_ms".to_owned(), "200000".to_owned())), "{again:?}");
    node.finish().await;
}

/// Nodes with the same rules have the same digest, and one with other rules has another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_show_that_a_node_has_other_rules() {
    let node = TestNode::start().await;
    let mut digests = Vec::new();
    for seats in ["4", "4", "6"] {
        let more = [("GRANDSTAND_MAX_SEATS_PER_USER", seats)];
        let mut process = Process::start(&node, &more).await;
        let page = process.operator.get("/metrics").await.body;
        let mut lines = page.as_str().unwrap().lines();
        let line = lines.find(|line| line.starts_with("grandstand_settings_info{"));
        digests.push(line.unwrap_or_else(|| panic!("no digest: {page}")).to_owned());
        process.child.kill().await.unwrap();
    }
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    node.finish().await;
}
