//! What happened in a run, request by request. When a check fails, it shows the history of the
//! seat.

use crate::scenario::person::Refused;
use crate::tally::Kind;
use grandstand::domain::ids::SeatId;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most requests that are kept. A soak of hours sends more; then the last ones are kept.
const ENTRIES_MAX: usize = 1_000_000;

/// The memory behind the pointers of an entry, and of a claim: seats, codes and ids.
const ENTRY_HEAP_BYTES: usize = 32;
const CLAIM_HEAP_BYTES: usize = 200;

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// The status and the code.
    Refused(String),
    Unknown,
}

/// A request. Times count from the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) person: u32,
    pub(crate) step: &'static str,
    /// The seats that were asked for, or that the response names.
    pub(crate) seats: Vec<SeatId>,
    pub(crate) invoked: Duration,
    pub(crate) done: Duration,
    pub(crate) outcome: Outcome,
}

/// How far a claim came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Held,
    Reserved,
    /// A request to pay for it has an unknown outcome.
    Unsure,
    /// The confirmation was successful, and PostgreSQL has the sale.
    Ticket,
    /// Given back, or cancelled without a payment.
    GivenBack,
    /// Bought and cancelled.
    Refunded,
}

/// Seats that a person got, from the hold on.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) person: u32,
    pub(crate) hold_id: String,
    /// The seats that were asked for; none when the server chose.
    pub(crate) asked: Vec<SeatId>,
    pub(crate) seats: Vec<SeatId>,
    pub(crate) amount: i64,
    /// When the response to the hold came.
    pub(crate) done: Duration,
    /// The claim can't end by itself before this time. `Duration::MAX` after the payment.
    pub(crate) expires: Duration,
    /// When a request that ends the claim was sent.
    pub(crate) ended: Option<Duration>,
    pub(crate) reservation: Option<String>,
    pub(crate) order: Option<String>,
    pub(crate) stage: Stage,
}

/// An observation of a place in the waiting room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    pub(crate) person: u32,
    pub(crate) number: u64,
    pub(crate) admitted: bool,
    pub(crate) invoked: Duration,
    pub(crate) done: Duration,
}

/// The history of a run.
pub(crate) struct History {
    begun: Instant,
    entries: Mutex<VecDeque<Entry>>,
    pub(crate) claims: Mutex<Vec<Claim>>,
    pub(crate) sightings: Mutex<Vec<Sighting>>,
}

impl History {
    /// Returns an empty history that begins now.
    pub(crate) fn begin() -> Self {
        let (entries, claims, sightings) = Default::default();
        Self { begun: Instant::now(), entries, claims, sightings }
    }

    /// Returns the time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Adds a request that ends now.
    pub(crate) fn add<T>(
        &self,
        person: usize,
        step: &'static str,
        seats: &[SeatId],
        invoked: Duration,
        result: &Result<T, Refused>,
    ) {
        let outcome = match result {
            Ok(_) => Outcome::Ok,
            Err(Refused { kind: Kind::Unknown, .. }) => Outcome::Unknown,
            Err(refused) => Outcome::Refused(refused.code.clone()),
        };
        let (person, done) = (person as u32, self.now());
        let mut entries = self.entries.lock();
        if entries.len() == ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back(Entry { person, step, seats: seats.to_vec(), invoked, done, outcome });
    }

    /// Returns about how much memory the history takes, in MiB.
    pub(crate) fn mib(&self) -> f64 {
        let (entries, claims) = (self.entries.lock().len(), self.claims.lock().len());
        let entries = entries * (size_of::<Entry>() + ENTRY_HEAP_BYTES);
        let claims = claims * (size_of::<Claim>() + CLAIM_HEAP_BYTES);
        (entries + claims) as f64 / 1024.0 / 1024.0
    }

    /// Returns the requests that concern a seat, in the order in which they were sent.
    pub(crate) fn of_seat(&self, seat: SeatId) -> Vec<String> {
        self.lines(|entry| entry.seats.contains(&seat))
    }

    /// Returns the requests of a person.
    pub(crate) fn of_person(&self, person: u32) -> Vec<String> {
        self.lines(|entry| entry.person == person)
    }

    fn lines(&self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<String> {
        let entries = self.entries.lock();
        let mut found: Vec<&Entry> = entries.iter().filter(|entry| is_wanted(entry)).collect();
        found.sort_by_key(|entry| entry.invoked);
        found.into_iter().map(Entry::line).collect()
    }

    /// Returns the seats of holds whose outcome is unknown, and whether there is such a hold whose
    /// seats are not known either.
    pub(crate) fn unsure(&self) -> (Vec<SeatId>, bool) {
        let entries = self.entries.lock();
        let unknown = entries.iter().filter(|entry| entry.outcome == Outcome::Unknown);
        let (mut seats, mut nameless) = (Vec::new(), false);
        for entry in unknown {
            nameless |= entry.step == "hold" && entry.seats.is_empty();
            seats.extend_from_slice(&entry.seats);
        }
        (seats, nameless)
    }
}

impl Entry {
    fn line(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let seats: Vec<String> = self.seats.iter().map(SeatId::to_string).collect();
        let outcome = match &self.outcome {
            Outcome::Ok => "ok",
            Outcome::Refused(code) => code,
            Outcome::Unknown => "unknown",
        };
        format!(
            "{:>10.1} to {:>10.1} ms  person {:<6} {:<8} seats {}: {outcome}",
            ms(self.invoked),
            ms(self.done),
            self.person,
            self.step,
            seats.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_of_a_seat_has_its_requests_in_order() {
        let history = History::begin();
        let at = Duration::from_millis;
        history.add(2, "hold", &[SeatId(7), SeatId(8)], at(5), &Ok(()));
        let refused = Err::<(), _>(Refused::local(Kind::Refusal, "409 SEAT_TAKEN"));
        history.add(1, "hold", &[SeatId(7)], at(3), &refused);
        history.add(3, "hold", &[SeatId(9)], at(4), &refused);
        let unknown = Err::<(), _>(Refused::local(Kind::Unknown, "no response"));
        history.add(3, "hold", &[SeatId(8)], at(6), &unknown);
        let lines = history.of_seat(SeatId(7));
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains("person 1") && lines[0].ends_with("409 SEAT_TAKEN"));
        assert!(lines[1].contains("person 2") && lines[1].ends_with("seats 7 8: ok"));
        assert_eq!(history.unsure(), (vec![SeatId(8)], false));
        history.add(3, "hold", &[], at(7), &unknown);
        assert!(history.unsure().1);
    }
}
