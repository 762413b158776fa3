//! The Redis servers of a run, and what can happen to them.

use crate::fault::{Kind, PROCESSES, Role};
use crate::schedule::{PARTITIONS, Schedule};
use anyhow::{Result, bail};
use grandstand_embedded::{Fsync, PrivateRedis, RedisExtras};
use grandstand_faults::cluster::PrivateCluster;
use grandstand_faults::eventually;
use grandstand_faults::front::Front;
use grandstand_faults::machine::Machine;
use grandstand_faults::proxy::Proxy;
use grandstand_faults::sentinel::PrivateSentinel;
use grandstand_faults::wire::{self, ask, role};
use std::collections::BTreeSet;
use std::time::Duration;

/// Room for the data of Redis, in MB. A full disk needs an end that is near, and a run of an hour
/// needs space.
const DISK_MB: u32 = 256;
const LARGE_DISK_MB: u32 = 4_096;

/// A Redis that stands alone.
pub(crate) struct Single {
    pub(crate) redis: PrivateRedis,
    machine: Machine,
}

/// A failover takes up to 5 s.
const REPLACED_TIMEOUT: Duration = Duration::from_secs(12);
/// Sentinels make an old master a replica 8 s after it is back, and this may be a full copy.
const SETTLED_TIMEOUT: Duration = Duration::from_secs(25);
const LOOK_PAUSE: Duration = Duration::from_millis(50);

pub(crate) enum Servers {
    Single(Box<Single>),
    Sentinel(Box<PrivateSentinel>),
    Cluster(Box<PrivateCluster>),
}

impl Servers {
    pub(crate) async fn start(schedule: &Schedule) -> Self {
        let front = |servers| Front::start(servers, PROCESSES.len());
        let megabytes = if schedule.soak_s > 0 { LARGE_DISK_MB } else { DISK_MB };
        let fsync = if schedule.always { Fsync::Always } else { Fsync::EverySecond };
        // A soak has no faults, and the files on machines only grow, once for each server. Without
        // machines these servers leave the disk to the system.
        let with_machines = |servers| if schedule.soak_s > 0 { 0 } else { servers };
        let machines =
            |servers| (0..with_machines(servers)).map(|_| Machine::new(megabytes, fsync)).collect();
        match schedule.servers {
            Kind::Single => {
                let machine = Machine::new(megabytes, fsync);
                let redis = machine.start(RedisExtras::default()).await;
                Self::Single(Box::new(Single { redis, machine }))
            }
            Kind::Sentinel => {
                let sentinel = PrivateSentinel::start_on(machines(3), front(3).await).await;
                Self::Sentinel(Box::new(sentinel))
            }
            Kind::Cluster => {
                let cluster = PrivateCluster::start_on(machines(6), front(6).await, 3, 3).await;
                Self::Cluster(Box::new(cluster))
            }
        }
    }

