//! The sale of a run, and the people who go there.

use crate::behaviour::Visit;
use crate::fixture::{Fixture, SEATS, STARTS_AT, plan, prices, queue, refund_fees};
use crate::history::{Act, History, Outcome};
use crate::person::{Ask, Person};
use crate::schedule::PARTITIONS;
use crate::world::ADMIN;
use anyhow::{Result, bail};
use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// People at the same time.
pub(crate) const PEOPLE: usize = 24;
/// The first of the people who try to buy after a fault. Before them are the person of the last
/// purchase and that of the overload.
pub(crate) const FIRST_PROBE: usize = PEOPLE + 2;
/// A new match begins this often, because seats run out.
const MATCH_INTERVAL: Duration = Duration::from_secs(10);

/// All that clients need.
#[derive(Clone)]
pub(crate) struct Sale {
    pub(crate) fixtures: Arc<Vec<Fixture>>,
    /// So many of the fixtures are for everybody. The others are for the last purchase and for
    /// those who measure: first any one, and then, if somebody measures, one in each partition.
    pub(crate) public: usize,
    pub(crate) people: Arc<Vec<Person>>,
    pub(crate) history: Arc<History>,
    pub(crate) doors: Arc<Vec<String>>,
    pub(crate) gateway: String,
    /// The matches with a price list have fees for refunds.
    pub(crate) fees: bool,
}

impl Sale {
    /// Opens matches for a run of this length and signs people up, before any fault. `more`
    /// people come only to measure. Some matches have a price list, and with `fees` also fees for
    /// refunds.
    pub(crate) async fn open(
        doors: Vec<String>,
        gateway: String,
        length: Duration,
        more: usize,
        fees: bool,
    ) -> Result<Self> {
        let (history, doors) = (Arc::new(History::new()), Arc::new(doors));
        let person = |number| Person::new(number, history.clone(), doors.clone());
        let mut administrator = person(FIRST_PROBE + more).administrator(ADMIN);
        if !administrator.log_in(0).await {
            bail!("the administrator can't log in");
        }
        let site = id_of(&create(&administrator, post("/api/admin/sites", plan())).await?);
        let public = 1 + usize::try_from(length.as_secs() / MATCH_INTERVAL.as_secs())?;
        let mut fixtures = Vec::new();
        for _ in 0..public {
            let listed = (fixtures.len() % 3 == 0).then_some(fees);
            let mut fixture = open_match(&administrator, &site, listed).await?;
            fixture.queue = fixtures.len() % 3 == 1;
            if fixture.queue {
                let path = format!("/api/admin/matches/{}/queue", fixture.id);
                let ask = Ask { method: Method::PUT, ..Ask::post(Act::Admin, &path, queue()) };
                create(&administrator, ask).await?;
            }
            fixtures.push(fixture);
        }
        fixtures.push(open_match(&administrator, &site, None).await?);
        if more > 0 {
            fixtures.extend(one_in_each_partition(&administrator, &site).await?);
        }
        let mut people = Vec::new();
        for number in 0..FIRST_PROBE + more {
            let mut person = person(number);
            if !person.sign_up().await || !person.log_in(0).await {
                bail!("person {number} can't sign up");
            }
            people.push(person);
        }
        let (fixtures, people) = (Arc::new(fixtures), Arc::new(people));
        Ok(Self { fixtures, public, people, history, doors, gateway, fees })
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
        &self.fixtures[(number as usize).min(self.public - 1)]
    }

    /// The match that people want who have no pass.
    pub(crate) fn current_without_queue(&self) -> &Fixture {
        let wanted = &self.current().id;
        let until = self.fixtures.iter().position(|fixture| fixture.id == *wanted).unwrap_or(0);
        let mut open = self.fixtures[..=until].iter().rev();
        open.find(|fixture| !fixture.queue).unwrap_or(&self.fixtures[0])
    }

    async fn person(&self, number: usize, mut rng: Rng, stop: &CancellationToken) {
        let mut person = self.people[number].clone();
        while !stop.is_cancelled() {
            let any = rng.usize(..self.public);
            let fixture = if rng.usize(..5) == 0 { &self.fixtures[any] } else { self.current() };
            let mut visit =
                Visit { person: &person, fixture, gateway: &self.gateway, rng: rng.fork() };
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

/// `listed`: with a price list, and whether with fees for refunds.
async fn open_match(administrator: &Person, site: &str, listed: Option<bool>) -> Result<Fixture> {
    let mut body = json!({"siteId": site, "homeTeam": "Home", "awayTeam": "Away",
        "startsAt": STARTS_AT});
    if listed == Some(true) {
        body["refundFees"] = refund_fees();
    }
    let id = id_of(&create(administrator, post("/api/admin/matches", body)).await?);
    let listed = listed.is_some();
    if listed {
        let path = format!("/api/admin/matches/{id}/prices");
        let ask = Ask { method: Method::PUT, ..Ask::post(Act::Admin, &path, prices()) };
        create(administrator, ask).await?;
    }
    create(administrator, post(&format!("/api/admin/matches/{id}/open"), Value::Null)).await?;
    Ok(Fixture { id, seats: SEATS, queue: false, listed })
}

/// Opens matches until each partition has one.
async fn one_in_each_partition(administrator: &Person, site: &str) -> Result<Vec<Fixture>> {
    let mut found: BTreeMap<u16, Fixture> = BTreeMap::new();
    while found.len() < PARTITIONS.into() {
        let fixture = open_match(administrator, site, None).await?;
        found.insert(fixture.partition()?, fixture);
    }
    Ok(found.into_values().collect())
}

async fn create(administrator: &Person, ask: Ask<'_>) -> Result<Value> {
    let path = ask.path.clone();
    match administrator.call(0, ask).await {
        Outcome::Done(data) => Ok(data),
        other => bail!("{path}: {other:?}"),
    }
}

fn post(path: &str, body: Value) -> Ask<'static> {
    Ask::post(Act::Admin, path, body)
}

fn id_of(data: &Value) -> String {
    data["id"].as_str().unwrap_or_default().to_owned()
}
