//! The waiting room lets people in by the order of their numbers.

use crate::scenario::checks::Violations;
use crate::scenario::history::Sighting;
use std::time::Duration;

/// Finds people who still waited, although somebody with a larger number had been let in before
/// they asked.
pub(crate) fn out_of_order(sightings: &[Sighting]) -> Violations {
    let mut admitted: Vec<&Sighting> = sightings.iter().filter(|seen| seen.admitted).collect();
    admitted.sort_by_key(|seen| seen.done);
    // For each admission, the one with the largest number up to then.
    let mut largest: Vec<&Sighting> = Vec::with_capacity(admitted.len());
    for seen in &admitted {
        let before = largest.last().copied().filter(|before| before.number > seen.number);
        largest.push(before.unwrap_or(seen));
    }
    let mut violations = Violations::default();
    for waited in sightings.iter().filter(|seen| !seen.admitted) {
        let earlier = admitted.partition_point(|seen| seen.done < waited.invoked);
        let Some(ahead) = earlier.checked_sub(1).map(|last| largest[last]) else { continue };
        if ahead.number > waited.number {
            let sentence = format!(
                "person {} with number {} was let in before person {} with number {}",
                ahead.person, ahead.number, waited.person, waited.number
            );
            violations.add(sentence, || vec![line(ahead), line(waited)]);
        }
    }
    violations
}

fn line(seen: &Sighting) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let state = if seen.admitted { "let in" } else { "waiting" };
    format!(
        "{:>10.1} to {:>10.1} ms  person {:<6} number {:<6} {state}",
        ms(seen.invoked),
        ms(seen.done),
        seen.person,
        seen.number
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u64, admitted: bool, at_ms: u64) -> Sighting {
        let (invoked, done) = (Duration::from_millis(at_ms), Duration::from_millis(at_ms + 5));
        Sighting { person: number as u32, number, admitted, invoked, done }
    }

    #[test]
    fn somebody_who_is_overtaken_is_found() {
        let found = out_of_order(&[seen(1, true, 0), seen(5, true, 10), seen(2, false, 20)]);
        assert_eq!(found.sentences.len(), 1);
        assert!(found.sentences[0].contains("number 5 was let in before person 2"), "{found:?}");
        assert_eq!(found.history.len(), 3);
    }

    #[test]
    fn those_behind_and_those_who_asked_earlier_are_no_violation() {
        let order = [seen(1, true, 0), seen(5, true, 10), seen(6, false, 20), seen(2, false, 12)];
        assert!(out_of_order(&order).sentences.is_empty());
    }
}
