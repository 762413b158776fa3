//! Two releases on one Redis: the functions of each stay while somebody uses them.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode};
use crate::support::process::Process;
use crate::support::purchases::confirm_within;
use crate::support::wire::{Reply, done};
use fred::prelude::*;
use grandstand::redis::keys::functions;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// A comment that is in most scripts, and one of the same length.
const COMMENT: (&[u8], &[u8]) =
    (b"-- Two clocks. `redis_ms` is TIME,", b"-- Two clocks. `redis_ms` is time,");

/// Another release: a copy of the binary with another comment in its scripts, so that most of them
/// have another hash.
fn another_release(to: &Path) {
    let mut bytes = std::fs::read(env!("CARGO_BIN_EXE_grandstand")).unwrap();
    let places: Vec<usize> = bytes
        .windows(COMMENT.0.len())
        .enumerate()
        .filter_map(|(place, found)| (found == COMMENT.0).then_some(place))
        .collect();
    assert!(!places.is_empty(), "the scripts have no such comment any more");
    for place in places {
        bytes[place..place + COMMENT.1.len()].copy_from_slice(COMMENT.1);
    }
    std::fs::write(to, bytes).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The names of the libraries that Redis has.
async fn libraries(node: &TestNode) -> BTreeSet<String> {
    let reply = done(node.redis.port(), &["FUNCTION", "LIST"]).await;
    let Reply::List(found) = reply else { panic!("no list: {reply:?}") };
    let texts = found.iter().flat_map(Reply::texts);
    texts.filter(|text| text.starts_with("grandstand_")).collect()
}

/// Holds at one process and pays at another one.
async fn buy(node: &TestNode, fixture: &TestMatch, seat: u32, holds: &Client, pays: &Client) {
    let reservation = holds.reserve(&fixture.id, &[seat]).await;
    let payment = pays.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    assert_eq!(confirm_within(Duration::from_secs(10), holds, &payment, &key).await, 200);
}

/// Each sells what the other one holds. Afterwards only the functions go that nobody has used for
/// an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_releases_sell_side_by_side_and_old_functions_go() {
    const REMOVE: [&str; 2] = ["migrate", "--remove-old-functions"];
    let mut node = TestNode::start().await;
    let (fixture, fan) = (node.open_match().await, node.user("fan").await);
    node.verify().await;
    node.stop_node().await;
    let own = libraries(&node).await;
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("grandstand");
    another_release(&program);
    let mut newer = Process::start_program(&node, &program).await;
    let mut older = Process::start(&node, &[]).await;
    let both = libraries(&node).await;
    let others: Vec<&String> = both.difference(&own).collect();
    assert!(others.len() > 10, "{others:?}");
    let token = fan.token.as_ref().unwrap();
    let [one_fan, same_fan] = [&newer, &older].map(|process| process.public.with_token(token));
    buy(&node, &fixture, 1, &one_fan, &same_fan).await;
    buy(&node, &fixture, 2, &same_fan, &one_fan).await;

    let (status, text) = node.run(&REMOVE).await;
    assert!(status == 0 && text.contains("\n0 libraries of other releases"), "{text}");
    assert_eq!(libraries(&node).await, both, "the other release runs");
    newer.child.kill().await.unwrap();
    let (_, text) = node.run(&REMOVE).await;
    assert_eq!(libraries(&node).await, both, "it may come back: {text}");
    let raw = node.raw().await;
    for name in &others {
        let an_hour_ago = jiff::Timestamp::now().as_millisecond() - 3_700_000;
        let entry = (an_hour_ago as f64, name.as_str());
        let _: i64 = raw.zadd(functions(), None, None, false, false, entry).await.unwrap();
    }
    let (status, text) = node.run(&REMOVE).await;
    let wanted = format!("\n{} libraries of other releases are removed; 0 stay", others.len());
    assert!(status == 0 && text.contains(&wanted), "{text}");
    assert_eq!(libraries(&node).await, own);
    let fan = &same_fan;
    buy(&node, &fixture, 3, fan, fan).await;
    older.child.kill().await.unwrap();
    node.start_node().await;
    node.finish().await;
}
