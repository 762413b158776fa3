//! The people of a run: each visits one match after the other.

use crate::behaviour::Visit;
use crate::history::Outcome;
use crate::person::Person;
use crate::sale::{PEOPLE, Sale};
use fastrand::Rng;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

impl Sale {
    /// Lets people buy until they are stopped, and waits until all have ended their visits.
    pub(crate) async fn play(&self, seed: u64, stop: &CancellationToken) {
        let mut crowd = JoinSet::new();
        for number in 0..PEOPLE {
            let (sale, stop) = (self.clone(), stop.clone());
            let rng = Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(number as u64));
            crowd.spawn(async move { sale.person(number, rng, &stop).await });
        }
        while crowd.join_next().await.is_some() {}
    }

    async fn person(&self, number: usize, mut rng: Rng, stop: &CancellationToken) {
        let mut person = self.people[number].clone();
        while !stop.is_cancelled() {
            let any = rng.usize(..self.public);
            let fixture = if rng.usize(..5) == 0 { &self.fixtures[any] } else { self.current() };
            let mut visit = Visit { person: &person, fixture, sale: self, rng: rng.fork() };
            // Some try without a pass.
            if !fixture.queue || number.is_multiple_of(6) || visit.wait_in_line().await {
                visit.go().await;
            }
            if self.lost_session(&person) {
                person.log_in(rng.usize(..2)).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.u64(20..300))).await;
        }
    }

    /// Whether the last call of this person was refused because of the token.
    fn lost_session(&self, person: &Person) -> bool {
        let last = self.history.last_of(person.number);
        matches!(last, Some(Outcome::Refused(401, _)))
    }
}
