//! The events of streams (text/event-stream) in the OpenAPI document: a schema of each, and an
//! example as it is sent.

use crate::live::frame::{Changes, States};
use crate::live::line::LineView;
use crate::live::match_now::MatchNow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::Operation;

/// The media type of streams.
const EVENT_STREAM: &str = "text/event-stream";

/// An event of a stream of seats: `event` is its field `event`, and `data` is the JSON in its field
/// `data`. Only `snapshot` and `changes` have a field `id`, for `Last-Event-ID`. Ignore events that
/// you do not know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
pub enum SeatEvent {
    /// All seats; it replaces everything that you have. It comes first, and at any time later.
    Snapshot(States),
    /// The last state of each seat that has changed.
    Changes(Changes),
    /// The match without counts: after the first snapshot, after each reconnect, and when it
    /// changes.
    Match(MatchNow),
    /// The waiting room, if there is one: after the snapshot, and when it moves.
    Serving(LineView),
    /// After 15 seconds without another event.
    Heartbeat(Heartbeat),
}

/// An event of the stream of a waiting room: `event` is its field `event`, and `data` is the JSON
/// in its field `data`. Ignore events that you do not know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
pub enum QueueEvent {
    /// The waiting room: first, and when it moves.
    Serving(LineView),
    /// The match without counts: after the first `serving`, and when it changes.
    Match(MatchNow),
    /// After 15 seconds without another event.
    Heartbeat(Heartbeat),
}

/// An event that says only that the stream lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Heartbeat {}

const SNAPSHOT_OF_BLOCK: &str = r#"id: 1-1763812345678-0
event: snapshot
data: {"version":7,"seats":[{"id":1010101,"state":"AVAILABLE"},{"id":1010102,"state":"HOLD"}]}

"#;
const SNAPSHOT_OF_MATCH: &str = r#"id: 1-1763812345678-0
event: snapshot
data: {"version":7,"blocks":[{"id":101,"states":"AAHPOB"}]}

"#;
const CHANGES: &str = r#"id: 1-1763812345699-0
event: changes
data: {"version":8,"changes":[{"seatId":1010101,"state":"HOLD"}]}

"#;
const MATCH: &str = concat!(
    r#"event: match
data: {"id":"0199a3f2-6c1e-7d3b-9b7e-0d6f5a4c3b2a","version":3,"#,
    r#""siteId":"0199a3f2-5b1e-7d3b-8b7e-0d6f5a4c3b2a","planVersion":1,"stadium":"Han River","#,
    r#""homeTeam":"Tigers","awayTeam":"Bears","startsAt":"2030-05-05T09:30:00Z","#,
    r#""saleOpensAt":null,"saleClosesAt":"2030-05-05T09:30:00Z","#,
    r#""refundableUntil":"2030-05-05T09:30:00Z","refundFees":[],"status":"OPEN","#,
    r#""queue":{"enabled":false,"opensAt":null,"admitPerMinute":600,"maxActive":500,"#,
    r#""passTtlMs":600000,"admissionTtlMs":120000,"buyersPerFreeSeat":1.0,"#,
    r#""randomPreQueue":false,"paused":false,"challenge":false},"#,
    r#""oneHoldPerUser":false,"orphanRule":false}

"#
);
const SERVING: &str = concat!(
    r#"event: serving
data: {"state":"OPEN","serving":3,"waiting":14,"admittedPerMinute":600,"#,
    r#""eta":{"p50Seconds":2,"p90Seconds":4},"soldOut":false,"seatsMayReturn":true,"drawn":null,"#,
    r#""epoch":1,"pollAfterMs":3000}

"#
);
const HEARTBEAT: &str = "event: heartbeat\ndata: {}\n\n";

/// Adds an example of each event to the response of a stream.
pub(super) fn describe_events(path: &str, operation: &mut Operation) {
    let of_match = ("snapshot", SNAPSHOT_OF_MATCH);
    let of_block = ("snapshot", SNAPSHOT_OF_BLOCK);
    let rest = [("match", MATCH), ("serving", SERVING), ("heartbeat", HEARTBEAT)];
    let of_seats: &[(&str, &str)] = match path {
        _ if path.contains("/queue/") => &[],
        _ if path.contains("/blocks/") => &[of_block, ("changes", CHANGES)],
        _ => &[of_match, ("changes", CHANGES)],
    };
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        let Some(RefOr::T(body)) = response.content.get_mut(EVENT_STREAM) else { continue };
        for (name, text) in of_seats.iter().chain(&rest) {
            let value = Some(Value::String((*text).to_owned()));
            let example = ExampleBuilder::new().value(value).build();
            body.examples.insert((*name).to_owned(), RefOr::T(example));
        }
    }
}
