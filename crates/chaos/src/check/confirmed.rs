//! Sales that a client saw confirmed (invariants 1, 2, 3 and 7).

use super::Violation;
use crate::evidence::Evidence;
use crate::history::{Act, Call, Outcome};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = stored(evidence);
    found.extend(seen(evidence));
    found.extend(kept(evidence));
    found
}

/// No seat has two owners in PostgreSQL.
fn stored(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    if !evidence.claims_have_a_key {
        found.push(Violation::new(1, "the table of claims has no primary key"));
    }
    let mut owners: BTreeMap<(&str, u32), Vec<&str>> = BTreeMap::new();
    for (id, reservation) in &evidence.reservations {
        if reservation.status == "CONFIRMED" {
            for seat in &reservation.seats {
                owners.entry((&reservation.fixture, *seat)).or_default().push(id);
                let claim = evidence.claims.get(&(reservation.fixture.clone(), *seat));
                if claim != Some(id) {
                    let what = format!("{id} is confirmed, and has no claim of seat {seat}");
                    found.push(Violation::new(7, what).about(&reservation.fixture, &[*seat]));
                }
            }
        }
    }
    for ((fixture, seat), ids) in owners.into_iter().filter(|(_, ids)| ids.len() > 1) {
        let what = format!("seat {seat} is sold to several reservations: {ids:?}");
        found.push(Violation::new(1, what).about(fixture, &[seat]));
    }
    found
}

/// No two people saw the same seat confirmed.
fn seen(evidence: &Evidence) -> Vec<Violation> {
    let cancels = Cancels::of(evidence);
    let mut sold: BTreeMap<(&str, u32), BTreeSet<&str>> = BTreeMap::new();
    for call in confirmations(evidence) {
        let Some(id) = reservation(call) else { continue };
        if cancels.possible(id) {
            continue;
        }
        for seat in call.seats() {
            sold.entry((&call.fixture, seat)).or_default().insert(id);
        }
    }
    let twice = sold.into_iter().filter(|(_, ids)| ids.len() > 1);
    let violation = |((fixture, seat), ids): ((&str, u32), BTreeSet<&str>)| {
        let what = format!("seat {seat} was confirmed to several people: {ids:?}");
        Violation::new(2, what).about(fixture, &[seat])
    };
    twice.map(violation).collect()
}

/// Each sale that was confirmed with 200 is in PostgreSQL, as it was confirmed.
fn kept(evidence: &Evidence) -> Vec<Violation> {
    let (mut found, cancels, users) = (Vec::new(), Cancels::of(evidence), users(evidence));
    for call in confirmations(evidence) {
        let Some(id) = reservation(call) else { continue };
        let seats = call.seats();
        let mut complain = |what: String| {
            found.push(Violation::new(3, format!("{id}: {what}")).about(&call.fixture, &seats));
        };
        let Some(kept) = evidence.reservations.get(id) else {
            let losses = &evidence.database_losses;
            let lost = Evidence::happened(losses, &call.fixture, call.begun, call.ended);
            if !(lost && cancels.possible(id)) {
                complain("was confirmed with 200 and is not in PostgreSQL".to_owned());
            }
            continue;
        };
        if users.get(&call.person).is_some_and(|user| *user != kept.user) {
            complain(format!("belongs to {}, and person {} has bought it", kept.user, call.person));
        }
        if cancels.possible(id) {
            continue;
        }
        let amount = call.done().and_then(|data| data["reservation"]["amount"].as_i64());
        let same = (&*kept.status, &kept.seats, Some(kept.amount), &kept.fixture)
            == ("CONFIRMED", &seats, amount, &call.fixture);
        if !same {
            complain(format!("was confirmed with {seats:?} for {amount:?}, and is {kept:?}"));
        }
    }
    found
}

/// The user of each person.
fn users(evidence: &Evidence) -> HashMap<usize, &str> {
    let log_ins = evidence.calls.iter().filter(|call| call.act == Act::LogIn);
    log_ins.filter_map(|call| Some((call.person, call.done()?["user"]["id"].as_str()?))).collect()
}

