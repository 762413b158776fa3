//! The accept loop: limits per connection, a timeout for headers, TCP_NODELAY, a clean stop.
//! `axum::serve` has none of these. An event stream of HTTP/1.1 leaves hyper once it is accepted:
//! its bare connection goes to the shards of the hub (docs/adr/0005-streams-leave-hyper.md).

use crate::api::Services;
use crate::api::events::{self, EventStream};
use crate::api::layers::Routes;
use crate::api::rest;
use crate::api::wire::{Wire, head};
use crate::live::shard::Watcher;
use crate::live::slots::{ConnectionSlots, Slot};
use axum::BoxError;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Version, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The most connections that wait to be accepted. An on-sale brings thousands within one second.
const BACKLOG_CONNECTIONS: i32 = 8192;
/// How long a client may take to send the head of a request. Longer: slow clients keep connections.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stop waits for open requests: as long as a confirmation may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const BUFFER_BYTES: usize = 16 * 1024;
/// The most bytes that the kernel keeps for a slow reader of an event stream: a snapshot of 25,000
/// seats. More: a slow reader gets older states.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// The response to a connection above the limit.
const TOO_MANY_RESPONSE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// Binds an address such as `127.0.0.1:8080`. A connection whose other side acknowledges nothing
/// for `peer_timeout` (3 s or more, plus or minus a third) ends by itself, because it would keep
/// its places for a quarter of an hour.
pub async fn bind(address: &str, peer_timeout: Duration) -> anyhow::Result<TcpListener> {
    use anyhow::Context as _;
    let explain = || format!("can't listen on {address}");
    let mut found = tokio::net::lookup_host(address).await.with_context(explain)?;
    let address = found.next().with_context(explain)?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit both: one for bytes without an acknowledgement, one for silence.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(peer_timeout))?;
    let third = peer_timeout / 3;
    let keepalive = TcpKeepalive::new().with_time(third).with_interval(third);
    socket.set_tcp_keepalive(&keepalive.with_retries(2))?;
    socket.bind(&address.into()).with_context(explain)?;
    socket.listen(BACKLOG_CONNECTIONS)?;
    Ok(TcpListener::from_std(socket.into())?)
}

/// An event stream whose connection leaves hyper.
struct AcceptedStream {
    head: Bytes,
    watcher: Watcher,
}

/// The parts that serve every connection.
struct Serving {
    routes: Routes,
    services: Arc<Services>,
    peer_timeout: Duration,
    stop: CancellationToken,
}

