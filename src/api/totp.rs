//! Codes of authenticator apps: six digits that change every 30 seconds (TOTP, RFC 6238). An
//! account keeps a random text, its setup, which is no secret: the secret of the app is made of it
//! with a secret of this installation. So nobody can make codes who reads Redis or PostgreSQL.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::trail::{account_target, entry};
use crate::domain::account::Account;
use crate::domain::ids::UserId;
use crate::domain::trail::Act;
use crate::engine::permits::Wait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use std::net::IpAddr;
use std::time::Duration;
use totp_rs::{Builder, Totp};

/// Bytes of a setup: 128 bits, which nobody guesses.
const SETUP_BYTES: usize = 16;
/// Bytes of the secret of an app, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// The most codes that are tried for an account in an hour. More: somebody with the password has a
/// better chance than one in 30,000 per hour. Fewer: an owner who mistypes waits.
const TRIES_MAX: u32 = 10;
const TRIES_WINDOW: Duration = Duration::from_secs(3600);
/// A code counts once. It is remembered for longer than it could count: three steps of 30 s.
const USED_WINDOW: Duration = Duration::from_secs(120);

/// Makes the secrets of apps, and checks their codes.
pub struct SecondFactors {
    /// The secret of this installation, and the one before it, if there is one.
    keys: Vec<Vec<u8>>,
}

impl SecondFactors {
    /// Second factors under a secret; `older` may be empty: the secret before it, whose codes are
    /// still accepted.
    pub fn new(secret: &str, older: &str) -> Self {
        let secrets = [secret, older].into_iter().filter(|text| !text.is_empty());
        Self { keys: secrets.map(|secret| secret.as_bytes().to_vec()).collect() }
    }

    /// A new setup, and what an app needs for it.
    ///
    /// # Errors
    /// `Internal`.
    pub fn begin(&self, user: UserId, email: &str) -> ApiResult<(String, Totp)> {
        let mut bytes = [0_u8; SETUP_BYTES];
        getrandom::fill(&mut bytes).map_err(ApiError::internal)?;
        let setup = URL_SAFE_NO_PAD.encode(bytes);
        let key = self.keys.first().map_or(&[][..], Vec::as_slice);
        let totp = self.totp(key, user, &setup, email)?;
        Ok((setup, totp))
    }

    /// What an app and this installation agree on.
    fn totp(&self, key: &[u8], user: UserId, setup: &str, email: &str) -> ApiResult<Totp> {
        let mac = Hmac::<Sha256>::new_from_slice(key).map_err(ApiError::internal)?;
        let text = format!("second factor\n{}\n{setup}", user.key());
        let secret = mac.chain_update(text).finalize().into_bytes()[..SECRET_BYTES].to_vec();
        Builder::new()
            .with_secret(secret)
            // A colon parts the issuer from the name in the address of the app.
            .with_account_name(email.replace(':', "_"))
            .with_issuer(Some("Grandstand"))
            .build()
            .map_err(|error| ApiError::internal(error.to_string()))
    }

    /// The step of time of a code that counts now, or up to 30 seconds before or after.
    fn step(&self, user: UserId, setup: &str, code: &str, now_s: i64) -> ApiResult<Option<u64>> {
        for key in &self.keys {
            let totp = self.totp(key, user, setup, "")?;
            if let Some(step) = totp.check(code, now_s.unsigned_abs()) {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }
}

/// Whether a text has the form of a code.
pub fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text has the form of a setup.
pub fn is_setup(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == SETUP_BYTES)
}

/// Checks the code of a log-in, if the account has a second factor. The password was right.
///
/// # Errors
/// `SecondFactorRequired` without a code, `WrongSecondFactor`, `TooManyRequests`.
pub async fn check_log_in(
    services: &Services,
    account: &Account,
    code: Option<&str>,
    address: IpAddr,
) -> ApiResult<()> {
    match code {
        _ if account.second_factor.is_empty() => Ok(()),
        None => Err(ErrorCode::SecondFactorRequired.into()),
        Some(code) => use_code(services, account, code, address).await,
    }
}

/// Uses a code up: it counts once.
///
/// # Errors
/// `Validation`, `WrongSecondFactor`, `TooManyRequests`.
pub async fn use_code(
    services: &Services,
    account: &Account,
    code: &str,
    address: IpAddr,
) -> ApiResult<()> {
    let Account { id, second_factor, .. } = account;
    if !is_code(code) {
        return Err(ApiError::field("code", "must be six digits"));
    }
    let (engine, group) = (&services.engine, id.key());
    let tries = format!("codes:{group}");
    if let Err(Wait(wait)) = engine.take_permit(&group, &tries, TRIES_MAX, TRIES_WINDOW).await? {
        return Err(ApiError::too_many(ErrorCode::TooManyRequests, wait.as_secs() + 1));
    }
    let now_s = services.tokens.clock.now_s();
    let step = services.second_factors.step(*id, second_factor, code, now_s)?;
    let is_new = match step {
        Some(step) => {
            let used = format!("code:{group}:{step}");
            engine.take_permit(&group, &used, 1, USED_WINDOW).await?.is_ok()
        }
        None => false,
    };
    if is_new {
        return Ok(());
    }
    let failed = entry(None, address, Act::LogInFailed, account_target(*id));
    let failed = failed.with(json!({"reason": ErrorCode::WrongSecondFactor}));
    services.note_failure(id.partition(), failed).await?;
    Err(ErrorCode::WrongSecondFactor.into())
}
