//! Streams send the changes of a match besides its seats, and heartbeats.

use crate::support::client::Client;
use crate::support::events::{Event, EventStream};
use crate::support::node::{TestMatch, TestNode, eventually};
use grandstand::node::{Node, NodeRole};
use serde_json::{Value, json};
use std::time::Duration;

const A_WHILE: Duration = Duration::from_secs(20);

async fn open(node: &Node, fixture: &TestMatch, rest: &str) -> EventStream {
    EventStream::open(&format!("{}{}", node.url(), fixture.path(rest)), None).await
}

/// Reads on until the match is as expected.
async fn told(stream: &mut EventStream, so: impl Fn(&Value) -> bool) -> Value {
    loop {
        let event = stream.next_named("match").await;
        if so(&event.data) {
            return event.data;
        }
    }
}

async fn set_queue(admin: &Client, fixture: &TestMatch, settings: Value) {
    admin.put(&format!("/api/admin/matches/{}/queue", fixture.id), &settings).await.expect(200);
}

async fn turn(admin: &Client, fixture: &TestMatch, verb: &str) {
    let path = format!("/api/admin/matches/{}/{verb}", fixture.id);
    admin.post(&path, &Value::Null).await.expect(200);
}

/// Every stream begins with the match behind the first snapshot, on every node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stream_gets_the_changes_of_its_match() {
    let node = TestNode::start().await;
    let second = node.another_node(NodeRole::Api).await;
    let (admin, fixture) = (node.admin().await, node.open_match().await);
    eventually("the second node knows the match", || async {
        let answer = Client::new(second.url(), None).get(&fixture.path("")).await;
        (answer.body["data"]["status"] == "OPEN").then_some(())
    })
    .await;
    let known = admin.get(&fixture.path("")).await.expect(200);
    let mut streams = Vec::new();
    for each in [node.running(), &second] {
        for rest in ["/seats/events", "/seats/events?blocks=2", "/blocks/1/seats/events"] {
            let mut stream = open(each, &fixture, rest).await;
            let first: Vec<Event> = vec![
                stream.next_of_all(A_WHILE).await.unwrap(),
                stream.next_of_all(A_WHILE).await.unwrap(),
            ];
            let names: Vec<&str> = first.iter().map(|event| event.name.as_str()).collect();
            assert_eq!(names, ["snapshot", "match"], "{rest}");
            for (name, value) in first[1].data.as_object().unwrap() {
                assert_eq!(known[name], *value, "{name} is as the API tells it");
            }
            assert_eq!((&known["status"], &known["planVersion"]), (&json!("OPEN"), &json!(1)));
            streams.push(stream);
        }
    }
    turn(&admin, &fixture, "close").await;
    for stream in &mut streams {
        told(stream, |event| event["status"] == "CLOSED").await;
    }
    let body = json!({"siteId": fixture.site_id, "homeTeam": "LG Twins", "awayTeam": "KT Wiz",
        "startsAt": "2031-06-06T06:00:00Z"});
    admin.put(&format!("/api/admin/matches/{}", fixture.id), &body).await.expect(200);
    turn(&admin, &fixture, "open").await;
    set_queue(&admin, &fixture, json!({"enabled": true, "paused": true})).await;
    for stream in &mut streams {
        let now = told(stream, |event| event["queue"]["enabled"] == true).await;
        assert_eq!((&now["status"], &now["awayTeam"]), (&json!("OPEN"), &json!("KT Wiz")));
        assert_eq!(now["startsAt"], "2031-06-06T06:00:00Z");
        assert_eq!(now["queue"]["paused"], true);
    }
    second.stop().await;
    node.finish().await;
}

/// Also when no seat has changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_returns_gets_the_match_as_it_is_now() {
    let node = TestNode::start().await;
    let (admin, fixture, fan) =
        (node.admin().await, node.open_match().await, node.user("fan").await);
    let url = format!("{}{}", fan.url, fixture.path("/blocks/1/seats/events"));
    let mut map = EventStream::open(&url, None).await;
    fan.hold(&fixture.id, &[1]).await.expect(201);
    map.wait_for(1, "HOLD").await;
    let before = map.last_id.clone();
    drop(map);
    fan.hold(&fixture.id, &[2]).await.expect(201);
    turn(&admin, &fixture, "close").await;
    let now = eventually("the seat is known", || async {
        let mut back = EventStream::open(&url, Some(&before)).await;
        let first = back.next_of_all(A_WHILE).await.unwrap();
        if first.name != "changes" {
            return None;
        }
        told(&mut back, |event| event["status"] == "CLOSED").await;
        Some(back.last_id.clone())
    })
    .await;
    // The holds end with the sale, so there may be more changes. Without changes the match comes
    // first.
    let last = std::cell::RefCell::new(now);
    let first = eventually("a client that missed nothing", || async {
        let seen = last.borrow().clone();
        let mut idle = EventStream::open(&url, Some(&seen)).await;
        let first = idle.next_of_all(A_WHILE).await.unwrap();
        last.replace(idle.last_id.clone());
        (first.name == "match").then_some(first)
    })
    .await;
    assert_eq!(first.data["status"], "CLOSED");
    node.finish().await;
}

