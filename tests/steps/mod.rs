//! The world of a scenario: a node, a match, and people by name. One file of steps per noun.

mod account;
mod administration;
mod check_ins;
mod health;
mod holds;
mod live_updates;
mod matches;
mod payments;
mod queue;
mod refunds;
mod refusals;
mod reservations;
mod sites;
mod ticket_types;
mod users;
mod words;

use crate::support::client::{Answer, Client};
use crate::support::events::EventStream;
use crate::support::node::{TestMatch, TestNode, eventually};
use grandstand::config::Settings;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

type Change = Box<dyn FnOnce(&mut Settings)>;

/// The state of a scenario.
#[derive(Default, cucumber::World)]
pub struct World {
    node: Option<TestNode>,
    /// Settings for the node that has not started yet.
    changes: Vec<Change>,
    /// The match that the scenario is about.
    fixture: Option<TestMatch>,
    people: BTreeMap<String, Person>,
    /// The responses to calls that were made at the same time.
    race: Vec<Answer>,
    /// Where the mails of the node go.
    mails: Option<tempfile::TempDir>,
}

/// A person of the scenario.
pub struct Person {
    pub client: Client,
    /// The tokens that renew the session, oldest first.
    pub renewals: Vec<String>,
    /// The same person on a second device.
    pub phone: Option<Client>,
    /// The response to the last attempt.
    pub answer: Option<Answer>,
    /// The last document that the person read.
    pub seen: Value,
    /// Holds, oldest first.
    pub holds: Vec<Value>,
    pub reservation: Value,
    pub payment: Value,
    pub payment_key: String,
    /// The responses to confirmations that succeeded.
    pub confirmed: Vec<Value>,
    pub map: Option<EventStream>,
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let people = self.people.iter().map(|(name, person)| (name, person.answer.as_ref()));
        formatter.debug_map().entries(people).finish()
    }
}

impl World {
    /// Changes a setting of the node, before the node starts.
    pub fn set(&mut self, change: impl FnOnce(&mut Settings) + 'static) {
        assert!(self.node.is_none(), "settings come before the first step that needs the node");
        self.changes.push(Box::new(change));
    }

    /// The node. The first step that needs it starts it.
    pub async fn start(&mut self) -> &TestNode {
        if self.node.is_none() {
            let changes = std::mem::take(&mut self.changes);
            let apply =
                |settings: &mut Settings| changes.into_iter().for_each(|change| change(settings));
            self.node = Some(TestNode::start_with(apply).await);
        }
        self.node()
    }

    /// The node, which must have started.
    pub fn node(&self) -> &TestNode {
        self.node.as_ref().expect("nothing has started yet")
    }

    /// The match of the scenario.
    pub fn fixture(&self) -> &TestMatch {
        self.fixture.as_ref().expect("no match yet")
    }

    /// A path below the match.
    pub fn path(&self, rest: &str) -> String {
        self.fixture().path(rest)
    }

    pub fn person(&self, name: &str) -> &Person {
        self.people.get(name).unwrap_or_else(|| panic!("who is {name}?"))
    }

    pub fn person_mut(&mut self, name: &str) -> &mut Person {
        self.people.get_mut(name).unwrap_or_else(|| panic!("who is {name}?"))
    }

    /// Adds a person, or gives a known person another client.
    pub fn meet(&mut self, name: &str, client: Client) -> &mut Person {
        let person = self.people.entry(name.to_owned());
        let person = person.or_insert_with(|| Person::new(client.clone()));
        person.client = client;
        person
    }

    pub fn client(&self, name: &str) -> Client {
        self.person(name).client.clone()
    }

    /// Remembers the response to an attempt.
    pub fn note(&mut self, name: &str, answer: Answer) {
        self.person_mut(name).answer = Some(answer);
    }

    /// The states of the seats as anybody sees them now, by seat.
    pub async fn states(&self) -> BTreeMap<u32, String> {
        let mut states = BTreeMap::new();
        for block in [1, 2] {
            let path = self.path(&format!("/blocks/{block}/seats"));
            let data = self.node().guest().get(&path).await.expect(200);
            for seat in data["seats"].as_array().unwrap() {
                let id = u32::try_from(seat["id"].as_u64().unwrap()).unwrap();
                states.insert(id, seat["state"].as_str().unwrap().to_owned());
            }
        }
        states
    }

    /// Waits until the map shows these seats in this state.
    pub async fn wait_for_seats(&self, seats: &[u32], state: &str) {
        let what = format!("seats {seats:?} are {state}");
        eventually(&what, || async {
            let states = self.states().await;
            seats.iter().all(|seat| states[seat] == state).then_some(())
        })
        .await;
    }

    /// Ends a scenario: Redis and PostgreSQL must agree.
    pub async fn end(&mut self) {
        self.people.clear();
        if let Some(node) = self.node.take() {
            node.finish().await;
        }
    }
}

impl Person {
    fn new(client: Client) -> Self {
        Self {
            client,
            renewals: vec![],
            phone: None,
            answer: None,
            seen: Value::Null,
            holds: vec![],
            reservation: Value::Null,
            payment: Value::Null,
            payment_key: String::new(),
            confirmed: vec![],
            map: None,
        }
    }

    /// The newest hold.
    pub fn hold(&self) -> &Value {
        self.holds.last().expect("no hold yet")
    }

    pub fn answer(&self) -> &Answer {
        self.answer.as_ref().expect("no attempt yet")
    }
}
