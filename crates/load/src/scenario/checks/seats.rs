//! No seat has two owners at a time, nobody has more seats than the limit, and a hold has the seats
//! that were asked for.

use crate::scenario::checks::Violations;
use crate::scenario::history::{Claim, History};
use grandstand::domain::ids::SeatId;
use std::collections::BTreeMap;
use std::time::Duration;

impl Claim {
    /// Returns the earliest time at which the claim may have ended. A claim ends by a request of
    /// its owner, or when its time is over.
    fn may_end(&self) -> Duration {
        self.ended.unwrap_or(Duration::MAX).min(self.expires)
    }

    fn sentence(&self) -> String {
        format!("person {} ({:.1} ms)", self.person, self.done.as_secs_f64() * 1000.0)
    }
}

/// Finds seats that were granted to a person while another person still had them. The clock of the
/// client decides: the first grant can't have ended before its end was asked for.
pub(crate) fn granted_twice(history: &History, claims: &[Claim]) -> Violations {
    let mut owners: BTreeMap<SeatId, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        for seat in &claim.seats {
            owners.entry(*seat).or_default().push(claim);
        }
    }
    let mut violations = Violations::default();
    for (seat, mut granted) in owners {
        granted.sort_by_key(|claim| claim.done);
        for pair in granted.windows(2) {
            // The second response came before the first claim can have ended.
            if pair[1].done < pair[0].may_end() && pair[0].done < pair[1].may_end() {
                let (first, second) = (pair[0].sentence(), pair[1].sentence());
                let sentence = format!("seat {seat} was granted to {first} and to {second}");
                violations.add(sentence, || history.of_seat(seat));
            }
        }
    }
    violations
}

/// Finds people who certainly had more seats at a time than the limit.
pub(crate) fn over_limit(history: &History, claims: &[Claim], limit: usize) -> Violations {
    let mut by_person: BTreeMap<u32, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        by_person.entry(claim.person).or_default().push(claim);
    }
    let mut violations = Violations::default();
    for (person, claims) in by_person {
        let had = |at: &Claim| -> usize {
            let then = claims.iter();
            then.filter(|claim| claim.done <= at.done && claim.may_end() > at.done)
                .map(|claim| claim.seats.len())
                .sum()
        };
        if let Some(most) = claims.iter().map(|claim| had(claim)).max().filter(|most| *most > limit)
        {
            let sentence = format!("person {person} had {most} seats at a time, {limit} allowed");
            violations.add(sentence, || history.of_person(person));
        }
    }
    violations
}

/// Finds holds whose seats are not those that were asked for.
pub(crate) fn other_seats(history: &History, claims: &[Claim]) -> Violations {
    let mut violations = Violations::default();
    for claim in claims.iter().filter(|claim| !claim.asked.is_empty()) {
        let sorted = |seats: &[SeatId]| {
            let mut seats = seats.to_vec();
            seats.sort();
            seats
        };
        if sorted(&claim.asked) != sorted(&claim.seats) {
            let sentence = format!(
                "person {} asked for {:?}, got {:?}",
                claim.person, claim.asked, claim.seats
            );
            violations.add(sentence, || history.of_person(claim.person));
        }
    }
    violations
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::scenario::history::Stage;

    /// A claim on seats, granted within a millisecond, which can't expire within 100 s.
    pub(crate) fn claim(person: u32, seats: &[u32], at_ms: u64) -> Claim {
        let seats: Vec<SeatId> = seats.iter().map(|seat| SeatId(*seat)).collect();
        Claim {
            person,
            hold_id: format!("hold of {person}"),
            asked: seats.clone(),
            seats,
            amount: 1000,
            done: Duration::from_millis(at_ms + 1),
            expires: Duration::from_secs(100),
            ended: None,
            reservation: Some(format!("reservation of {person}")),
            order: Some(format!("order of {person}")),
            stage: Stage::Held,
        }
    }

    fn history() -> History {
        let history = History::begin();
        for person in [1, 2] {
            history.add(person, "hold", &[SeatId(7)], Duration::ZERO, &Ok(()));
        }
        history
    }

    #[test]
    fn a_seat_with_two_owners_is_found_with_its_history() {
        let claims = [claim(1, &[6, 7], 10), claim(2, &[7, 8], 20)];
        let found = granted_twice(&history(), &claims);
        assert_eq!(found.sentences.len(), 1);
        assert!(found.sentences[0].contains("seat 7 was granted to person 1"));
        assert!(found.history.iter().any(|line| line.contains("person 2")), "{found:?}");
    }

    #[test]
    fn a_seat_that_was_given_back_or_has_expired_may_have_another_owner() {
        let mut claims = vec![claim(1, &[7], 10), claim(2, &[7], 20)];
        claims[0].ended = Some(Duration::from_millis(15));
        assert!(granted_twice(&history(), &claims).sentences.is_empty());
        claims[0].ended = Some(Duration::from_millis(40));
        assert_eq!(granted_twice(&history(), &claims).sentences.len(), 1, "it ended too late");
        (claims[0].ended, claims[0].expires) = (None, Duration::from_millis(18));
        assert!(granted_twice(&history(), &claims).sentences.is_empty());
    }

    #[test]
    fn a_response_that_is_late_is_no_second_owner() {
        let mut claims = vec![claim(1, &[7], 10), claim(2, &[7], 20)];
        // The first person got the seat and gave it back before the response to the second came.
        claims[1].done = Duration::from_millis(30);
        claims[0].done = Duration::from_millis(25);
        claims[0].ended = Some(Duration::from_millis(26));
        assert!(granted_twice(&history(), &claims).sentences.is_empty());
    }

    #[test]
    fn too_many_seats_at_a_time_are_found() {
        let mut claims = vec![claim(1, &[1, 2, 3], 10), claim(1, &[4, 5], 20)];
        assert_eq!(over_limit(&history(), &claims, 4).sentences.len(), 1);
        assert!(over_limit(&history(), &claims, 5).sentences.is_empty());
        claims[0].ended = Some(Duration::from_millis(15));
        assert!(over_limit(&history(), &claims, 4).sentences.is_empty());
    }

    #[test]
    fn a_hold_with_other_seats_is_found() {
        let mut held = claim(1, &[1, 2], 10);
        assert!(other_seats(&history(), &[held.clone()]).sentences.is_empty());
        held.seats = vec![SeatId(1), SeatId(3)];
        assert_eq!(other_seats(&history(), &[held]).sentences.len(), 1);
    }
}
