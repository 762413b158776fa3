//! Lets people out of the waiting rooms of a partition into the sale.

use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::draw;
use crate::domain::ids::{MatchId, Partition};
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::engine::queue::Admitted;
use crate::workers::Workers;
use anyhow::Context as _;
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
/// How often PostgreSQL is asked whether it has the draw, and the interval. After that, the next
/// step of the room asks again.
const COMMIT_LOOKS_MAX: usize = 50;
const COMMIT_LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Workers {
    /// Does one step of every waiting room of a partition, and returns how many people were let in.
    /// The step also publishes how many wait, even when nobody is let in. A waiting room that fails
    /// does not stop the others.
    pub async fn admit_once(self: &Arc<Self>, partition: Partition) -> Result<u64, EngineError> {
        let (mut admitted, mut waiting, mut fault) = (0, 0, None);
        for fixture in self.catalog.matches() {
            if fixture.id.partition() == partition && self.has_room(&fixture) {
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

    /// Whether a match has a waiting room in which something may be left to do. Nobody waits for a
    /// match that is closed, but its draw may not be published yet, because PostgreSQL was away.
    fn has_room(&self, fixture: &Match) -> bool {
        let may_have_a_draw = fixture.draw_seed.is_some() && !fixture.archived;
        fixture.queue.enabled
            && match fixture.status {
                MatchStatus::Draft => false,
                MatchStatus::Announced | MatchStatus::Open => true,
                MatchStatus::Closed => may_have_a_draw && !self.drawn.lock().contains(&fixture.id),
            }
    }

    pub(super) fn count_waiting(&self, partition: Partition, people: u64) {
        let label = partition.to_string();
        metrics::gauge!("grandstand_queue_waiting", "partition" => label).set(people as f64);
    }

    /// Returns how many people were let in, and how many still wait.
    async fn admit(self: &Arc<Self>, fixture: &Arc<Match>) -> Result<(u64, u64), EngineError> {
        let seats = self.catalog.site(fixture.site_id).map(|site| site.index.seat_count());
        let (mut people, mut waiting) = (0, 0);
        if fixture.status != MatchStatus::Closed {
            self.drawn.lock().remove(&fixture.id);
        }
        for _ in 0..CALLS_PER_STEP_MAX {
            let step = self.engine.admit(fixture.id, seats).await?;
            people += step.people;
            waiting = step.waiting;
            let is_drawn = step.drawn >= step.early;
            let is_random = step.random || fixture.drawn.is_some();
            let unpublished = is_random && step.published.is_none();
            if is_drawn && !unpublished && fixture.status == MatchStatus::Closed {
                self.drawn.lock().insert(fixture.id);
            }
            if (!is_drawn || unpublished) && self.drawing.lock().insert(fixture.id) {
                tokio::spawn(self.clone().draw(fixture.clone(), step.clone()));
            }
            if step.people < 1000 {
                break;
            }
        }
        Ok((people, waiting))
    }

    /// Gives all early people their numbers, and publishes the seed. The first people are let in
    /// while the others are still waiting for their numbers. After the death of a worker, the next
    /// one continues with the same order.
    async fn draw(self: Arc<Self>, fixture: Arc<Match>, step: Admitted) {
        let (id, early, random) = (fixture.id, step.early, step.random);
        let done = async {
            let is_done = self.draw_all(&fixture, step).await.map_err(anyhow::Error::from)?;
            match is_done && (random || fixture.drawn.is_some()) {
                true => self.publish_draw(id, early).await,
                false => Ok(()),
            }
        };
        match done.await {
            Ok(()) => tracing::info!(%id, early, "the early people have their numbers"),
            Err(error) => tracing::warn!(%id, %error, "the draw goes on with the next step"),
        }
        self.drawing.lock().remove(&id);
    }

    /// Puts the number of people who were drawn into the match, and publishes the seed once
    /// PostgreSQL has it. With a seed that is known, nobody may be drawn again. So it must not be
    /// shown while a loss of Redis could still bring the match back as it was before the opening.
    async fn publish_draw(&self, id: MatchId, early: u32) -> anyhow::Result<()> {
        let mut fixture = self.engine.fixture(id).await?.context("the match is gone")?;
        while fixture.drawn.is_none() {
            let next = Match { version: fixture.version + 1, drawn: Some(early), ..fixture };
            match self.engine.put_match(&next, Operation::default()).await {
                // An organiser has changed the match in the meantime, or has closed it.
                Err(EngineError::Refused(Refusal::Stale)) => {}
                other => drop(other?),
            }
            fixture = self.engine.fixture(id).await?.context("the match is gone")?;
        }
        let drawn = fixture.drawn.unwrap_or(early);
        for _ in 0..COMMIT_LOOKS_MAX {
            if self.store.drawn(id).await?.is_some() {
                self.engine.publish_draw(id, drawn).await?;
                // This tells everybody, also when the match has been closed in the meantime.
                let site = self.catalog.site(fixture.site_id);
                self.engine.admit(id, site.map(|site| site.index.seat_count())).await?;
                return Ok(());
            }
            tokio::time::sleep(COMMIT_LOOK_INTERVAL).await;
        }
        anyhow::bail!("PostgreSQL does not have it yet")
    }

    /// Returns `false` when another worker gives the numbers.
    async fn draw_all(&self, fixture: &Match, mut step: Admitted) -> Result<bool, EngineError> {
        if step.drawn >= step.early {
            return Ok(true);
        }
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
                return Ok(false);
            }
            step.drawn += tickets.len() as u32;
            tokio::time::sleep(DRAW_PAUSE).await;
        }
        Ok(true)
    }
}
