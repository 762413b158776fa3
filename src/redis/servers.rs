//! Knows which server has each partition, and has the clients for it. All commands of a process for
//! one partition go to the same server, because commands, journal and streams use the same map.

use crate::domain::ids::Partition;
use crate::redis::discover::{config_for, owners};
use crate::redis::link::{Link, config_of};
use crate::redis::{BLOCK_TIMEOUT_MS, COMMAND_TIMEOUT_MS};
use fred::prelude::*;
use fred::types::config::{Server, ServerConfig};
use fred::types::{ClusterHash, CustomCommand};
use futures::future::join_all;
use parking_lot::RwLock;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};

/// Connections per server for commands; a partition always uses the same one, which keeps its
/// order.
const LINKS_PER_SERVER: usize = 2;
/// The interval at which the map is read when nothing points to a change.
const MAP_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest time between two reads of the map, however many commands meet a change.
const MAP_PAUSE: Duration = Duration::from_millis(50);
/// How long a command that met a change waits for the new map.
const NEW_MAP_TIMEOUT: Duration = Duration::from_millis(1500);
/// The most redirections that a command follows.
const REDIRECTIONS_MAX: usize = 4;

/// All servers of one installation, as this process knows them. Clones share the connections, which
/// close with the last clone.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    config: Config,
    partitions: u16,
    state: RwLock<State>,
    /// A command has met a change of the map.
    suspected: Notify,
    /// Counts the reads of the map.
    map_reads: watch::Sender<u64>,
    /// One command at a time goes to the target of a moving slot.
    asking: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// By number of the partition.
    owners: Vec<Option<Server>>,
    links: HashMap<Server, [Arc<Link>; LINKS_PER_SERVER]>,
}

impl Redis {
    /// Connects to the servers that a URL leads to. A server that is away does not stop the others.
    ///
    /// # Errors
    /// The URL is not a URL of Redis, or no server replies.
    pub async fn connect(url: &str, partitions: u16) -> Result<Self, Error> {
        let redis = Self(Arc::new(Shared {
            config: config_of(url)?,
            partitions,
            state: RwLock::default(),
            suspected: Notify::new(),
            map_reads: watch::Sender::new(0),
            asking: Mutex::new(()),
        }));
        let failed = redis.0.read_map().await;
        if redis.0.state.read().links.is_empty() {
            let nobody = || Error::new(ErrorKind::IO, "no server says who has the partitions");
            return Err(failed.unwrap_or_else(nobody));
        }
        tokio::spawn(keep_map(Arc::downgrade(&redis.0)));
        Ok(redis)
    }

    /// The client for the commands of a partition. It follows no redirections; `run` does.
    ///
    /// # Errors
    /// There is no connection to the server that has the partition, or nobody knows this server.
    pub fn client(&self, partition: Partition) -> Result<Client, Error> {
        let state = self.0.state.read();
        let owner = state.owners.get(usize::from(partition.0)).and_then(Option::as_ref);
        let Some(owner) = owner else {
            let text = format!("nobody knows which server has partition {partition}");
            return Err(Error::new(ErrorKind::Cluster, text));
        };
        match state.links.get(owner) {
            Some(links) => Ok(links[usize::from(partition.0) % LINKS_PER_SERVER].client().clone()),
            None => Err(Error::new(ErrorKind::IO, format!("no connection to {owner}"))),
        }
    }

