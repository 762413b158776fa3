//! The random choice of a fault, of those that can do something.

use crate::fault::{Fault, Kind, Process, Role, Server, Wire};
use fastrand::Rng;
use std::collections::BTreeSet;

/// The places of `grandstand::failpoint` that an API node comes to.
const PLACES_OF_API: [&str; 8] = [
    "begin.before",
    "begin.after",
    "gateway.before",
    "gateway.after",
    "outcome.before",
    "outcome.after",
    "refund.before",
    "refund.after",
];
/// The places that a worker comes to; those of a load only when a partition is loaded again.
const PLACES_OF_WORKER: [&str; 11] = [
    "claim.before",
    "claim.after",
    "commit.before",
    "commit.after",
    "acknowledge.before",
    "acknowledge.after",
    "load.close",
    "load.epoch",
    "load.clear",
    "load.write",
    "load.open",
];

/// Faults of the gateway's emulator; `share` says how many calls are affected.
const GATEWAY: [&str; 13] = [
    r#"{"kind":"latency","minMs":500,"maxMs":3000}"#,
    r#"{"kind":"slowAnswer","minMs":500,"maxMs":3000}"#,
    r#"{"kind":"dropBefore","share":0.7}"#,
    r#"{"call":"confirm","kind":"dropAfter","share":0.7}"#,
    r#"{"call":"cancel","kind":"dropAfter","share":0.7}"#,
    r#"{"kind":"errorBefore","share":0.7}"#,
    r#"{"kind":"errorAfter","share":0.7}"#,
    r#"{"call":"confirm","kind":"inFlight","share":0.5}"#,
    r#"{"call":"lookup","kind":"dropBefore"}"#,
    r#"{"kind":"rateLimit","perMinute":3}"#,
    r#"{"call":"confirm","kind":"providerError","share":0.5}"#,
    r#"{"kind":"duplicate","copies":3}"#,
    r#"{"kind":"reorder"}"#,
];

/// A random fault of those that servers of this kind can have.
pub(crate) fn any(kind: Kind, partitions: u16, rng: &mut Rng) -> Fault {
    match rng.usize(..10) {
        0 | 1 => of_process(rng),
        2 => Fault::Edge(any_process(rng), any_server(rng), any_wire(rng)),
        3 | 4 => of_redis(kind, partitions, rng),
        5 | 6 => of_postgres(rng),
        7 => of_gateway(rng),
        8 => Fault::Clients(rng.usize(..2), any_wire(rng)),
        _ => match rng.usize(..4) {
            0 => Fault::PoisonJournal(rng.u16(..partitions)),
            1 => Fault::Storm,
            2 => Fault::Overload,
            _ => Fault::SlowWatchers,
        },
    }
}

/// A fault of each kind that servers of this kind can have, always in the same order.
pub(crate) fn each(kind: Kind, partitions: u16) -> Vec<Fault> {
    let (mut rng, mut names) = (Rng::with_seed(0), BTreeSet::new());
    let faults = std::iter::repeat_with(|| any(kind, partitions, &mut rng)).take(20_000);
    faults.filter(|fault| names.insert(fault.name())).collect()
}

fn choice(all: &[&str], rng: &mut Rng) -> String {
    all[rng.usize(..all.len())].to_owned()
}

fn any_process(rng: &mut Rng) -> Process {
    if rng.bool() { Process::Api(rng.usize(..2)) } else { Process::Worker(rng.usize(..2)) }
}

fn any_wire(rng: &mut Rng) -> Wire {
    match rng.usize(..7) {
        0 => Wire::Cut,
        1 => Wire::Slow(rng.u16(10..500)),
        2 => Wire::DeafServer,
        3 => Wire::DeafClient,
        4 => Wire::Swallow,
        5 => Wire::Short(rng.u16(1..2_000)),
        _ => Wire::LoseReplies,
    }
}

fn of_process(rng: &mut Rng) -> Fault {
    let process = any_process(rng);
    match rng.usize(..6) {
        0 | 1 => Fault::Kill(process),
        2 => Fault::Freeze(process),
        3 => Fault::Replace(process),
        4 => Fault::DieAt(process, choice(places_of(process), rng)),
        _ => Fault::Clock(process, seconds(rng)),
    }
}

fn places_of(process: Process) -> &'static [&'static str] {
    match process {
        Process::Api(_) => &PLACES_OF_API,
        Process::Worker(_) => &PLACES_OF_WORKER,
    }
}

fn any_server(rng: &mut Rng) -> Server {
    match rng.usize(..3) {
        0 => Server::Redis,
        1 => Server::Gateway,
        _ => Server::Postgres,
    }
}

