//! Watchers of the maps, who keep what they were shown.

use crate::history::Position;
use crate::sale::Sale;
use futures::StreamExt as _;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A stream without an event for this long is opened again; a heartbeat comes each 10 s.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(25);
const OPEN_PAUSE: Duration = Duration::from_millis(300);
/// The number of events after which a watcher that fails on purpose opens its stream again.
const LEAVES_AFTER: usize = 25;

/// A seat that changed on a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) at: Duration,
    pub(crate) seat: u32,
    pub(crate) state: String,
    pub(crate) position: Position,
}

/// What a watcher saw.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) fixture: String,
    pub(crate) node: usize,
    pub(crate) map: BTreeMap<u32, String>,
    pub(crate) position: Position,
    pub(crate) shown: Vec<Shown>,
    /// Events that came behind a later one without a snapshot between them.
    pub(crate) backwards: Vec<String>,
    /// When the first event of a new epoch came.
    pub(crate) loads: Vec<Duration>,
    /// Snapshots after the first one.
    pub(crate) snapshots: usize,
    pub(crate) connections: usize,
}

/// A watcher and its view, which others may read while it watches.
pub(crate) type Shared = Arc<Mutex<View>>;

/// Watches a match until it is stopped. `leaves`: closes its stream again and again, and resumes.
pub(crate) async fn watch(
    sale: Sale,
    fixture: String,
    node: usize,
    leaves: bool,
    view: Shared,
    stop: CancellationToken,
) {
    (view.lock().fixture, view.lock().node) = (fixture.clone(), node);
    let url = format!("{}/api/matches/{fixture}/blocks/1/seats/events", sale.doors[node]);
    while !stop.is_cancelled() {
        tokio::select! {
            () = follow(&sale, &url, leaves, &view) => {}
            () = stop.cancelled() => return,
        }
        tokio::time::sleep(OPEN_PAUSE).await;
    }
}

/// Follows one stream to its end.
async fn follow(sale: &Sale, url: &str, leaves: bool, view: &Shared) {
    let mut request = sale.http.get(url);
    let (epoch, ms, number) = view.lock().position;
    if epoch > 0 {
        request = request.header("last-event-id", format!("{epoch}-{ms}-{number}"));
    }
    let Ok(reply) = request.send().await else { return };
    if reply.status() != 200 {
        return;
    }
    view.lock().connections += 1;
    let (mut body, mut text, mut events) = (reply.bytes_stream(), String::new(), 0);
    while let Ok(Some(Ok(part))) = tokio::time::timeout(SILENCE_TIMEOUT, body.next()).await {
        text.push_str(&String::from_utf8_lossy(&part));
        while let Some((event, rest)) = text.split_once("\n\n") {
            view.lock().take(sale.history.now(), event);
            text = rest.to_owned();
            events += 1;
        }
        if leaves && events > LEAVES_AFTER {
            return;
        }
    }
}

impl View {
    /// Takes an event of the stream.
    fn take(&mut self, at: Duration, event: &str) {
        let field = |name: &str| {
            let mut lines = event.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let name = field("event").unwrap_or_default();
        let list = match name {
            "snapshot" => "seats",
            "changes" => "changes",
            _ => return,
        };
        let data = field("data").and_then(|data| serde_json::from_str::<Value>(data).ok());
        let position = field("id").and_then(position);
        let (Some(data), Some(position)) = (data, position) else {
            self.backwards.push(format!("an event that can't be read: {event}"));
            return;
        };
        if name == "snapshot" {
            self.snapshots += usize::from(!self.map.is_empty());
        } else if position < self.position {
            self.backwards.push(format!("{position:?} came behind {:?}", self.position));
        }
        if position.0 > self.position.0 && self.position.0 > 0 {
            self.loads.push(at);
        }
        self.position = position;
        if name == "snapshot" {
            let there = |id: &u32| {
                let mut seats = data[list].as_array().into_iter().flatten();
                seats.any(|seat| seat["id"].as_u64() == Some(u64::from(*id)))
            };
            self.map.retain(|id, _| there(id));
        }
        for seat in data[list].as_array().into_iter().flatten() {
            let id = seat["id"].as_u64().or(seat["seatId"].as_u64());
            let (Some(id), Some(state)) = (id, seat["state"].as_str()) else { continue };
            let Ok(id) = u32::try_from(id) else { continue };
            if self.map.insert(id, state.to_owned()).as_deref() != Some(state) {
                self.shown.push(Shown { at, seat: id, state: state.to_owned(), position });
            }
        }
    }
}

/// Reads `3-1763812345678-7`.
fn position(id: &str) -> Option<Position> {
    let mut parts = id.trim().split('-').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: &str, data: &str) -> String {
        format!("event: {name}\nid: {id}\ndata: {data}")
    }

    #[test]
    fn a_view_follows_snapshots_and_changes_and_notices_what_comes_too_late() {
        let mut view = View::default();
        let at = Duration::ZERO;
        let snapshot = r#"{"seats":[{"id":1,"state":"AVAILABLE"},{"id":2,"state":"HOLD"}]}"#;
        view.take(at, &event("snapshot", "1-5-0", snapshot));
        view.take(at, "event: match\ndata: {}");
        let change = r#"{"changes":[{"seatId":1,"state":"HOLD"}]}"#;
        view.take(at, &event("changes", "1-6-0", change));
        assert_eq!(view.map[&1], "HOLD");
        assert_eq!((view.shown.len(), view.snapshots), (3, 0));
        view.take(at, &event("changes", "1-5-9", change));
        assert_eq!(view.backwards.len(), 1);
        view.take(at, &event("snapshot", "1-2-0", snapshot));
        assert_eq!((view.map[&1].as_str(), view.snapshots), ("AVAILABLE", 1));
        assert_eq!(view.backwards.len(), 1, "a snapshot may go back");
        let smaller = r#"{"seats":[{"id":2,"state":"HOLD"}]}"#;
        view.take(at, &event("snapshot", "1-7-0", smaller));
        assert_eq!(view.map.keys().collect::<Vec<_>>(), [&2], "a snapshot is the whole map");
    }
}
