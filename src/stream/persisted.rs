//! What PostgreSQL has committed, as every node hears it from the workers.

use crate::domain::claim::{join_seats, parse_seats};
use crate::domain::fact::Fields;
use crate::domain::ids::{Partition, PaymentId, SeatId};
use crate::domain::position::StreamId;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;

/// The announcements of all partitions.
pub struct Persisted {
    partitions: Vec<watch::Sender<State>>,
}

#[derive(Default)]
struct State {
    upto: StreamId,
    /// Payments refused because an earlier sale has the seats; the last few thousand.
    lost: HashMap<PaymentId, Vec<SeatId>>,
}

/// More are not remembered: their callers have long given up waiting.
const LOST_MAX: usize = 4096;

/// What PostgreSQL says of a journal entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Committed,
    /// An earlier sale has these seats.
    Lost(Vec<SeatId>),
    /// Nothing was heard in time.
    Unheard,
}

impl Persisted {
    /// Nothing heard yet.
    pub fn new(partitions: u16) -> Self {
        Self { partitions: (0..partitions).map(|_| watch::Sender::default()).collect() }
    }

    /// Takes an announcement.
    pub fn hear(&self, partition: Partition, fields: &Fields) {
        let Some(sender) = self.partitions.get(usize::from(partition.0)) else { return };
        let Some(upto) = fields.get("upto").and_then(|id| id.parse().ok()) else { return };
        let lost = fields.get("lost").map_or_else(Vec::new, |text| parse_lost(text));
        sender.send_modify(|state| {
            state.upto = state.upto.max(upto);
            if state.lost.len() + lost.len() > LOST_MAX {
                state.lost.clear();
            }
            state.lost.extend(lost);
        });
    }

    /// A partition begins anew (another epoch): ids of before say nothing any more.
    pub fn forget(&self, partition: Partition) {
        if let Some(sender) = self.partitions.get(usize::from(partition.0)) {
            sender.send_modify(|state| *state = State::default());
        }
    }

    /// Waits until PostgreSQL has the journal of a partition up to `id`, at most `timeout`.
    pub async fn wait(
        &self,
        partition: Partition,
        id: StreamId,
        payment: PaymentId,
        timeout: Duration,
    ) -> Verdict {
        let Some(sender) = self.partitions.get(usize::from(partition.0)) else {
            return Verdict::Unheard;
        };
        let mut receiver = sender.subscribe();
        let heard = receiver.wait_for(|state| state.upto >= id);
        match tokio::time::timeout(timeout, heard).await {
            Ok(Ok(state)) => match state.lost.get(&payment) {
                Some(seats) => Verdict::Lost(seats.clone()),
                None => Verdict::Committed,
            },
            _ => Verdict::Unheard,
        }
    }
}

/// `payment:seat,seat;payment:seat`.
pub(super) fn lost_text(lost: &[(PaymentId, Vec<SeatId>)]) -> String {
    let parts: Vec<String> =
        lost.iter().map(|(id, seats)| format!("{}:{}", id.key(), join_seats(seats))).collect();
    parts.join(";")
}

fn parse_lost(text: &str) -> Vec<(PaymentId, Vec<SeatId>)> {
    let parts = text.split(';').filter_map(|part| {
        let (id, seats) = part.split_once(':')?;
        Some((PaymentId::from_key(id)?, parse_seats(seats)?))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_payments_read_as_they_are_written() {
        let lost = vec![
            (PaymentId::new(Partition(1)), vec![SeatId(4), SeatId(5)]),
            (PaymentId::new(Partition(1)), vec![SeatId(9)]),
        ];
        assert_eq!(parse_lost(&lost_text(&lost)), lost);
        assert_eq!(parse_lost(""), vec![]);
    }
}
