//! Access tokens: signed, so that a request needs no look-up, and refused early when a session has
//! ended or an account has changed.

use crate::api::auth::{Credential, User};
use crate::api::clock::SharedClock;
use crate::api::error::{ApiError, ErrorCode};
use crate::domain::account::{Account, Role};
use crate::domain::ids::{SessionId, SiteId, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ISSUER: &str = "grandstand";
const AUDIENCE: &str = "grandstand-api";
/// How long a token counts after its end, because nodes read their common clock once a second, and
/// a reading may be late. Smaller: two nodes may disagree about a token.
const LEEWAY_S: i64 = 5;
/// The most verified tokens that are cached: about 50 MB. Fewer: tokens are verified more often.
const TOKENS_CACHED_MAX: usize = 100_000;
/// How long it is remembered that a session has ended or an account has changed. It is longer than
/// the longest life of any token (12 hours), whatever the settings are now or were before.
const REMEMBERED_PERIOD: Duration = Duration::from_secs(86_400);

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
    versions: RwLock<Remembered<UserId, u64>>,
    /// Whole tokens that were verified before, with the second at which they end, because to verify
    /// a token is more than a fifth of the work of a request. API keys, too, with the second at
    /// which they are looked up again.
    verified: RwLock<HashMap<String, (User, i64)>>,
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
            versions: RwLock::default(),
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
        let (user, end) = verified.map_or_else(|| self.verify(token), Ok)?;
        if end < self.clock.now_s() - LEEWAY_S {
            self.verified.write().remove(token);
            return Err(not_valid());
        }
        if user.session().is_some_and(|session| self.ended.read().get(&session).is_some()) {
            return Err(ErrorCode::Unauthorized.into());
        }
        if self.is_outdated(&user) {
            return Err(ApiError::new(
                ErrorCode::Unauthorized,
                "The account has changed. Refresh the session.",
            ));
        }
        Ok(user)
    }

    fn is_outdated(&self, user: &User) -> bool {
        self.versions.read().get(&user.id).is_some_and(|version| user.version < *version)
    }

    /// The program with this API key, if `keep_key` has been told about it, and whether nothing has
    /// changed since. Otherwise it must be looked up again.
    pub fn kept_key(&self, key: &str) -> Option<(User, bool)> {
        let (user, end) = self.verified.read().get(key).cloned()?;
        let is_fresh = end > self.clock.now_s() && !self.is_outdated(&user);
        Some((user, is_fresh))
    }

    /// Forgets an API key that counts no more.
    pub fn forget_key(&self, key: &str) {
        self.verified.write().remove(key);
    }

    /// Keeps the program with an API key until this second at the latest.
    pub fn keep_key(&self, key: &str, user: &User, until_s: i64) {
        self.keep(key, (user.clone(), until_s));
    }

    fn keep(&self, token: &str, checked: (User, i64)) {
        let mut verified = self.verified.write();
        // Clearing all is simpler than dropping the oldest, and each token is only verified again.
        if verified.len() >= TOKENS_CACHED_MAX {
            verified.clear();
        }
        verified.insert(token.to_owned(), checked);
    }

    fn verify(&self, token: &str) -> Result<(User, i64), ApiError> {
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
        let checked = (user, claims.exp);
        self.keep(token, checked.clone());
        Ok(checked)
    }

    /// Notes that a session has ended on some node: its access tokens are refused from now on.
    pub fn end(&self, session: SessionId) {
        self.ended.write().insert(session, ());
    }

    /// Notes that an account has this version now: access tokens with an older one are refused.
    pub fn outdate(&self, user: UserId, version: u64) {
        let mut versions = self.versions.write();
        if versions.get(&user).is_none_or(|known| *known < version) {
            versions.insert(user, version);
        }
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

/// Facts that count for `REMEMBERED_PERIOD` at least and twice that at most, in two generations,
/// because to look for the oldest ones with each new one would cost more the more there are.
struct Remembered<K, V> {
    current: HashMap<K, V>,
    previous: HashMap<K, V>,
    since: Instant,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { current: HashMap::new(), previous: HashMap::new(), since: Instant::now() }
    }
}

impl<K: Eq + Hash, V> Remembered<K, V> {
    fn insert(&mut self, key: K, value: V) {
        if self.since.elapsed() >= REMEMBERED_PERIOD {
            self.previous = std::mem::take(&mut self.current);
            self.since = Instant::now();
        }
        self.current.insert(key, value);
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.current.get(key).or_else(|| self.previous.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Partition;

    const SECRET: &str = "a secret of the unit tests, long enough";

    fn tokens(account: &Account, life_s: i64) -> (Tokens, String) {
        let tokens = Tokens::new(SECRET, "", 900_000, 900_000);
        let iat = jiff::Timestamp::now().as_second();
        let claims = Claims {
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
        };
        let token = tokens.sign(&claims).unwrap();
        (tokens, token)
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

    #[test]
    fn what_is_remembered_counts_for_a_day_and_not_for_ever() {
        let mut ended = Remembered::default();
        let later = |ended: &mut Remembered<u32, ()>| ended.since -= REMEMBERED_PERIOD;
        ended.insert(1, ());
        later(&mut ended);
        ended.insert(2, ());
        assert!(ended.get(&1).is_some() && ended.get(&2).is_some());
        later(&mut ended);
        ended.insert(3, ());
        assert!(ended.get(&1).is_none() && ended.get(&2).is_some());
    }
}
