//! What PostgreSQL has committed, as every node hears it from the workers.

use crate::domain::claim::parse_seats;
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
    epoch: u64,
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
        let epoch = fields.get("epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
        let lost = fields.get("lost").map_or_else(Vec::new, |text| parse_lost(text));
        sender.send_modify(|state| {
            // Ids of another epoch are those of another journal.
            if state.epoch != epoch {
                *state = State { epoch, ..State::default() };
            }
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

/// Reads `payment:seat,seat;payment:seat`, as a worker writes it.
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
    fn lost_payments_are_read() {
        let (first, second) = (PaymentId::new(Partition(1)), PaymentId::new(Partition(1)));
        let text = format!("{}:4,5;{}:9", first.key(), second.key());
        let lost = vec![(first, vec![SeatId(4), SeatId(5)]), (second, vec![SeatId(9)])];
        assert_eq!(parse_lost(&text), lost);
        assert_eq!(parse_lost(""), vec![]);
    }

    #[tokio::test]
    async fn what_is_said_of_another_epoch_is_not_said_of_this_one() {
        let (persisted, partition) = (Persisted::new(1), Partition(0));
        let told = |epoch: &str, upto: &str| {
            let fields = [("epoch", epoch), ("upto", upto), ("lost", "")];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
            persisted.hear(partition, &Fields::from(fields));
        };
        let heard = async |id: &str| {
            let (id, payment) = (id.parse().unwrap(), PaymentId::new(partition));
            persisted.wait(partition, id, payment, Duration::ZERO).await
        };
        told("1", "900-0");
        assert_eq!(heard("800-0").await, Verdict::Committed);
        told("2", "10-0");
        assert_eq!(heard("800-0").await, Verdict::Unheard, "the ids have begun again");
        assert_eq!(heard("10-0").await, Verdict::Committed);
    }
}
