//! A master, two replicas and three Sentinels as child processes.

use crate::front::Front;
use crate::machine::{self, Machine};
use crate::wire::{Reply, Role, ask, done, role};
use crate::{eventually, eventually_within};
use futures::future::join_all;
use grandstand_embedded::{PrivateRedis, RedisExtras, RedisKind, RedisSettings};
use std::time::Duration;
use tempfile::TempDir;

/// The name that the Sentinels have for the master.
const SERVICE: &str = "grandstand";

/// A master that is silent for this time, in ms, counts as dead. With 1,000, Sentinels on a busy
/// machine took masters for dead that lived.
const DOWN_AFTER_MS: u32 = 2_500;

/// The longest wait for a Sentinel that takes an order.
const ORDER_TIMEOUT: Duration = Duration::from_secs(60);

/// Servers 0 to 2, of which 0 is the first master, and the Sentinels that watch them.
pub struct PrivateSentinel {
    pub servers: Vec<PrivateRedis>,
    /// The proxies before the servers, which replicas and Sentinels use too.
    pub front: Front,
    sentinels: Vec<PrivateRedis>,
    machines: Vec<Machine>,
    _dir: TempDir,
}

impl PrivateSentinel {
    /// Starts all and returns when the Sentinels know each other and the replicas.
    pub async fn start() -> Self {
        Self::start_on(vec![], Front::default()).await
    }

    /// The same with proxies before the servers. A cut proxy of the master is a partition: there is
    /// a failover while the old master goes on.
    pub async fn start_behind(front: Front) -> Self {
        Self::start_on(vec![], front).await
    }

    /// The same with a machine for each server; without any, they share that of the test.
    pub async fn start_on(machines: Vec<Machine>, front: Front) -> Self {
        let dir = TempDir::new().unwrap();
        let mut servers = Vec::new();
        for n in 0..3 {
            let mut arguments = front.arguments(n, &["--replica-announce-port"]);
            arguments.extend(["--repl-diskless-sync-delay".to_owned(), "0".to_owned()]);
            let extras = RedisExtras { arguments, ..RedisExtras::default() };
            servers.push(machine::start(&machines, n, dir.path(), extras).await);
            front.lead_to(n, PrivateRedis::port(&servers[n]));
            // By a command and not by an argument: a server that starts again, and is the master by
            // then, must not follow the first master.
            if n > 0 {
                let master = front.port(0).unwrap_or(servers[0].port()).to_string();
                done(servers[n].port(), &["REPLICAOF", "127.0.0.1", &master]).await;
            }
        }
        eventually("both replicas have their copies", || async {
            let info = ask(servers[0].port(), &["INFO", "replication"]).await.ok()?.text();
            (info.matches("state=online").count() == 2).then_some(())
        })
        .await;
        let master = front.port(0).unwrap_or(servers[0].port());
        let starts = (0..3).map(|n| {
            let dir = dir.path().join(format!("sentinel-{n}"));
            let kind = RedisKind::Sentinel(configuration(master));
            let extras = RedisExtras { kind, ..RedisExtras::default() };
            async move {
                let settings = RedisSettings::default();
                PrivateRedis::start_with(&dir, settings, extras).await.unwrap()
            }
        });
        let sentinels = join_all(starts).await;
        let sale = Self { servers, front, sentinels, machines, _dir: dir };
        sale.wait_until_well().await;
        sale
    }

    /// `redis-sentinel://127.0.0.1:PORT?node=…&sentinelServiceName=grandstand`.
    pub fn url(&self) -> String {
        self.url_at(&self.ports_of_sentinels())
    }

    pub fn ports_of_sentinels(&self) -> Vec<u16> {
        self.sentinels.iter().map(PrivateRedis::port).collect()
    }

    /// The same address for a client that has proxies with these ports before the Sentinels.
    pub fn url_at(&self, ports: &[u16]) -> String {
        let place = |n: usize| format!("127.0.0.1:{}", ports[n]);
        let nodes = format!("node={}&node={}", place(1), place(2));
        format!("redis-sentinel://{}?{nodes}&sentinelServiceName={SERVICE}", place(0))
    }

    /// A server and its machine.
    pub fn on_machine(&mut self, server: usize) -> (&mut PrivateRedis, &Machine) {
        (&mut self.servers[server], &self.machines[server])
    }

    /// The master, as the first Sentinel says that is alive.
    pub async fn master(&self) -> usize {
        for sentinel in 0..self.sentinels.len() {
            if let Some(master) = self.master_of(sentinel).await {
                return master;
            }
        }
        panic!("no Sentinel knows the master");
    }

    /// SIGKILL to the master; the number of the server.
    pub async fn kill_master(&mut self) -> usize {
        let master = self.master().await;
        self.servers[master].kill().await;
        master
    }

