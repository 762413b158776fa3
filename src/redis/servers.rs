//! Which server has a partition now, and the clients for it. All that a process does with one
//! partition goes to one server: the map is the same for commands, journal and streams.

use crate::domain::ids::Partition;
use crate::redis::discover::{config_for, owners};
use crate::redis::link::{Link, config_of};
use crate::redis::{BLOCK_MS, COMMAND_TIMEOUT_MS};
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
/// How often the map is looked at when nothing points to a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Not more often than this, however many commands meet a change.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// How long a command that met a change waits for the new map.
const NEW_MAP: Duration = Duration::from_millis(1500);
/// A command follows so many redirections at most.
const REDIRECTIONS: usize = 4;

/// All servers of one installation, as this process knows them. Clones share the connections, which
/// close with the last clone.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    config: Config,
    partitions: u16,
    state: RwLock<State>,
    /// Somebody has met a change.
    suspected: Notify,
    /// Counts the looks at the map.
    looks: watch::Sender<u64>,
    /// A command that was sent to the target of a slot on its way has that connection for itself.
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
    /// The URL is not one of Redis, or none of the servers answers.
    pub async fn connect(url: &str, partitions: u16) -> Result<Self, Error> {
        let redis = Self(Arc::new(Shared {
            config: config_of(url)?,
            partitions,
            state: RwLock::default(),
            suspected: Notify::new(),
            looks: watch::Sender::new(0),
            asking: Mutex::new(()),
        }));
        let failed = redis.0.look().await;
        if redis.0.state.read().links.is_empty() {
            let nobody = || Error::new(ErrorKind::IO, "no server says who has the partitions");
            return Err(failed.unwrap_or_else(nobody));
        }
        tokio::spawn(keep_looking(Arc::downgrade(&redis.0)));
        Ok(redis)
    }

    /// The client for the commands of a partition. It follows no redirection: `run` does.
    ///
    /// # Errors
    /// No connection to the server that has the partition, or nobody knows which one that is.
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

    /// Runs a step on the server that has a partition, and follows it when it moves. The step must
    /// be one that may be sent twice: it has not run where it was redirected.
    ///
    /// # Errors
    /// Those of the step; those of `client`.
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
                Ok(client) => match step(client).await {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            redirections += 1;
            match Redirection::of(&error) {
                _ if redirections > REDIRECTIONS => return Err(error),
                Some(Redirection::Moved) => self.wait_for_new_map().await,
                Some(Redirection::Ask(server)) => match self.ask(&server, &step).await {
                    Err(error) if Redirection::of(&error).is_some() => {}
                    done => return done,
                },
                None => {
                    // A server that is gone or has become a replica: who has the partition now?
                    self.0.suspected.notify_one();
                    return Err(error);
                }
            }
        }
    }

    /// Runs a step at the target of a slot that is on its way there: each command on a connection
    /// of its own, because ASKING holds for the one command that follows it.
    async fn ask<T, F>(&self, server: &Server, step: &impl Fn(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let _one_at_a_time = self.0.asking.lock().await;
        let link = Link::open(config_for(&self.0.config, server), COMMAND_TIMEOUT_MS).await?;
        let asking = CustomCommand::new_static("ASKING", ClusterHash::Random, false);
        let _: String = link.custom(asking, Vec::<String>::new()).await?;
        step(link.client().clone()).await
    }

    async fn wait_for_new_map(&self) {
        let mut looks = self.0.looks.subscribe();
        // The look that is under way may have begun before the change: the one after it counts.
        let wanted = *looks.borrow() + 2;
        let looked = async {
            while *looks.borrow_and_update() < wanted {
                self.0.suspected.notify_one();
                if looks.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(NEW_MAP, looked).await;
    }

    /// A connection of its own for one blocking reader of a partition: nothing else may use it,
    /// because a blocking read stalls all other commands of its client.
    ///
    /// # Errors
    /// The server that has the partition does not accept it, or nobody knows which one that is.
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
            Link::open(config_for(&self.0.config, &owner), BLOCK_MS + COMMAND_TIMEOUT_MS).await;
        if opened.is_err() {
            self.0.suspected.notify_one();
        }
        opened
    }

    /// Whether a reader still leads to the server that has the partition. One that does not reads
    /// the log of a server that is out of office, and must be opened again.
    pub fn leads_to(&self, partition: Partition, reader: &Link) -> bool {
        let state = self.0.state.read();
        let owner = state.owners.get(usize::from(partition.0)).and_then(Option::as_ref);
        owner.is_some_and(|owner| reader.leads_to(owner))
    }

    /// A client of each server that has a partition, with its name.
    pub fn all(&self) -> Vec<(String, Client)> {
        let state = self.0.state.read();
        let clients = state.links.iter();
        clients.map(|(server, links)| (server.to_string(), links[0].client().clone())).collect()
    }

    /// Whether a failover may lose what a master has acknowledged: true of Sentinel and of Redis
    /// Cluster.
    pub fn fails_over(&self) -> bool {
        !matches!(self.0.config.server, ServerConfig::Centralized { .. })
    }
}

impl Shared {
    /// Asks who has the partitions, opens what is missing and closes what is not used any more.
    /// Returns why a server could not be reached.
    async fn look(&self) -> Option<Error> {
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
        self.looks.send_modify(|looks| *looks += 1);
        failed
    }

    /// Servers that have a partition and no connection that works.
    fn missing(&self, owners: &[Option<Server>]) -> HashSet<Server> {
        let state = self.state.read();
        let all = owners.iter().chain(&state.owners).flatten().cloned();
        let works = |server: &Server| {
            let links = state.links.get(server);
            links.is_some_and(|links| links.iter().all(|link| !link.has_ended()))
        };
        all.filter(|server| !works(server)).collect()
    }

    async fn open_links(&self, server: &Server) -> Result<[Arc<Link>; LINKS_PER_SERVER], Error> {
        let open = || Link::open(config_for(&self.config, server), COMMAND_TIMEOUT_MS);
        let (first, second) = tokio::try_join!(open(), open())?;
        Ok([Arc::new(first), Arc::new(second)])
    }
}

/// Commands that are on their way get their time.
fn close_later(links: Vec<[Arc<Link>; LINKS_PER_SERVER]>) {
    if !links.is_empty() {
        tokio::spawn(async move {
            tokio::time::sleep(2 * Duration::from_millis(COMMAND_TIMEOUT_MS)).await;
            drop(links);
        });
    }
}

async fn keep_looking(shared: Weak<Shared>) {
    loop {
        let Some(servers) = shared.upgrade() else { return };
        let suspected = servers.suspected.notified();
        let _ = tokio::time::timeout(LOOK_EVERY, suspected).await;
        if let Some(error) = servers.look().await {
            tracing::debug!(%error, "a server of Redis can't be reached");
        }
        drop(servers);
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// What a server says of a slot that it does not have, or not alone.
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
