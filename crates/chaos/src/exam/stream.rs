//! A client of an event stream, who applies what it is sent.

use super::fan::{Broken, Verdict, check};
use futures::StreamExt as _;
use futures::stream::LocalBoxStream;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// An event that is due comes within this time.
const EVENT_TIMEOUT: Duration = Duration::from_secs(5);

/// An open stream of the seats of a block.
pub(super) struct Stream {
    parts: LocalBoxStream<'static, Option<String>>,
    text: String,
    pub(super) map: BTreeMap<u32, String>,
    pub(super) last_id: String,
}

impl Stream {
    /// Opens a stream; `last` is the id of the last event that the client has seen, or empty, and
    /// `map` is what it knows.
    pub(super) async fn open(
        url: &str,
        token: Option<&str>,
        last: &str,
        map: BTreeMap<u32, String>,
    ) -> Verdict<Self> {
        let mut request = reqwest::Client::new().get(url);
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let reply = request.send().await.map_err(|error| Broken(format!("{url}: {error}")))?;
        check(reply.status() == 200, format!("{url}: {}", reply.status()))?;
        let parts = reply.bytes_stream().map(|part| {
            let part = part.ok()?;
            Some(String::from_utf8_lossy(&part).into_owned())
        });
        Ok(Self { last_id: last.to_owned(), ..Self::of(parts.boxed_local(), map) })
    }

    /// A stream whose texts come from elsewhere; none is an error of the connection.
    pub(super) fn of(
        parts: LocalBoxStream<'static, Option<String>>,
        map: BTreeMap<u32, String>,
    ) -> Self {
        Self { parts, text: String::new(), map, last_id: String::new() }
    }

    /// The name of the next event, which is applied to the map; none at the end of the stream.
    pub(super) async fn next(&mut self) -> Verdict<Option<String>> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let name = self.apply(&event);
                if name.is_empty() {
                    continue;
                }
                return Ok(Some(name));
            }
            let part = tokio::time::timeout(EVENT_TIMEOUT, self.parts.next()).await;
            match part {
                Err(_) => return Err(Broken("a stream has sent nothing for 5 s".to_owned())),
                Ok(Some(Some(part))) => self.text.push_str(&part),
                Ok(Some(None) | None) => return Ok(None),
            }
        }
    }

    /// The next event about seats.
    pub(super) async fn next_seats(&mut self) -> Verdict<String> {
        loop {
            match self.next().await? {
                Some(name) if name == "snapshot" || name == "changes" => return Ok(name),
                Some(_) => {}
                None => return Err(Broken("a stream has ended".to_owned())),
            }
        }
    }

    /// Follows until a seat has this state.
    pub(super) async fn wait_for(&mut self, seat: u32, state: &str) -> Verdict {
        while self.map.get(&seat).map(String::as_str) != Some(state) {
            self.next_seats().await?;
        }
        Ok(())
    }

    fn apply(&mut self, event: &str) -> String {
        let field =
            |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if let Some(id) = field("id") {
            self.last_id = id.to_owned();
        }
        let name = field("event").unwrap_or_default();
        let data = field("data").and_then(|data| serde_json::from_str::<Value>(data).ok());
        let data = data.unwrap_or_default();
        let list = if name == "snapshot" { "seats" } else { "changes" };
        if name == "snapshot" {
            self.map.clear();
        }
        for seat in data[list].as_array().into_iter().flatten() {
            let id = seat["id"].as_u64().or(seat["seatId"].as_u64());
            let id = id.and_then(|id| u32::try_from(id).ok());
            if let (Some(id), Some(state)) = (id, seat["state"].as_str()) {
                self.map.insert(id, state.to_owned());
            }
        }
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Stream {
        let part = futures::stream::iter([Some(text.to_owned())]).boxed_local();
        Stream::of(part, [(7, "HOLD".to_owned())].into())
    }

    #[tokio::test]
    async fn a_snapshot_replaces_everything_and_a_change_does_not() {
        let changes = "retry: 5\n\nevent: changes\nid: 1-2-3\n\
            data: {\"changes\":[{\"seatId\":1,\"state\":\"HOLD\"}]}\n\n";
        let mut stream = of(changes);
        assert_eq!(stream.next_seats().await.unwrap(), "changes");
        assert_eq!((stream.map.len(), stream.last_id.as_str()), (2, "1-2-3"));
        let snapshot = "event: snapshot\nid: 1-2-4\n\
            data: {\"seats\":[{\"id\":1,\"state\":\"AVAILABLE\"}]}\n\n";
        let mut stream = of(snapshot);
        assert_eq!(stream.next_seats().await.unwrap(), "snapshot");
        assert_eq!(stream.map.into_iter().collect::<Vec<_>>(), [(1, "AVAILABLE".to_owned())]);
        let mut stream = of("event: heartbeat\ndata: {}\n\n");
        assert!(stream.next_seats().await.is_err(), "it has ended");
    }
}
