//! How many people wait, and how fast they are let in.

use crate::support::events::{Event, EventStream};
use crate::support::node::{TestMatch, TestNode, eventually_within};
use grandstand::domain::ids::UserId;
use serde_json::{Value, json};
use std::time::Duration;

async fn set_queue(node: &TestNode, fixture: &TestMatch, settings: &Value) {
    let path = format!("/api/admin/matches/{}/queue", fixture.id);
    node.admin().await.put(&path, settings).await.expect(200);
}

async fn watch(node: &TestNode, fixture: &TestMatch) -> EventStream {
    let url = format!("{}{}", node.url(), fixture.path("/queue/events"));
    EventStream::open(&url, None).await
}

/// Reads on until an event is as wanted.
async fn wait(
    line: &mut EventStream,
    within: Duration,
    what: &str,
    wanted: impl Fn(&Event) -> bool,
) {
    let reading = async {
        loop {
            let event = line.next_within(within).await.expect("the stream goes on");
            if wanted(&event) {
                return;
            }
        }
    };
    tokio::time::timeout(within, reading)
        .await
        .unwrap_or_else(|_| panic!("this did not happen: {what}"));
}

/// While the room is paused and before it opens, when people join and when they leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_people_are_counted_while_nobody_is_let_in() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let id = fixture.match_id();
    let engine = node.engine();
    for settings in [
        json!({"enabled": true, "admitPerMinute": 600, "paused": true}),
        json!({"enabled": true, "admitPerMinute": 600, "maxActive": 1, "paused": true}),
    ] {
        set_queue(&node, &fixture, &settings).await;
        let mut line = watch(&node, &fixture).await;
        let users: Vec<UserId> = (0..30).map(|_| UserId::new(id.partition())).collect();
        for user in &users {
            engine.join_queue(id, *user, None).await.unwrap();
        }
        let (soon, is) =
            (Duration::from_secs(5), |count| move |event: &Event| event.data["waiting"] == count);
        wait(&mut line, soon, "30 wait", is(30)).await;
        for user in &users[..10] {
            engine.leave_queue(id, *user).await.unwrap();
        }
        wait(&mut line, soon, "20 wait", is(20)).await;
        for user in &users[10..] {
            engine.leave_queue(id, *user).await.unwrap();
        }
        wait(&mut line, soon, "nobody waits", is(0)).await;
    }
    node.finish().await;
}

/// It is the pace of the last minute. Because it makes the estimates rise, the line says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_measured_pace_falls_when_nobody_is_let_in() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let id = fixture.match_id();
    let engine = node.engine();
    set_queue(
        &node,
        &fixture,
        &json!({"enabled": true, "admitPerMinute": 600, "buyersPerFreeSeat": 10}),
    )
    .await;
    let mut line = watch(&node, &fixture).await;
    for _ in 0..200 {
        engine.join_queue(id, UserId::new(id.partition()), None).await.unwrap();
    }
    let pace = |event: &Event| event.data["admittedPerMinute"].as_u64();
    wait(&mut line, Duration::from_secs(15), "a pace", |event| {
        pace(event).is_some_and(|p| p > 300)
    })
    .await;
    let path = format!("/api/admin/matches/{}/queue", fixture.id);
    let changed = node.admin().await.patch(&path, &json!({"maxActive": 1})).await.expect(200);
    assert_eq!(changed["queue"]["admitPerMinute"], 600, "the rest stays: {changed}");
    wait(&mut line, Duration::from_secs(30), "a lower pace", |event| {
        let slowed = event.data["state"] == "SLOWED";
        slowed && pace(event).is_some_and(|pace| pace < 250) && event.data["waiting"] != 0
    })
    .await;
    eventually_within(Duration::from_secs(1), "who asks is told the same", || async {
        let feed = node.services().hub.feed(id).await.unwrap();
        feed.eta(10).is_none_or(|eta| eta.p50_seconds > 2).then_some(())
    })
    .await;
    node.finish().await;
}
