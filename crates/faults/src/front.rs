//! Proxies before the servers of a cluster, or of a master with Sentinels. Such servers tell their
//! clients their addresses, so they announce the ports of the proxies.

use crate::proxy::Proxy;
use futures::future::join_all;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Processes whose connections have proxies of their own: their process ids, which change when they
/// are started again.
#[derive(Clone, Default)]
pub struct Clients(Arc<Mutex<Vec<Arc<AtomicU32>>>>);

impl Clients {
    /// Adds the process that has this id now; its number.
    pub fn add(&self, pid: Arc<AtomicU32>) -> usize {
        let mut pids = self.0.lock().unwrap();
        pids.push(pid);
        pids.len() - 1
    }

    /// The process that has the connection from this port of 127.0.0.1.
    fn owner_of(&self, port: u16) -> Option<usize> {
        let socket = format!("socket:[{}]", inode_of(port)?);
        let has = |pid: &Arc<AtomicU32>| {
            let files = std::fs::read_dir(format!("/proc/{}/fd", pid.load(Relaxed)));
            let links = files.into_iter().flatten().flatten();
            links
                .filter_map(|file| std::fs::read_link(file.path()).ok())
                .any(|link| link.as_os_str() == socket.as_str())
        };
        self.0.lock().unwrap().iter().position(has)
    }
}

/// The number that Linux has given to the socket of a client with this port of 127.0.0.1.
fn inode_of(port: u16) -> Option<String> {
    let address = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut own = rows.filter(|row| row.get(1) == Some(&address.as_str()));
    own.next()?.get(9).map(|inode| (*inode).to_owned())
}

/// The proxies before the servers of an installation; none when there are none.
#[derive(Default)]
pub struct Front {
    /// By server: first the proxy of everybody else (replicas, Sentinels, tools), and then that of
    /// each client.
    proxies: Vec<Vec<Proxy>>,
}

impl Front {
    /// Proxies before so many servers, for so many clients.
    pub async fn start(servers: usize, number: usize, clients: &Clients) -> Self {
        // The servers are not there yet, because they announce these ports when they start.
        let start = |_| {
            let clients = clients.clone();
            let whose = move |port| clients.owner_of(port).map_or(0, |client| client + 1);
            Proxy::start_several(0, number + 1, whose)
        };
        Self { proxies: join_all((0..servers).map(start)).await }
    }

    /// All proxies before a server.
    pub fn of_server(&self, server: usize) -> &[Proxy] {
        self.proxies.get(server).map_or(&[], Vec::as_slice)
    }

    /// The proxies between a client and all servers.
    pub fn of_client(&self, client: usize) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().map(move |proxies| &proxies[client + 1])
    }

    /// All proxies.
    pub fn all(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().flatten()
    }

    /// The port that a server announces, when a proxy is before it.
    pub(crate) fn port(&self, server: usize) -> Option<u16> {
        self.of_server(server).first().map(Proxy::port)
    }

    /// The arguments of a server that announces this port with these options.
    pub(crate) fn arguments(&self, server: usize, options: &[&str]) -> Vec<String> {
        let port = self.port(server).map(|port| port.to_string());
        let pair =
            |port: String| options.iter().flat_map(move |it| [(*it).to_owned(), port.clone()]);
        port.into_iter().flat_map(pair).collect()
    }

    /// A server listens on this port.
    pub(crate) fn lead_to(&self, server: usize, port: u16) {
        self.of_server(server).iter().for_each(|proxy| proxy.lead_to(port));
    }
}