    /// SIGKILL to a Sentinel. Two of three are enough for a failover.
    pub async fn kill_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].kill().await;
    }

    /// Starts a Sentinel again with what it had learned, and waits until it knows the master.
    pub async fn restart_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].restart().await.unwrap();
        eventually("a Sentinel knows the master again", || self.master_of(sentinel)).await;
    }

    /// Waits until another server is the master, for the Sentinels and for itself; its number.
    pub async fn wait_for_another_master(&self, than: usize) -> usize {
        eventually("the Sentinels have another master", || async {
            let mut masters = Vec::new();
            for sentinel in 0..self.sentinels.len() {
                masters.push(self.master_of(sentinel).await?);
            }
            let new = masters[0];
            let agreed = masters.iter().all(|master| *master == new);
            let role = ask(self.servers[new].port(), &["ROLE"]).await.ok()?;
            let is_master = matches!(&role, Reply::List(items) if items[0].text() == "master");
            (new != than && agreed && is_master).then_some(new)
        })
        .await
    }

    /// Makes another server the master while the old one lives; the new one.
    pub async fn failover(&self) -> usize {
        let old = self.order_failover().await;
        self.wait_for_another_master(old).await
    }

    /// Orders the Sentinels to make another server the master; returns the old one. They give up
    /// when the replica that they have chosen does not reply.
    pub async fn order_failover(&self) -> usize {
        let old = self.master().await;
        let command = ["SENTINEL", "FAILOVER", SERVICE];
        // A Sentinel refuses until it knows a replica that has all data, which may take a while
        // after a failure.
        eventually_within(ORDER_TIMEOUT, "a Sentinel takes the order", || async {
            ask(self.sentinels[0].port(), &command).await.ok()
        })
        .await;
        old
    }

    /// From now on the replicas get nothing, so that what the master writes is lost with it. A
    /// frozen replica alone is not enough: it would read what its connection still holds.
    pub async fn cut_replicas(&self) {
        let master = self.master().await;
        for replica in (0..self.servers.len()).filter(|n| *n != master) {
            self.servers[replica].freeze();
        }
        done(self.servers[master].port(), &["CLIENT", "KILL", "TYPE", "replica"]).await;
    }

    /// The replicas go on.
    pub fn thaw_replicas(&self) {
        self.servers.iter().for_each(PrivateRedis::thaw);
    }

    /// Connections of clients, not of servers and Sentinels, to a server. This client is among
    /// them.
    pub async fn clients_of(&self, server: usize) -> usize {
        let list = done(self.servers[server].port(), &["CLIENT", "LIST"]).await.text();
        let of_servers = |line: &&str| {
            let flags = line.split(' ').find_map(|part| part.strip_prefix("flags="));
            let flags = flags.unwrap_or_default();
            line.contains(" name=sentinel-") || flags.contains(['M', 'S'])
        };
        list.lines().filter(|line| !of_servers(line)).count()
    }

    /// Kills all servers, because a replica that has just got a new copy refuses to end.
    pub async fn stop(mut self) {
        let all = self.sentinels.iter_mut().chain(&mut self.servers);
        join_all(all.map(PrivateRedis::kill)).await;
    }

    async fn wait_until_well(&self) {
        for sentinel in 0..self.sentinels.len() {
            eventually("the Sentinels know all", || async {
                let has = async |name| self.field(sentinel, name).await.as_deref() == Some("2");
                (has("num-slaves").await && has("num-other-sentinels").await).then_some(())
            })
            .await;
        }
    }

    /// Whether all Sentinels have the same master and no doubts about it, no failover is under
    /// way, and the other servers follow this master.
    pub async fn is_settled(&self) -> bool {
        let master = self.master().await;
        let port = self.announced(master).to_string();
        for sentinel in 0..self.sentinels.len() {
            for (name, wanted) in [("flags", "master"), ("port", &*port)] {
                if self.field(sentinel, name).await.as_deref() != Some(wanted) {
                    return false;
                }
            }
        }
        for (number, server) in self.servers.iter().enumerate() {
            let wanted = if number == master { Role::Master } else { Role::Follower };
            if role(server.port()).await != wanted {
                return false;
            }
        }
        true
    }

    /// What a Sentinel says about the master in this field.
    async fn field(&self, sentinel: usize, name: &str) -> Option<String> {
        let ask_for = ["SENTINEL", "MASTER", SERVICE];
        let fields = ask(self.sentinels[sentinel].port(), &ask_for).await.ok()?.texts();
        fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone())
    }

    /// The port of a server, as Sentinels tell it to clients.
    pub fn announced(&self, server: usize) -> u16 {
        self.front.port(server).unwrap_or(self.servers[server].port())
    }

    async fn master_of(&self, sentinel: usize) -> Option<usize> {
        let ask_for = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE];
        let address = ask(self.sentinels[sentinel].port(), &ask_for).await.ok()?.texts();
        let port = address.get(1)?;
        (0..self.servers.len()).find(|server| self.announced(*server).to_string() == *port)
    }
}

fn configuration(master: u16) -> String {
    format!(
        "sentinel monitor {SERVICE} 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n\
         sentinel failover-timeout {SERVICE} 3000\n\
         sentinel parallel-syncs {SERVICE} 2\n"
    )
}
