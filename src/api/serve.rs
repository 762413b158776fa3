//! The accept loop: limits per connection, a timeout for headers, TCP_NODELAY, a clean stop.
//! `axum::serve` has none of these. An event stream of HTTP/1.1 leaves hyper once it is accepted:
//! its bare connection goes to the shards of the hub (docs/adr/0005-streams-leave-hyper.md).

use crate::api::Services;
use crate::api::address::block_of;
use crate::api::events::{self, EventStream};
use crate::api::layers::Routes;
use crate::api::outgoing::{Full, HEAD_TIMEOUT, IDLE_TIMEOUT, Outgoing, Peer, Ticket};
use crate::api::rest;
use crate::api::sent::{Sent, ticketed};
use crate::api::socket::{forget_this_task, speaks_http2, turn_away};
use crate::api::tls::{AcceptedTls, TlsListener};
use crate::api::wire::{Socket, Wire, head};
use crate::live::shard::Watcher;
use crate::live::slots::{ConnectionSlots, Slot};
use axum::BoxError;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response as HttpResponse, Version, header};
use axum::response::Response;
use bytes::Bytes;
use futures::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use socket2::SockRef;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a stop waits for open requests: as long as a confirmation may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const BUFFER_BYTES: usize = 16 * 1024;
/// The most bytes that the kernel keeps for a slow reader of an event stream: a snapshot of 25,000
/// seats. More: a slow reader gets older states.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// The most requests at once on a connection of HTTP/2, as browsers expect.
const STREAMS_MAX: u32 = 100;
/// The most requests of a connection that were reset before they were served, and the most that
/// were reset for a fault. More than that is a flood, and the connection ends.
const RESET_STREAMS_MAX: usize = 50;
/// The most bytes of bodies that come unasked over HTTP/2: for a request, and for a connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 128 * 1024;

/// An event stream whose connection leaves hyper.
struct AcceptedStream {
    head: Bytes,
    watcher: Watcher,
}

/// The parts that serve every connection.
struct Serving {
    routes: Routes,
    services: Arc<Services>,
    outgoing: Arc<Outgoing>,
    tls: Option<Arc<TlsListener>>,
    peer_timeout: Duration,
    stop: CancellationToken,
}

/// Where connections come in.
pub struct Listening {
    pub socket: TcpListener,
    /// Without it, the connections are plain.
    pub tls: Option<Arc<TlsListener>>,
    /// The slots of the connections.
    pub slots: Arc<ConnectionSlots>,
}

