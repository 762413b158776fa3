//! Sessions: their refresh tokens, and the cookie in which a browser keeps one.

use crate::api::Services;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::trail::{account_target, entry};
use crate::domain::account::Account;
use crate::domain::account::Role;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::trail::{Act, TrailEntry};
use crate::engine::error::{EngineError, Refusal};
use crate::engine::sessions::{Device, NewSession};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::net::IpAddr;

/// How long a refresh token may be used again, because the first response may be lost. Shorter:
/// somebody whose network changes is logged out, because the page tries for up to 17 s
/// (`web/src/api/session.ts`). Longer: a stolen token is noticed later.
const REFRESH_GRACE_MS: u64 = 60_000;
/// The most characters that are kept of the name of a program.
const AGENT_CHARACTERS_MAX: usize = 120;
/// The cookie of the page. A browser sends a cookie with this prefix only to the host that set it,
/// and only over HTTPS (or to the same machine).
const COOKIE: &str = "__Host-grandstand";

/// A log-in or refresh as the client gets it.
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

/// The name of the program that calls, without what a record or a terminal could misread.
pub struct Agent(pub String);

impl<S: Sync> FromRequestParts<S> for Agent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let value = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let letters = value.unwrap_or("").chars().filter(|letter| (' '..='~').contains(letter));
        Ok(Self(letters.take(AGENT_CHARACTERS_MAX).collect()))
    }
}

/// Starts a session for an account. The account must not have changed since its password was
/// checked.
pub async fn start_session(
    services: &Services,
    account: &Account,
    address: IpAddr,
    agent: String,
) -> Result<Pair, ApiError> {
    let id = SessionId::new(account.id.partition());
    let (refresh, token_hash) = new_refresh(account.id, id)?;
    let ttl_ms = services.tokens.refresh_ttl_ms;
    let from = Device { address: address.to_string(), agent };
    // A line in the log in its place would say that a session has ended, which hardly ever is so.
    let has_room = !services.backlogs.too_long(account.id.partition());
    let oldest_ends = has_room
        .then(|| end_entry(services, (account.id, None), address, "TOO_MANY_SESSIONS"))
        .flatten();
    let new = NewSession { id, account, token_hash, ttl_ms, from, oldest_ends };
    services.engine.start_session(new).await?;
    Ok(Pair { access: services.tokens.access(account, id)?, refresh })
}

/// Exchanges a refresh token for a new pair.
pub async fn rotate_session(
    services: &Services,
    token: &str,
    address: IpAddr,
) -> Result<(Account, Pair), ApiError> {
    let ended = || ApiError::from(ErrorCode::Unauthorized);
    let (user, session) = read_refresh(services, token).ok_or_else(ended)?;
    services.limits.refresh(session)?;
    let (refresh, next) = new_refresh(user, session)?;
    let hashes = (token_hash(token), next);
    let (parts, from) = ((user, session), address.to_string());
    let trail = end_entry(services, (user, None), address, "TOKEN_USED_AGAIN");
    let (engine, grace, trail) = (&services.engine, REFRESH_GRACE_MS, trail.as_ref());
    let rotated = engine.rotate_session(parts, hashes, grace, from, trail).await;
    let account = match rotated {
        Ok(account) => account,
        Err(EngineError::Refused(Refusal::SessionEnded)) => {
            services.tokens.end(session);
            return Err(ended());
        }
        // A wrong token ends no session, because anybody may know the id of one.
        Err(other) => return Err(other.into()),
    };
    // The sessions of a disabled account have ended. This is for an account that an older release
    // has written meanwhile.
    if account.disabled || account.id != user {
        return Err(ended());
    }
    let access = services.tokens.access(&account, session)?;
    Ok((account, Pair { access, refresh }))
}

/// The entry of the audit trail for the end of sessions of a user. The role is that of the caller,
/// if it is known. The script that ends the sessions writes it, so that neither is without the
/// other.
pub fn end_entry(
    services: &Services,
    (user, role): (UserId, Option<Role>),
    address: IpAddr,
    reason: &str,
) -> Option<TrailEntry> {
    let actor = role.map(|role| (user, role));
    let entry = entry(actor, address, Act::SessionEnded, account_target(user));
    services.noted(entry.with(json!({"reason": reason})), user.partition())
}

