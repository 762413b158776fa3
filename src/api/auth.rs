//! Access tokens, refresh tokens and passwords. Each extractor is a proof: a handler that takes an
//! `Admin` can't be reached by anybody else.

use crate::api::Services;
use crate::api::clock::SharedClock;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::hashing::Hashing;
use crate::domain::account::{Account, Role};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::text::canonical;
use crate::engine::error::{EngineError, Refusal};
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

const ISSUER: &str = "grandstand";
const AUDIENCE: &str = "grandstand-api";
/// How long a token counts after its end, because nodes read their common clock once a second, and
/// a reading may be late. Smaller: two nodes may disagree about a token.
const LEEWAY_S: i64 = 5;
/// The most verified tokens that are cached: about 50 MB. Fewer: tokens are verified more often.
const TOKENS_CACHED_MAX: usize = 100_000;
/// How long a refresh token may be used again, because the first response may be lost. Longer: a
/// stolen token is noticed later.
const REFRESH_GRACE_MS: u64 = 10_000;

/// argon2id with the crate's defaults: 19 MiB, two passes, one lane, which is the minimum of OWASP.
/// One hash at a time per core, because each costs about 20 ms of CPU, and log-ins must not starve
/// the holds.
static HASHING: LazyLock<Hashing> =
    LazyLock::new(|| Hashing::new(std::thread::available_parallelism().map_or(1, usize::from)));

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    email: Arc<str>,
    role: Role,
    sid: SessionId,
    iat: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// Signs and verifies tokens, and knows the sessions that have ended.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// Tokens are stamped and checked by this clock.
    pub clock: SharedClock,
    /// How long an access token lives, in ms.
    pub access_ttl_ms: u64,
    /// How long a session lives, in ms.
    pub refresh_ttl_ms: u64,
    ended: RwLock<HashMap<SessionId, Instant>>,
    /// Whole tokens that were verified before, with the second at which they end, because to verify
    /// a token is more than a fifth of the work of a request.
    verified: RwLock<HashMap<String, (User, i64)>>,
}

/// A log-in or refresh as the client gets it.
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    /// Tokens under a secret of 32 characters or more.
    pub fn new(secret: &str, access_ttl_ms: u64, refresh_ttl_ms: u64) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // `check` does that, by the clock that the nodes share and not by the clock of this
        // machine.
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            clock: SharedClock::default(),
            access_ttl_ms,
            refresh_ttl_ms,
            ended: RwLock::default(),
            verified: RwLock::default(),
        }
    }

    fn access(&self, account: &Account, sid: SessionId) -> Result<String, ApiError> {
        let iat = self.clock.now_s();
        let claims = Claims {
            sub: account.id,
            email: account.email.as_str().into(),
            role: account.role,
            sid,
            iat,
            exp: iat + (self.access_ttl_ms / 1000) as i64,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(ApiError::internal)
    }

    fn check(&self, token: &str) -> Result<User, ApiError> {
        let verified = self.verified.read().get(token).cloned();
        let (user, end) = verified.map_or_else(|| self.verify(token), Ok)?;
        if end < self.clock.now_s() - LEEWAY_S {
            self.verified.write().remove(token);
            return Err(not_valid());
        }
        if self.ended.read().contains_key(&user.session) {
            return Err(ErrorCode::Unauthorized.into());
        }
        Ok(user)
    }

    fn verify(&self, token: &str) -> Result<(User, i64), ApiError> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        let Claims { sub: id, email, role, sid: session, exp, .. } =
            data.map_err(|_| not_valid())?.claims;
        let checked = (User { id, email, role, email_verified: false, session }, exp);
        let mut verified = self.verified.write();
        // Clearing all is simpler than dropping the oldest, and each token is only verified again.
        if verified.len() >= TOKENS_CACHED_MAX {
            verified.clear();
        }
        verified.insert(token.to_owned(), checked.clone());
        Ok(checked)
    }

    /// Notes that a session has ended on some node: its access tokens are refused from now on.
    pub fn end(&self, session: SessionId) {
        let life = Duration::from_millis(self.access_ttl_ms);
        let mut ended = self.ended.write();
        ended.retain(|_, at| at.elapsed() < life);
        ended.insert(session, Instant::now());
    }
}

fn not_valid() -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, "The token is not valid or has expired.")
}

/// Starts a session for an account.
pub async fn start_session(services: &Services, account: &Account) -> Result<Pair, ApiError> {
    let session = SessionId::new(account.id.partition());
    let (refresh, hash) = new_refresh(session)?;
    services.engine.start_session(session, account, hash, services.tokens.refresh_ttl_ms).await?;
    Ok(Pair { access: services.tokens.access(account, session)?, refresh })
}

