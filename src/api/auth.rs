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
use std::time::Duration;

/// A node that has not heard for this time whether sessions have ended asks Redis about a session
/// that moves money. It hears so about once a second. Longer: a session that was ended pays for
/// longer on a node that is cut off. Shorter: more questions.
const HEARD_AGE: Duration = Duration::from_secs(3);

/// A caller with a valid access token.
#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    /// Whether somebody has opened the link in a mail to the address of the account.
    pub email_verified: bool,
    /// Whether the account has a second factor. Then the log-in has shown it.
    pub second_factor: bool,
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

/// A caller whose session has not ended, for calls that move money. Other calls accept a session
/// that was ended a moment ago, and on a node that is cut off from Redis until its access token
/// ends.
pub struct Payer(pub User);

impl FromRequestParts<Arc<Services>> for Payer {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let user = User::from_request_parts(parts, services).await?;
        refuse_ended(services, &user).await?;
        Ok(Self(user))
    }
}

/// Refuses a session that has ended, also when this node has not heard of its end.
///
/// # Errors
/// `Unauthorized`; `Unavailable` when Redis does not say so.
pub async fn refuse_ended(services: &Services, user: &User) -> Result<(), ApiError> {
    if services.hub.hears(user.id.partition(), HEARD_AGE)
        || services.engine.has_session(user.id, user.session).await?
    {
        return Ok(());
    }
    Err(ErrorCode::Unauthorized.into())
}
