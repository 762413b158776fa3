//! Frames of the event streams: each is encoded once per match and scope, and shared.

use crate::domain::ids::{BlockId, SeatId};
use crate::domain::plan::PlanIndex;
use crate::domain::position::EventId;
use crate::domain::seat::SeatState;
use bytes::Bytes;
use serde::Serialize;
use std::ops::Range;
use utoipa::ToSchema;

/// Events as bytes that all watchers share: a chunk of HTTP/1.1 with the events inside. So a
/// connection of HTTP/1.1 gets them in one write, without a copy.
#[derive(Debug, Clone)]
pub struct Frame {
    chunk: Bytes,
    text: Range<usize>,
}

/// The chunk that ends a body.
pub static LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

impl Frame {
    /// A frame with this text, which must not be empty: an empty chunk ends the body.
    pub fn new(text: &str) -> Self {
        let size = format!("{:x}\r\n", text.len());
        let text_at = size.len()..size.len() + text.len();
        Self { chunk: Bytes::from([&size, text, "\r\n"].concat()), text: text_at }
    }

    /// The events as a chunk of a body with `transfer-encoding: chunked`.
    pub fn chunk(&self) -> &Bytes {
        &self.chunk
    }

    /// The events alone.
    pub fn text(&self) -> Bytes {
        self.chunk.slice(self.text.clone())
    }
}

/// The part of a match that a stream shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    Seats(Scope),
    /// The line of the waiting room.
    Line,
}

/// The seats of a match that a stream or a response shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All seats, one character each.
    Match,
    /// One block, seat by seat.
    Block(BlockId),
    /// Some blocks (sorted), one character per seat.
    Blocks(Vec<BlockId>),
}

impl Scope {
    /// Whether the seat at this index of the plan is in the scope.
    pub fn has(&self, index: &PlanIndex, seat: u32) -> bool {
        let within =
            |block: &BlockId| index.block_range(*block).is_some_and(|range| range.contains(&seat));
        match self {
            Self::Match => true,
            Self::Block(block) => within(block),
            Self::Blocks(blocks) => blocks.iter().any(within),
        }
    }
}

/// The state of a seat, as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SeatNow {
    pub id: SeatId,
    pub state: SeatState,
}

/// The states of all seats of a block, one letter each, in plan order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BlockNow {
    pub id: BlockId,
    /// A: available, H: hold, P: pending, O: occupied, B: blocked.
    pub states: String,
}

/// The data of a snapshot.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum States {
    Seats { version: u64, seats: Vec<SeatNow> },
    Blocks { version: u64, blocks: Vec<BlockNow> },
}

/// The last state of a seat that has changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatChange {
    seat_id: SeatId,
    state: SeatState,
}

/// The data of the event `changes`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changes {
    /// The version of the match after the changes.
    version: u64,
    changes: Vec<SeatChange>,
}

/// The states of the seats of a scope; `letters` has the states of all seats.
pub fn states(index: &PlanIndex, letters: &[u8], version: u64, scope: &Scope) -> States {
    let block = |id: BlockId| BlockNow {
        id,
        states: index.block_range(id).map_or_else(String::new, |range| {
            let part = &letters[range.start as usize..range.end as usize];
            String::from_utf8_lossy(part).into_owned()
        }),
    };
    match scope {
        Scope::Match => {
            let blocks = index.blocks().map(|(id, _)| block(id)).collect();
            States::Blocks { version, blocks }
        }
        Scope::Blocks(ids) => {
            States::Blocks { version, blocks: ids.iter().map(|id| block(*id)).collect() }
        }
        Scope::Block(id) => {
            let range = index.block_range(*id).unwrap_or(0..0);
            let seats = range.map(|seat| SeatNow {
                id: index.seat_at(seat),
                state: state(letters[seat as usize]),
            });
            States::Seats { version, seats: seats.collect() }
        }
    }
}

fn state(letter: u8) -> SeatState {
    // An unknown letter is of a newer release: such a seat is shown as not for sale.
    SeatState::from_letter(letter).unwrap_or(SeatState::Blocked)
}

/// The event `changes`; `None` when no changed seat is in the scope.
pub fn changes(
    index: &PlanIndex,
    id: EventId,
    version: u64,
    changed: &[(u32, u8)],
    scope: &Scope,
) -> Option<String> {
    let seen = changed.iter().filter(|(seat, _)| scope.has(index, *seat));
    let changes: Vec<SeatChange> = seen
        .map(|(seat, letter)| SeatChange { seat_id: index.seat_at(*seat), state: state(*letter) })
        .collect();
    if changes.is_empty() {
        return None;
    }
    Some(event("changes", Some(id), &Changes { version, changes }))
}

/// The text of one event of the stream.
pub fn event(name: &str, id: Option<EventId>, data: &impl Serialize) -> String {
    // These types always encode. An empty object would be the visible sign of a bug.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    format!("{id}event: {name}\ndata: {data}\n\n")
}
