//! The faults that the breaker knows.

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// One of the processes of Grandstand that run during a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Process {
    /// An API node: 0 or 1.
    Api(usize),
    /// A worker: 0 or 1.
    Worker(usize),
}

/// What a process has a connection to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Server {
    Redis,
    Postgres,
    Gateway,
}

/// What a proxy does to the bytes that go through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Wire {
    /// All connections are closed, and new ones too.
    Cut,
    /// Each piece arrives this many ms later.
    Slow(u16),
    /// Nothing arrives at the server, until the fault ends.
    DeafServer,
    /// Nothing arrives at the client, until the fault ends.
    DeafClient,
    /// Nothing arrives at the client, and then the connections are closed: replies are lost.
    LoseReplies,
}

/// The Redis servers of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// One server, with a proxy before each connection, and a disk that can lose power.
    Single,
    /// A master, two replicas and three Sentinels.
    Sentinel,
    /// A cluster of three masters with a replica each.
    Cluster,
}

/// A fault. Its time and its length are in the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Fault {
    /// `kill -9`, and the process is started again at the end.
    Kill(Process),
    /// SIGSTOP, and SIGCONT at the end.
    Freeze(Process),
    /// SIGTERM, and the process is started again when it has ended.
    Replace(Process),
    /// The process is replaced by one that kills itself at this failpoint.
    DieAt(Process, String),
    /// The wall clock of the process is wrong by this many seconds.
    Clock(Process, i32),
    /// A fault of the connection between a process and a server.
    Edge(Process, Server, Wire),
    /// A fault of the connection between all clients and an API node.
    Clients(usize, Wire),
    /// `kill -9` of Redis (or of a master), and a restart with its data at the end.
    KillRedis,
    FreezeRedis,
    /// What was not on the disk is lost.
    RedisLosesPower,
    /// The machine of Redis gets another disk, which is empty.
    RedisLosesDisk,
    FlushAll,
    FlushFunctions,
    RedisMemoryFull,
    RedisDiskFull,
    /// Each write to the disk takes this many ms longer.
    RedisDiskSlow(u16),
    /// The clock of Redis is wrong by this many seconds.
    RedisClock(i32),
    /// A master gives up its place in good order (Sentinel).
    Failover,
    /// A master dies after its replicas have stopped to follow it (Sentinel): writes are lost.
    FailoverWithLoss,
    /// A master is frozen until another has its place, and then goes on as if it still were one
    /// (Sentinel, Cluster). What clients have sent it is lost.
    TwoMasters,
    /// The slot of a partition moves to another master (Cluster).
    MoveSlot(u16),
    KillPostgres,
    FreezePostgres,
    /// Somebody has locked the table of the claims.
    LockPostgres,
    /// A backup is put back, and `grandstand restore` is run.
    PostgresForgets,
    PostgresDiskFull,
    /// A standby stops to follow, the primary dies, the standby takes its place, and `grandstand
    /// restore` is run.
    PostgresFailover,
    /// The gateway behaves as one of its own faults says.
    Gateway(String),
    /// An entry that nobody can read is in the journal of this partition.
    PoisonJournal(u16),
    /// Twice the number of watchers connects at once.
    Storm,
    /// Many people look at the map and hold seats at once, without pauses.
    Overload,
    /// Watchers stop to read.
    SlowWatchers,
}

/// The places where a process can be killed, of `grandstand::failpoint`.
const FAILPOINTS: [&str; 18] = [
    "begin.before",
    "begin.after",
    "claim.before",
    "claim.after",
    "gateway.before",
    "gateway.after",
    "outcome.before",
    "outcome.after",
    "commit.before",
    "commit.after",
    "acknowledge.before",
    "acknowledge.after",
    "refund.before",
    "refund.after",
    "load.clear",
    "load.write",
    "load.epoch",
    "load.open",
];

