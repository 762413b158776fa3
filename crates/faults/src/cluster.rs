//! A Redis Cluster of child processes, whose slots a test moves and whose servers it kills.

use crate::eventually;
use crate::front::Front;
use crate::machine::{self, Machine};
use crate::wire::{Reply, Role, ask, done, role};
use futures::future::join_all;
use grandstand_embedded::{CLUSTER_BUS_BELOW, PrivateRedis, RedisExtras, RedisKind};
use std::fmt::Display;
use tempfile::TempDir;

const SLOTS: usize = 16_384;

/// A silence of this length, in ms, makes a server count as dead.
const NODE_TIMEOUT: &str = "1500";

/// A server behind a proxy announces the port of the proxy to clients, and to its master. Its bus
/// needs no such option, because it has a port of its own (`--cluster-port`).
const ANNOUNCED: [&str; 2] = ["--cluster-announce-port", "--replica-announce-port"];

/// Keys that move at once.
const STEP: &str = "3";

/// Masters, numbered from 0, and then replicas: replica i is one of master i modulo the masters.
/// The slots are split among the masters in order. The slots of a dead master do not stop those of
/// the others (`cluster-require-full-coverage no`).
pub struct PrivateCluster {
    servers: Vec<PrivateRedis>,
    /// The proxies before the servers, which replicas use too, and the bus does not.
    pub front: Front,
    masters: usize,
    machines: Vec<Machine>,
    _dir: TempDir,
}

impl PrivateCluster {
    /// Starts the servers, makes the cluster, and returns when all of them say that it is well.
    pub async fn start(masters: usize, replicas: usize) -> Self {
        Self::start_on(vec![], Front::default(), masters, replicas).await
    }

    /// The same with proxies before the servers. A cut proxy is no failure for the cluster, because
    /// its bus has ports of its own.
    pub async fn start_behind(front: Front, masters: usize, replicas: usize) -> Self {
        Self::start_on(vec![], front, masters, replicas).await
    }