    /// The address, with these ports instead of the `entries`.
    pub(crate) fn url(&self, entries: &[u16]) -> String {
        match self {
            Self::Single(_) => format!("redis://127.0.0.1:{}", entries[0]),
            Self::Sentinel(sentinel) => sentinel.url_at(entries),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    /// The ports in the address before which there is no proxy.
    pub(crate) fn entries(&self) -> Vec<u16> {
        match self {
            Self::Single(single) => vec![single.redis.port()],
            Self::Sentinel(sentinel) => sentinel.ports_of_sentinels(),
            Self::Cluster(_) => vec![],
        }
    }

    /// The proxies before servers that tell clients their addresses.
    pub(crate) fn front(&self) -> Option<&Front> {
        match self {
            Self::Single(_) => None,
            Self::Sentinel(sentinel) => Some(&sentinel.front),
            Self::Cluster(cluster) => Some(&cluster.front),
        }
    }

    /// All proxies before a server.
    pub(crate) fn proxies_of(&self, server: usize) -> &[Proxy] {
        self.front().map_or(&[], |front| front.of_server(server))
    }

    /// The server that has a partition.
    pub(crate) async fn master_of(&self, partition: u16) -> usize {
        match self {
            Self::Single(_) => 0,
            Self::Sentinel(sentinel) => sentinel.master().await,
            Self::Cluster(cluster) => cluster.owner(partition).await,
        }
    }

    /// The port of the server that has a partition.
    pub(crate) async fn port_of(&self, partition: u16) -> u16 {
        self.ports()[self.master_of(partition).await]
    }

    /// A server of this role for a partition. After a failover a master has no replica at first.
    pub(crate) async fn server_of(&self, partition: u16, role: Role) -> usize {
        eventually("a partition has a master and a replica", || async {
            let master = self.master_of(partition).await;
            if role == Role::Master {
                return Some(master);
            }
            let info = ask(self.ports()[master], &["INFO", "replication"]).await.ok()?.text();
            let follows =
                |server: &usize| info.contains(&format!("port={},", self.announced(*server)));
            (0..self.ports().len()).find(follows)
        })
        .await
    }

    /// The port of a server, as its master knows it.
    fn announced(&self, server: usize) -> u16 {
        match self {
            Self::Single(single) => single.redis.port(),
            Self::Sentinel(sentinel) => sentinel.announced(server),
            Self::Cluster(cluster) => cluster.announced(server),
        }
    }

    /// The partitions of the server that has this one; none when each server has all of them.
    pub(crate) async fn beside(&self, partition: u16) -> Option<BTreeSet<u16>> {
        let Self::Cluster(cluster) = self else { return None };
        let (owner, mut found) = (cluster.owner(partition).await, BTreeSet::new());
        for other in 0..PARTITIONS {
            if cluster.owner(other).await == owner {
                found.insert(other);
            }
        }
        Some(found)
    }

    /// A server and its machine.
    pub(crate) fn on_machine(&mut self, server: usize) -> (&mut PrivateRedis, &Machine) {
        match self {
            Self::Single(single) => (&mut single.redis, &single.machine),
            Self::Sentinel(sentinel) => sentinel.on_machine(server),
            Self::Cluster(cluster) => cluster.on_machine(server),
        }
    }

    /// `kill -9` of the server, or of the server that is master; its number.
    pub(crate) async fn kill(&mut self, partition: u16) -> usize {
        match self {
            Self::Single(single) => {
                single.redis.kill().await;
                0
            }
            Self::Sentinel(sentinel) => sentinel.kill_master().await,
            Self::Cluster(cluster) => {
                let master = cluster.owner(partition).await;
                cluster.kill(master).await;
                master
            }
        }
    }

    pub(crate) fn sentinel(&mut self) -> Result<&mut PrivateSentinel> {
        match self {
            Self::Sentinel(sentinel) => Ok(sentinel),
            Self::Single(_) | Self::Cluster(_) => bail!("only servers behind Sentinels"),
        }
    }

    /// `kill -9` of a replica of the server that is master; its number.
    pub(crate) async fn kill_replica(&mut self, partition: u16) -> Result<usize> {
        let replica = self.server_of(partition, Role::Replica).await;
        match self {
            Self::Single(_) => bail!("a server that stands alone has no replica"),
            Self::Sentinel(sentinel) => sentinel.servers[replica].kill().await,
            Self::Cluster(cluster) => cluster.kill(replica).await,
        }
        Ok(replica)
    }

    pub(crate) async fn restart(&mut self, server: usize) -> Result<()> {
        match self {
            Self::Single(single) => single.redis.restart().await,
            Self::Sentinel(sentinel) => sentinel.servers[server].restart().await,
            Self::Cluster(cluster) => {
                cluster.restart(server).await;
                Ok(())
            }
        }
    }

    /// The replicas of the server that is master get nothing more; its number.
    pub(crate) async fn cut_replicas(&self, partition: u16) -> Result<usize> {
        let master = self.master_of(partition).await;
        match self {
            Self::Single(_) => bail!("a server that stands alone has no replica"),
            Self::Sentinel(sentinel) => sentinel.cut_replicas().await,
            Self::Cluster(cluster) => {
                cluster.freeze(self.server_of(partition, Role::Replica).await);
                // What the system keeps for the replica would still arrive.
                let kill = ["CLIENT", "KILL", "TYPE", "replica"];
                ask(cluster.port(master), &kill).await.map_err(anyhow::Error::msg)?;
            }
        }
        Ok(master)
    }

    /// `kill -9` of this master. A replica that was cut takes its place, without what it missed.
    pub(crate) async fn replace_by_old(&mut self, master: usize) -> Result<()> {
        match self {
            Self::Single(_) => {}
            Self::Sentinel(sentinel) => {
                sentinel.servers[master].kill().await;
                sentinel.thaw_replicas();
            }
            Self::Cluster(cluster) => {
                cluster.kill(master).await;
                (0..cluster.size()).filter(|server| *server != master).for_each(|server| {
                    cluster.thaw(server);
                });
            }
        }
        self.wait_for_another_master(master).await;
        self.restart(master).await
    }

    /// SIGSTOP to the server, or to the server that is master; its number.
    pub(crate) async fn freeze(&self, partition: u16) -> usize {
        match self {
            Self::Single(single) => {
                single.redis.freeze();
                0
            }
            Self::Sentinel(sentinel) => {
                let master = sentinel.master().await;
                sentinel.servers[master].freeze();
                master
            }
            Self::Cluster(cluster) => {
                let master = cluster.owner(partition).await;
                cluster.freeze(master);
                master
            }
        }
    }

    /// Waits until another server has the place of a master that is silent. It gives up in the
    /// end, because a replica that has lost its master for too long never takes its place.
    pub(crate) async fn wait_for_another_master(&self, than: usize) {
        let replaced = async {
            match self {
                Self::Single(_) => {}
                Self::Sentinel(sentinel) => {
                    sentinel.wait_for_another_master(than).await;
                }
                Self::Cluster(cluster) => cluster.wait_until_replaced(than).await,
            }
        };
        let _ = tokio::time::timeout(REPLACED_TIMEOUT, replaced).await;
    }

    /// Waits until a server that was a master has noticed that another one has its place.
    pub(crate) async fn wait_until_it_follows(&self, server: usize) {
        let port = match self {
            Self::Single(_) => return,
            Self::Sentinel(sentinel) => sentinel.servers[server].port(),
            Self::Cluster(cluster) => cluster.port(server),
        };
        let follows = async {
            while !ask(port, &["INFO", "replication"])
                .await
                .is_ok_and(|info| info.text().contains("role:slave"))
            {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        let _ = tokio::time::timeout(REPLACED_TIMEOUT, follows).await;
    }

    /// Whether a server is a master now.
    pub(crate) async fn role_of(&self, server: usize) -> Role {
        match role(self.ports()[server]).await {
            wire::Role::Master => Role::Master,
            wire::Role::Follower | wire::Role::Lost => Role::Replica,
        }
    }

    /// Waits until no failover is under way and all replicas follow; whether that came to be.
    pub(crate) async fn wait_until_settled(&self) -> bool {
        let settled = async {
            while !match self {
                Self::Single(_) => true,
                Self::Sentinel(sentinel) => sentinel.is_settled().await,
                Self::Cluster(cluster) => cluster.is_settled().await,
            } {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        tokio::time::timeout(SETTLED_TIMEOUT, settled).await.is_ok()
    }

    pub(crate) fn thaw(&self, server: usize) {
        match self {
            Self::Single(single) => single.redis.thaw(),
            Self::Sentinel(sentinel) => sentinel.servers[server].thaw(),
            Self::Cluster(cluster) => cluster.thaw(server),
        }
    }

    /// Sends a command to each server. A server that does not reply is left out.
    pub(crate) async fn tell_all(&self, words: &[&str]) {
        for port in self.ports() {
            let _ = ask(port, words).await;
        }
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        match self {
            Self::Single(single) => vec![single.redis.port()],
            Self::Sentinel(sentinel) => sentinel.servers.iter().map(PrivateRedis::port).collect(),
            Self::Cluster(cluster) => {
                (0..cluster.size()).map(|server| cluster.port(server)).collect()
            }
        }
    }

    pub(crate) async fn stop(self) {
        match self {
            Self::Single(mut single) => single.redis.kill().await,
            Self::Sentinel(sentinel) => sentinel.stop().await,
            Self::Cluster(cluster) => cluster.stop().await,
        }
    }
}
