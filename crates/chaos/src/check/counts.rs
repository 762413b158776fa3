//! Redis counts the seats of each user as they are (invariant 13): who gave seats back may hold
//! others, and nobody has more than are counted. And it keeps nothing that belongs to nobody.

use super::Violation;
use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let wrong = evidence.counts.iter().filter(|count| count.told != count.has);
    let wrong = wrong.map(|count| format!("seats are counted wrong: {count:?}"));
    wrong.chain(evidence.leftovers.iter().cloned()).map(|what| Violation::new(13, what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::fair;
    use crate::counts::Count;

    #[test]
    fn a_wrong_count_is_found() {
        for (told, has, wanted) in [(2, 2, 0), (3, 2, 1), (2, 3, 1), (0, 1, 1)] {
            let counts = vec![Count { told, has, ..Count::default() }];
            let found = check(&Evidence { counts, ..fair() });
            assert_eq!(found.len(), wanted);
            assert!(found.iter().all(|violation| violation.invariant == 13));
        }
    }

    #[test]
    fn what_is_left_in_redis_is_found() {
        let leftovers = vec!["m:x:seats belongs to no match".to_owned()];
        assert_eq!(check(&Evidence { leftovers, ..fair() }).len(), 1);
    }
}
