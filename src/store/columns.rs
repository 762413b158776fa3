//! How positions, seats and counts are kept in columns.

use crate::domain::ids::SeatId;
use crate::domain::position::{Position, StreamId};
use tokio_postgres::Row;

/// The position in the columns `epoch`, `journal_ms` and `journal_seq`.
pub(super) fn position_in(row: &Row) -> Position {
    let number = |column: &str| row.get::<_, i64>(column) as u64;
    let id = StreamId { ms: number("journal_ms"), seq: number("journal_seq") };
    Position { epoch: number("epoch"), id }
}

/// The position in an array column; the first position of all when the array is empty or null.
/// PostgreSQL compares arrays from the left, as `Position` does.
pub(super) fn position_in_array(row: &Row, column: &str) -> Position {
    let numbers: Option<Vec<i64>> = row.get(column);
    let [epoch, ms, seq] = numbers.as_deref().unwrap_or_default() else {
        return Position::default();
    };
    let id = StreamId { ms: *ms as u64, seq: *seq as u64 };
    Position { epoch: *epoch as u64, id }
}

/// A position as the text of such an array. A list of positions travels as texts, because `unnest`
/// would flatten an array of arrays.
pub(super) fn array_text(position: Position) -> String {
    format!("{{{},{},{}}}", position.epoch, position.id.ms, position.id.seq)
}

/// The count or number in an integer column; 0 when it is null.
pub(super) fn number_in(row: &Row, column: &str) -> u32 {
    row.get::<_, Option<i32>>(column).unwrap_or_default() as u32
}

/// The seat in an integer column.
pub(super) fn seat_in(row: &Row, column: &str) -> SeatId {
    SeatId(row.get::<_, i32>(column) as u32)
}

/// The seats in an array column; none when it is null.
pub(super) fn seats_in(row: &Row, column: &str) -> Vec<SeatId> {
    let numbers: Vec<i32> = row.get::<_, Option<_>>(column).unwrap_or_default();
    numbers.into_iter().map(|number| SeatId(number as u32)).collect()
}