    /// Runs a step on the server that has a partition, and follows the partition when it moves. A
    /// step that is redirected has not run, but its commands are sent again, so that must be safe.
    ///
    /// # Errors
    /// The errors of the step and of `client`.
    pub async fn run<T, F>(
        &self,
        partition: Partition,
        step: impl Fn(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut redirections = 0;
        loop {
            let error = match self.client(partition) {
                // In a box, because the future of a call of fred has 5 KiB, and every handler that
                // may call Redis would carry them from its start to its end.
                Ok(client) => match Box::pin(step(client)).await {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            redirections += 1;
            match Redirection::of(&error) {
                _ if redirections > REDIRECTIONS_MAX => return Err(error),
                Some(Redirection::Moved) => self.wait_for_new_map().await,
                Some(Redirection::Ask(server)) => match Box::pin(self.ask(&server, &step)).await {
                    Err(error) if Redirection::of(&error).is_some() => {}
                    done => return done,
                },
                None => {
                    // The server may be gone or a replica, so the map is read again.
                    self.0.suspected.notify_one();
                    return Err(error);
                }
            }
        }
    }

    /// Runs a step at the target of a moving slot. Each step has a connection of its own, because
    /// ASKING counts only for the next command of a connection.
    async fn ask<T, F>(&self, server: &Server, step: &impl Fn(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let _one_at_a_time = self.0.asking.lock().await;
        let server = self.0.named(server);
        let link = Link::open(config_for(&self.0.config, &server), COMMAND_TIMEOUT_MS).await?;
        let asking = CustomCommand::new_static("ASKING", ClusterHash::Random, false);
        let _: String = link.custom(asking, Vec::<String>::new()).await?;
        step(link.client().clone()).await
    }

    async fn wait_for_new_map(&self) {
        let mut map_reads = self.0.map_reads.subscribe();
        // A read that is running may have begun before the change. The read after it counts.
        let wanted = *map_reads.borrow() + 2;
        let reading = async {
            while *map_reads.borrow_and_update() < wanted {
                self.0.suspected.notify_one();
                if map_reads.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(NEW_MAP_TIMEOUT, reading).await;
    }

    /// A connection for one blocking reader of a partition. Nothing else may use it, because a
    /// blocking read delays all other commands of its client.
    ///
    /// # Errors
    /// The server that has the partition does not accept it, or nobody knows this server.
    pub async fn reader(&self, partition: Partition) -> Result<Link, Error> {
        let owner = {
            let state = self.0.state.read();
            state.owners.get(usize::from(partition.0)).cloned().flatten()
        };
        let Some(owner) = owner else {
            self.0.suspected.notify_one();
            let text = format!("nobody knows which server has partition {partition}");
            return Err(Error::new(ErrorKind::Cluster, text));
        };
        let opened =
            Link::open(config_for(&self.0.config, &owner), BLOCK_TIMEOUT_MS + COMMAND_TIMEOUT_MS)
                .await;
        if opened.is_err() {
            self.0.suspected.notify_one();
        }
        opened
    }

    /// Whether a reader still leads to the server that has the partition. If not, it reads the
    /// streams of a former server, and must be opened again.
    pub fn leads_to(&self, partition: Partition, reader: &Link) -> bool {
        let state = self.0.state.read();
        let owner = state.owners.get(usize::from(partition.0)).and_then(Option::as_ref);
        owner.is_some_and(|owner| reader.leads_to(owner))
    }

    /// A client for each server that has a partition, with the name of the server.
    pub fn all(&self) -> Vec<(String, Client)> {
        let state = self.0.state.read();
        let clients = state.links.iter();
        clients.map(|(server, links)| (server.to_string(), links[0].client().clone())).collect()
    }

    /// Whether the URL names a user, whose rights are limited to those of its process.
    pub fn has_user(&self) -> bool {
        self.0.config.username.as_deref().is_some_and(|name| !name.is_empty() && name != "default")
    }

    /// Whether a failover may lose writes that the master has acknowledged. It may with Sentinel
    /// and with Redis Cluster.
    pub fn fails_over(&self) -> bool {
        !matches!(self.0.config.server, ServerConfig::Centralized { .. })
    }
}

impl Shared {
    /// Reads the map, opens missing connections and closes unused ones. Returns why a server could
    /// not be reached.
    async fn read_map(&self) -> Option<Error> {
        let known = {
            let state = self.state.read();
            let open = state.links.iter().filter(|(_, links)| !links[0].has_ended());
            open.map(|(server, links)| (server.clone(), links[0].client().clone())).collect()
        };
        let found = owners(&self.config, self.partitions, &known).await;
        let (missing, mut failed) = (self.missing(&found), None);
        let opening = missing.into_iter().map(|server| async move {
            let links = self.open_links(&server).await;
            (server, links)
        });
        let opened = join_all(opening).await;
        let mut closed = Vec::new();
        {
            let mut state = self.state.write();
            state.owners.resize(usize::from(self.partitions), None);
            for (owner, found) in state.owners.iter_mut().zip(found) {
                if found.is_some() && *owner != found {
                    *owner = found;
                }
            }
            for (server, links) in opened {
                match links {
                    Ok(links) => closed.extend(state.links.insert(server, links)),
                    Err(error) => failed = Some(error),
                }
            }
            let used: HashSet<Server> = state.owners.iter().flatten().cloned().collect();
            let unused: Vec<Server> =
                state.links.keys().filter(|server| !used.contains(server)).cloned().collect();
            closed.extend(unused.iter().filter_map(|server| state.links.remove(server)));
        }
        close_later(closed);
        self.map_reads.send_modify(|map_reads| *map_reads += 1);
        failed
    }

    /// The servers that have a partition and no working connection.
    fn missing(&self, owners: &[Option<Server>]) -> HashSet<Server> {
        let state = self.state.read();
        let all = owners.iter().chain(&state.owners).flatten().cloned();
        let works = |server: &Server| {
            let links = state.links.get(server);
            links.is_some_and(|links| links.iter().all(|link| !link.has_ended()))
        };
        all.filter(|server| !works(server)).collect()
    }

    /// The server with its name for TLS, which a redirection leaves out.
    fn named(&self, server: &Server) -> Server {
        let state = self.state.read();
        let is_it = |known: &&Server| known.host == server.host && known.port == server.port;
        state.links.keys().find(is_it).unwrap_or(server).clone()
    }

    async fn open_links(&self, server: &Server) -> Result<[Arc<Link>; LINKS_PER_SERVER], Error> {
        let open = || Link::open(config_for(&self.config, server), COMMAND_TIMEOUT_MS);
        let (first, second) = tokio::try_join!(open(), open())?;
        Ok([Arc::new(first), Arc::new(second)])
    }
}

/// Closes connections after a while, so that running commands can end.
fn close_later(links: Vec<[Arc<Link>; LINKS_PER_SERVER]>) {
    if !links.is_empty() {
        tokio::spawn(async move {
            tokio::time::sleep(2 * Duration::from_millis(COMMAND_TIMEOUT_MS)).await;
            drop(links);
        });
    }
}

async fn keep_map(shared: Weak<Shared>) {
    loop {
        let Some(servers) = shared.upgrade() else { return };
        let suspected = servers.suspected.notified();
        let _ = tokio::time::timeout(MAP_INTERVAL, suspected).await;
        if let Some(error) = servers.read_map().await {
            tracing::debug!(%error, "a server of Redis can't be reached");
        }
        drop(servers);
        tokio::time::sleep(MAP_PAUSE).await;
    }
}

/// The reply of a server that does not have a slot, or whose slot is moving.
enum Redirection {
    Moved,
    Ask(Server),
}

impl Redirection {
    fn of(error: &Error) -> Option<Self> {
        let details = error.details();
        if details.starts_with("MOVED ") || details.starts_with("READONLY") {
            return Some(Self::Moved);
        }
        let mut words = details.strip_prefix("ASK ")?.split(' ');
        let (host, port) = words.nth(1)?.rsplit_once(':')?;
        Some(Self::Ask(Server::new(host.to_owned(), port.parse().ok()?)))
    }
}
