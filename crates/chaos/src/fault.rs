//! The faults that the breaker knows.

use serde::{Deserialize, Serialize};
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

/// All of them.
pub(crate) const PROCESSES: [Process; 4] =
    [Process::Api(0), Process::Api(1), Process::Worker(0), Process::Worker(1)];

/// What a process has a connection to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Server {
    Redis,
    Postgres,
    Gateway,
}

/// What a fault takes away. Two faults of the same ground never happen at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    Process(Process),
    /// The connection between a process and a server.
    Edge(Process, Server),
    /// The connection between all clients and an API node.
    Door(usize),
    Redis,
    Postgres,
    Gateway,
}

/// A server of Redis that has others beside it, for a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Role {
    Master,
    Replica,
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
    /// Nothing arrives at either, until the fault ends.
    Swallow,
    /// Each connection breaks after so many bytes, in the middle of a message.
    Short(u16),
    /// Nothing arrives at the client, and then the connections are closed: replies are lost.
    LoseReplies,
}

/// The Redis servers of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// One server, with a proxy before each connection.
    Single,
    /// A master, two replicas and three Sentinels, with proxies before all of them.
    Sentinel,
    /// A cluster of three masters with a replica each, with proxies before all of them.
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
    /// `kill -9` of a replica (Sentinel, Cluster), and a restart at the end.
    KillReplica,
    /// A fault of all connections to a server (Sentinel, Cluster): those of the processes, of its
    /// replicas and of the Sentinels, but not the bus of the cluster.
    RedisWire(Role, Wire),
    /// `kill -9` of a Sentinel, and a restart at the end.
    KillSentinel(usize),
    /// A Redis (or a master) dies, and what was not on its disk is lost. It is started again at the
    /// end, which may be before a replica has taken its place.
    RedisLosesPower,
    /// The same, and its machine gets another disk without the data. A server of a cluster keeps
    /// `nodes.conf`.
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
    /// A master dies after its replicas have stopped to follow it (Sentinel, Cluster): writes are
    /// lost.
    FailoverWithLoss,
    /// A master is frozen until another has its place, and then goes on as if it still were one
    /// (Sentinel, Cluster). What clients have sent it is lost.
    TwoMasters,
    /// The slot of a partition moves to another master (Cluster).
    MoveSlot(u16),
    KillPostgres,
    /// A backend is killed, as the system does when there is no memory: PostgreSQL ends all
    /// connections and recovers.
    KillBackend,
    FreezePostgres,
    /// Somebody has locked the table of the claims.
    LockPostgres,
    /// A backup is put back, and `grandstand restore` is run.
    PostgresForgets,
    PostgresDiskFull,
    /// Each write to the disk takes this many ms longer.
    PostgresDiskSlow(u16),
    PostgresMemoryFull,
    /// A standby stops to follow, the primary dies, the standby takes its place, and `grandstand
    /// restore` is run.
    PostgresFailover,
    /// The gateway behaves as one of its own faults says.
    Gateway(String),
    /// `kill -9` of the gateway's process, and a restart with its ledger at the end.
    KillGateway,
    /// The gateway accepts connections and sends nothing.
    FreezeGateway,
    /// An entry that nobody can read is in the journal of this partition.
    PoisonJournal(u16),
    /// 150 watchers connect at once, leave and come back.
    Storm,
    /// Twelve people hold seats and give them back with five programs each, without pauses.
    Overload,
    /// Watchers stop to read.
    SlowWatchers,
}

impl Fault {
    /// The name of its kind, as it is in a schedule.
    pub(crate) fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => {
                let name = map.keys().next().cloned().unwrap_or_default();
                match self {
                    Self::Edge(_, server, wire) => format!("edge {server:?} {}", wire.name()),
                    Self::RedisWire(role, wire) => format!("edge {} {}", role.name(), wire.name()),
                    Self::Gateway(text) => gateway_name(text),
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
    /// the disk before it replies forgets nothing when it loses power, and neither does one that
    /// went on when its disk was full (`Happened::kept`). Any trouble of the connections to a
    /// master may let the Sentinels choose another one, while people get replies of the old one. A
    /// cluster does not notice it.
    pub(crate) fn redis_forgets(&self, servers: Kind, always: bool) -> bool {
        match self {
            Self::RedisLosesPower | Self::RedisDiskFull => servers != Kind::Single || !always,
            Self::KillRedis | Self::FreezeRedis => servers != Kind::Single,
            Self::RedisWire(Role::Master, _) => servers == Kind::Sentinel,
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
            Self::RedisWire(Role::Replica, _) => false,
            other => other.ground() == Some(Ground::Redis),
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
            | Self::RedisWire(Role::Replica, _)
            | Self::PoisonJournal(_) => false,
            other => {
                self.is_alone()
                    || !matches!(other.ground(), Some(Ground::Postgres | Ground::Gateway))
            }
        }
    }

    /// Somebody else does the work of what fails, so people can buy before the fault has ended.
    pub(crate) fn is_replaced(&self, servers: Kind) -> bool {
        match self {
            // A master whose replies are late, or break at some byte, may keep its place.
            Self::RedisWire(Role::Master, wire) => {
                servers == Kind::Sentinel && !matches!(wire, Wire::Slow(_) | Wire::Short(_))
            }
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
            // Without a failover.
            Self::RedisWire(Role::Replica, _) | Self::RedisDiskSlow(_) => 10,
            Self::RedisWire(Role::Master, _) if servers == Kind::Cluster => 10,
            _ if self.ground() == Some(Ground::Redis) && servers != Kind::Single => 15,
            _ => 10,
        })
    }

    /// What it takes away; `None` goes with all.
    pub(crate) fn ground(&self) -> Option<Ground> {
        match self {
            Self::Kill(process)
            | Self::Freeze(process)
            | Self::Replace(process)
            | Self::DieAt(process, _)
            | Self::Clock(process, _) => Some(Ground::Process(*process)),
            Self::Edge(process, server, _) => Some(Ground::Edge(*process, *server)),
            Self::Clients(node, _) => Some(Ground::Door(*node)),
            Self::KillPostgres
            | Self::KillBackend
            | Self::FreezePostgres
            | Self::LockPostgres
            | Self::PostgresDiskFull
            | Self::PostgresDiskSlow(_)
            | Self::PostgresMemoryFull
            | Self::PostgresForgets
            | Self::PostgresFailover => Some(Ground::Postgres),
            Self::Gateway(_) | Self::KillGateway | Self::FreezeGateway => Some(Ground::Gateway),
            Self::PoisonJournal(_) | Self::Storm | Self::Overload | Self::SlowWatchers => None,
            _ => Some(Ground::Redis),
        }
    }

    /// PostgreSQL loses what it has committed. Nothing else may happen meanwhile: what was lost on
    /// one side must be on the other.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Self::PostgresForgets | Self::PostgresFailover)
    }
}

/// The kind of a fault of the emulator.
fn gateway_name(text: &str) -> String {
    let fault: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    format!("gateway {}", fault["kind"].as_str().unwrap_or_default())
}

impl Process {
    fn name(self) -> &'static str {
        match self {
            Self::Api(_) => "API",
            Self::Worker(_) => "worker",
        }
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Replica => "replica",
        }
    }
}

impl Wire {
    fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Slow(_) => "slow",
            Self::DeafServer => "deaf server",
            Self::DeafClient => "deaf client",
            Self::Swallow => "black hole",
            Self::Short(_) => "few bytes",
            Self::LoseReplies => "lost replies",
        }
    }
}
