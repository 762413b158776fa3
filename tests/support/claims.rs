//! The hash of claims, as the scripts write it.

use crate::support::engine::{PARTITION, TestEngine};
use grandstand::domain::claim::Claim;
use grandstand::domain::ids::{MatchId, UserId};
use grandstand::redis::keys::PartitionKeys;
use std::collections::{BTreeMap, HashMap};

impl TestEngine {
    /// All claims of the partition.
    pub async fn claims(&self) -> Vec<Claim> {
        self.claims_by_field().await.into_iter().map(|(_, claim)| claim).collect()
    }

    /// The same, each with its field. The summaries agree with the claims.
    pub async fn claims_by_field(&self) -> Vec<(String, Claim)> {
        let all = self.hash(PartitionKeys(PARTITION).claims()).await;
        read_claims(&all)
    }
}

/// All claims of the hash of claims, each with its field. Panics when a summary does not count the
/// seats of its user, or when a user with several fields has none.
pub fn read_claims(all: &HashMap<String, String>) -> Vec<(String, Claim)> {
    let (mut found, mut counted) = (vec![], BTreeMap::new());
    for (field, text) in all {
        let owner = UserId::from_key(&field[..22]).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('~')) {
            let Some(summary) = line.strip_prefix('#') else {
                found.push((field.clone(), Claim::parse(owner, line).unwrap()));
                continue;
            };
            for entry in summary.split_terminator(',') {
                let (id, count) = entry.split_once(':').unwrap();
                let of = (owner, MatchId::from_key(id).unwrap());
                let before = counted.insert(of, count.parse().unwrap());
                assert_eq!(before, None, "a match is twice in {line}");
            }
        }
    }
    let mut wanted: BTreeMap<(UserId, MatchId), usize> = BTreeMap::new();
    for (field, claim) in &found {
        let user = claim.user.key();
        if all.get(&user).is_some_and(|text| text.starts_with('#')) {
            *wanted.entry((claim.user, claim.match_id)).or_default() += claim.seats.len();
        } else {
            assert_eq!(*field, user, "a further claim of a user without a summary");
        }
    }
    assert_eq!(counted, wanted, "the summaries count the seats");
    found
}
