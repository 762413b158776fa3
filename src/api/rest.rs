//! The rest of a request body that the handler has not read. An early refusal (no token, a limit,
//! an unknown path) has not read the body. HTTP/1.1 can't continue after unread bytes: the
//! connection would break under the client's next request. So the rest is read before the response
//! goes out, or the response says that the connection closes.

use crate::api::outgoing::Ticket;
use axum::BoxError;
use axum::extract::Request;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The most bytes of a rest that are read of a stranger. Fewer: a client with a body that is too
/// large would see a broken connection in the place of the refusal. More: a stranger keeps the node
/// busy.
const REST_BYTES_MAX: usize = 256 * 1024;
/// The same for an administrator, whose site plan is too large.
const PLAN_REST_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The bytes of a body that need no room.
const FREE_BYTES: usize = 4 * 1024;
/// How long a refusal waits for the rest. Shorter: a slow phone has to connect again. Longer: slow
/// senders keep their connections longer.
const REST_TIMEOUT: Duration = Duration::from_secs(3);

/// The body of a request, shared between the handler and `discard`.
#[derive(Clone)]
pub(super) struct Rest(Arc<Mutex<Unread>>);

struct Unread {
    body: Incoming,
    /// The client sends the body only after a `100 Continue`, which hyper sends at the first read.
    waits: bool,
    ended: bool,
    ticket: Arc<Ticket>,
    /// The bytes that were read, and are kept until the response.
    received: usize,
    free: usize,
    limit: usize,
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.ticket.shrink(self.received);
        self.ticket.progress();
    }
}

/// Gives the body to a handler, and also returns it; `None` when there is no body.
pub(super) fn lend(request: Request<Incoming>, ticket: &Arc<Ticket>) -> (Request, Option<Rest>) {
    if request.body().is_end_stream() {
        return (request.map(|_| axum::body::Body::empty()), None);
    }
    let waits = request.headers().contains_key(hyper::header::EXPECT);
    // Only this route has a body of this size, and it reads none without an administrator.
    let is_plan = request.uri().path().starts_with("/api/admin/sites");
    let limit = if is_plan { PLAN_REST_BYTES_MAX } else { REST_BYTES_MAX };
    let (head, body) = request.into_parts();
    let ticket = ticket.clone();
    let (ended, received, free) = (false, 0, FREE_BYTES);
    let unread = Unread { body, waits, ended, ticket, received, free, limit };
    let rest = Rest(Arc::new(Mutex::new(unread)));
    (Request::from_parts(head, axum::body::Body::new(rest.clone())), Some(rest))
}

impl Rest {
    /// Reads the rest before a response with this status. `false` when it does not end soon, or
    /// when the client should not send it.
    pub(super) async fn discard(mut self, status: StatusCode) -> bool {
        let limit = match status {
            StatusCode::PAYLOAD_TOO_LARGE => self.0.lock().limit,
            _ => REST_BYTES_MAX,
        };
        if self.0.lock().waits || status == StatusCode::REQUEST_TIMEOUT {
            return false;
        }
        let reading = async {
            let mut bytes = 0;
            while let Some(frame) = poll_fn(|context| Pin::new(&mut self).poll_frame(context)).await
            {
                let Ok(frame) = frame else { return false };
                bytes += frame.data_ref().map_or(0, Bytes::len);
                self.0.lock().forget();
                if bytes > limit {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(REST_TIMEOUT, reading).await.unwrap_or(false)
    }
}

impl Unread {
    /// What was read is not kept.
    fn forget(&mut self) {
        self.ticket.shrink(std::mem::take(&mut self.received));
    }
}

impl Body for Rest {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut unread = self.0.lock();
        unread.waits = false;
        if unread.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut unread.body).poll_frame(context);
        unread.ended = matches!(polled, Poll::Ready(None));
        match &polled {
            Poll::Pending => unread.ticket.wait(),
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                unread.ticket.body_came(bytes);
                // The first bytes are free, so that a small request is served in any case.
                unread.free = unread.free.saturating_sub(bytes);
                if unread.free == 0 {
                    unread.ticket.grow(bytes)?;
                    unread.received += bytes;
                }
            }
            Poll::Ready(_) => unread.ticket.progress(),
        }
        polled.map_err(BoxError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().body.size_hint()
    }
}
