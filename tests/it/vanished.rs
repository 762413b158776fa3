//! Clients that vanish without closing: no packet of theirs comes any more, as from a phone in a
//! tunnel. Linux only; it needs the right to make a network (run as root, or in a container with
//! --cap-add NET_ADMIN --cap-add SYS_ADMIN).

use crate::support::node::{TestNode, eventually, eventually_within};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A network of one machine that can be cut off.
struct Island {
    name: String,
    link: String,
    number: u8,
}

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).output().expect("the program `ip`");
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {}: {error}", arguments.join(" "));
}

impl Island {
    fn new() -> Self {
        let number = (std::process::id() % 200) as u8 + 1;
        let (name, link) = (format!("grandstand-{number}"), format!("gstest{number}"));
        let island = Self { name, link, number };
        let (name, link, inside) = (&island.name, &island.link, format!("{}i", island.link));
        ip(&["netns", "add", name]);
        ip(&["link", "add", link, "type", "veth", "peer", "name", &inside, "netns", name]);
        ip(&["addr", "add", &format!("{}/30", island.shore()), "dev", link]);
        ip(&["link", "set", link, "up"]);
        let there = format!("10.213.{number}.2/30");
        ip(&["-n", name, "addr", "add", &there, "dev", &inside]);
        ip(&["-n", name, "link", "set", &inside, "up"]);
        island
    }

    /// The address of this machine as the island sees it.
    fn shore(&self) -> String {
        format!("10.213.{}.1", self.number)
    }

    fn curl(&self, arguments: &[&str]) -> std::process::Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "curl", "-sN"]).args(arguments);
        command.stdout(Stdio::null()).spawn().unwrap()
    }

    /// From now on no packet goes either way.
    fn cut_off(&self) {
        ip(&["-n", &self.name, "link", "set", &format!("{}i", self.link), "down"]);
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        for arguments in [["link", "del", &self.link], ["netns", "del", &self.name]] {
            let _ = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
        }
    }
}

/// Over HTTP/1.1 and over HTTP/2, also while nothing happens in the match.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vanished_client_keeps_no_place_of_a_stream() {
    let node = TestNode::start_with(|settings| {
        settings.listen = "0.0.0.0:0".to_owned();
        settings.peer_timeout_ms = 4000;
    })
    .await;
    let fixture = node.open_match().await;
    let id = fixture.match_id();
    let island = Island::new();
    let port = node.running().address.port();
    let url = format!("http://{}:{port}{}", island.shore(), fixture.path("/seats/events"));
    let mut clients = vec![
        island.curl(&["--http1.1", &url]),
        island.curl(&["--http2-prior-knowledge", &url]),
        island.curl(&["--http1.0", &url]),
    ];
    let feed = node.services().hub.feed(id).await.unwrap();
    let watchers = async |count: usize| (feed.watchers() == count).then_some(());
    eventually("all watch", || watchers(3)).await;
    // They live longer than the timeout: silence is no reason to end a stream.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(feed.watchers(), 3, "a quiet client was taken for a dead one");
    island.cut_off();
    eventually_within(Duration::from_secs(12), "nobody watches", || watchers(0)).await;
    for client in &mut clients {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    node.finish().await;
}
