//! What an answer leaves unread of a request. Whoever refuses early (no token, a limit, an address
//! that does not exist) has not read the body. HTTP/1.1 can't go on behind bytes that nobody reads:
//! the connection would end under the next request of a client that knows nothing of it. So the
//! rest is read before the answer goes out, or the answer says that the connection ends.

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

/// Whoever sends more than this does not read answers. Less: a client in the middle of a plan that
/// is too large would see a broken connection in place of the answer.
const REST_BYTES: usize = 32 * 1024 * 1024;
/// A refusal waits so long at the most. Less: a slow phone has to connect again.
const REST_TIME: Duration = Duration::from_secs(3);

/// The body of a request, as long as somebody may read it.
#[derive(Clone)]
pub(super) struct Rest(Arc<Mutex<Unread>>);

struct Unread {
    body: Incoming,
    /// The client waits for a word before it sends the body: the first look at it is this word.
    waits: bool,
    ended: bool,
}

/// Gives the body to a handler, and keeps hold of it; none when there is no body.
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
    /// Reads what is left; `false` when it does not end soon, or should not be sent at all.
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
                if bytes > REST_BYTES {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(REST_TIME, reading).await.unwrap_or(false)
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