/// Serves until `stop`, then lets open requests end. `peer_timeout` is the same as for `bind`.
pub async fn serve(
    listening: Listening,
    routes: Routes,
    services: Arc<Services>,
    peer_timeout: Duration,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let outgoing = Outgoing::new(services.limits.are_on());
    connections.spawn(outgoing.clone().watch(stop.clone()));
    let Listening { socket: listener, tls, slots } = listening;
    let serving = Arc::new(Serving { routes, services, outgoing, tls, peer_timeout, stop });
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
        let Ok(place) = slots.take(peer.map(|peer| (peer, block_of(peer)))) else {
            metrics::counter!("grandstand_connections_refused_total").increment(1);
            if serving.tls.is_none() {
                turn_away(stream);
            }
            continue;
        };
        // Mapped, because an async block that waits for this future would have room for it twice.
        let connection = serving.clone().connection(stream, address.ip(), place);
        connections.spawn(connection.map(|ended| {
            if let Err(error) = ended {
                tracing::trace!(%error, "a connection ended");
            }
        }));
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
        if let Some(tls) = self.tls.clone() {
            return Box::pin(self.encrypted(&tls, stream, address)).await;
        }
        let first = tokio::time::timeout(HEAD_TIMEOUT, speaks_http2(&stream));
        let http2 = tokio::select! {
            // A request that has come already gets its response.
            biased;
            first = first => first??,
            () = self.stop.cancelled() => return Ok(()),
        };
        let connected = self.outgoing.connect(self.services.proxies.connected(address), http2);
        let stream = Socket::new(stream, Some(connected.0.clone()));
        if http2 {
            return Box::pin(self.http2(stream, address, &connected.0)).await;
        }
        let hub = self.services.hub.clone();
        let taken = Box::pin(self.http1(stream, address, &connected.0)).await?;
        drop(connected);
        if let Some((stream, mut accepted)) = taken {
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

    async fn encrypted(
        self: Arc<Self>,
        tls: &TlsListener,
        stream: TcpStream,
        address: IpAddr,
    ) -> Result<(), BoxError> {
        let accepted = tokio::select! {
            accepted = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)) => accepted??,
            () = self.stop.cancelled() => return Ok(()),
        };
        let caller = self.services.proxies.connected(address);
        let AcceptedTls { mut stream, http2 } = accepted;
        let connected = self.outgoing.connect(caller, http2);
        stream.get_mut().0.belongs_to(&connected.0);
        match http2 {
            true => self.http2(stream, address, &connected.0).await,
            false => self.http1_in_tls(stream, address, &connected.0).await,
        }
    }

    /// What hyper calls for each request of a connection that it keeps to its end. A client may
    /// begin many requests at once, so there must be room for each before it runs.
    fn service(
        self: &Arc<Self>,
        address: IpAddr,
        peer: &Arc<Peer>,
    ) -> impl HttpService<Incoming, ResBody = Sent, Error = Infallible, Future: Send> + use<> {
        let (serving, caller) = (self.clone(), peer.clone());
        // The future is in a box, because the memory of a refused request should be small.
        service_fn(move |request| {
            let page = serving.routes.page_of(&request);
            match Ticket::begin(&caller) {
                Ok(ticket) => serving.clone().call_to_end(request, address, ticket).boxed(),
                Err(Full) => ready(Ok(serving.routes.refuse_bare(page))).boxed(),
            }
        })
    }

    /// HTTP/1.1 inside TLS. Its event streams stay in hyper, because the hub writes to bare
    /// sockets.
    async fn http1_in_tls(
        self: Arc<Self>,
        stream: TlsStream<Socket>,
        address: IpAddr,
        peer: &Arc<Peer>,
    ) -> Result<(), BoxError> {
        let wire = Wire::new(stream, peer.clone());
        let connection = http1_builder().serve_connection(wire, self.service(address, peer));
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = peer.cut.notified() => return Ok(()),
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            ended = connection.as_mut() => Ok(ended?),
            () = peer.cut.notified() => Ok(()),
        }
    }

    async fn http2(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        address: IpAddr,
        peer: &Arc<Peer>,
    ) -> Result<(), BoxError> {
        let service = self.service(address, peer);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(self.peer_timeout / 2)
            .keep_alive_timeout(self.peer_timeout / 2)
            .max_concurrent_streams(STREAMS_MAX)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(RESET_STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(BUFFER_BYTES)
            .max_header_list_size(BUFFER_BYTES as u32);
        let wire = Wire::new(stream, peer.clone());
        let mut connection = pin!(builder.serve_connection(wire, service));
        let (mut stopped, mut idle) = (pin!(self.stop.cancelled()), pin!(peer.idle.notified()));
        let mut stopping = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => return Ok(ended?),
                () = peer.cut.notified() => return Ok(()),
                () = stopped.as_mut(), if !stopping => {}
                () = idle.as_mut(), if !stopping => {}
            }
            stopping = true;
            connection.as_mut().graceful_shutdown();
        }
    }

    async fn call_to_end(
        self: Arc<Self>,
        request: Request<Incoming>,
        address: IpAddr,
        ticket: Ticket,
    ) -> Result<HttpResponse<Sent>, Infallible> {
        let (ticket, page) = (Arc::new(ticket), self.routes.page_of(&request));
        let (mut response, watcher) = self.respond(request, address, &ticket).await;
        if let Some(watcher) = watcher {
            *response.body_mut() = events::body(watcher, self.stop.clone());
        }
        // Without room not even a problem document goes out, because nobody may read it.
        Ok(ticketed(response, ticket).unwrap_or_else(|Full| self.routes.refuse_bare(page)))
    }

    /// Serves requests until the connection ends, or until one of them is an event stream.
    async fn http1(
        self: Arc<Self>,
        stream: Socket,
        address: IpAddr,
        peer: &Arc<Peer>,
    ) -> Result<Option<(TcpStream, AcceptedStream)>, BoxError> {
        let accepted: Arc<Mutex<Option<AcceptedStream>>> = Arc::default();
        let (serving, offered, caller) = (self.clone(), accepted.clone(), peer.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (serving, offered) = (serving.clone(), offered.clone());
            let ticket = Ticket::begin(&caller);
            async move {
                let page = serving.routes.page_of(&request);
                let Ok(ticket) = ticket.map(Arc::new) else {
                    return Ok(serving.routes.refuse(page));
                };
                let version = request.version();
                let (mut response, watcher) = serving.respond(request, address, &ticket).await;
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
                let sent = ticketed(response, ticket);
                Ok::<_, Infallible>(sent.unwrap_or_else(|Full| serving.routes.refuse(page)))
            }
        });
        let full = stream.full();
        let wire = Wire::new(stream, peer.clone());
        let mut connection = http1_builder().serve_connection(wire, service);
        let (mut stopped, mut cut) = (pin!(self.stop.cancelled()), pin!(peer.cut.notified()));
        let mut stopping = false;
        let ended = poll_fn(|context| {
            if cut.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(BoxError::from("the client is too slow")));
            }
            if !stopping && stopped.as_mut().poll(context).is_ready() {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            let polled = Pin::new(&mut connection).poll(context);
            // Only when all earlier responses are written.
            if polled.is_pending() && accepted.lock().is_some() && !full.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            polled.map_err(BoxError::from)
        });
        ended.await?;
        let accepted = accepted.lock().take();
        Ok(accepted.map(|accepted| {
            let socket = connection.into_parts().io.into_inner();
            (socket.into_stream(), accepted)
        }))
    }

    /// The response to a request, and its watcher when it is an event stream.
    async fn respond(
        &self,
        request: Request<Incoming>,
        address: IpAddr,
        ticket: &Arc<Ticket>,
    ) -> (Response, Option<Watcher>) {
        let wants_body = request.method() != Method::HEAD;
        let version = request.version();
        let (request, rest) = rest::lend(request, ticket);
        let mut response = self.routes.respond(request, address, self.tls.is_some()).await;
        let stream = response.extensions_mut().remove::<EventStream>();
        if stream.is_some() {
            // It is the length of an empty body.
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        let status = response.status();
        // The connection of a stream is not used again.
        if stream.is_none()
            && let Some(rest) = rest
            && !rest.discard(status).await
            && version < Version::HTTP_2
        {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let watcher = stream.and_then(|stream| stream.take()).filter(|_| wants_body);
        (response, watcher)
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Of the head of a request alone `Outgoing` thinks.
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(BUFFER_BYTES)
        // Head and body go into one buffer: most bodies have less than 1 KiB, and a copy of
        // them costs less than a write of two parts.
        .writev(false);
    builder
}
