//! Access tokens: signed, so that a request needs no look-up, and refused early when a session has
//! ended or an account has changed.

use crate::api::auth::{Credential, User};
use crate::api::clock::SharedClock;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::remembered::{Changed, Remembered};
use crate::domain::account::{Account, Role};
use crate::domain::ids::{Partition, SessionId, SiteId, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

const ISSUER: &str = "grandstand";
const AUDIENCE: &str = "grandstand-api";
/// How long a token counts after its end, because nodes read their common clock once a second, and
/// a reading may be late. Smaller: two nodes may disagree about a token.
const LEEWAY_S: i64 = 5;
/// The most verified tokens that are cached: about 50 MB. Fewer: tokens are verified more often.
const TOKENS_CACHED_MAX: usize = 100_000;
/// What a token says. It does not say the e-mail, because anybody can read a token who sees it,
/// such as another program on the way. It has no id of its own, because sessions are ended, and
/// never single tokens.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    #[serde(default, rename = "emailVerified")]
    email_verified: bool,
    #[serde(default, rename = "secondFactor")]
    second_factor: bool,
    role: Role,
    #[serde(default, skip_serializing_if = "<[SiteId]>::is_empty")]
    sites: Arc<[SiteId]>,
    /// The version of the account.
    #[serde(default)]
    ver: u64,
    sid: SessionId,
    iat: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// A secret that signs tokens, under its name in their headers.
struct Secret {
    kid: String,
    decoding: DecodingKey,
}

impl Secret {
    /// The name is 48 bits of a hash, which say nothing about the secret.
    fn new(text: &str) -> Self {
        let hash = Sha256::new().chain_update("kid").chain_update(text).finalize();
        let decoding = DecodingKey::from_secret(text.as_bytes());
        Self { kid: URL_SAFE_NO_PAD.encode(&hash[..6]), decoding }
    }
}

/// Signs and verifies tokens, and knows the sessions that have ended and the accounts that have
/// changed.
pub struct Tokens {
    encoding: EncodingKey,
    /// The current secret, and the one before it, whose tokens are still accepted.
    secrets: Vec<Secret>,
    validation: Validation,
    /// Tokens are stamped and checked by this clock.
    pub clock: SharedClock,
    /// How long an access token lives, in ms.
    pub access_ttl_ms: u64,
    /// How long a session lives, in ms.
    pub refresh_ttl_ms: u64,
    ended: RwLock<Remembered<SessionId, ()>>,
    changed: RwLock<Remembered<UserId, Changed>>,
    /// Whole tokens that were verified before, because to verify a token is more than a fifth of
    /// the work of a request. API keys, too, until they are looked up again.
    verified: RwLock<HashMap<String, Verified>>,
}

/// The caller with a token, and the seconds from when and until when it counts.
#[derive(Clone)]
struct Verified {
    user: User,
    issued_s: i64,
    ends_s: i64,
}

impl Tokens {
    /// Tokens under a secret of 32 characters or more. `older` may be empty: the secret before
    /// this one, whose tokens are accepted too.
    pub fn new(secret: &str, older: &str, access_ttl_ms: u64, refresh_ttl_ms: u64) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // `check` does that, by the clock that the nodes share and not by the clock of this
        // machine.
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let secrets = [secret, older].into_iter().filter(|text| !text.is_empty());
        Self {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            secrets: secrets.map(Secret::new).collect(),
            validation,
            clock: SharedClock::default(),
            access_ttl_ms,
            refresh_ttl_ms,
            ended: RwLock::default(),
            changed: RwLock::default(),
            verified: RwLock::default(),
        }
    }

    /// An access token of a session.
    pub fn access(&self, account: &Account, sid: SessionId) -> Result<String, ApiError> {
        let iat = self.clock.now_s();
        let claims = Claims {
            sub: account.id,
            email_verified: account.email_verified,
            second_factor: !account.second_factor.is_empty(),
            role: account.role,
            sites: account.sites.as_slice().into(),
            ver: account.version,
            sid,
            iat,
            exp: iat + (self.access_ttl_ms / 1000) as i64,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
        };
        self.sign(&claims)
    }

    fn sign(&self, claims: &Claims) -> Result<String, ApiError> {
        let kid = self.secrets.first().map(|secret| secret.kid.clone());
        let header = Header { kid, ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(ApiError::internal)
    }

    /// The caller with this token.
    ///
    /// # Errors
    /// `Unauthorized`.
    pub fn check(&self, token: &str) -> Result<User, ApiError> {
        let verified = self.verified.read().get(token).cloned();
        let verified = verified.map_or_else(|| self.verify(token), Ok)?;
        if verified.ends_s < self.clock.now_s() - LEEWAY_S {
            self.verified.write().remove(token);
            return Err(not_valid());
        }
        let session = verified.user.session();
        if session.is_some_and(|session| self.ended.read().get(&session).is_some()) {
            return Err(ErrorCode::Unauthorized.into());
        }
        if self.is_outdated(&verified) {
            return Err(ApiError::new(
                ErrorCode::Unauthorized,
                "The account has changed. Refresh the session.",
            ));
        }
        Ok(verified.user)
    }

    fn is_outdated(&self, Verified { user, issued_s, .. }: &Verified) -> bool {
        let changed = self.changed.read().get(&user.id).copied().unwrap_or_default();
        changed.refuses(user.version, *issued_s)
    }

    /// The program with this API key, if `keep_key` has been told about it, and whether nothing has
    /// changed since. Otherwise it must be looked up again.
    pub fn kept_key(&self, key: &str) -> Option<(User, bool)> {
        let kept = self.verified.read().get(key).cloned()?;
        let is_fresh = kept.ends_s > self.clock.now_s() && !self.is_outdated(&kept);
        Some((kept.user, is_fresh))
    }

    /// Forgets an API key that counts no more.
    pub fn forget_key(&self, key: &str) {
        self.verified.write().remove(key);
    }

    /// Keeps the program with an API key until this second at the latest.
    pub fn keep_key(&self, key: &str, user: &User, until_s: i64) {
        let (user, issued_s) = (user.clone(), self.clock.now_s());
        self.keep(key, Verified { user, issued_s, ends_s: until_s });
    }

    fn keep(&self, token: &str, checked: Verified) {
        let mut verified = self.verified.write();
        // Clearing all is simpler than dropping the oldest, and each token is only verified again.
        if verified.len() >= TOKENS_CACHED_MAX {
            verified.clear();
        }
        verified.insert(token.to_owned(), checked);
    }

    fn verify(&self, token: &str) -> Result<Verified, ApiError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| not_valid())?;
        // Tokens of earlier releases do not name their secret.
        let named = |secret: &&Secret| header.kid.as_ref().is_none_or(|kid| *kid == secret.kid);
        let secret = self.secrets.iter().find(named).ok_or_else(not_valid)?;
        let data = jsonwebtoken::decode::<Claims>(token, &secret.decoding, &self.validation);
        let claims = data.map_err(|_| not_valid())?.claims;
        let user = User {
            id: claims.sub,
            email_verified: claims.email_verified,
            second_factor: claims.second_factor,
            role: claims.role,
            sites: claims.sites,
            version: claims.ver,
            credential: Credential::Session(claims.sid),
        };
        let checked = Verified { user, issued_s: claims.iat, ends_s: claims.exp };
        self.keep(token, checked.clone());
        Ok(checked)
    }

    /// Notes that a session has ended on some node: its access tokens are refused from now on.
    pub fn end(&self, session: SessionId) {
        self.ended.write().insert(session, ());
    }

    /// Notes that an account has this version now: access tokens with an older one are refused.
    pub fn outdate(&self, user: UserId, version: u64) {
        let mut all = self.changed.write();
        let mut changed = all.get(&user).copied().unwrap_or_default();
        if changed.rise(version) {
            all.insert(user, changed);
        }
    }

    /// Notes that the notices of a partition are read from their start again, because Redis may
    /// have lost some. Tokens from now on have the versions that Redis has now, also where these
    /// are older than the versions that were known. Tokens from before stay refused.
    pub fn begin_again(&self, partition: Partition) {
        let now_s = self.clock.now_s() + LEEWAY_S;
        self.changed.write().change(|user, changed| {
            if user.partition() == partition {
                changed.begin_again(now_s);
            }
        });
    }

    /// A hash of a text that nobody can compute without the secret of this installation.
    ///
    /// # Errors
    /// `Internal`.
    pub fn keyed_hash(&self, text: &str) -> Result<String, ApiError> {
        let text = format!("fingerprint\n{text}");
        jsonwebtoken::crypto::sign(text.as_bytes(), &self.encoding, Algorithm::HS256)
            .map_err(ApiError::internal)
    }
}

