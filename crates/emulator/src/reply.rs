//! A reply of the emulator as bytes, so that the idempotency store can send it again unchanged.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Bytes,
}

/// Marks a response that is not sent, because the server cuts the connection instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut;

impl Reply {
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self { status, body: body.into() },
            Err(_) => Self { status: StatusCode::INTERNAL_SERVER_ERROR, body: Bytes::new() },
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let content_type = [(header::CONTENT_TYPE, "application/json;charset=UTF-8")];
        (self.status, content_type, self.body).into_response()
    }
}

impl IntoResponse for Cut {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}
