//! The map shows what the responses promised, to everybody the same.

use crate::scenario::checks::Violations;
use crate::scenario::history::{Claim, History, Stage};
use grandstand::domain::ids::SeatId;
use grandstand::domain::plan::PlanIndex;
use std::collections::HashSet;
use std::time::Duration;

/// Finds seats whose letter is not the one that the responses promised. Seats that nobody got must
/// be as before the run. Seats with an unknown outcome, and seats of claims that may have expired
/// by `now`, are left out.
pub(crate) fn wrong_letters(
    history: &History,
    index: &PlanIndex,
    claims: &[Claim],
    (before, after): (&[u8], &[u8]),
    now: Duration,
) -> Violations {
    let mut expected = before.to_vec();
    let mut unsure: HashSet<SeatId> = history.unsure().0.into_iter().collect();
    let mut in_order: Vec<&Claim> = claims.iter().collect();
    in_order.sort_by_key(|claim| claim.done);
    for claim in in_order {
        let letter = match claim.stage {
            Stage::Held => Some(b'H'),
            Stage::Reserved => Some(b'P'),
            Stage::Ticket => Some(b'O'),
            Stage::GivenBack | Stage::Refunded => None,
            Stage::Unsure => {
                unsure.extend(&claim.seats);
                None
            }
        };
        if letter.is_some() && claim.expires <= now {
            unsure.extend(&claim.seats);
        }
        for seat in &claim.seats {
            let Some(position) = index.position(*seat).map(|position| position as usize) else {
                continue;
            };
            expected[position] = letter.unwrap_or(before[position]);
        }
    }
    let mut violations = Violations::default();
    if before.len() != after.len() {
        violations.add(format!("{} seats, {} before", after.len(), before.len()), Vec::new);
    }
    for (position, (wanted, found)) in expected.iter().zip(after).enumerate() {
        let seat = index.seat_at(position as u32);
        if wanted != found && !unsure.contains(&seat) {
            let (wanted, found) = (char::from(*wanted), char::from(*found));
            let sentence = format!("the map shows {found} for seat {seat}, {wanted} is right");
            violations.add(sentence, || history.of_seat(seat));
        }
    }
    violations
}

/// Finds the first seat at which two maps differ. `name` says whose map the second one is.
pub(crate) fn different(
    history: &History,
    index: &PlanIndex,
    (truth, other): (&[u8], &[u8]),
    name: &str,
    violations: &mut Violations,
) {
    if truth.len() != other.len() {
        violations.add(format!("{name} has {} seats, not {}", other.len(), truth.len()), Vec::new);
        return;
    }
    let mut pairs = truth.iter().zip(other).enumerate();
    if let Some((position, (right, wrong))) = pairs.find(|(_, (right, wrong))| right != wrong) {
        let seat = index.seat_at(position as u32);
        let (right, wrong) = (char::from(*right), char::from(*wrong));
        let sentence = format!("{name} shows {wrong} for seat {seat}, the snapshot shows {right}");
        violations.add(sentence, || history.of_seat(seat));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::checks::seats::tests::claim;
    use grandstand::domain::plan::SitePlan;

    fn index() -> PlanIndex {
        let plan: SitePlan = serde_json::from_value(grandstand_demo::stadium()).unwrap();
        PlanIndex::new(&plan)
    }

    #[test]
    fn a_seat_with_another_letter_than_promised_is_found() {
        let (index, history) = (index(), History::begin());
        let seat = index.seat_at(2).0;
        let claims = [Claim { stage: Stage::Ticket, ..claim(1, &[seat], 10) }];
        let count = |after: &[u8], now: u64| {
            let letters = (b"AAAB".as_slice(), after);
            let now = Duration::from_secs(now);
            wrong_letters(&history, &index, &claims, letters, now).sentences.len()
        };
        assert_eq!(count(b"AAOB", 1), 0);
        assert_eq!(count(b"AAPB", 1), 1, "it is sold");
        assert_eq!(count(b"AHOB", 1), 1, "nobody holds the second seat");
        assert_eq!(count(b"AAAB", 101), 0, "by then the claim may have expired");
    }

    #[test]
    fn maps_that_differ_are_found() {
        let (index, history, mut violations) = (index(), History::begin(), Violations::default());
        different(&history, &index, (b"AAH", b"AAH"), "stream 0", &mut violations);
        assert!(violations.sentences.is_empty());
        different(&history, &index, (b"AAH", b"AAA"), "stream 1", &mut violations);
        different(&history, &index, (b"AAH", b"AA"), "Redis", &mut violations);
        assert_eq!(violations.sentences.len(), 2);
    }
}
