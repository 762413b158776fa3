//! A TCP proxy that a test cuts, or stops in one direction as a broken network does.

use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The bytes that get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Nothing; connections are closed, and new ones are closed at once.
    Cut,
    /// Only bytes from the server.
    NothingToServer,
    /// Only bytes to the server.
    NothingToClient,
    /// Everything, each piece later by this time.
    Slow(Duration),
}

/// A port that leads to a server. Dropping it closes all connections.
pub struct Proxy {
    port: u16,
    way: watch::Sender<Way>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of a port of 127.0.0.1.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, seen) = watch::channel(Way::Open);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *seen.borrow() != Way::Cut {
                    tokio::spawn(carry(client, server, seen.clone()));
                }
            }
        });
        Self { port, way, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections, and closes new ones at once.
    pub fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }

    /// The server gets nothing more. As in a network that loses packets, the bytes wait and
    /// arrive when it resumes.
    pub fn deafen_server(&self) {
        self.way.send_replace(Way::NothingToServer);
    }

    /// The clients get nothing more, until it resumes.
    pub fn deafen_clients(&self) {
        self.way.send_replace(Way::NothingToClient);
    }

    /// Each piece arrives later by this time, in both directions.
    pub fn slow(&self, by: Duration) {
        self.way.send_replace(Way::Slow(by));
    }

    /// All gets through again.
    pub fn resume(&self) {
        self.way.send_replace(Way::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn carry(client: TcpStream, server: u16, mut way: watch::Receiver<Way>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(from_client, to_server, way.clone(), Way::NothingToServer) => {}
        () = pump(from_server, to_client, way.clone(), Way::NothingToClient) => {}
        _ = way.wait_for(|way| *way == Way::Cut) => {}
    }
}

/// Copies, but does not even read while the way is `stopped`.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    stopped: Way,
) {
    let mut buffer = vec![0; 1 << 14];
    loop {
        if way.wait_for(|way| *way != stopped).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            changed = way.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok(length @ 1..) = read else { return };
        let slow = match *way.borrow() {
            Way::Slow(by) => Some(by),
            _ => None,
        };
        if let Some(by) = slow {
            tokio::time::sleep(by).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