/// Serves until `stop`, then lets open requests end. `slots` are those of the connections;
/// `peer_timeout` is the same as for `bind`.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    services: Arc<Services>,
    slots: Arc<ConnectionSlots>,
    peer_timeout: Duration,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let serving = Arc::new(Serving { routes, services, peer_timeout, stop });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = serving.stop.cancelled() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Most likely all file descriptors are in use, so other connections must end first.
                tracing::warn!(%error, "accepting failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let peer = serving.services.proxies.connected(address.ip());
        let Ok(place) = slots.take(peer) else {
            metrics::counter!("grandstand_connections_refused_total").increment(1);
            let _ = stream.try_write(TOO_MANY_RESPONSE);
            continue;
        };
        let connection = serving.clone().connection(stream, address.ip(), place);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection ended");
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(STOP_TIMEOUT, connections.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

impl Serving {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        address: IpAddr,
        mut place: Slot,
    ) -> Result<(), BoxError> {
        // If the socket is gone already, hyper notices.
        let _ = stream.set_nodelay(true);
        let first = tokio::time::timeout(HEADER_TIMEOUT, speaks_http2(&stream));
        let http2 = tokio::select! {
            // A request that has come already gets its response.
            biased;
            first = first => first??,
            () = self.stop.cancelled() => return Ok(()),
        };
        if http2 {
            return self.http2(stream, address).await;
        }
        let hub = self.services.hub.clone();
        if let Some((stream, mut accepted)) = self.http1(stream, address).await? {
            forget_this_task(&stream);
            let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES);
            if accepted.watcher.stream_slot.is_of_user() {
                // The bound of the streams of this user counts instead of that of the address.
                place.leave_holders();
            }
            accepted.watcher.connection_slot = Some(place);
            hub.shards.take(stream, accepted.head, accepted.watcher);
        }
        Ok(())
    }

    async fn http2(self: Arc<Self>, stream: TcpStream, address: IpAddr) -> Result<(), BoxError> {
        let serving = self.clone();
        let service = service_fn(move |request| {
            let serving = serving.clone();
            async move {
                let (mut response, watcher) = serving.respond(request, address).await?;
                if let Some(watcher) = watcher {
                    *response.body_mut() = events::body(watcher, serving.stop.clone());
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(self.peer_timeout / 2)
            .keep_alive_timeout(self.peer_timeout / 2)
            .max_concurrent_streams(128)
            .max_header_list_size(BUFFER_BYTES as u32);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    /// Serves requests until the connection ends, or until one of them is an event stream.
    async fn http1(
        self: Arc<Self>,
        stream: TcpStream,
        address: IpAddr,
    ) -> Result<Option<(TcpStream, AcceptedStream)>, BoxError> {
        let accepted: Arc<Mutex<Option<AcceptedStream>>> = Arc::default();
        let (serving, offered) = (self.clone(), accepted.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (serving, offered) = (serving.clone(), offered.clone());
            async move {
                let version = request.version();
                let (mut response, watcher) = serving.respond(request, address).await?;
                match watcher {
                    Some(watcher) if version == Version::HTTP_11 => {
                        let head = head(&response);
                        *offered.lock() = Some(AcceptedStream { head, watcher });
                        // The connection leaves hyper, which drops this future.
                        std::future::pending::<()>().await;
                    }
                    Some(watcher) => {
                        *response.body_mut() = events::body(watcher, serving.stop.clone());
                    }
                    None => {}
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(BUFFER_BYTES)
            // Head and body go into one buffer: most bodies have less than 1 KiB, and a copy of
            // them costs less than a write of two parts.
            .writev(false);
        let wire = Wire::new(stream);
        let full = wire.full();
        let mut connection = builder.serve_connection(wire, service);
        let mut stopped = pin!(self.stop.cancelled());
        let mut stopping = false;
        let ended = poll_fn(|context| {
            if !stopping && stopped.as_mut().poll(context).is_ready() {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            let polled = Pin::new(&mut connection).poll(context);
            // Only when all earlier responses are written.
            if polled.is_pending() && accepted.lock().is_some() && !full.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            polled
        });
        ended.await?;
        let accepted = accepted.lock().take();
        Ok(accepted.map(|accepted| (connection.into_parts().io.into_stream(), accepted)))
    }

    /// The response to a request, and its watcher when it is an event stream.
    async fn respond(
        &self,
        request: Request<Incoming>,
        address: IpAddr,
    ) -> Result<(Response, Option<Watcher>), Infallible> {
        let wants_body = request.method() != Method::HEAD;
        let version = request.version();
        let (request, rest) = rest::lend(request);
        let mut response = self.routes.respond(request, address).await;
        let stream = response.extensions_mut().remove::<EventStream>();
        if stream.is_some() {
            // It is the length of an empty body.
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        // The connection of a stream is not used again.
        if stream.is_none()
            && let Some(rest) = rest
            && !rest.discard().await
            && version < Version::HTTP_2
        {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let watcher = stream.and_then(|stream| stream.take()).filter(|_| wants_body);
        Ok((response, watcher))
    }
}

/// Makes a socket drop the waker of the task that last waited for it, because a waker keeps the
/// memory of its whole task: 4 KiB while the stream lives.
fn forget_this_task(stream: &TcpStream) {
    let mut nobody = Context::from_waker(Waker::noop());
    let _ = stream.poll_read_ready(&mut nobody);
    let _ = stream.poll_write_ready(&mut nobody);
}

/// Whether a connection begins with the preface of HTTP/2. No byte is consumed.
async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    const PREFACE: [u8; 4] = *b"PRI ";
    let mut first = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut first).await?;
        if count == 0 || first[..count] != PREFACE[..count] {
            return Ok(false);
        }
        if count == PREFACE.len() {
            return Ok(true);
        }
        // The rest of these few bytes is on its way, but `peek` does not wait for it.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Wake;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[tokio::test]
    async fn a_socket_that_left_hyper_keeps_nothing_of_its_task() {
        let listener = bind("127.0.0.1:0", Duration::from_secs(45)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        // The first poll of a new socket says that it may be read. A read shows that it may not.
        stream.writable().await.unwrap();
        assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        let task = Arc::new(Task);
        let waker = Waker::from(task.clone());
        assert!(stream.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 2, "the socket keeps the waker of the task");
        forget_this_task(&stream);
        assert_eq!(Arc::strong_count(&task), 1);
        drop(client);
    }
}
