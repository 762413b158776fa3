//! The live seat map: every client ends with the state in Redis, however it got there.

use crate::support::client::{Answer, Client, plain_http};
use crate::support::events::EventStream;
use crate::support::node::{TestMatch, TestNode, eventually, plan};
use fred::prelude::*;
use grandstand::domain::position::EventId;
use grandstand::node::NodeRole;
use grandstand::redis::keys::MatchKeys;
use grandstand_embedded::Fsync;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn block(url: &str, fixture: &TestMatch, block: u32) -> String {
    format!("{url}{}", fixture.path(&format!("/blocks/{block}/seats/events")))
}

/// The present seats of block 1 in the API.
async fn states(client: &Client, fixture: &TestMatch) -> BTreeMap<u64, String> {
    let data = client.get(&fixture.path("/blocks/1/seats")).await.expect(200);
    let seats = data["seats"].as_array().unwrap().iter();
    seats
        .map(|seat| (seat["id"].as_u64().unwrap(), seat["state"].as_str().unwrap().to_owned()))
        .collect()
}

fn raw_key(fixture: &TestMatch) -> String {
    MatchKeys(fixture.match_id()).changes()
}

/// Folded together they are the seats of the API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_begins_with_a_snapshot_and_goes_on_with_changes() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 20).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    fan.hold(&fixture.id, &[5]).await.expect(201);
    let mut map = EventStream::open(&block(&fan.url, &fixture, 1), None).await;
    let first = map.next().await.unwrap();
    assert_eq!((first.name.as_str(), map.seats.len()), ("snapshot", 20));
    let mut versions = vec![first.data["version"].as_u64().unwrap()];
    let mut last = first.id.parse::<EventId>().unwrap().position;
    let hold = fan.hold(&fixture.id, &[6, 7]).await.expect(201);
    fan.hold(&fixture.id, &[21]).await.expect(201);
    let path = fixture.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
    fan.delete(&path).await.expect(204);
    fan.hold(&fixture.id, &[8]).await.expect(201);
    while map.seats.get(&8).map(String::as_str) != Some("HOLD") {
        let next = map.next().await.unwrap();
        assert_eq!(next.name, "changes");
        let changes = next.data["changes"].as_array().unwrap();
        assert!(
            changes.iter().all(|change| change["seatId"].as_u64().unwrap() <= 20),
            "{changes:?}"
        );
        versions.push(next.data["version"].as_u64().unwrap());
        let at = next.id.parse::<EventId>().unwrap().position;
        assert!(at.epoch == last.epoch && at.id > last.id, "{last} then {at}");
        last = at;
    }
    assert!(versions.is_sorted(), "{versions:?}");
    assert_eq!(map.seats, states(&fan, &fixture).await);
    node.finish().await;
}

/// The id may come in the header or in the query.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_returns_gets_only_what_it_missed() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 20).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let url = block(&fan.url, &fixture, 1);
    let mut map = EventStream::open(&url, None).await;
    fan.hold(&fixture.id, &[1]).await.expect(201);
    map.wait_for(1, "HOLD").await;
    let (seen, id) = (map.seats.clone(), map.last_id.clone());
    drop(map);
    for seat in [2, 3, 4] {
        fan.hold(&fixture.id, &[seat]).await.expect(201);
    }
    eventually("the map knows", || async {
        (states(&fan, &fixture).await[&4] == "HOLD").then_some(())
    })
    .await;
    for by_header in [true, false] {
        let query = format!("{url}?lastEventId={id}");
        let mut back = match by_header {
            true => EventStream::open(&url, Some(&id)).await,
            false => EventStream::open(&query, None).await,
        };
        back.seats = seen.clone();
        let mut changed = Vec::new();
        while back.seats[&4] != "HOLD" {
            let next = back.next().await.unwrap();
            assert_eq!(next.name, "changes", "nothing was lost, so no snapshot is due");
            let list = next.data["changes"].as_array().unwrap();
            changed.extend(list.iter().map(|change| change["seatId"].as_u64().unwrap()));
        }
        assert_eq!(changed, [2, 3, 4], "seat 1 was seen before");
        // From the newest position nothing is sent until something changes.
        let mut idle = EventStream::open(&url, Some(&back.last_id)).await;
        let quiet = tokio::time::timeout(Duration::from_millis(300), idle.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
    }
    node.finish().await;
}

