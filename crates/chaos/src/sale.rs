//! The sale of a run, and the people who go there.

use crate::fixture::{Fixture, SEATS, STARTS_AT, plan, prices, queue, refund_fees};
use crate::history::{Act, History, Outcome};
use crate::person::{Ask, Person};
use crate::schedule::PARTITIONS;
use crate::world::ADMIN;
use anyhow::{Result, bail};
use fastrand::Rng;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// People at the same time.
pub(crate) const PEOPLE: usize = 24;
/// People of an overload, who come in beside all others.
pub(crate) const CROWD: usize = 12;
/// The first of the people who try to buy after a fault. Before them are the person of the last
/// purchase and those of the overload.
pub(crate) const FIRST_PROBE: usize = PEOPLE + 1 + CROWD;
/// A new match begins this often, because seats run out.
const MATCH_INTERVAL: Duration = Duration::from_secs(10);
/// Some matches end while everybody wants them: this long after they began.
const CLOSES_WINDOW: Duration = Duration::from_secs(8);
/// So many of the last holds are known to people who should not know them.
const SHOWN_MAX: usize = 16;

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
    /// For watchers, and for people at the gateway. A client of its own would read all root
    /// certificates from the disk, so that watchers of dead nodes took all processors, and the
    /// proxies stood still.
    pub(crate) http: reqwest::Client,
    /// The matches with a price list have fees for refunds.
    pub(crate) fees: bool,
    /// Scans codes at the gates.
    pub(crate) administrator: Person,
    /// The last holds: whose, in which match, and which.
    shown: Arc<Mutex<VecDeque<(usize, String, String)>>>,
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
        for number in 0..public {
            let closes = (number % 6 == 1).then(|| begin_of(number) + CLOSES_WINDOW);
            let terms = Terms {
                listed: (number % 3 == 0).then_some(fees),
                ends_at: closes.map(|closes| history.moment(closes)),
                one_hold: number % 3 == 2,
            };
            let mut fixture = open_match(&administrator, &site, terms).await?;
            (fixture.queue, fixture.closes) = (number % 3 == 1, closes);
            if fixture.queue {
                let path = format!("/api/admin/matches/{}/queue", fixture.id);
                let ask = Ask { method: Method::PUT, ..Ask::post(Act::Admin, &path, queue()) };
                create(&administrator, ask).await?;
            }
            fixtures.push(fixture);
        }
        fixtures.push(open_match(&administrator, &site, Terms::default()).await?);
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
        // Each call has a connection of its own, because watchers are not the same person.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        let shown = Arc::default();
        Ok(Self {
            fixtures,
            public,
            people,
            history,
            doors,
            gateway,
            http,
            fees,
            administrator,
            shown,
        })
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

    /// Others see this hold, as on a screen in a train.
    pub(crate) fn show(&self, person: usize, fixture: &Fixture, hold: &str) {
        let mut shown = self.shown.lock();
        shown.push_back((person, fixture.id.clone(), hold.to_owned()));
        if shown.len() > SHOWN_MAX {
            shown.pop_front();
        }
    }

    /// The match and the id of a hold of somebody else.
    pub(crate) fn hold_of_another(&self, person: usize, rng: &mut Rng) -> Option<(String, String)> {
        let shown = self.shown.lock();
        let others = shown.iter().filter(|(owner, ..)| *owner != person);
        let others: Vec<_> = others.collect();
        let (_, fixture, hold) = rng.choice(others)?;
        Some((fixture.clone(), hold.clone()))
    }

    /// Another match of the same partition.
    pub(crate) fn neighbour(&self, fixture: &Fixture) -> Option<&Fixture> {
        let partition = fixture.partition().ok()?;
        let mut all = self.fixtures.iter();
        all.find(|other| other.id != fixture.id && other.partition().ok() == Some(partition))
    }
}

/// When the match with this number begins.
fn begin_of(number: usize) -> Duration {
    MATCH_INTERVAL * u32::try_from(number).unwrap_or(u32::MAX)
}

/// What differs from match to match.
#[derive(Default)]
struct Terms {
    /// With a price list, and whether with fees for refunds.
    listed: Option<bool>,
    /// When its sale ends.
    ends_at: Option<String>,
    /// A person may have one hold at a time.
    one_hold: bool,
}

async fn open_match(administrator: &Person, site: &str, terms: Terms) -> Result<Fixture> {
    let Terms { listed, ends_at, one_hold } = terms;
    let mut body = json!({"siteId": site, "homeTeam": "Home", "awayTeam": "Away",
        "startsAt": STARTS_AT, "saleClosesAt": ends_at, "oneHoldPerUser": one_hold});
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
    Ok(Fixture { id, seats: SEATS, queue: false, listed, one_hold, closes: None })
}

/// Opens matches until each partition has one.
async fn one_in_each_partition(administrator: &Person, site: &str) -> Result<Vec<Fixture>> {
    let mut found: BTreeMap<u16, Fixture> = BTreeMap::new();
    while found.len() < PARTITIONS.into() {
        let fixture = open_match(administrator, site, Terms::default()).await?;
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
