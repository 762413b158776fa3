//! How far PostgreSQL has committed the journals. Workers announce it, and every node reads the
//! announcements.

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
    /// The last few thousand payments that were refused because an earlier sale has these seats.
    lost: HashMap<PaymentId, Vec<SeatId>>,
}

/// Refused payments that are remembered. The callers of older ones have long stopped waiting.
const LOST_PAYMENTS_MAX: usize = 4096;

/// What the announcements say of a journal entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Committed,
    /// An earlier sale has these seats.
    Lost(Vec<SeatId>),
    /// No announcement came in time.
    Unheard,
}

impl Persisted {
    /// No announcements yet.
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
            // Another epoch has another journal, with other ids.
            if state.epoch != epoch {
                *state = State { epoch, ..State::default() };
            }
            state.upto = state.upto.max(upto);
            if state.lost.len() + lost.len() > LOST_PAYMENTS_MAX {
                state.lost.clear();
            }
            state.lost.extend(lost);
        });
    }

    /// Forgets the announcements of a partition, because a new epoch has another journal.
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
    async fn an_announcement_of_another_epoch_does_not_count() {
        let (persisted, partition) = (Persisted::new(1), Partition(0));
        let announce = |epoch: &str, upto: &str| {
            let fields = [("epoch", epoch), ("upto", upto), ("lost", "")];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
            persisted.hear(partition, &Fields::from(fields));
        };
        let verdict = async |id: &str| {
            let (id, payment) = (id.parse().unwrap(), PaymentId::new(partition));
            persisted.wait(partition, id, payment, Duration::ZERO).await
        };
        announce("1", "900-0");
        assert_eq!(verdict("800-0").await, Verdict::Committed);
        announce("2", "10-0");
        assert_eq!(verdict("800-0").await, Verdict::Unheard, "the ids have begun again");
        assert_eq!(verdict("10-0").await, Verdict::Committed);
    }
}