/// It brings neither an error nor a hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_id_brings_a_snapshot() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    // No node has this change in memory, because nobody watches yet.
    fan.hold(&fixture.id, &[20]).await.expect(201);
    let url = block(&fan.url, &fixture, 1);
    let mut map = EventStream::open(&url, None).await;
    fan.hold(&fixture.id, &[1]).await.expect(201);
    map.wait_for(1, "HOLD").await;
    let (epoch, place) = map.last_id.split_once('-').unwrap();
    let other_epoch = format!("{}-{place}", epoch.parse::<u64>().unwrap() + 1);
    let (future, past) = (format!("{epoch}-99999999999999-0"), format!("{epoch}-5-0"));
    let huge = format!("{epoch}-99999999999999999999999-0");
    let ids = ["", "x", "1", "1-2", "-1-2-3", "1-2-3-4", "💺", &other_epoch, &future, &past, &huge];
    for id in ids {
        let query = format!("{url}?lastEventId={}", id.replace('💺', "%F0%9F%92%BA"));
        let mut back = EventStream::open(&query, None).await;
        let first = back.next().await.unwrap();
        assert_eq!((first.name.as_str(), back.seats[&1].as_str()), ("snapshot", "HOLD"), "{id}");
    }
    node.finish().await;
}

/// An id of one node is valid on the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_send_the_same_events_and_a_client_may_switch() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 20).await;
    let (fixture, fan) = (node.open_match().await, node.user("fan").await);
    let second = node.another_node(NodeRole::Api).await;
    let (here, there) = (block(&fan.url, &fixture, 1), block(&second.url(), &fixture, 1));
    let mut first = EventStream::open(&here, None).await;
    let mut two = EventStream::open(&there, None).await;
    for seat in 1..=12_u32 {
        fan.hold(&fixture.id, &[seat]).await.expect(201);
    }
    first.wait_for(12, "HOLD").await;
    two.wait_for(12, "HOLD").await;
    assert_eq!((&first.seats, &first.last_id), (&two.seats, &two.last_id));
    drop(first);
    fan.hold(&fixture.id, &[13]).await.expect(201);
    two.wait_for(13, "HOLD").await;
    // From the first node's id on the second node, and the other way round.
    let id = two.last_id.clone();
    let mut moved = EventStream::open(&here, Some(&id)).await;
    moved.seats = two.seats.clone();
    fan.hold(&fixture.id, &[14]).await.expect(201);
    while moved.seats[&14] != "HOLD" {
        assert_eq!(moved.next().await.unwrap().name, "changes");
    }
    assert_eq!(moved.seats, states(&fan, &fixture).await);
    second.stop().await;
    node.finish().await;
}

/// A hole in the stream never leads to a wrong map.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trimmed_stream_leads_to_a_new_snapshot() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 20).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let mut map = EventStream::open(&block(&fan.url, &fixture, 1), None).await;
    fan.hold(&fixture.id, &[1]).await.expect(201);
    map.wait_for(1, "HOLD").await;
    // An entry that this node never reads: its changes are in Redis, the stream lacks them.
    let raw = node.raw().await;
    let id = fixture.match_id();
    let _: i64 = raw.hset(MatchKeys(id).seats(), ("2", "B")).await.unwrap();
    let _: i64 = raw.hincrby(MatchKeys(id).meta(), "version", 1).await.unwrap();
    let _: i64 = raw.xtrim(raw_key(&fixture), ("MAXLEN", "=", 0)).await.unwrap();
    fan.hold(&fixture.id, &[3]).await.expect(201);
    map.wait_for(3, "HOLD").await;
    assert_eq!(map.seats[&2], "BLOCKED");
    assert_eq!(map.seats, states(&fan, &fixture).await);
    let _: i64 = raw.del(raw_key(&fixture)).await.unwrap();
    fan.hold(&fixture.id, &[4]).await.expect(201);
    map.wait_for(4, "HOLD").await;
    // The entry was written by hand, so an administrator unblocks the seat again.
    let unblock = format!("/api/admin/matches/{}/unblock", fixture.id);
    node.admin().await.post(&unblock, &json!({"seatIds": [2]})).await.expect(200);
    map.wait_for(2, "AVAILABLE").await;
    node.finish().await;
}

