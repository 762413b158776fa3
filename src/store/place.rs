//! Places in the journal as PostgreSQL keeps them: an array of epoch and the two numbers of the id,
//! which PostgreSQL compares from the left, as `Position` does. An empty array comes before all.

use crate::domain::position::{Position, StreamId};
use tokio_postgres::Row;

/// A place as the text of an array. A list of places travels as such texts, because `unnest` would
/// flatten an array of arrays.
pub(super) fn text_of(place: Position) -> String {
    format!("{{{},{},{}}}", place.epoch, place.id.ms, place.id.seq)
}

/// The place in a column of a row; the first of all when there is none.
pub(super) fn place_in(row: &Row, column: usize) -> Position {
    let numbers: Option<Vec<i64>> = row.get(column);
    let [epoch, ms, seq] = numbers.as_deref().unwrap_or_default() else {
        return Position::default();
    };
    let id = StreamId { ms: *ms as u64, seq: *seq as u64 };
    Position { epoch: *epoch as u64, id }
}
