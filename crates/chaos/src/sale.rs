//! The sale of a run, and the people who go there.

use crate::behaviour::Visit;
use crate::fixture::{Fixture, SEATS, plan};
use crate::history::{Act, History, Outcome};
use crate::person::{Ask, Person};
use crate::world::ADMIN;
use anyhow::{Result, bail};
use fastrand::Rng;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// People at the same time.
pub(crate) const PEOPLE: usize = 24;
/// A new match begins this often, because seats run out.
const MATCH_INTERVAL: Duration = Duration::from_secs(15);

/// All that clients need.
#[derive(Clone)]
pub(crate) struct Sale {
    pub(crate) fixtures: Arc<Vec<Fixture>>,
    pub(crate) people: Arc<Vec<Person>>,
    pub(crate) history: Arc<History>,
    pub(crate) doors: Arc<Vec<String>>,
    pub(crate) gateway: String,
}

impl Sale {
    /// Opens matches for a run of this length and signs people up, before any fault.
    pub(crate) async fn open(
        doors: Vec<String>,
        gateway: String,
        length: Duration,
    ) -> Result<Self> {
        let (history, doors) = (Arc::new(History::new()), Arc::new(doors));
        let person = |number| Person::new(number, history.clone(), doors.clone());
        let mut administrator = person(PEOPLE + 2).administrator(ADMIN);
        if !administrator.log_in(0).await {
            bail!("the administrator can't log in");
        }
        let site = id_of(&create(&administrator, "/api/admin/sites", plan()).await?);
        let matches = 1 + length.as_secs() / MATCH_INTERVAL.as_secs();
        let mut fixtures = Vec::new();
        for _ in 0..matches {
            let body = json!({"siteId": site, "homeTeam": "Home", "awayTeam": "Away",
                "startsAt": "2035-05-05T05:00:00Z"});
            let id = id_of(&create(&administrator, "/api/admin/matches", body).await?);
            let path = format!("/api/admin/matches/{id}/open");
            create(&administrator, &path, Value::Null).await?;
            fixtures.push(Fixture { id, seats: SEATS });
        }
        let mut people = Vec::new();
        // The last two are for the probes of recovery and for the overload.
        for number in 0..PEOPLE + 2 {
            let mut person = person(number);
            if !person.sign_up().await || !person.log_in(0).await {
                bail!("person {number} can't sign up");
            }
            people.push(person);
        }
        let (fixtures, people) = (Arc::new(fixtures), Arc::new(people));
        Ok(Self { fixtures, people, history, doors, gateway })
    }

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

    /// The match that everybody wants at this time.
    pub(crate) fn current(&self) -> &Fixture {
        let number = self.history.now().as_secs() / MATCH_INTERVAL.as_secs();
        &self.fixtures[(number as usize).min(self.fixtures.len() - 1)]
    }

    async fn person(&self, number: usize, mut rng: Rng, stop: &CancellationToken) {
        let mut person = self.people[number].clone();
        while !stop.is_cancelled() {
            let any = rng.usize(..self.fixtures.len());
            let fixture = if rng.usize(..5) == 0 { &self.fixtures[any] } else { self.current() };
            let mut visit =
                Visit { person: &person, fixture, gateway: &self.gateway, rng: rng.fork() };
            visit.go().await;
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

async fn create(administrator: &Person, path: &str, body: Value) -> Result<Value> {
    match administrator.call(0, Ask::post(Act::Admin, path, body)).await {
        Outcome::Done(data) => Ok(data),
        other => bail!("{path}: {other:?}"),
    }
}

fn id_of(data: &Value) -> String {
    data["id"].as_str().unwrap_or_default().to_owned()
}