/// Faults of the gateway's emulator; `share` says how many calls are affected.
const GATEWAY: [&str; 9] = [
    r#"{"kind":"latency","minMs":500,"maxMs":3000}"#,
    r#"{"kind":"slowAnswer","minMs":500,"maxMs":3000}"#,
    r#"{"kind":"dropBefore","share":0.7}"#,
    r#"{"call":"confirm","kind":"dropAfter","share":0.7}"#,
    r#"{"call":"cancel","kind":"dropAfter","share":0.7}"#,
    r#"{"kind":"errorBefore","share":0.7}"#,
    r#"{"kind":"errorAfter","share":0.7}"#,
    r#"{"call":"confirm","kind":"inFlight","share":0.5}"#,
    r#"{"call":"lookup","kind":"dropBefore"}"#,
];

impl Fault {
    /// The name of its kind, as it is in a schedule.
    pub(crate) fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => {
                let name = map.keys().next().cloned().unwrap_or_default();
                match self {
                    Self::Edge(_, server, wire) => format!("edge {server:?} {}", wire.name()),
                    Self::Clients(_, wire) => format!("clients {}", wire.name()),
                    Self::Kill(process) | Self::Freeze(process) | Self::Replace(process) => {
                        format!("{name} {}", process.name())
                    }
                    _ => name,
                }
            }
            Ok(serde_json::Value::String(name)) => name,
            _ => String::new(),
        }
    }

    /// Redis may forget what it has confirmed: holds, and the last changes of the maps. A clock
    /// that jumps may end a hold up to 10 s too early, and a hold of the breaker has only 4.
    /// Replicas are behind their masters, so a failover may forget. A single Redis that writes to
    /// the disk before it replies forgets nothing when it loses power.
    pub(crate) fn redis_forgets(&self, servers: Kind, always: bool) -> bool {
        match self {
            Self::RedisLosesPower | Self::RedisDiskFull => !always,
            Self::KillRedis | Self::FreezeRedis => servers != Kind::Single,
            Self::RedisLosesDisk
            | Self::FlushAll
            | Self::FailoverWithLoss
            | Self::Failover
            | Self::TwoMasters
            | Self::RedisClock(_) => true,
            _ => false,
        }
    }

    /// A deadline may count later than it was promised.
    pub(crate) fn delays_deadlines(&self) -> bool {
        let worker = |process: &Process| matches!(process, Process::Worker(_));
        match self {
            Self::Kill(process)
            | Self::Freeze(process)
            | Self::Replace(process)
            | Self::DieAt(process, _)
            | Self::Edge(process, ..) => worker(process),
            Self::Clock(..) => true,
            other => other.ground() == Some("redis"),
        }
    }

    /// A node may be silent for longer than the 15 s that it allows itself.
    pub(crate) fn silences_a_node(&self) -> bool {
        matches!(self, Self::Clients(..) | Self::Freeze(Process::Api(_)) | Self::Clock(..))
    }

    /// Watchers may see changes late. Streams need neither a worker nor PostgreSQL nor the gateway,
    /// as long as the partition is loaded.
    pub(crate) fn blinds_watchers(&self) -> bool {
        match self {
            Self::Kill(Process::Worker(_))
            | Self::Freeze(Process::Worker(_))
            | Self::Replace(Process::Worker(_))
            | Self::DieAt(Process::Worker(_), _)
            | Self::Clock(Process::Worker(_), _)
            | Self::Edge(Process::Worker(_), ..)
            | Self::PoisonJournal(_) => false,
            other => self.is_alone() || !matches!(other.ground(), Some("postgres" | "gateway")),
        }
    }

    /// Somebody else does the work of what fails, so people can buy before the fault has ended.
    pub(crate) fn is_replaced(&self, servers: Kind) -> bool {
        match self {
            Self::Kill(_) | Self::Replace(_) | Self::Failover => true,
            Self::KillRedis | Self::FreezeRedis | Self::TwoMasters => servers != Kind::Single,
            _ => false,
        }
    }

    /// People must be able to buy again within this time: since the beginning when somebody else
    /// does the work, and otherwise since the end.
    pub(crate) fn purchase_max(&self, servers: Kind) -> Duration {
        Duration::from_secs(match self {
            Self::Kill(Process::Api(_)) | Self::Replace(Process::Api(_)) => 2,
            _ if self.ground() == Some("redis") && servers != Kind::Single => 15,
            _ => 10,
        })
    }

    /// Faults of the same server that must not happen at the same time; `None` goes with all.
    pub(crate) fn ground(&self) -> Option<&'static str> {
        match self {
            Self::Kill(_)
            | Self::Freeze(_)
            | Self::Replace(_)
            | Self::DieAt(..)
            | Self::Clock(..) => Some("process"),
            Self::Edge(..) | Self::Clients(..) => Some("edge"),
            Self::KillPostgres
            | Self::FreezePostgres
            | Self::LockPostgres
            | Self::PostgresDiskFull
            | Self::PostgresForgets
            | Self::PostgresFailover => Some("postgres"),
            Self::Gateway(_) => Some("gateway"),
            Self::PoisonJournal(_) | Self::Storm | Self::Overload | Self::SlowWatchers => None,
            _ => Some("redis"),
        }
    }

    /// PostgreSQL loses what it has committed. Nothing else may happen meanwhile: what was lost on
    /// one side must be on the other.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Self::PostgresForgets | Self::PostgresFailover)
    }
}

