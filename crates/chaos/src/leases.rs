//! The leases of the partitions: who takes over from a dead worker.

use crate::schedule::PARTITIONS;
use crate::world::World;
use grandstand_faults::wire::ask;
use std::collections::BTreeMap;
use std::time::Duration;

/// Redis may be away at the same time, and no fault waits for it.
const LOOK_TIMEOUT: Duration = Duration::from_millis(300);

/// The lease of each partition, as far as Redis says so in time: each has a text of its own.
pub(crate) type Leases = BTreeMap<u16, String>;

/// The leases at this moment.
pub(crate) async fn leases(world: &World) -> Leases {
    let mut found = Leases::new();
    let all = async {
        for partition in 0..PARTITIONS {
            let port = world.servers.port_of(partition).await;
            if let Ok(lease) = ask(port, &["GET", &format!("{{{partition}}}:lease")]).await {
                found.insert(partition, lease.text());
            }
        }
    };
    let _ = tokio::time::timeout(LOOK_TIMEOUT, all).await;
    found
}

/// How many partitions have another lease than before.
pub(crate) fn taken(before: &Leases, after: &Leases) -> usize {
    let other = |(partition, lease): &(&u16, &String)| {
        let then = before.get(partition).filter(|then| !then.is_empty() && !lease.is_empty());
        then.is_some_and(|then| then != *lease)
    };
    after.iter().filter(other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lease_that_is_another_one_was_taken() {
        let leases = |texts: &[&str]| -> Leases {
            (0..).zip(texts).map(|(partition, text)| (partition, (*text).to_owned())).collect()
        };
        let before = leases(&["a", "a", "b", ""]);
        assert_eq!(taken(&before, &before), 0);
        assert_eq!(taken(&before, &leases(&["b2", "", "b", "b3"])), 1);
        assert_eq!(taken(&Leases::new(), &before), 0, "nobody knows the leases before");
    }
}