fn confirmations(evidence: &Evidence) -> impl Iterator<Item = &Call> {
    evidence.calls.iter().filter(|call| call.act == Act::Confirm && call.done().is_some())
}

/// The reservation that a confirmation is about.
fn reservation(call: &Call) -> Option<&str> {
    call.done()?["reservation"]["id"].as_str()
}

/// The cancellations that somebody asked for, by reservation.
pub(super) struct Cancels<'a>(HashMap<&'a str, Cancel>);

struct Cancel {
    /// When the first request was sent.
    begun: Duration,
    /// Not all of them were refused.
    possible: bool,
}

impl<'a> Cancels<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Self {
        let mut all: HashMap<&str, Cancel> = HashMap::new();
        for call in evidence.calls.iter().filter(|call| call.act == Act::Cancel) {
            let cancel = Cancel { begun: call.begun, possible: false };
            let cancel = all.entry(&call.about).or_insert(cancel);
            cancel.begun = cancel.begun.min(call.begun);
            cancel.possible |= !matches!(call.outcome, Outcome::Refused(400..500, _));
        }
        Self(all)
    }

    /// When the first request to cancel a reservation was sent.
    pub(super) fn begun(&self, reservation: &str) -> Option<Duration> {
        self.0.get(reservation).map(|cancel| cancel.begun)
    }

    /// Whether all or some of the seats of a reservation may have been given back.
    pub(super) fn possible(&self, reservation: &str) -> bool {
        self.0.get(reservation).is_some_and(|cancel| cancel.possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, confirmed, done, fair, window};
    use crate::evidence::Reservation;
    use serde_json::json;

    #[test]
    fn a_fair_run_has_no_violation() {
        assert_eq!(check(&fair()), vec![]);
    }

    #[test]
    fn a_seat_that_two_people_saw_confirmed_is_found() {
        let mut evidence = fair();
        evidence.calls.push(confirmed(1, "r2", &[2, 3]));
        let row = Reservation { seats: vec![2, 3], ..evidence.reservations["r1"].clone() };
        evidence.reservations.insert("r2".to_owned(), row);
        let found = check(&evidence);
        let invariants: Vec<u8> = found.iter().map(|violation| violation.invariant).collect();
        assert_eq!(invariants, [7, 7, 1, 2], "{found:?}");
    }

    #[test]
    fn a_confirmed_sale_that_is_gone_or_different_is_found() {
        let mut evidence = fair();
        evidence.reservations.clear();
        assert_eq!(check(&evidence)[0].invariant, 3);
        evidence.database_losses = vec![window(200, 250)];
        assert_eq!(check(&evidence)[0].invariant, 3, "it was not given back");
        evidence.calls.push(call(Act::Cancel, 0, "r1"));
        assert_eq!(check(&evidence), vec![]);
        evidence.database_losses.clear();
        assert_eq!(check(&evidence)[0].invariant, 3);
        for change in [
            |row: &mut Reservation| row.seats = vec![1],
            |row: &mut Reservation| row.amount += 1,
            |row: &mut Reservation| row.status = "CANCELLED".to_owned(),
        ] {
            let mut evidence = fair();
            change(evidence.reservations.get_mut("r1").unwrap_or_else(|| unreachable!()));
            assert!(check(&evidence).iter().any(|violation| violation.invariant == 3));
        }
    }

    #[test]
    fn a_sale_that_belongs_to_somebody_else_is_found() {
        let log_in = done(call(Act::LogIn, 0, ""), json!({"user": {"id": "u0"}}));
        let mut evidence = fair();
        evidence.calls.push(log_in);
        assert_eq!(check(&evidence), vec![]);
        for row in evidence.reservations.values_mut() {
            row.user = "u1".to_owned();
        }
        assert_eq!(check(&evidence)[0].invariant, 3);
    }

    #[test]
    fn a_table_without_its_key_is_found() {
        let evidence = Evidence { claims_have_a_key: false, ..fair() };
        assert_eq!(check(&evidence)[0].invariant, 1);
    }
}
