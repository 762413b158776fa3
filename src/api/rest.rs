//! The rest of a request body that the handler has not read. An early refusal (no token, a limit,
//! an unknown path) has not read the body. HTTP/1.1 can't continue after unread bytes: the
//! connection would break under the client's next request. So the rest is read before the response
//! goes out, or the response says that the connection closes.

use axum::extract::Request;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The most bytes of a rest that are read. Fewer: a client that sends a site plan which is too
/// large would see a broken connection in the place of the refusal. More: a stranger keeps the node
/// busy.
const REST_BYTES_MAX: usize = 32 * 1024 * 1024;
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
}

/// Gives the body to a handler, and also returns it; `None` when there is no body.
pub(super) fn lend(request: Request<Incoming>) -> (Request, Option<Rest>) {
    if request.body().is_end_stream() {
        return (request.map(|_| axum::body::Body::empty()), None);
    }
    let waits = request.headers().contains_key(hyper::header::EXPECT);
    let (head, body) = request.into_parts();
    let rest = Rest(Arc::new(Mutex::new(Unread { body, waits, ended: false })));
    (Request::from_parts(head, axum::body::Body::new(rest.clone())), Some(rest))
}

impl Rest {
    /// Reads the rest. `false` when it does not end soon, or when the client should not send it.
    pub(super) async fn discard(mut self) -> bool {
        if self.0.lock().waits {
            return false;
        }
        let reading = async {
            let mut bytes = 0;
            while let Some(frame) = poll_fn(|context| Pin::new(&mut self).poll_frame(context)).await
            {
                let Ok(frame) = frame else { return false };
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > REST_BYTES_MAX {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(REST_TIMEOUT, reading).await.unwrap_or(false)
    }
}

impl Body for Rest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut unread = self.0.lock();
        unread.waits = false;
        if unread.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut unread.body).poll_frame(context);
        unread.ended = matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().body.size_hint()
    }
}