/// Ends the session of a refresh token. A token that no session has ends nothing.
pub async fn end_by_token(
    services: &Services,
    token: &str,
    address: IpAddr,
) -> Result<(), ApiError> {
    let ended = || ApiError::from(ErrorCode::Unauthorized);
    let (user, session) = read_refresh(services, token).ok_or_else(ended)?;
    let trail = end_entry(services, (user, None), address, "LOG_OUT");
    let hash = Some(token_hash(token));
    match services.engine.end_session(user, session, hash, trail.as_ref()).await {
        Ok(()) => {
            services.tokens.end(session);
            Ok(())
        }
        Err(EngineError::Refused(_)) => Err(ended()),
        Err(error) => Err(error.into()),
    }
}

/// The account and the session that a refresh token names.
fn read_refresh(services: &Services, token: &str) -> Option<(UserId, SessionId)> {
    let mut parts = token.split('.');
    let user = UserId::from_key(parts.next()?)?;
    let session = SessionId::from_key(parts.next()?)?;
    let known = user.partition().0 < services.engine.partition_count();
    known.then_some((user, session))
}

/// A refresh token (256 random bits behind the ids of its account and its session) and its hash.
fn new_refresh(user: UserId, session: SessionId) -> Result<(String, String), ApiError> {
    let token = format!("{}.{}.{}", user.key(), session.key(), random_secret()?);
    let hash = token_hash(&token);
    Ok((token, hash))
}

/// 256 random bits as text.
pub fn random_secret() -> Result<String, ApiError> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret).map_err(ApiError::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(secret))
}

/// The hash under which a random token is stored.
pub fn token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// The refresh token in the cookie of the page, if there is one and the page itself sends it.
/// Another site can make a browser send the cookie, but not with the headers of this site.
///
/// # Errors
/// `Forbidden` when the request comes from another site, or does not say where it comes from.
pub fn cookie_token(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE && !value.is_empty()).then(|| value.to_owned())
    });
    let Some(token) = cookies.next() else { return Ok(None) };
    if is_same_origin(headers) {
        Ok(Some(token))
    } else {
        Err(ApiError::new(ErrorCode::Forbidden, "The request comes from another site."))
    }
}

/// Whether a request comes from a page of this host. Browsers set these headers, and no page can
/// change them.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
        (None, None) => false,
    }
}

/// A response that may set or delete the cookie.
pub struct WithCookie<R>(pub Option<HeaderValue>, pub R);

impl<R: IntoResponse> IntoResponse for WithCookie<R> {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        if let Some(value) = self.0 {
            response.headers_mut().insert(header::SET_COOKIE, value);
        }
        response
    }
}

/// The header that stores a refresh token in the browser, out of reach of scripts.
pub fn set_cookie(token: &str, ttl_ms: u64) -> Result<HeaderValue, ApiError> {
    let age = ttl_ms / 1000;
    let text =
        format!("{COOKIE}={token}; Max-Age={age}; Path=/; Secure; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&text).map_err(ApiError::internal)
}

/// The header that deletes the cookie.
pub fn delete_cookie() -> HeaderValue {
    HeaderValue::from_static(
        "__Host-grandstand=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let value = HeaderValue::from_static;
        pairs
            .iter()
            .map(|(name, text)| (header::HeaderName::from_static(name), value(text)))
            .collect()
    }

    #[test]
    fn the_cookie_counts_only_in_requests_of_the_page_itself() {
        let cookie = ("cookie", "a=b; __Host-grandstand=token; c=d");
        let host = ("host", "tickets.example:8443");
        for from_here in [
            &[cookie, ("sec-fetch-site", "same-origin")][..],
            &[cookie, host, ("origin", "https://tickets.example:8443")],
        ] {
            assert_eq!(cookie_token(&headers(from_here)).unwrap().as_deref(), Some("token"));
        }
        for elsewhere in [
            &[cookie][..],
            &[cookie, host, ("origin", "https://evil.example")],
            &[cookie, host, ("origin", "null")],
            &[cookie, host, ("origin", "https://tickets.example")],
            &[cookie, ("sec-fetch-site", "same-site")],
            &[cookie, ("sec-fetch-site", "cross-site")],
            &[cookie, host, ("sec-fetch-site", "none"), ("origin", "https://tickets.example:8443")],
        ] {
            assert!(cookie_token(&headers(elsewhere)).is_err(), "{elsewhere:?}");
        }
        let other = headers(&[("cookie", "grandstand=x; __Host-grandstand2=y")]);
        assert!(cookie_token(&other).unwrap().is_none());
    }
}