/// A client that stays connected ends with the state in Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_goes_on_after_a_restart_of_redis() {
    let database = crate::support::postgres::database().await;
    let mut node = TestNode::start_on(database, Fsync::Always, |settings| {
        settings.max_seats_per_user = 20;
    })
    .await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let mut map = EventStream::open(&block(&fan.url, &fixture, 1), None).await;
    for round in 0..2_u32 {
        fan.hold(&fixture.id, &[1 + round]).await.expect(201);
        map.wait_for(u64::from(1 + round), "HOLD").await;
        node.redis.kill().await;
        node.redis.restart().await.unwrap();
        let seat = 11 + round;
        eventually("holds go on", || async {
            (fan.hold(&fixture.id, &[seat]).await.status == 201).then_some(())
        })
        .await;
        map.wait_for(u64::from(seat), "HOLD").await;
    }
    assert_eq!(map.seats, states(&fan, &fixture).await);
    node.finish().await;
}

/// Each seat is one letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_is_watched_whole_or_by_blocks() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    fan.hold(&fixture.id, &[2, 21]).await.expect(201);
    let base = format!("{}{}", fan.url, fixture.path("/seats/events"));
    let home = json!({"id": 1, "states": "AHAAAAAAAAAAAAAAAAAA"});
    let two = json!({"id": 2, "states": "HAAAA"});
    let scopes = [
        ("", vec![&home, &two]),
        ("?blocks=1", vec![&home]),
        ("?blocks=2", vec![&two]),
        ("?blocks=2,1,2", vec![&home, &two]),
    ];
    let mut streams = Vec::new();
    for (query, blocks) in &scopes {
        let mut stream = EventStream::open(&format!("{base}{query}"), None).await;
        let first = stream.next().await.unwrap();
        assert_eq!((first.name.as_str(), &first.data["blocks"]), ("snapshot", &json!(blocks)));
        streams.push(stream);
    }
    fan.hold(&fixture.id, &[3]).await.expect(201);
    fan.hold(&fixture.id, &[22]).await.expect(201);
    for ((query, _), stream) in scopes.iter().zip(&mut streams) {
        let wanted = if *query == "?blocks=1" { 3 } else { 22 };
        stream.wait_for(wanted, "HOLD").await;
        let saw_first = stream.seats.contains_key(&3);
        assert_eq!(saw_first, *query != "?blocks=2", "{query}");
    }
    let now = fan.get(&fixture.path("/seats")).await.expect(200);
    assert_eq!(now["blocks"][0]["states"], "AHHAAAAAAAAAAAAAAAAA");
    for (query, code) in
        [("?blocks=9", 404), ("?blocks=", 400), ("?blocks=x", 400), ("?what=1", 400)]
    {
        let answer = fan.get(&fixture.path(&format!("/seats/events{query}"))).await;
        assert_eq!(answer.status, code, "{query}: {}", answer.body);
    }
    node.finish().await;
}

/// The end says when to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_cleanly_when_the_node_stops() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let url = block(&node.url(), &fixture, 1);
    let response = plain_http().get(&url).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut map = EventStream::open(&url, None).await;
    map.next().await.unwrap();
    let running = node.running.take().unwrap();
    let (ended, whole, stopped) = tokio::join!(
        map.next(),
        response.text(),
        tokio::time::timeout(Duration::from_secs(8), running.stop()),
    );
    assert!(ended.is_none(), "{ended:?}");
    let whole = whole.expect("the body ends as it should, not by a cut");
    let retry: u64 =
        whole.strip_prefix("retry: ").unwrap().lines().next().unwrap().parse().unwrap();
    assert!((1000..=5000).contains(&retry), "{retry}");
    stopped.expect("the node stops without waiting for its streams");
    node.emulator.stop().await;
}

