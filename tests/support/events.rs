//! A reader of event streams that keeps the map as a browser would.

use crate::support::client::{Client, plain_http};
use futures::StreamExt as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One event of a stream.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

/// An open stream of events of a block.
pub struct EventStream {
    body: futures::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
    /// The map after all events so far.
    pub seats: BTreeMap<u64, String>,
    pub last_id: String,
}

impl EventStream {
    /// Opens a stream; `last_id` resumes behind an event seen before.
    pub async fn open(url: &str, last_id: Option<&str>) -> Self {
        Self::of(plain_http().get(url), url, last_id).await
    }

    /// The stream at this path, for a caller with a token.
    pub async fn open_as(caller: &Client, path: &str, last_id: Option<&str>) -> Self {
        Self::of(caller.request(reqwest::Method::GET, path), path, last_id).await
    }

    async fn of(mut request: reqwest::RequestBuilder, url: &str, last_id: Option<&str>) -> Self {
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        let body = response.bytes_stream().map(|part| part.map(|bytes| bytes.to_vec())).boxed();
        let last_id = last_id.unwrap_or_default().to_owned();
        Self { body, text: String::new(), seats: BTreeMap::new(), last_id }
    }

    /// The next event about seats or the line, within 10 s; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.next_within(Duration::from_secs(10)).await
    }

    /// The next event, within a time; `None` when the stream has ended.
    pub async fn next_within(&mut self, time: Duration) -> Option<Event> {
        loop {
            let event = self.next_of_all(time).await?;
            if !matches!(event.name.as_str(), "match" | "heartbeat") {
                return Some(event);
            }
        }
    }

    /// Reads on to the next event with this name, within 20 s.
    pub async fn next_named(&mut self, name: &str) -> Event {
        let patience = Duration::from_secs(20);
        let reading = async {
            loop {
                let event = self.next_of_all(patience).await;
                let event = event.unwrap_or_else(|| panic!("the stream ended before {name}"));
                if event.name == name {
                    return event;
                }
            }
        };
        let read = tokio::time::timeout(patience, reading).await;
        read.unwrap_or_else(|_| panic!("no event {name} for {patience:?}"))
    }

    /// The next event of any kind; `None` when the stream has ended.
    pub async fn next_of_all(&mut self, patience: Duration) -> Option<Event> {
        loop {
            if let Some((part, rest)) = self.text.split_once("\n\n") {
                let event = parse(part);
                self.text = rest.to_owned();
                if let Some(event) = event {
                    self.apply(&event);
                    return Some(event);
                }
                continue;
            }
            let part = tokio::time::timeout(patience, self.body.next()).await;
            let bytes = part.unwrap_or_else(|_| panic!("no event for {patience:?}"))?.ok()?;
            self.text.push_str(&String::from_utf8(bytes).unwrap());
        }
    }

    /// Reads on until the seat has the state.
    pub async fn wait_for(&mut self, seat: u64, state: &str) {
        while self.seats.get(&seat).map(String::as_str) != Some(state) {
            let event = self.next().await;
            assert!(event.is_some(), "the stream ended before seat {seat} was {state}");
        }
    }

    fn apply(&mut self, event: &Event) {
        if !event.id.is_empty() {
            self.last_id.clone_from(&event.id);
        }
        let of_seats = matches!(event.name.as_str(), "snapshot" | "changes");
        assert_eq!(
            of_seats,
            !event.id.is_empty(),
            "only seats have places to resume from: {event:?}"
        );
        if event.name == "snapshot" {
            self.seats.clear();
        }
        let list = event.data["seats"].as_array().or(event.data["changes"].as_array());
        for seat in list.into_iter().flatten() {
            let id = seat["id"].as_u64().or(seat["seatId"].as_u64()).unwrap();
            self.seats.insert(id, seat["state"].as_str().unwrap().to_owned());
        }
    }
}

fn parse(part: &str) -> Option<Event> {
    let field = |name: &str| {
        let prefix = format!("{name}: ");
        part.lines().find_map(|line| line.strip_prefix(prefix.as_str())).map(str::to_owned)
    };
    let data = serde_json::from_str(&field("data")?).unwrap();
    Some(Event { id: field("id").unwrap_or_default(), name: field("event")?, data })
}