fn of_redis(kind: Kind, partitions: u16, rng: &mut Rng) -> Fault {
    let special = match kind {
        Kind::Single => match rng.usize(..7) {
            0 => Some(Fault::RedisLosesPower),
            1 => Some(Fault::RedisLosesDisk),
            2 => Some(Fault::FlushAll),
            3 => Some(Fault::RedisDiskFull),
            4 => Some(Fault::RedisDiskSlow(rng.u16(5..60))),
            5 => Some(Fault::RedisClock(seconds(rng))),
            _ => None,
        },
        // A third of them are faults of the machine of a master.
        Kind::Sentinel | Kind::Cluster if rng.usize(..3) == 0 => Some(of_machine(rng)),
        Kind::Sentinel => match rng.usize(..10) {
            0 => Some(Fault::Failover),
            1 => Some(Fault::FailoverWithLoss),
            2 => Some(Fault::TwoMasters),
            3 => Some(Fault::KillReplica),
            4 => Some(Fault::KillSentinel(rng.usize(..3))),
            5 | 6 => Some(wire_of_redis(rng)),
            7 => Some(Fault::FlushAll),
            _ => None,
        },
        Kind::Cluster => match rng.usize(..10) {
            0 | 1 => Some(Fault::MoveSlot(rng.u16(..partitions))),
            2 => Some(Fault::TwoMasters),
            3 => Some(Fault::KillReplica),
            4 | 5 => Some(wire_of_redis(rng)),
            6 => Some(Fault::FlushAll),
            7 => Some(Fault::FailoverWithLoss),
            _ => None,
        },
    };
    special.unwrap_or_else(|| match rng.usize(..4) {
        0 => Fault::KillRedis,
        1 => Fault::FreezeRedis,
        2 => Fault::FlushFunctions,
        _ => Fault::RedisMemoryFull,
    })
}

fn of_machine(rng: &mut Rng) -> Fault {
    match rng.usize(..5) {
        0 => Fault::RedisLosesPower,
        1 => Fault::RedisLosesDisk,
        2 => Fault::RedisDiskFull,
        3 => Fault::RedisDiskSlow(rng.u16(5..60)),
        _ => Fault::RedisClock(seconds(rng)),
    }
}

fn of_gateway(rng: &mut Rng) -> Fault {
    match rng.usize(..8) {
        0 => Fault::FreezeGateway,
        1 => Fault::KillGateway,
        _ => Fault::Gateway(choice(&GATEWAY, rng)),
    }
}

fn wire_of_redis(rng: &mut Rng) -> Fault {
    let role = if rng.bool() { Role::Master } else { Role::Replica };
    Fault::RedisWire(role, any_wire(rng))
}

fn of_postgres(rng: &mut Rng) -> Fault {
    match rng.usize(..9) {
        0 => Fault::KillPostgres,
        1 => Fault::FreezePostgres,
        2 => Fault::LockPostgres,
        3 => Fault::PostgresDiskFull,
        4 => Fault::PostgresFailover,
        5 => Fault::KillBackend,
        6 => Fault::PostgresDiskSlow(rng.u16(5..60)),
        7 => Fault::PostgresMemoryFull,
        _ => Fault::PostgresForgets,
    }
}

/// A minute or an hour, fast or slow.
fn seconds(rng: &mut Rng) -> i32 {
    let size = if rng.bool() { 60 } else { 3_600 };
    if rng.bool() { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn files(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{dir:?}: {error}"));
        let paths = entries.flatten().map(|entry| entry.path());
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    /// The places that the code below this directory has.
    fn places_in(dir: &str) -> BTreeSet<String> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src").join(dir);
        let texts = files(&dir).into_iter().filter_map(|path| fs::read_to_string(path).ok());
        let names = |text: String| -> Vec<String> {
            let calls = text.split("failpoint::reached").skip(1);
            calls.filter_map(|call| Some(call.split('"').nth(1)?.to_owned())).collect()
        };
        texts.flat_map(names).collect()
    }

    #[test]
    fn a_process_dies_only_at_places_that_it_comes_to() {
        let mut rng = Rng::with_seed(1);
        let mut chosen = [BTreeSet::new(), BTreeSet::new()];
        for _ in 0..20_000 {
            match any(Kind::Single, 4, &mut rng) {
                Fault::DieAt(Process::Api(_), place) => chosen[0].insert(place),
                Fault::DieAt(Process::Worker(_), place) => chosen[1].insert(place),
                _ => false,
            };
        }
        assert_eq!(chosen, [places_in("checkout"), places_in("workers")]);
    }
}
