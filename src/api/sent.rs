//! The body of a response on its way: in pieces, so that the parser of HTTP buffers little of it,
//! and with its ticket, which knows whether the other side reads.

use crate::api::outgoing::{Full, Ticket};
use axum::body::Body;
use axum::http::Response as HttpResponse;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The most bytes that are handed over at once. Fewer: more turns. More: more memory for a client
/// that reads nothing.
const PIECE_BYTES: usize = 8 * 1024;

/// A body up to this size is sent in any case, because what it reports has been done. It fits into
/// the buffers that are counted for its connection or request.
const SMALL_BYTES: u64 = 8 * 1024;

/// Marks a response whose body belongs to the node, and is the same bytes for all who get it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared;

/// The body of a response with its ticket.
pub(super) struct Sent {
    body: Body,
    rest: Bytes,
    /// `None` for a refusal that costs nothing.
    ticket: Option<Arc<Ticket>>,
}

/// Bytes that the parser has not written yet.
struct Piece {
    bytes: Bytes,
    ticket: Arc<Ticket>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.ticket.piece_written();
    }
}

impl Sent {
    /// No body.
    pub(super) fn empty() -> Self {
        Self { body: Body::empty(), rest: Bytes::new(), ticket: None }
    }
}

/// A response with the ticket of its call.
pub(super) fn ticketed(
    response: Response,
    ticket: Arc<Ticket>,
) -> Result<HttpResponse<Sent>, Full> {
    let bytes = response.body().size_hint().upper().unwrap_or_default();
    if bytes > SMALL_BYTES && response.extensions().get::<Shared>().is_none() {
        ticket.grow(usize::try_from(bytes).unwrap_or(usize::MAX))?;
    }
    if ticket.is_http2() {
        ticket.wait();
    }
    Ok(response.map(|body| Sent { body, rest: Bytes::new(), ticket: Some(ticket) }))
}

/// A response that nothing is counted for.
pub(super) fn uncounted(response: Response) -> HttpResponse<Sent> {
    response.map(|body| Sent { body, rest: Bytes::new(), ticket: None })
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        while this.rest.is_empty() {
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Poll::Ready(end) => return Poll::Ready(end),
                Poll::Pending => {
                    if let Some(ticket) = &this.ticket {
                        ticket.has_nothing();
                    }
                    return Poll::Pending;
                }
            }
        }
        let length = this.rest.len().min(PIECE_BYTES);
        let bytes = this.rest.split_to(length);
        let piece = match &this.ticket {
            // HTTP/2 keeps the piece until its stream may send. HTTP/1.1 copies it at once.
            Some(ticket) if ticket.is_http2() => {
                ticket.piece_handed();
                Bytes::from_owner(Piece { bytes, ticket: ticket.clone() })
            }
            _ => bytes,
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, of_body) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}
