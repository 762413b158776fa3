//! Redis counts the seats of each user as they are (invariant 13): who gave seats back may hold
//! others, and nobody has more than are counted.

use super::Violation;
use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let wrong = evidence.counts.iter().filter(|count| count.told != count.has);
    wrong.map(|count| Violation::new(13, format!("seats are counted wrong: {count:?}"))).collect()
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
}
