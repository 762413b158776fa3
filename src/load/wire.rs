//! A connection to the server: HTTP/1.1, kept alive, one request at a time, no more than that. A
//! full client would cost as much as the server does, and both share the cores of the machine.

use bytes::{Buf, Bytes, BytesMut};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request without an answer after so long has an unknown outcome.
const ANSWER: Duration = Duration::from_secs(20);
/// A server may close a connection that was idle; after so long it is looked at before it is used.
const IDLE: Duration = Duration::from_secs(3);
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Place {
    pub address: SocketAddr,
    /// For the header `Host`.
    pub host: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The request was never sent.
    #[error("no connection: {0}")]
    NoConnection(std::io::Error),
    /// It was sent, and what became of it is not known.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// One connection; it opens itself when it is used.
pub struct Connection {
    place: Place,
    stream: Option<TcpStream>,
    input: BytesMut,
    output: Vec<u8>,
    used_at: Instant,
}

/// How the body of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunks,
}

struct Head {
    status: u16,
    length: Length,
    closes: bool,
}

impl Connection {
    /// A connection that is not open yet.
    pub fn new(place: Place) -> Self {
        let (input, output) = (BytesMut::with_capacity(4096), Vec::with_capacity(1024));
        Self { place, stream: None, input, output, used_at: Instant::now() }
    }

    /// Sends a request and reads the answer to its end.
    pub async fn call(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<Answer, Trouble> {
        self.open().await.map_err(Trouble::NoConnection)?;
        let exchange = tokio::time::timeout(ANSWER, self.exchange(method, path, token, body));
        let (answer, keep) = match exchange.await {
            Ok(Ok((answer, closes))) => (Ok(answer), !closes),
            Ok(Err(error)) => (Err(Trouble::NoAnswer(error.to_string())), false),
            Err(_) => (Err(Trouble::NoAnswer(format!("none within {ANSWER:?}"))), false),
        };
        if !keep {
            self.stream = None;
            self.input.clear();
        }
        self.used_at = Instant::now();
        answer
    }

    /// Opens an event stream; what comes is read with `event`.
    pub async fn listen(&mut self, path: &str) -> Result<(), Trouble> {
        self.open().await.map_err(Trouble::NoConnection)?;
        let begun = async {
            self.send("GET", path, None, None).await?;
            self.head().await
        };
        match tokio::time::timeout(ANSWER, begun).await.unwrap_or_else(|late| Err(late.into())) {
            Ok(head) if head.status == 200 && head.length == Length::Chunks => Ok(()),
            Ok(head) => Err(Trouble::NoAnswer(format!("status {}", head.status))),
            Err(error) => Err(Trouble::NoAnswer(error.to_string())),
        }
    }

    /// The next chunk of an event stream; `None` at its end.
    pub async fn chunk(&mut self) -> std::io::Result<Option<Bytes>> {
        let size = loop {
            if let Some(end) = find(&self.input, b"\r\n") {
                let size = chunk_size(&self.input[..end])?;
                self.input.advance(end + 2);
                break size;
            }
            self.more().await?;
        };
        while self.input.len() < size + 2 {
            self.more().await?;
        }
        let chunk = self.input.split_to(size).freeze();
        self.input.advance(2);
        Ok((size > 0).then_some(chunk))
    }

    async fn open(&mut self) -> std::io::Result<()> {
        if let Some(stream) = &self.stream
            && self.used_at.elapsed() > IDLE
        {
            // Nothing is expected: whatever can be read, an end above all, makes it useless.
            let mut byte = [0];
            if !matches!(stream.try_read(&mut byte), Err(error)
                if error.kind() == std::io::ErrorKind::WouldBlock)
            {
                self.stream = None;
            }
        }
        if self.stream.is_none() {
            let connecting = TcpStream::connect(self.place.address);
            let stream = tokio::time::timeout(ANSWER, connecting).await??;
            stream.set_nodelay(true)?;
            self.input.clear();
            self.stream = Some(stream);
        }
        Ok(())
    }

    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
    ) -> std::io::Result<(Answer, bool)> {
        self.send(method, path, token, body).await?;
        let head = self.head().await?;
        let body = match head.length {
            Length::Bytes(length) => {
                while self.input.len() < length {
                    self.more().await?;
                }
                self.input.split_to(length).freeze()
            }
            Length::Chunks => {
                let mut whole = BytesMut::new();
                while let Some(chunk) = self.chunk().await? {
                    whole.extend_from_slice(&chunk);
                }
                whole.freeze()
            }
        };
        Ok((Answer { status: head.status, body }, head.closes))
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
    ) -> std::io::Result<()> {
        let output = &mut self.output;
        output.clear();
        write!(output, "{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.place.host)?;
        if let Some(token) = token {
            write!(output, "authorization: Bearer {token}\r\n")?;
        }
        if let Some(body) = body {
            let length = body.len();
            write!(output, "content-type: application/json\r\ncontent-length: {length}\r\n")?;
        }
        output.extend_from_slice(b"\r\n");
        output.extend_from_slice(body.unwrap_or_default());
        let stream = self.stream.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
        stream.write_all(output).await
    }

    async fn head(&mut self) -> std::io::Result<Head> {
        loop {
            if let Some(end) = find(&self.input, b"\r\n\r\n") {
                let head = read_head(&self.input[..end]);
                self.input.advance(end + 4);
                return head;
            }
            if self.input.len() > HEAD_BYTES_MAX {
                return Err(bad("a head without an end"));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> std::io::Result<()> {
        let stream = self.stream.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
        match stream.read_buf(&mut self.input).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn read_head(bytes: &[u8]) -> std::io::Result<Head> {
    let text = std::str::from_utf8(bytes).map_err(|_| bad("a head that is not text"))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3));
    let status: u16 = status.and_then(|text| text.parse().ok()).ok_or_else(|| bad("no status"))?;
    // 204 and 304 have no body, whatever their head says.
    let (mut length, mut closes) = (Length::Bytes(0), false);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Bytes(value.parse().map_err(|_| bad("content-length"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunks;
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        }
    }
    if matches!(status, 204 | 304) {
        length = Length::Bytes(0);
    }
    Ok(Head { status, length, closes })
}

fn chunk_size(line: &[u8]) -> std::io::Result<usize> {
    let text = std::str::from_utf8(line).unwrap_or("").split(';').next().unwrap_or("");
    usize::from_str_radix(text.trim(), 16).map_err(|_| bad("the size of a chunk"))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn bad(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("can't read {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_say_how_the_body_ends() {
        let read = |text: &str| read_head(text.as_bytes()).map(|head| (head.status, head.length));
        let answer = "HTTP/1.1 201 Created\r\nContent-Length: 12\r\nx: y";
        assert_eq!(read(answer).unwrap(), (201, Length::Bytes(12)));
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked";
        assert_eq!(read(answer).unwrap(), (200, Length::Chunks));
        assert_eq!(read("HTTP/1.1 204 No Content").unwrap(), (204, Length::Bytes(0)));
        assert!(read("HTTP/2 200").is_err());
        assert_eq!(chunk_size(b"1f;x=y").unwrap(), 31);
        assert!(chunk_size(b"wide").is_err());
    }
}
