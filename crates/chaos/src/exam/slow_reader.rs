//! A client of an event stream that stops reading in the middle of a map, because a phone in a
//! tunnel does so. The map is larger than all buffers on the way.

use super::fan::{Broken, FIRST, ROOMY, Verdict, check, id_of};
use super::hall::Hall;
use super::stream::Stream;
use super::streams::{hold, open};
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// Seats of the house. Their map has about 400 KB, of which a node and a client with a small buffer
/// can keep less than a half.
const ROWS: u32 = 100;
const SEATS_OF_ROW: u32 = 120;
const BUFFER_BYTES: u32 = 16 * 1024;
/// Bytes of one read. The client must not wait for a whole map as if it were one event.
const READ_BYTES: usize = 16 * 1024;
/// Seats that change while nothing is read.
const CHANGED: u32 = 6;
/// The head of a response comes within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

fn plan() -> Value {
    let row = |number: u32| {
        let y = f64::from(number);
        json!({"label": (number + 1).to_string(), "firstSeatId": 1 + number * SEATS_OF_ROW,
            "seats": SEATS_OF_ROW, "from": [0.0, y], "to": [f64::from(SEATS_OF_ROW - 1), y]})
    };
    let (wide, deep) = (f64::from(SEATS_OF_ROW), f64::from(ROWS));
    json!({
        "name": "Arena of the exam", "focus": [60.0, -5.0],
        "grades": [{"code": "ALL", "name": "All", "price": 10_000, "color": "#0072b2"}],
        "areas": [{"id": 1, "name": "All", "sections": [{"id": 1, "name": "All", "blocks": [
            {"id": 1, "name": "A", "grade": "ALL",
             "outline": [[-1.0, -1.0], [wide, -1.0], [wide, deep], [-1.0, deep]],
             "rows": (0..ROWS).map(row).collect::<Vec<_>>()}]}]}]
    })
}

/// Opens a stream and reads the head of its response. The rest is read only when somebody asks for
/// an event.
async fn open_slowly(door: &str, id: &str) -> Verdict<Stream> {
    let wrong = |error: std::io::Error| Broken(format!("a slow reader: {error}"));
    let address = door.trim_start_matches("http://");
    let to = address.parse().map_err(|_| Broken(format!("{door} is no address")))?;
    let socket = TcpSocket::new_v4().map_err(wrong)?;
    socket.set_recv_buffer_size(BUFFER_BYTES).map_err(wrong)?;
    let mut stream = BufReader::new(socket.connect(to).await.map_err(wrong)?);
    let path = format!("/api/matches/{id}/blocks/1/seats/events");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(wrong)?;
    let head = tokio::time::timeout(HEAD_TIMEOUT, head(&mut stream)).await;
    let head = head.map_err(|_| Broken("a stream has no head".to_owned()))?.map_err(wrong)?;
    check(head.starts_with("HTTP/1.1 200"), format!("{path}: {head}"))?;
    let chunked = Chunked { stream, left: 0 };
    let parts = futures::stream::unfold(chunked, async |mut chunked| {
        let part = chunked.part().await.ok()?;
        Some((Some(part), chunked))
    });
    Ok(Stream::of(parts.boxed_local(), BTreeMap::new()))
}

async fn head(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

/// A body in chunks. The kernel keeps what was not read yet, and when it has no more room, the
/// node.
struct Chunked {
    stream: BufReader<TcpStream>,
    /// Bytes of the chunk that are still to be read.
    left: usize,
}

impl Chunked {
    async fn part(&mut self) -> std::io::Result<String> {
        if self.left == 0 {
            let mut size = String::new();
            self.stream.read_line(&mut size).await?;
            let size = usize::from_str_radix(size.trim_end(), 16);
            self.left =
                size.map_err(|_| std::io::Error::other("this is not the size of a chunk"))?;
            if self.left == 0 {
                return Err(std::io::Error::other("the last chunk"));
            }
        }
        let mut bytes = vec![0; self.left.min(READ_BYTES)];
        self.stream.read_exact(&mut bytes).await?;
        self.left -= bytes.len();
        if self.left == 0 {
            self.stream.read_exact(&mut [0; 2]).await?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// It gets the rest of the map that was begun, and then what has changed in the meantime.
pub(super) async fn slow_reader(hall: &Hall) -> Verdict {
    let site = hall.admin.post(FIRST, "/api/admin/sites", plan()).await.expect(201)?;
    let id = hall.draft(id_of(&site), json!({})).await?;
    hall.order(&id, "open").await?;
    hall.is_known(&id).await?;
    let mut here = open(hall, ROOMY, &id).await?;
    // The node itself, because a proxy would read everything.
    let mut slow = open_slowly(hall.door(ROOMY), &id).await?;
    let mut last = Value::Null;
    for seat in 1..=CHANGED {
        last = hold(hall, 16, &id, seat).await?;
        here.wait_for(seat, "HOLD").await?;
    }
    hall.fan(16).release(ROOMY, &id, &last).await.expect(204)?;
    here.wait_for(CHANGED, "AVAILABLE").await?;
    let first = slow.next_seats().await?;
    check(first == "snapshot", format!("a slow reader begins with {first}"))?;
    for seat in 1..CHANGED {
        slow.wait_for(seat, "HOLD").await?;
    }
    check(slow.map == here.map, "a slow reader is told a part of what it missed")?;
    hold(hall, 16, &id, CHANGED).await?;
    slow.wait_for(CHANGED, "HOLD").await?;
    hall.order(&id, "close").await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A chunk that is cut short takes the next one with it, and no event comes out of both.
    #[tokio::test]
    async fn chunks_are_put_together_and_a_cut_one_is_noticed() {
        let event = "event: snapshot\ndata: {\"seats\":[{\"id\":1,\"state\":\"HOLD\"}]}\n\n";
        let whole = format!("{:x}\r\n{event}\r\n", event.len());
        let cut = format!("{:x}\r\n{}{whole}", event.len(), &event[..20]);
        for (body, names) in [(whole.repeat(2), 2), (cut, 0)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let door = format!("http://{}", listener.local_addr().unwrap());
            let node = async {
                let mut peer = listener.accept().await.unwrap().0;
                let answer = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
                peer.write_all(answer.as_bytes()).await.unwrap();
                peer.shutdown().await.unwrap();
                peer
            };
            let (stream, _peer) = tokio::join!(open_slowly(&door, "x"), node);
            let mut stream = stream.unwrap();
            for _ in 0..names {
                assert_eq!(stream.next_seats().await.unwrap(), "snapshot");
                assert_eq!(stream.map[&1], "HOLD");
            }
            assert!(stream.next_seats().await.is_err(), "it has ended");
        }
    }
}