/// The number of streams per address is limited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_too_many_is_refused_until_another_ends() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.calls_per_second = 10_000;
        settings.rates.streams_per_address = 2;
    })
    .await;
    let fixture = node.open_match().await;
    let guest = node.guest();
    let path = fixture.path("/blocks/1/seats/events");
    let first = guest.request(reqwest::Method::GET, &path).send().await.unwrap();
    let second = guest.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(
        (first.status(), second.status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    let third = guest.get(&path).await;
    assert!(third.headers.contains_key("retry-after"));
    third.refused(429, "TOO_MANY_STREAMS");
    drop(second);
    eventually("the place is free", || async {
        let again = guest.request(reqwest::Method::GET, &path).send().await.unwrap();
        (again.status() == 200).then_some(())
    })
    .await;
    drop(first);
    node.finish().await;
}

/// Everybody who waits gets the same frames.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_progress_of_a_queue_is_sent_live() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (admin, fan, other) =
        (node.admin().await, node.user("fan").await, node.user("other").await);
    let path = fixture.path("/queue/events");
    node.guest().get(&path).await.refused(409, "QUEUE_OFF");
    let queue = format!("/api/admin/matches/{}/queue", fixture.id);
    let settings =
        |paused: bool| json!({"enabled": true, "paused": paused, "admitPerMinute": 6000});
    admin.put(&queue, &settings(true)).await.expect(200);
    fan.hold(&fixture.id, &[1]).await.refused(403, "PASS_REQUIRED");
    let mut line = EventStream::open(&format!("{}{path}", fan.url), None).await;
    assert_eq!(line.next().await.unwrap().data["serving"], 0);
    let join = fixture.path("/queue");
    fan.get(&join).await.refused(404, "NOT_IN_QUEUE");
    for (client, number) in [(&fan, 1), (&other, 2), (&fan, 1)] {
        let place = client.post(&join, &Value::Null).await.expect(201);
        assert_eq!((&place["state"], &place["number"]), (&json!("WAITING"), &json!(number)));
    }
    admin.put(&queue, &settings(false)).await.expect(200);
    let mut served = json!({});
    while served["serving"] != 2 {
        served = line.next().await.unwrap().data;
    }
    assert_eq!((&served["waiting"], &served["soldOut"]), (&json!(0), &json!(false)));
    let place = fan.get(&join).await.expect(200);
    assert_eq!(place["state"], "ADMITTED");
    assert!(place["passExpiresAt"].is_string());
    fan.hold(&fixture.id, &[1]).await.expect(201);
    other.delete(&join).await.expect(204);
    other.hold(&fixture.id, &[2]).await.refused(403, "PASS_REQUIRED");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_later_knows_the_queue() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (admin, fan, other) =
        (node.admin().await, node.user("fan").await, node.user("other").await);
    let queue = format!("/api/admin/matches/{}/queue", fixture.id);
    let settings = json!({"enabled": true, "admitPerMinute": 1});
    admin.put(&queue, &settings).await.expect(200);
    for client in [&fan, &other] {
        client.post(&fixture.path("/queue"), &Value::Null).await.expect(201);
    }
    eventually("the first one is in", || async {
        let place = fan.get(&fixture.path("/queue")).await.body;
        (place["data"]["state"] == "ADMITTED").then_some(())
    })
    .await;
    let second = node.another_node(NodeRole::Api).await;
    let url = format!("{}{}", second.url(), fixture.path("/queue/events"));
    let first = EventStream::open(&url, None).await.next().await.unwrap();
    assert_eq!((&first.data["serving"], &first.data["waiting"]), (&json!(1), &json!(1)));
    second.stop().await;
    node.finish().await;
}

/// The map says why it is missing. Other matches are not affected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_without_its_run_time_fields_is_not_shown_as_free() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let admin = node.admin().await;
    let other = admin.post("/api/admin/sites", &plan()).await.expect(201);
    assert!(other["id"].is_string());
    let raw = node.raw().await;
    let id = fixture.match_id();
    let _: i64 = raw.del(MatchKeys(id).meta()).await.unwrap();
    for path in ["/seats", "/blocks/1/seats", "/seats/events", "/blocks/1/seats/events"] {
        let answer: Answer = admin.get(&fixture.path(path)).await;
        assert!(answer.headers.contains_key("retry-after"));
        answer.refused(503, "NOT_LOADED");
    }
    admin.hold(&fixture.id, &[1]).await.refused(503, "NOT_LOADED");
}
