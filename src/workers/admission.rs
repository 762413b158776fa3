//! Lets people out of the waiting rooms of a partition into the sale.

use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::draw;
use crate::domain::ids::Partition;
use crate::engine::error::EngineError;
use crate::engine::queue::Admitted;
use crate::workers::Workers;
use std::sync::Arc;
use std::time::Duration;

/// A call lets in 1,000 people at most. So many calls let in a million people per minute, in steps
/// of a quarter of a second, with some to spare.
const CALLS_PER_STEP_MAX: usize = 8;
/// People who get their number in one call: about 1 ms of Redis with a million people.
const NUMBERS_PER_CALL: usize = 100;
/// The pause between two such calls. It leaves half of the time of Redis to the commands of buyers,
/// and a million people still have their numbers within 40 s, much faster than they are let in.
const DRAW_PAUSE: Duration = Duration::from_millis(1);

impl Workers {
    /// Does one step of every waiting room of a partition, and returns how many people were let in.
    /// The step also publishes how many wait, even when nobody is let in. A waiting room that fails
    /// does not stop the others.
    pub async fn admit_once(self: &Arc<Self>, partition: Partition) -> Result<u64, EngineError> {
        let (mut admitted, mut waiting, mut fault) = (0, 0, None);
        for fixture in self.catalog.matches() {
            let open = matches!(fixture.status, MatchStatus::Announced | MatchStatus::Open);
            if open && fixture.queue.enabled && fixture.id.partition() == partition {
                match self.admit(&fixture).await {
                    Ok((people, rest)) => {
                        admitted += people;
                        waiting += rest;
                    }
                    Err(error) => fault = Some(error),
                }
            }
        }
        metrics::counter!("grandstand_queue_admitted_total").increment(admitted);
        self.count_waiting(partition, waiting);
        fault.map_or(Ok(admitted), Err)
    }

    pub(super) fn count_waiting(&self, partition: Partition, people: u64) {
        let label = partition.to_string();
        metrics::gauge!("grandstand_queue_waiting", "partition" => label).set(people as f64);
    }

    /// Returns how many people were let in, and how many still wait.
    async fn admit(self: &Arc<Self>, fixture: &Arc<Match>) -> Result<(u64, u64), EngineError> {
        let seats = self.catalog.site(fixture.site_id).map(|site| site.index.seat_count());
        let (mut people, mut waiting) = (0, 0);
        for _ in 0..CALLS_PER_STEP_MAX {
            let step = self.engine.admit(fixture.id, seats, 0).await?;
            people += step.people;
            waiting = step.waiting;
            if step.drawn < step.early && self.drawing.lock().insert(fixture.id) {
                tokio::spawn(self.clone().draw(fixture.clone(), step.clone()));
            }
            if step.people < 1000 {
                break;
            }
        }
        Ok((people, waiting))
    }

    /// Gives all early people their numbers. The first ones are let in while the others are still
    /// waiting for theirs. After the death of a worker, the next one continues with the same order.
    async fn draw(self: Arc<Self>, fixture: Arc<Match>, step: Admitted) {
        let id = fixture.id;
        match self.draw_all(&fixture, step).await {
            Ok(drawn) => tracing::info!(%id, drawn, "the early people have their numbers"),
            Err(error) => tracing::warn!(%id, %error, "the draw goes on with the next step"),
        }
        self.drawing.lock().remove(&id);
    }

    async fn draw_all(&self, fixture: &Match, mut step: Admitted) -> Result<u32, EngineError> {
        let order = if step.random {
            let Some(seed) = fixture.draw_seed.clone() else {
                let text = "the match has no seed for its draw".to_owned();
                return Err(EngineError::BadReply(text));
            };
            let early = step.early;
            let order = tokio::task::spawn_blocking(move || draw::order(&seed, early)).await;
            order.map_err(|error| EngineError::BadReply(error.to_string()))?
        } else {
            (1..=step.early).collect()
        };
        for tickets in order[step.drawn as usize..].chunks(NUMBERS_PER_CALL) {
            if !self.engine.draw(fixture.id, &step, tickets).await? {
                break;
            }
            step.drawn += tickets.len() as u32;
            tokio::time::sleep(DRAW_PAUSE).await;
        }
        Ok(step.drawn)
    }
}