    /// The same with a machine for each server; without any, they share that of the test.
    pub async fn start_on(
        machines: Vec<Machine>,
        front: Front,
        masters: usize,
        replicas: usize,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let starts = (0..masters + replicas).map(|n| {
            machine::start(&machines, n, dir.path(), extras(front.arguments(n, &ANNOUNCED)))
        });
        let servers = join_all(starts).await;
        let cluster = Self { servers, front, masters, machines, _dir: dir };
        for n in 0..cluster.servers.len() {
            cluster.front.lead_to(n, cluster.port(n));
        }
        for n in 0..masters {
            let (first, last) = (n * SLOTS / masters, (n + 1) * SLOTS / masters - 1);
            let range = [&*first.to_string(), &*last.to_string()];
            cluster.done(n, &["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]).await;
        }
        // Servers with the same epoch would first have to agree on new ones.
        for n in 0..cluster.servers.len() {
            let epoch = (n + 1).to_string();
            cluster.done(n, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
        for n in 1..cluster.servers.len() {
            let bus = cluster.port(n) - CLUSTER_BUS_BELOW;
            let (port, bus) = (cluster.announced(n).to_string(), bus.to_string());
            cluster.done(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        cluster.eventually_all(|text| text.contains(&cluster.known())).await;
        for replica in masters..masters + replicas {
            let master = cluster.id((replica - masters) % masters).await;
            let replicate = ["CLUSTER", "REPLICATE", &master];
            eventually("the replica knows its master", || async {
                ask(cluster.port(replica), &replicate).await.ok()
            })
            .await;
        }
        cluster.wait_until_well().await;
        for replica in masters..masters + replicas {
            eventually("the replica has its copy", || async {
                (role(cluster.port(replica)).await == Role::Follower).then_some(())
            })
            .await;
        }
        cluster
    }

    /// `redis-cluster://127.0.0.1:PORT?node=127.0.0.1:PORT&node=…` with all servers.
    pub fn url(&self) -> String {
        let addresses = self.addresses();
        let rest: Vec<String> =
            addresses[1..].iter().map(|address| format!("node={address}")).collect();
        format!("redis-cluster://{}?{}", addresses[0], rest.join("&"))
    }

    /// `127.0.0.1:PORT` of each server as clients see it, also of dead ones.
    pub fn addresses(&self) -> Vec<String> {
        (0..self.servers.len()).map(|n| format!("127.0.0.1:{}", self.announced(n))).collect()
    }

    /// The port of a server, as the cluster tells it to clients.
    pub fn announced(&self, server: usize) -> u16 {
        self.front.port(server).unwrap_or(self.port(server))
    }

    /// How many servers it has.
    pub fn size(&self) -> usize {
        self.servers.len()
    }

    pub fn port(&self, server: usize) -> u16 {
        self.servers[server].port()
    }

    /// The slot of all keys of a partition.
    pub fn slot_of(partition: impl Display) -> u16 {
        crc16(partition.to_string().as_bytes()) % SLOTS as u16
    }

    /// The owner of a slot, according to the first server that is alive. Right after a
    /// failover that may still be the dead server.
    pub async fn owner_of(&self, slot: u16) -> usize {
        for n in 0..self.servers.len() {
            let Ok(nodes) = ask(self.port(n), &["CLUSTER", "NODES"]).await else { continue };
            let text = nodes.text();
            let line = text.lines().find(|line| has_slot(line, slot));
            let address = line.and_then(|line| line.split([' ', '@']).nth(1));
            let at = |server: &String| Some(server.as_str()) == address;
            if let Some(owner) = self.addresses().iter().position(at) {
                return owner;
            }
        }
        panic!("no server knows who has slot {slot}");
    }

    /// The server that has the slot of a partition.
    pub async fn owner(&self, partition: impl Display) -> usize {
        self.owner_of(Self::slot_of(partition)).await
    }

    /// Moves a slot with its keys as `redis-cli --cluster reshard` does.
    pub async fn migrate_slot(&self, slot: u16, to: usize) {
        let from = self.owner_of(slot).await;
        self.begin_move(slot, from, to).await;
        while self.move_some_keys(slot, from, to).await > 0 {}
        self.finish_move(slot, to).await;
    }

    /// The first step of a move: both servers know that the slot is on its way.
    pub async fn begin_move(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        let (id_from, id_to) = (self.id(from).await, self.id(to).await);
        self.done(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id_from]).await;
        self.done(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id_to]).await;
    }

    /// A step of a move: up to 3 keys go over; how many those were.
    pub async fn move_some_keys(&self, slot: u16, from: usize, to: usize) -> usize {
        let find = ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), STEP];
        let keys = self.done(from, &find).await.texts();
        self.move_keys(&keys, from, to).await;
        keys.len()
    }

    /// A step of a move: these keys go over.
    pub async fn move_keys(&self, keys: &[String], from: usize, to: usize) {
        let port = self.port(to).to_string();
        let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "4000", "REPLACE", "KEYS"];
        command.extend(keys.iter().map(String::as_str));
        if !keys.is_empty() {
            self.done(from, &command).await;
        }
    }

    /// The last step of a move: all masters know the new owner, who is told first.
    pub async fn finish_move(&self, slot: u16, to: usize) {
        let (slot, id) = (slot.to_string(), self.id(to).await);
        let command = ["CLUSTER", "SETSLOT", &slot, "NODE", &id];
        self.done(to, &command).await;
        for n in (0..self.servers.len()).filter(|n| *n != to) {
            if self.is_master(n).await {
                self.done(n, &command).await;
            }
        }
    }

    /// Abandons a move: the slot stays where it is. Keys that were moved are lost to
    /// it.
    pub async fn give_up_move(&self, slot: u16, from: usize, to: usize) {
        for n in [from, to] {
            self.done(n, &["CLUSTER", "SETSLOT", &slot.to_string(), "STABLE"]).await;
        }
    }

    /// A server and its machine.
    pub fn on_machine(&mut self, server: usize) -> (&mut PrivateRedis, &Machine) {
        (&mut self.servers[server], &self.machines[server])
    }

    /// SIGKILL to a server.
    pub async fn kill(&mut self, server: usize) {
        self.servers[server].kill().await;
    }

    /// Starts a server again with its data on its port. After a failover it is a replica then.
    pub async fn restart(&mut self, server: usize) {
        self.servers[server].restart().await.unwrap();
    }

    /// SIGSTOP: the connections of the server stay, and it does not reply.
    pub fn freeze(&self, server: usize) {
        self.servers[server].freeze();
    }

    /// SIGCONT: goes on after `freeze`.
    pub fn thaw(&self, server: usize) {
        self.servers[server].thaw();
    }

    /// Waits until another server has the place of a master that is silent.
    pub async fn wait_until_replaced(&self, silent: usize) {
        eventually("there are as many masters as at the beginning", || async {
            let others = (0..self.servers.len()).filter(|server| *server != silent);
            let masters = join_all(others.map(|server| self.is_master(server))).await;
            (masters.iter().filter(|is_master| **is_master).count() == self.masters).then_some(())
        })
        .await;
    }

    /// Waits until all servers that are alive say that all slots are served.
    pub async fn wait_until_well(&self) {
        self.eventually_all(is_well).await;
    }

    /// Whether there are as many masters as at the beginning, no server thinks that one of them
    /// fails, and all replicas follow them.
    pub async fn is_settled(&self) -> bool {
        for server in &self.servers {
            let info = ask(server.port(), &["CLUSTER", "INFO"]).await;
            if !info.is_ok_and(|info| is_well(&info.text())) {
                return false;
            }
        }
        let roles = join_all(self.servers.iter().map(|server| role(server.port()))).await;
        let masters = roles.iter().filter(|role| **role == Role::Master).count();
        masters == self.masters && !roles.contains(&Role::Lost)
    }

    /// Ends all servers. By a kill, because a replica that has just got a new copy refuses to end.
    pub async fn stop(mut self) {
        join_all(self.servers.iter_mut().map(PrivateRedis::kill)).await;
    }

    async fn eventually_all(&self, holds: impl Fn(&str) -> bool) {
        for server in &self.servers {
            eventually("the cluster is well", || async {
                match ask(server.port(), &["CLUSTER", "INFO"]).await {
                    Ok(info) => holds(&info.text()).then_some(()),
                    Err(error) => error.contains("refused").then_some(()), // a dead server
                }
            })
            .await;
        }
    }

    fn known(&self) -> String {
        format!("cluster_known_nodes:{}\r", self.servers.len())
    }

    /// The servers that are masters now and alive.
    pub async fn masters(&self) -> Vec<usize> {
        let mut masters = Vec::new();
        for server in 0..self.servers.len() {
            if self.is_master(server).await {
                masters.push(server);
            }
        }
        masters
    }

    async fn is_master(&self, server: usize) -> bool {
        role(self.port(server)).await == Role::Master
    }

    async fn id(&self, server: usize) -> String {
        self.done(server, &["CLUSTER", "MYID"]).await.text()
    }

    async fn done(&self, server: usize, words: &[&str]) -> Reply {
        done(self.port(server), words).await
    }
}

fn extras(announced: Vec<String>) -> RedisExtras {
    let arguments = [
        ["--cluster-node-timeout", NODE_TIMEOUT],
        ["--cluster-require-full-coverage", "no"],
        ["--cluster-config-file", "nodes.conf"],
        ["--repl-diskless-sync-delay", "0"],
    ];
    let arguments = arguments.concat().into_iter().map(str::to_owned).chain(announced).collect();
    let kind = RedisKind::ClusterServer;
    RedisExtras { kind, arguments, ..RedisExtras::default() }
}

/// Whether a server says in CLUSTER INFO that all slots are served.
fn is_well(info: &str) -> bool {
    info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
}

/// Whether a line of CLUSTER NODES is a master that has the slot. Behind the eighth word come
/// numbers, ranges, and `[…]` for what is on its way.
fn has_slot(line: &str, slot: u16) -> bool {
    line.split(' ').skip(8).any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bounds = (first.parse::<u16>(), last.parse::<u16>());
        matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&slot))
    })
}

/// CRC16 as Redis Cluster has it (XMODEM).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    })
}
