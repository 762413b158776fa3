//! The profile `cluster` of compose.yaml: its servers, its users and the script that makes it.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually};
use crate::support::wire::ask;
use grandstand::config::Settings;
use grandstand::node::{Node, NodeRole};
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Free ports whose buses, 10,000 above, are free too. No system gives them out by itself.
fn ports() -> Vec<u16> {
    let is_free = |port: &u16| {
        let bind = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port));
        bind(*port).and_then(|_| bind(port + 10_000)).is_ok()
    };
    let first = 20_000 + (std::process::id() % 2_000) as u16;
    (first..22_700).filter(is_free).take(6).collect()
}

fn server(dir: &Path, port: u16) -> Child {
    let folder = dir.join(port.to_string());
    std::fs::create_dir(&folder).unwrap();
    Command::new("redis-server")
        .arg(dir.join("cluster.conf"))
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .arg("--dir")
        .arg(&folder)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_with_a_cluster_serves_its_processes() {
    let dir = TempDir::new().unwrap();
    let secrets = dir.path().join("secrets");
    let made = Command::new("scripts/secrets").arg(&secrets).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| std::fs::read_to_string(secrets.join(name)).unwrap();
    let folder = secrets.join("redis").display().to_string();
    let settings = read("redis/cluster.conf").replace("/run/secrets", &folder);
    std::fs::write(dir.path().join("cluster.conf"), settings).unwrap();
    let ports = ports();
    let _servers: Vec<Child> = ports.iter().map(|port| server(dir.path(), *port)).collect();
    for port in &ports {
        let is_there = async || ask(*port, &["PING"]).await.err()?.contains("NOAUTH").then_some(());
        eventually("a server replies", is_there).await;
    }
    for _ in 0..2 {
        let made = Command::new("scripts/redis-cluster")
            .arg(secrets.join("redis/cluster_password"))
            .args(ports.iter().map(|port| format!("127.0.0.1:{port}")))
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }
    let url = |process: &str| {
        let mut url = read(&format!("{process}/redis_cluster_url")).trim_end().to_owned();
        for (number, port) in (1..).zip(&ports) {
            url = url.replace(&format!("172.30.81.1{number}:6379"), &format!("127.0.0.1:{port}"));
        }
        url
    };
    let (_, warnings) = grandstand::engine::load_functions(&url("migrate")).await.unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let node = TestNode::start_on_redis(url("worker"), |_| {}).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let settings = Settings { redis_url: url("api"), ..node.settings.clone() };
    let api = Node::start(&settings, NodeRole::Api).await.unwrap();
    let fan = Client::new(api.url(), fan.token);
    fan.hold(&fixture.id, &[1]).await.expect(201);
    api.stop().await;
    node.finish().await;
}