fn not_valid() -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, "The token is not valid or has expired.")
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::{Duration, Instant};

    const SECRET: &str = "a secret of the unit tests, long enough";

    fn tokens(account: &Account, life_s: i64) -> (Tokens, String) {
        let tokens = Tokens::new(SECRET, "", 900_000, 900_000);
        let claims = claims(account, jiff::Timestamp::now().as_second(), life_s);
        let token = tokens.sign(&claims).unwrap();
        (tokens, token)
    }

    fn claims(account: &Account, iat: i64, life_s: i64) -> Claims {
        Claims {
            sub: account.id,
            email_verified: false,
            second_factor: false,
            role: account.role,
            sites: Arc::default(),
            ver: account.version,
            sid: SessionId::new(Partition(0)),
            iat,
            exp: iat + life_s,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
        }
    }

    fn account() -> Account {
        let id = UserId::new(Partition(0));
        Account::new(id, "mina@example.com".to_owned(), String::new(), 0)
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
        let claims = String::from_utf8(claims).unwrap();
        assert!(!claims.contains("mina"), "no e-mail: {claims}");
        let admin = claims.replace("\"USER\"", "\"ADMIN\"");
        assert!(admin.contains("ADMIN"), "{admin}");
        let forged = [parts[0], &URL_SAFE_NO_PAD.encode(admin), parts[2]].join(".");
        assert!(tokens.check(&forged).is_err());
        let session = tokens.check(&token).unwrap().session().unwrap();
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

    #[test]
    fn a_token_from_before_a_change_of_its_account_is_refused() {
        let account = account();
        let (tokens, token) = tokens(&account, 60);
        tokens.outdate(account.id, 1);
        tokens.check(&token).unwrap();
        tokens.outdate(account.id, 2);
        tokens.outdate(account.id, 1);
        assert!(tokens.check(&token).is_err(), "it says what was true before");
        let changed = Account { version: 2, ..account };
        let newer = tokens.access(&changed, SessionId::new(Partition(0))).unwrap();
        tokens.check(&newer).unwrap();
    }

    /// A failover of Redis may lose a change of an account, with its notice.
    #[test]
    fn a_version_that_redis_has_lost_is_asked_of_no_new_token() {
        let account = account();
        let (tokens, old) = tokens(&account, 60);
        // As if it were issued a while after the failover.
        let later = claims(&account, jiff::Timestamp::now().as_second() + LEEWAY_S + 3, 60);
        let new = tokens.sign(&later).unwrap();
        tokens.outdate(account.id, 3);
        assert!(tokens.check(&old).is_err() && tokens.check(&new).is_err());
        tokens.begin_again(Partition(1));
        assert!(tokens.check(&new).is_err(), "that was another partition");
        tokens.begin_again(Partition(0));
        tokens.check(&new).unwrap();
        assert!(tokens.check(&old).is_err(), "it says what was true before");
        // What Redis still has is read again, and counts for all tokens.
        tokens.outdate(account.id, 2);
        assert!(tokens.check(&new).is_err());
        tokens.begin_again(Partition(0));
        tokens.outdate(account.id, 1);
        tokens.check(&new).unwrap();
        assert!(tokens.check(&old).is_err());
    }

    #[test]
    fn tokens_of_the_older_secret_count_until_it_is_taken_out() {
        let account = account();
        let (_, token) = tokens(&account, 60);
        let next = "the next secret of the unit tests, also long";
        let both = Tokens::new(next, SECRET, 900_000, 900_000);
        both.check(&token).unwrap();
        let new = both.access(&account, SessionId::new(Partition(0))).unwrap();
        both.check(&new).unwrap();
        let after = Tokens::new(next, "", 900_000, 900_000);
        assert!(after.check(&token).is_err());
        after.check(&new).unwrap();
    }
}
