//! Who calls. The extractor is a proof: a handler that takes a `User` can't be reached without a
//! valid access token. `api/staff.rs` has those for people with a role.

use crate::api::Services;
use crate::api::error::{ApiError, ErrorCode};
use crate::domain::account::Role;
use crate::domain::ids::{SessionId, SiteId, UserId};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header;
use axum::http::request::Parts;
use std::sync::Arc;

/// A caller with a valid access token.
#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    /// Whether somebody has opened the link in a mail to the address of the account.
    pub email_verified: bool,
    pub role: Role,
    /// The sites at which the role counts.
    pub sites: Arc<[SiteId]>,
    /// The version of the account when the token was made.
    pub version: u64,
    pub session: SessionId,
}

/// The access token of a request, if it has one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl FromRequestParts<Arc<Services>> for User {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or_else(|| {
            ApiError::new(
                ErrorCode::Unauthorized,
                "Log in first, and send the header Authorization: Bearer TOKEN.",
            )
        })?;
        services.tokens.check(token)
    }
}
