//! Proxies before the servers of a cluster, or of a master with Sentinels. Such servers tell their
//! clients their addresses, so they announce the ports of the proxies.

use crate::preload::compile;
use crate::proxy::Proxy;
use futures::future::join_all;
use std::ffi::OsString;
use std::path::PathBuf;
use tempfile::TempDir;

/// Processes whose connections have proxies of their own, because they come from addresses of
/// their own: a small library is preloaded into them (`address.c`). Linux only.
pub struct Clients {
    library: PathBuf,
    _dir: TempDir,
}

impl Clients {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let library = compile("address", include_str!("address.c"), dir.path());
        Self { library, _dir: dir }
    }

    /// What makes a program the client with this number.
    pub fn environment(&self, client: usize) -> Vec<(String, OsString)> {
        let address = format!("127.0.0.{}", client + 2);
        vec![
            ("LD_PRELOAD".to_owned(), self.library.as_os_str().to_owned()),
            ("FAULTS_ADDRESS".to_owned(), address.into()),
        ]
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self::new()
    }
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
    pub async fn start(servers: usize, clients: usize) -> Self {
        // The servers are not there yet, because they announce these ports when they start.
        let starts = (0..servers).map(|_| Proxy::start_several(0, clients + 1));
        Self { proxies: join_all(starts).await }
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
