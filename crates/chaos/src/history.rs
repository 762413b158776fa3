//! What each client asked for and got: the evidence for the checks.

use parking_lot::Mutex;
use serde_json::Value;
use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A node repeats a command after this pause (`RETRY_PAUSE` in `src/engine/batch.rs`).
const REPEATED_MIN: Duration = Duration::from_millis(20);

/// The position of an event: an epoch and the two numbers of a stream id.
pub(crate) type Position = (u64, u64, u64);

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Hold,
    Release,
    Reserve,
    Request,
    Confirm,
    Cancel,
    /// One seat of a hold is given back.
    ReleaseSeat,
    /// Tries to give back or to reserve the hold of somebody else, or by way of another match.
    Meddle,
    /// Somebody enters with a code of a ticket.
    Enter,
    /// A reservation is read.
    Look,
    /// Joins, looks, or leaves.
    Queue,
    LogIn,
    /// What the administrator does before the run.
    Admin,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// 200, 201 or 204, with the data.
    Done(Value),
    /// 202: the outcome is not known yet.
    Accepted(Value),
    /// A problem document with this status and code.
    Refused(u16, String),
    /// No response: it may have had its effect or not.
    Unknown(String),
}

/// A call of a client.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) act: Act,
    pub(crate) person: usize,
    pub(crate) node: usize,
    /// The match, when the call is about one.
    pub(crate) fixture: String,
    pub(crate) key: String,
    /// What was sent.
    pub(crate) sent: Value,
    /// The id in its path: a hold, a reservation or a payment; or two holds with `+` between them.
    pub(crate) about: String,
    /// Since the beginning of the run.
    pub(crate) begun: Duration,
    pub(crate) ended: Duration,
    pub(crate) outcome: Outcome,
    /// The response said when to try again, in `Retry-After`.
    pub(crate) says_when: bool,
}

impl Call {
    pub(crate) fn done(&self) -> Option<&Value> {
        match &self.outcome {
            Outcome::Done(data) => Some(data),
            Outcome::Accepted(_) | Outcome::Refused(..) | Outcome::Unknown(_) => None,
        }
    }

    /// Whether this call has surely given no seat back. A node repeats a command of which it has
    /// lost the reply, and the first one may have had its effect: so a late refusal says nothing.
    pub(crate) fn gave_nothing_back(&self) -> bool {
        let at_once = self.ended.saturating_sub(self.begun) < REPEATED_MIN;
        matches!(self.outcome, Outcome::Refused(400..500, _)) && at_once
    }

    /// The seats that a response or a request names.
    pub(crate) fn seats(&self) -> Vec<u32> {
        let data = self.done().unwrap_or(&Value::Null);
        let data = data.get("reservation").unwrap_or(data);
        let given = data["seats"].as_array().map(|seats| seats.iter().map(|seat| &seat["seatId"]));
        let wished = self.sent["seatIds"].as_array().map(|seats| seats.iter());
        let numbers: Vec<&Value> = match (given, wished) {
            (Some(given), _) => given.collect(),
            (None, Some(wished)) => wished.collect(),
            (None, None) => vec![],
        };
        numbers.into_iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let outcome = match &self.outcome {
            Outcome::Done(_) => "done".to_owned(),
            Outcome::Accepted(_) => "accepted, outcome not known yet".to_owned(),
            Outcome::Refused(status, code) => format!("refused: {status} {code}"),
            Outcome::Unknown(why) => format!("no response: {why}"),
        };
        let mut line = format!(
            "{:>9.3} to {:>9.3} s  person {:<3} node {}  {:?}",
            self.begun.as_secs_f64(),
            self.ended.as_secs_f64(),
            self.person,
            self.node,
            self.act
        );
        if !self.about.is_empty() {
            let _ = write!(line, " {}", self.about);
        }
        let _ = write!(line, " seats {:?}: {outcome}", self.seats());
        line
    }
}

/// All calls of a run.
pub(crate) struct History {
    begun: Instant,
    begun_at: jiff::Timestamp,
    calls: Mutex<Vec<Call>>,
}

impl History {
    pub(crate) fn new() -> Self {
        let (begun, begun_at) = (Instant::now(), jiff::Timestamp::now());
        Self { begun, begun_at, calls: Mutex::default() }
    }

    /// The time since the beginning of the run.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// A time of this history, as the API writes times.
    pub(crate) fn moment(&self, at: Duration) -> String {
        (self.begun_at + at).to_string()
    }

    /// When it began, in ms since 1970.
    pub(crate) fn begun_ms(&self) -> u64 {
        u64::try_from(self.begun_at.as_millisecond()).unwrap_or_default()
    }

    pub(crate) fn add(&self, call: Call) {
        self.calls.lock().push(call);
    }

    /// Calls of those people that had success between two times, in a second.
    pub(crate) fn done_in_a_second(
        &self,
        people: &Range<usize>,
        from: Duration,
        to: Duration,
    ) -> f64 {
        let done = |call: &Call| call.ended <= to && call.done().is_some();
        self.since(people, from, done) / (to - from).as_secs_f64()
    }

    /// Calls that those people have begun between two times, in a second, as far as they have
    /// ended.
    pub(crate) fn begun_in_a_second(
        &self,
        people: &Range<usize>,
        from: Duration,
        to: Duration,
    ) -> f64 {
        let begun = |call: &Call| from <= call.begun && call.begun <= to;
        self.since(people, from, begun) / (to - from).as_secs_f64()
    }

    /// How many of the calls that ended since `from` are wanted.
    fn since(&self, people: &Range<usize>, from: Duration, wanted: impl Fn(&Call) -> bool) -> f64 {
        let calls = self.calls.lock();
        let late = calls.iter().rev().take_while(|call| call.ended >= from);
        late.filter(|call| people.contains(&call.person) && wanted(call)).count() as f64
    }

    /// How the last call of a person ended.
    pub(crate) fn last_of(&self, person: usize) -> Option<Outcome> {
        let calls = self.calls.lock();
        calls.iter().rev().find(|call| call.person == person).map(|call| call.outcome.clone())
    }

    /// All calls so far, in the order of their ends.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }
}
