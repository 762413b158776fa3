//! A connection to the server: HTTP/1.1 with keep-alive, one request at a time, and nothing else. A
//! full client would cost as much as the server, and both share the cores of the machine.

use bytes::{Buf, Bytes, BytesMut};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request without a response after this timeout has an unknown outcome.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// A server may close an idle connection. A connection that was idle for longer than this is
/// checked before it is used.
const IDLE_MAX: Duration = Duration::from_secs(3);
/// The size of the input buffer. Smaller: more reads per response.
const INPUT_BYTES: usize = 4096;
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The address of a server.
#[derive(Debug, Clone)]
pub(crate) struct ServerAddress {
    pub(crate) address: SocketAddr,
    /// The value of the header `Host`.
    pub(crate) host: String,
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Delete,
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request was never sent.
    #[error("no connection: {0}")]
    NoConnection(std::io::Error),
    /// The request was sent, and its outcome is not known.
    #[error("no response: {0}")]
    NoResponse(String),
}

/// A connection, which opens when it is used.
pub(crate) struct Connection {
    server: ServerAddress,
    stream: Option<TcpStream>,
    input: BytesMut,
    output: Vec<u8>,
    used_at: Instant,
}

/// How the end of a body is marked.
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
    pub(crate) fn new(server: ServerAddress) -> Self {
        let (input, output) = (BytesMut::new(), Vec::new());
        Self { server, stream: None, input, output, used_at: Instant::now() }
    }

    /// Sends a request and reads the response to its end.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<Response, Failure> {
        self.open().await.map_err(Failure::NoConnection)?;
        let exchange =
            tokio::time::timeout(RESPONSE_TIMEOUT, self.exchange(method, path, token, body));
        let (response, keep) = match exchange.await {
            Ok(Ok((response, closes))) => (Ok(response), !closes),
            Ok(Err(error)) => (Err(Failure::NoResponse(error.to_string())), false),
            Err(_) => {
                (Err(Failure::NoResponse(format!("none within {RESPONSE_TIMEOUT:?}"))), false)
            }
        };
        if !keep {
            self.stream = None;
            self.input.clear();
        }
        self.used_at = Instant::now();
        response
    }

    /// Opens an event stream. `chunk` then reads its events.
    pub(crate) async fn listen(&mut self, path: &str) -> Result<(), Failure> {
        self.open().await.map_err(Failure::NoConnection)?;
        let begun = async {
            self.send(Method::Get, path, None, None).await?;
            self.head().await
        };
        match tokio::time::timeout(RESPONSE_TIMEOUT, begun)
            .await
            .unwrap_or_else(|late| Err(late.into()))
        {
            Ok(head) if head.status == 200 && head.length == Length::Chunks => Ok(()),
            Ok(head) => Err(Failure::NoResponse(format!("status {}", head.status))),
            Err(error) => Err(Failure::NoResponse(error.to_string())),
        }
    }

    /// Returns the next chunk of an event stream, or `None` at its end.
    pub(crate) async fn chunk(&mut self) -> std::io::Result<Option<Bytes>> {
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
            && self.used_at.elapsed() > IDLE_MAX
        {
            // No data is expected. If there is any, above all an end, the connection is useless.
            let mut byte = [0];
            if !matches!(stream.try_read(&mut byte), Err(error)
                if error.kind() == std::io::ErrorKind::WouldBlock)
            {
                self.stream = None;
            }
        }
        if self.stream.is_none() {
            let connecting = TcpStream::connect(self.server.address);
            let stream = tokio::time::timeout(RESPONSE_TIMEOUT, connecting).await??;
            stream.set_nodelay(true)?;
            self.input.clear();
            self.input.reserve(INPUT_BYTES);
            self.stream = Some(stream);
        }
        Ok(())
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
    ) -> std::io::Result<(Response, bool)> {
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
        Ok((Response { status: head.status, body }, head.closes))
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
    ) -> std::io::Result<()> {
        let output = &mut self.output;
        output.clear();
        write!(output, "{} {path} HTTP/1.1\r\nhost: {}\r\n", method.word(), self.server.host)?;
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
                return Err(unreadable("a head without an end"));
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
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("a head that is not text"))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3));
    let status: u16 =
        status.and_then(|text| text.parse().ok()).ok_or_else(|| unreadable("no status"))?;
    // 204 and 304 have no body, even when the head gives a length.
    let (mut length, mut closes) = (Length::Bytes(0), false);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Bytes(value.parse().map_err(|_| unreadable("content-length"))?);
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
    usize::from_str_radix(text.trim(), 16).map_err(|_| unreadable("the size of a chunk"))
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

fn unreadable(part: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("can't read {part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_the_body_ends() {
        let read = |text: &str| read_head(text.as_bytes()).map(|head| (head.status, head.length));
        let head = "HTTP/1.1 201 Created\r\nContent-Length: 12\r\nx: y";
        assert_eq!(read(head).unwrap(), (201, Length::Bytes(12)));
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked";
        assert_eq!(read(head).unwrap(), (200, Length::Chunks));
        assert_eq!(read("HTTP/1.1 204 No Content").unwrap(), (204, Length::Bytes(0)));
        assert!(read("HTTP/2 200").is_err());
        assert_eq!(chunk_size(b"1f;x=y").unwrap(), 31);
        assert!(chunk_size(b"wide").is_err());
    }
}