impl Process {
    fn name(self) -> &'static str {
        match self {
            Self::Api(_) => "API",
            Self::Worker(_) => "worker",
        }
    }

    fn any(rng: &mut Rng) -> Self {
        if rng.bool() { Self::Api(rng.usize(..2)) } else { Self::Worker(rng.usize(..2)) }
    }
}

impl Wire {
    fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Slow(_) => "slow",
            Self::DeafServer => "deaf server",
            Self::DeafClient => "deaf client",
            Self::LoseReplies => "lost replies",
        }
    }

    fn any(rng: &mut Rng) -> Self {
        match rng.usize(..5) {
            0 => Self::Cut,
            1 => Self::Slow(rng.u16(10..500)),
            2 => Self::DeafServer,
            3 => Self::DeafClient,
            _ => Self::LoseReplies,
        }
    }
}

/// A random fault of those that servers of this kind can have.
pub(crate) fn any(kind: Kind, partitions: u16, rng: &mut Rng) -> Fault {
    match rng.usize(..10) {
        0 | 1 => of_process(rng),
        2 => Fault::Edge(Process::any(rng), any_server(kind, rng), Wire::any(rng)),
        3 | 4 => of_redis(kind, partitions, rng),
        5 | 6 => of_postgres(rng),
        7 => Fault::Gateway((*rng.choice(GATEWAY.iter()).unwrap_or(&GATEWAY[0])).to_owned()),
        8 => Fault::Clients(rng.usize(..2), Wire::any(rng)),
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

fn of_process(rng: &mut Rng) -> Fault {
    let process = Process::any(rng);
    match rng.usize(..6) {
        0 | 1 => Fault::Kill(process),
        2 => Fault::Freeze(process),
        3 => Fault::Replace(process),
        4 => {
            let place = rng.choice(FAILPOINTS.iter()).unwrap_or(&FAILPOINTS[0]);
            Fault::DieAt(process, (*place).to_owned())
        }
        _ => Fault::Clock(process, seconds(rng)),
    }
}

/// Servers of a cluster and Sentinels tell their clients their own addresses, so there is no proxy
/// before them.
fn any_server(kind: Kind, rng: &mut Rng) -> Server {
    match rng.usize(..3) {
        0 if kind == Kind::Single => Server::Redis,
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
        Kind::Sentinel => match rng.usize(..5) {
            0 => Some(Fault::Failover),
            1 => Some(Fault::FailoverWithLoss),
            2 => Some(Fault::TwoMasters),
            _ => None,
        },
        Kind::Cluster => match rng.usize(..5) {
            0 | 1 => Some(Fault::MoveSlot(rng.u16(..partitions))),
            2 => Some(Fault::TwoMasters),
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

fn of_postgres(rng: &mut Rng) -> Fault {
    match rng.usize(..6) {
        0 => Fault::KillPostgres,
        1 => Fault::FreezePostgres,
        2 => Fault::LockPostgres,
        3 => Fault::PostgresDiskFull,
        4 => Fault::PostgresFailover,
        _ => Fault::PostgresForgets,
    }
}

/// A minute or an hour, fast or slow.
fn seconds(rng: &mut Rng) -> i32 {
    let size = if rng.bool() { 60 } else { 3_600 };
    if rng.bool() { size } else { -size }
}