/// Exchanges a refresh token for a new pair.
pub async fn rotate_session(services: &Services, token: &str) -> Result<(Account, Pair), ApiError> {
    let ended = || ApiError::from(ErrorCode::Unauthorized);
    let session = token.split_once('.').and_then(|(id, _)| SessionId::from_key(id));
    let known = |id: &SessionId| id.partition().0 < services.engine.partition_count();
    let session = session.filter(known).ok_or_else(ended)?;
    let (refresh, next) = new_refresh(session)?;
    let rotated =
        services.engine.rotate_session(session, hash(token), next, REFRESH_GRACE_MS).await;
    let account = rotated.map_err(|error| match error {
        EngineError::Refused(Refusal::SessionEnded) => {
            services.tokens.end(session);
            ended()
        }
        // A wrong token ends no session, because anybody may know the id of one.
        other => other.into(),
    })?;
    let access = services.tokens.access(&account, session)?;
    Ok((account, Pair { access, refresh }))
}

/// A refresh token (256 random bits under the id of the session) and its hash.
fn new_refresh(session: SessionId) -> Result<(String, String), ApiError> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret).map_err(ApiError::internal)?;
    let token = format!("{}.{}", session.key(), URL_SAFE_NO_PAD.encode(secret));
    let hash = hash(&token);
    Ok((token, hash))
}

fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// The hash of a password.
pub async fn hash_password(password: String) -> Result<String, ApiError> {
    HASHING
        .run(move || {
            let mut salt = [0_u8; 16];
            getrandom::fill(&mut salt).map_err(ApiError::internal)?;
            let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
            Ok(hash.map_err(ApiError::internal)?.to_string())
        })
        .await
}

/// Whether a password fits in its canonical form (`checked_password`), or as it was typed, because
/// older accounts have a hash of the typed text. Without an account it takes the same time, so that
/// nobody learns which e-mails have an account.
pub async fn verify_password(password: String, hash: Option<String>) -> Result<bool, ApiError> {
    static NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
        AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    HASHING
        .run(move || {
            let text = hash.as_deref().unwrap_or(NOBODY);
            let known = PasswordHash::new(text).map_err(ApiError::internal)?;
            let fits =
                |text: &str| Argon2::default().verify_password(text.as_bytes(), &known).is_ok();
            let canonical = canonical(&password);
            let fits = fits(&canonical) || canonical != password && fits(&password);
            Ok(fits && hash.is_some())
        })
        .await
}

/// A caller with a valid access token.
#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    pub email: Arc<str>,
    pub role: Role,
    /// Whether somebody has opened the link in a mail to this address.
    pub email_verified: bool,
    pub session: SessionId,
}

impl FromRequestParts<Arc<Services>> for User {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let header = parts.headers.get(header::AUTHORIZATION);
        let text = header.and_then(|value| value.to_str().ok());
        let scheme = text.and_then(|text| text.split_once(' '));
        let bearer = scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = bearer.map(|(_, token)| token.trim()).ok_or_else(|| {
            ApiError::new(
                ErrorCode::Unauthorized,
                "Log in first, and send the header Authorization: Bearer TOKEN.",
            )
        })?;
        services.tokens.check(token)
    }
}

/// A caller who is an administrator.
pub struct Admin(pub User);

impl FromRequestParts<Arc<Services>> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let user = User::from_request_parts(parts, services).await?;
        match user.role {
            Role::Admin => Ok(Self(user)),
            Role::User => Err(ErrorCode::Forbidden.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Partition;

    fn tokens(account: &Account, life_s: i64) -> (Tokens, String) {
        let tokens = Tokens::new(&"s".repeat(32), 900_000, 900_000);
        let session = SessionId::new(Partition(0));
        let iat = jiff::Timestamp::now().as_second();
        let claims = Claims {
            sub: account.id,
            email: account.email.as_str().into(),
            role: account.role,
            sid: session,
            iat,
            exp: iat + life_s,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
        };
        let header = Header::new(Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, &claims, &tokens.encoding).unwrap();
        (tokens, token)
    }

    fn account() -> Account {
        Account {
            id: UserId::new(Partition(0)),
            email: "mina@example.com".to_owned(),
            role: Role::User,
            password_hash: String::new(),
            created_at: 0,
        }
    }

    #[test]
    fn a_verified_token_counts_until_its_end_and_no_forged_token_with_its_signature_does() {
        let account = account();
        let (tokens, token) = tokens(&account, 60);
        for _ in 0..2 {
            assert_eq!(tokens.check(&token).unwrap().id, account.id);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let admin = String::from_utf8(claims).unwrap().replace("\"USER\"", "\"ADMIN\"");
        assert!(admin.contains("ADMIN"), "{admin}");
        let forged = [parts[0], &URL_SAFE_NO_PAD.encode(admin), parts[2]].join(".");
        assert!(tokens.check(&forged).is_err());
        let session = tokens.check(&token).unwrap().session;
        tokens.end(session);
        assert!(tokens.check(&token).is_err(), "the session has ended");
    }

    #[test]
    fn a_verified_token_ends_in_time() {
        let (tokens, token) = tokens(&account(), 1 - LEEWAY_S);
        tokens.check(&token).unwrap();
        let since = Instant::now();
        while tokens.check(&token).is_ok() {
            assert!(since.elapsed() < Duration::from_secs(5), "it counts after its end");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(tokens.verified.read().is_empty());
    }
}
