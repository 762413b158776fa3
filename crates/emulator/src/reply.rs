//! A reply of the emulator as bytes, so that the idempotency store can send it again unchanged.

use axum::body::Body;
use axum::http::status::InvalidStatusCode;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// In a file it is the number of its status and its body as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "(u16, String)", into = "(u16, String)")]
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

impl From<Reply> for (u16, String) {
    fn from(Reply { status, body }: Reply) -> Self {
        (status.as_u16(), String::from_utf8_lossy(&body).into_owned())
    }
}

impl TryFrom<(u16, String)> for Reply {
    type Error = InvalidStatusCode;

    fn try_from((status, body): (u16, String)) -> Result<Self, Self::Error> {
        Ok(Self { status: StatusCode::from_u16(status)?, body: body.into() })
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
