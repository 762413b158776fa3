//! A TCP proxy that a test cuts, or stops in one direction as a broken network does.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Before another attempt when no connection could be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    /// Nothing in both directions, as when a firewall drops all packets.
    Nothing,
    /// So many bytes in each direction of a connection, which then breaks.
    Short(usize),
    /// Everything, each piece later by this time.
    Slow(Duration),
}

/// What the connections look at.
#[derive(Debug, Clone, Copy)]
struct State {
    way: Way,
    /// Grows with each cut. A connection of an earlier era is closed, also when the way is open
    /// again before it looks.
    era: u32,
    /// The port of the server.
    server: u16,
}

/// A port that leads to a server. Dropping it closes all connections.
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    /// The last proxy of a port closes it.
    _accepting: Arc<Accepting>,
}

/// The task that accepts the connections of a port. It ends when this is dropped.
struct Accepting(JoinHandle<()>);

impl Proxy {
    /// Starts a proxy in front of a port of 127.0.0.1.
    pub async fn start(server: u16) -> Self {
        Self::start_several(server, 1).await.remove(0)
    }

    /// Starts several proxies in front of a port, which all have the same port themselves. The
    /// second carries the connections from 127.0.0.2, the third those from 127.0.0.3, and so on;
    /// the first carries all others.
    pub async fn start_several(server: u16, number: usize) -> Vec<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = State { way: Way::Open, era: 0, server };
        let (states, seen): (Vec<_>, Vec<_>) = (0..number).map(|_| watch::channel(open)).unzip();
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, address)) = listener.accept().await else {
                    // Too many files are open, or the client has gone already.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let own = match address.ip() {
                    IpAddr::V4(ip) => seen.get(usize::from(ip.octets()[3]).saturating_sub(1)),
                    IpAddr::V6(_) => None,
                };
                let seen = own.unwrap_or(&seen[0]);
                let state = *seen.borrow();
                if state.way != Way::Cut {
                    tokio::spawn(carry(client, state, seen.clone()));
                }
            }
        });
        let accepting = Arc::new(Accepting(accepting));
        let proxy = |state| Self { port, state, _accepting: accepting.clone() };
        states.into_iter().map(proxy).collect()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections. New ones lead to the server at this port.
    pub fn lead_to(&self, server: u16) {
        self.state.send_modify(|state| *state = State { server, era: state.era + 1, ..*state });
    }

    /// Closes all connections, and closes new ones at once.
    pub fn cut(&self) {
        self.state
            .send_modify(|state| *state = State { way: Way::Cut, era: state.era + 1, ..*state });
    }

    /// The server gets nothing more. As in a network that loses packets, the bytes wait and
    /// arrive when it resumes.
    pub fn deafen_server(&self) {
        self.set(Way::NothingToServer);
    }

    /// The clients get nothing more, until it resumes.
    pub fn deafen_clients(&self) {
        self.set(Way::NothingToClient);
    }

    /// Nothing gets through in both directions, until it resumes. Connections stay open.
    pub fn swallow(&self) {
        self.set(Way::Nothing);
    }

    /// From now on each connection carries so many bytes in a direction, and then breaks in the
    /// middle of what was sent. New ones break as early.
    pub fn shorten(&self, bytes: usize) {
        self.set(Way::Short(bytes));
    }

    /// Each piece arrives later by this time, in both directions.
    pub fn slow(&self, by: Duration) {
        self.set(Way::Slow(by));
    }

    /// All gets through again.
    pub fn resume(&self) {
        self.set(Way::Open);
    }

    fn set(&self, way: Way) {
        self.state.send_modify(|state| state.way = way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn carry(client: TcpStream, state: State, mut seen: watch::Receiver<State>) {
    let era = state.era;
    let Ok(server) = TcpStream::connect(("127.0.0.1", state.server)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(from_client, to_server, seen.clone(), Way::NothingToServer) => {}
        () = pump(from_server, to_client, seen.clone(), Way::NothingToClient) => {}
        _ = seen.wait_for(|state| state.era != era) => {}
    }
}

/// Copies, but does not even read while the way is `stopped`.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut seen: watch::Receiver<State>,
    stopped: Way,
) {
    let (mut buffer, mut carried) = (vec![0; 1 << 14], 0);
    let is_stopped = |way: Way| way == stopped || way == Way::Nothing;
    loop {
        if seen.wait_for(|state| !is_stopped(state.way)).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            changed = seen.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok(length @ 1..) = read else { return };
        let way = seen.borrow().way;
        if let Way::Slow(by) = way {
            tokio::time::sleep(by).await;
        }
        carried = if let Way::Short(_) = way { carried + length } else { 0 };
        if let Way::Short(most) = way
            && carried > most
        {
            let rest = length - (carried - most);
            let _ = to.write_all(&buffer[..rest]).await;
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
