//! How many seats Redis believes that each user has, and how many these are.

use crate::schedule::PARTITIONS;
use crate::world::World;
use anyhow::{Context as _, Result};
use grandstand_faults::wire::ask;
use std::collections::BTreeMap;

/// Characters of an id of a user or a match inside Redis.
const ID: usize = 22;

/// The seats of a user in a match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) user: String,
    pub(crate) fixture: String,
    /// What the summary of the user says.
    pub(crate) told: usize,
    /// What the claims of the user have.
    pub(crate) has: usize,
}

/// Counts the seats of all users who have several claims, or had them.
///
/// # Errors
/// A server does not reply, or what it has is not in the form of the product.
pub(crate) async fn read_counts(world: &World) -> Result<Vec<Count>> {
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let port = world.servers.port_of(partition).await;
        let claims = format!("{{{partition}}}:claims");
        let reply = ask(port, &["HGETALL", &claims]).await.map_err(anyhow::Error::msg)?;
        all.extend(counts(&reply.texts()).with_context(|| format!("{claims}: {reply:?}"))?);
    }
    Ok(all)
}

/// The form of the fields is in lua/README.md.
fn counts(fields: &[String]) -> Option<Vec<Count>> {
    let (mut told, mut has): (BTreeMap<(&str, &str), usize>, BTreeMap<_, usize>) =
        Default::default();
    let mut users = Vec::new();
    for pair in fields.chunks_exact(2) {
        let user = pair[0].get(..ID)?;
        // A field of a bucket, of a user who must have a summary.
        if pair[0].len() > ID {
            users.push(user);
        }
        for line in pair[1].lines() {
            if let Some(summary) = line.strip_prefix('#') {
                users.push(user);
                for part in summary.split(',').filter(|part| !part.is_empty()) {
                    let (fixture, count) = part.split_once(':')?;
                    told.insert((user, fixture), count.parse().ok()?);
                }
            } else if !line.starts_with('~') {
                let mut parts = line.split('|').skip(2);
                let (fixture, seats) = (parts.next()?, parts.nth(1)?);
                *has.entry((user, fixture)).or_default() += seats.split(',').count();
            }
        }
    }
    let mut all: Vec<(&str, &str)> = told.keys().chain(has.keys()).copied().collect();
    all.sort_unstable();
    all.dedup();
    let count = |key: (&str, &str)| Count {
        user: key.0.to_owned(),
        fixture: key.1.to_owned(),
        told: told.get(&key).copied().unwrap_or_default(),
        has: has.get(&key).copied().unwrap_or_default(),
    };
    Some(all.into_iter().filter(|(user, _)| users.contains(user)).map(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_in_all_fields_of_users_who_have_a_summary() {
        let (user, other) = ("u".repeat(ID), "v".repeat(ID));
        let record = |seats: &str| format!("id|C|m|0|{seats}|7|10000|||||||");
        let fields = [
            user.clone(),
            format!("#m:3,n:1,\n~m:1:2:0:0:0:0,\n{}\n{}", record("4"), record("5")),
            format!("{user}Q"),
            record("6,7"),
            other,
            record("8"),
        ];
        let count = |fixture: &str, told, has| Count {
            user: user.clone(),
            fixture: fixture.to_owned(),
            told,
            has,
        };
        assert_eq!(counts(&fields), Some(vec![count("m", 3, 4), count("n", 1, 0)]));
        assert_eq!(counts(&["short".to_owned(), String::new()]), None);
    }
}
