//! A connection under hyper that can be taken over. Its socket says whether bytes wait to be
//! written, and the head of the response is written by hand.

use crate::api::error::{ApiError, ErrorCode, PROBLEM};
use crate::api::events::retry;
use crate::api::outgoing::Peer;
use axum::response::Response;
use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket of a connection, below TLS if there is any. It notes whether the last write had to
/// wait. A look at the stream above would not do: TLS takes bytes into buffers of its own while the
/// socket is full, and reports success.
pub(super) struct Socket<S = TcpStream> {
    stream: S,
    /// `None` during the handshake of TLS, which has a timeout of its own.
    peer: Option<Arc<Peer>>,
    full: Arc<AtomicBool>,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, peer: Option<Arc<Peer>>) -> Self {
        Self { stream, peer, full: Arc::default() }
    }

    /// From now on it is known whose socket this is.
    pub(super) fn belongs_to(&mut self, peer: &Arc<Peer>) {
        self.peer = Some(peer.clone());
        if self.full.load(Ordering::Relaxed) {
            peer.blocked();
        }
    }

    /// Whether bytes wait to be written.
    pub(super) fn full(&self) -> Arc<AtomicBool> {
        self.full.clone()
    }

    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    fn noted<T>(&self, polled: Poll<T>) -> Poll<T> {
        let was_full = self.full.swap(polled.is_pending(), Ordering::Relaxed);
        if let Some(peer) = &self.peer {
            match (was_full, polled.is_pending()) {
                (false, true) => peer.blocked(),
                (true, false) => peer.unblocked(),
                (false, false) | (true, true) => {}
            }
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let (Poll::Ready(Ok(())), Some(peer)) = (&polled, &self.peer) {
            peer.read(buffer.filled().len() - before)?;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.noted(polled)
    }
}

/// A connection that hyper serves for now.
pub(super) struct Wire<S> {
    io: TokioIo<S>,
    peer: Arc<Peer>,
    /// What is written in place of a refusal by hyper, and how much of it is written.
    refusal: Option<(Vec<u8>, usize)>,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, peer: Arc<Peer>) -> Self {
        Self { io: TokioIo::new(stream), peer, refusal: None }
    }

    pub(super) fn into_inner(self) -> S {
        self.io.into_inner()
    }
}

impl<S: AsyncRead + Unpin> Read for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        if polled.is_ready() {
            self.peer.received();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> Write for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.refusal.is_none() {
            this.refusal = refusal_by_hyper(bytes).map(|error| (refusal(error), 0));
        }
        let Some((document, written)) = &mut this.refusal else {
            return Pin::new(&mut this.io).poll_write(context, bytes);
        };
        while *written < document.len() {
            match ready!(Pin::new(&mut this.io).poll_write(context, &document[*written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }
}

/// The bytes of the head of an accepted event stream, and of its first chunk.
pub(super) fn head(response: &Response) -> Bytes {
    let mut head =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n".to_vec();
    for (name, value) in response.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let now = jiff::Timestamp::now();
    if let Ok(date) = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now) {
        head.extend_from_slice(format!("date: {date}\r\n").as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(retry().chunk());
    Bytes::from(head)
}

/// What is wrong with a request whose head hyper refuses by itself, without a document and without
/// a hook. Such a response has no body, and no `x-request-id`, which all responses of ours have.
fn refusal_by_hyper(bytes: &[u8]) -> Option<ApiError> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ")?;
    let error = match rest.get(..4)? {
        b"400 " => ApiError::new(ErrorCode::Malformed, "The head of the request can't be read."),
        b"414 " | b"431 " => ErrorCode::HeadTooLarge.into(),
        _ => return None,
    };
    let text = str::from_utf8(rest).ok().filter(|text| text.ends_with("\r\n\r\n"))?;
    (!text.contains("\r\nx-request-id: ")).then_some(error)
}

/// A problem document with its head, for a connection that gets no further.
pub(super) fn refusal(error: ApiError) -> Vec<u8> {
    let code = error.code();
    let id = uuid::Uuid::now_v7().to_string();
    let document = error.problem(&id);
    let document = serde_json::to_string(&document).unwrap_or_default();
    let (status, length) = (code.status(), document.len());
    let retry_after =
        code.retry_after_seconds().map(|seconds| format!("retry-after: {seconds}\r\n"));
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM}\r\ncontent-length: {length}\r\n\
         cache-control: no-store\r\nx-request-id: {id}\r\n{}connection: close\r\n\r\n{document}",
        retry_after.unwrap_or_default()
    )
    .into_bytes()
}