/// The next event of a line that is as wanted.
async fn until(line: &mut EventStream, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let frame = line.next_named("serving").await.data;
        if wanted(&frame) {
            return frame;
        }
    }
}

/// No seats, no sale or no queue any more. The time to wait is sent only while people are let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_people_are_told_the_end_of_the_queue() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 25).await;
    let (admin, fixture, fan) =
        (node.admin().await, node.open_match().await, node.user("fan").await);
    set_queue(&admin, &fixture, json!({"enabled": true, "admitPerMinute": 60})).await;
    let me = fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let people = format!("/api/admin/matches/{}/queue/people/{me}", fixture.id);
    admin.put(&people, &json!({})).await.expect(204);
    let mut last = fan.clone();
    for number in 0..20 {
        last = node.user(&format!("one{number}")).await;
        last.post(&fixture.path("/queue"), &Value::Null).await.expect(201);
    }
    let mut line = open(node.running(), &fixture, "/queue/events").await;
    let first = line.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["soldOut"]), ("serving", &json!(false)));
    let now = told(&mut line, |_| true).await;
    assert_eq!(now["queue"]["enabled"], true, "the line is told with its match");
    let known = until(&mut line, |frame| frame["eta"]["p50Seconds"].is_u64()).await;
    assert_eq!(known["state"], "OPEN", "{known}");
    // People were let in at a known pace, but there is nothing to wait for any more.
    let seats: Vec<u32> = (1..=25).collect();
    let hold = fan.hold(&fixture.id, &seats).await.expect(201);
    let sold_out = until(&mut line, |frame| frame["soldOut"] == true).await;
    assert_eq!(sold_out["state"], "SOLD_OUT");
    assert_eq!((&sold_out["eta"], &sold_out["seatsMayReturn"]), (&Value::Null, &json!(true)));
    let place = last.get(&fixture.path("/queue")).await.expect(200);
    assert_eq!((&place["state"], &place["eta"]), (&json!("WAITING"), &Value::Null), "{place}");
    let refused = node.user("late").await.post(&fixture.path("/queue"), &Value::Null).await;
    let refused = refused.refused(409, "SOLD_OUT");
    assert!(refused["detail"].as_str().unwrap().contains("may come back"), "{refused}");
    let path = fixture.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
    fan.delete(&path).await.expect(204);
    until(&mut line, |frame| frame["state"] == "OPEN").await;
    let served = first.data["serving"].as_u64();
    until(&mut line, |frame| frame["serving"].as_u64() > served).await;
    set_queue(&admin, &fixture, json!({"enabled": true, "paused": true})).await;
    told(&mut line, |event| event["queue"]["paused"] == true).await;
    let mut again = open(node.running(), &fixture, "/queue/events").await;
    let frame = again.next().await.unwrap().data;
    assert_eq!((&frame["state"], &frame["eta"]), (&json!("PAUSED"), &Value::Null));
    turn(&admin, &fixture, "close").await;
    told(&mut line, |event| event["status"] == "CLOSED").await;
    let refused = last.post(&fixture.path("/queue"), &Value::Null).await;
    refused.refused(409, "MATCH_NOT_OPEN");
    turn(&admin, &fixture, "open").await;
    set_queue(&admin, &fixture, json!({"enabled": false})).await;
    told(&mut line, |event| event["queue"]["enabled"] == false).await;
    node.finish().await;
}

/// Also while nobody is let in. A client that watches the seats needs no second stream for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_waiting_people_is_sent_while_the_queue_stands() {
    let node = TestNode::start().await;
    let (admin, fixture) = (node.admin().await, node.open_match().await);
    set_queue(&admin, &fixture, json!({"enabled": true, "paused": true})).await;
    let mut streams = [
        open(node.running(), &fixture, "/queue/events").await,
        open(node.running(), &fixture, "/seats/events").await,
        open(node.running(), &fixture, "/blocks/1/seats/events").await,
    ];
    let (anna, ben) = (node.user("anna").await, node.user("ben").await);
    anna.post(&fixture.path("/queue"), &Value::Null).await.expect(201);
    ben.post(&fixture.path("/queue"), &Value::Null).await.expect(201);
    for stream in &mut streams {
        while stream.next_named("serving").await.data["waiting"] != 2 {}
    }
    anna.delete(&fixture.path("/queue")).await.expect(204);
    for stream in &mut streams {
        while stream.next_named("serving").await.data["waiting"] != 1 {}
    }
    node.finish().await;
}

/// Every 15 seconds, as an event that browsers see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_sends_heartbeats() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let mut map = open(node.running(), &fixture, "/seats/events").await;
    let quiet = map.next_named("heartbeat").await;
    assert_eq!((quiet.id.as_str(), &quiet.data), ("", &json!({})));
    node.finish().await;
}
