//! Who calls. An extractor is a proof: a handler that takes a `User` can't be reached without a
//! valid access token, or an API key with the scope of the call. `api/staff.rs` has the extractors
//! for people with a role.

use crate::api::Services;
use crate::api::error::{ApiError, ErrorCode};
use crate::domain::account::Role;
use crate::domain::api_key::Scope;
use crate::domain::ids::{SessionId, SiteId, UserId};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// A node that has not heard for this time whether sessions have ended asks Redis about a session
/// that moves money. It hears so about once a second. Longer: a session that was ended pays for
/// longer on a node that is cut off. Shorter: more questions.
const HEARD_AGE: Duration = Duration::from_secs(3);

/// A caller with a valid access token or API key.
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
    pub credential: Credential,
}

/// How a caller has shown who they are.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The access token of a log-in.
    Session(SessionId),
    /// An API key with these scopes.
    Key(Arc<[Scope]>),
}

impl User {
    /// The log-in, if it is a person who calls.
    pub fn session(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Session(session) => Some(session),
            Credential::Key(_) => None,
        }
    }

    /// The person who calls; `None` for an API key.
    pub fn owner(self) -> Option<Owner> {
        let session = self.session()?;
        Some(Owner { user: self, session })
    }

    /// Whether the credential allows what this scope stands for. The role must allow it, too.
    pub fn has_scope(&self, scope: Scope) -> bool {
        match &self.credential {
            Credential::Session(_) => true,
            Credential::Key(scopes) => scopes.contains(&scope),
        }
    }

    /// Refuses an API key without the scope that a call needs; `None`: no key will do.
    fn refuse_without(&self, scope: Option<Scope>) -> Result<(), ApiError> {
        match (&self.credential, scope) {
            (Credential::Session(_), _) => Ok(()),
            (Credential::Key(_), None) => Err(ApiError::new(
                ErrorCode::ScopeMissing,
                "No API key can make this call. Log in for it.",
            )),
            (Credential::Key(scopes), Some(scope)) if scopes.contains(&scope) => Ok(()),
            (Credential::Key(_), Some(scope)) => Err(ApiError::new(
                ErrorCode::ScopeMissing,
                format!("This call needs an API key with the scope {}.", scope.word()),
            )),
        }
    }
}

/// What the token of a request says, and the scope that an API key needs for it. `api::layers` adds
/// it to each request.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// `None` without a token.
    pub found: Option<Result<User, ApiError>>,
    pub scope: Option<Scope>,
}

impl Identity {
    /// The user with a valid token.
    pub fn user(&self) -> Option<&User> {
        self.found.as_ref()?.as_ref().ok()
    }
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The access token or API key of a request, if it has one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Ok(Identity { found, scope }) = Identity::from_request_parts(parts, state).await;
        let user = found.ok_or_else(|| {
            ApiError::new(
                ErrorCode::Unauthorized,
                "Log in first, and send the header Authorization: Bearer TOKEN.",
            )
        })??;
        user.refuse_without(scope)?;
        Ok(user)
    }
}

/// The user whose valid token a request has, where none is needed.
#[derive(Debug, Clone, Copy)]
pub struct TokenUser(pub Option<UserId>);

impl<S: Sync> FromRequestParts<S> for TokenUser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Ok(identity) = Identity::from_request_parts(parts, state).await;
        Ok(Self(identity.user().map(|user| user.id)))
    }
}

/// The owner of an account, who has logged in. No API key is one.
pub struct Owner {
    pub user: User,
    pub session: SessionId,
}

impl Deref for Owner {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

impl<S: Sync> FromRequestParts<S> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let user = User::from_request_parts(parts, state).await?;
        user.owner().ok_or_else(|| ErrorCode::ScopeMissing.into())
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

/// Refuses a session or an API key that has ended, also when this node has not heard of its end.
///
/// # Errors
/// `Unauthorized`; `Unavailable` when Redis does not say so.
pub async fn refuse_ended(services: &Services, user: &User) -> Result<(), ApiError> {
    if services.hub.hears(user.id.partition(), HEARD_AGE) {
        return Ok(());
    }
    let counts = match user.credential {
        Credential::Session(session) => services.engine.has_session(user.id, session).await?,
        Credential::Key(_) => {
            let account = services.engine.api_key(user.id).await?;
            account.is_some_and(|account| account.version == user.version)
        }
    };
    if counts { Ok(()) } else { Err(ErrorCode::Unauthorized.into()) }
}
