//! The second factor of an account: a code of six digits that changes every 30 seconds (TOTP, RFC
//! 6238), from an app on the phone of its owner. An account keeps a random text, its setup, which is
//! no secret: the secret of the app is made of it with a secret of this installation, so nobody can
//! make codes who reads Redis or PostgreSQL.

use crate::api::Services;
use crate::api::account::own_account;
use crate::api::address::Caller;
use crate::api::administrators::change_account;
use crate::api::auth::User;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, NoContent, Okay};
use crate::api::trail::{account_state, account_target, entry};
use crate::domain::account::Account;
use crate::domain::ids::UserId;
use crate::domain::trail::Act;
use crate::engine::accounts::{AccountChange, EndSessions};
use crate::engine::permits::Wait;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use totp_rs::{Builder, Totp};
use utoipa::ToSchema;

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

/// The password of an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupInput {
    password: String,
}

/// What an app needs to make codes.
#[derive(Serialize, ToSchema)]
pub struct SetupView {
    /// Goes back with the first code.
    setup: String,
    /// The secret of the app in base 32, for people who type it.
    secret: String,
    /// The same as an address that apps read from a QR code (`otpauth://…`).
    uri: String,
}

/// A setup with the first code of the app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstCodeInput {
    #[schema(pattern = "^[A-Za-z0-9_-]{21}[AQgw]$")]
    setup: String,
    #[schema(pattern = "^[0-9]{6}$")]
    code: String,
    password: String,
}

/// The password of an account, and a code of its second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovalInput {
    password: String,
    #[schema(pattern = "^[0-9]{6}$")]
    code: String,
}

/// Begins to set up a second factor. Nothing changes before the first code of the app has come.
#[utoipa::path(post, path = "/api/users/me/second-factor",
    operation_id = "beginSecondFactor", tag = "users", request_body = SetupInput,
    security(("token" = [])), responses((status = 200, body = Envelope<SetupView>)),
    extensions(("x-codes" = json!([ErrorCode::WrongPassword, ErrorCode::SecondFactorOn]))))]
pub async fn begin(
    State(services): State<Arc<Services>>,
    user: User,
    Caller(address): Caller,
    input: Input<SetupInput>,
) -> ApiResult<Okay<SetupView>> {
    let account = own_account(&services, &user, address, input.value.password).await?;
    refuse_second(&account)?;
    let mut bytes = [0_u8; SETUP_BYTES];
    getrandom::fill(&mut bytes).map_err(ApiError::internal)?;
    let setup = URL_SAFE_NO_PAD.encode(bytes);
    let factors = &services.second_factors;
    let key = factors.keys.first().map_or(&[][..], Vec::as_slice);
    let totp = factors.totp(key, user.id, &setup, &account.email)?;
    let uri = totp.to_url().map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(Okay(SetupView { setup, secret: totp.secret().to_base32(), uri }))
}

/// Sets the second factor up: log-ins need a code from now on. All other sessions end.
#[utoipa::path(put, path = "/api/users/me/second-factor",
    operation_id = "setSecondFactor", tag = "users", request_body = FirstCodeInput,
    security(("token" = [])), responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::WrongPassword, ErrorCode::WrongSecondFactor,
        ErrorCode::SecondFactorOn, ErrorCode::ChangedMeanwhile]))))]
pub async fn set(
    State(services): State<Arc<Services>>,
    user: User,
    Caller(address): Caller,
    input: Input<FirstCodeInput>,
) -> ApiResult<NoContent> {
    let FirstCodeInput { setup, code, password } = input.value;
    let bytes = URL_SAFE_NO_PAD.decode(&setup).ok().filter(|bytes| bytes.len() == SETUP_BYTES);
    if bytes.is_none() {
        return Err(ApiError::field("setup", "must be the setup of the response before"));
    }
    let before = own_account(&services, &user, address, password).await?;
    refuse_second(&before)?;
    let after = Account { second_factor: setup, ..before.clone() };
    use_code(&services, &after, &code, address).await?;
    change(&services, &user, address, (before, after)).await
}

/// Removes the second factor.
#[utoipa::path(delete, path = "/api/users/me/second-factor",
    operation_id = "removeSecondFactor", tag = "users", request_body = RemovalInput,
    security(("token" = [])), responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::WrongPassword, ErrorCode::WrongSecondFactor,
        ErrorCode::ChangedMeanwhile]))))]
pub async fn remove(
    State(services): State<Arc<Services>>,
    user: User,
    Caller(address): Caller,
    input: Input<RemovalInput>,
) -> ApiResult<NoContent> {
    let RemovalInput { password, code } = input.value;
    let before = own_account(&services, &user, address, password).await?;
    if before.second_factor.is_empty() {
        return Ok(NoContent);
    }
    use_code(&services, &before, &code, address).await?;
    let after = Account { second_factor: String::new(), ..before.clone() };
    change(&services, &user, address, (before, after)).await
}

/// Whether a text has the form of a code.
pub fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Who has a second factor removes it before there is another.
fn refuse_second(account: &Account) -> ApiResult<()> {
    if account.second_factor.is_empty() { Ok(()) } else { Err(ErrorCode::SecondFactorOn.into()) }
}

async fn change(
    services: &Services,
    user: &User,
    address: IpAddr,
    (before, after): (Account, Account),
) -> ApiResult<NoContent> {
    let target = account_target(user.id);
    let entry = entry(Some((user.id, user.role)), address, Act::AccountChanged, target);
    let entry = entry.changing(account_state(&before), account_state(&after));
    let trail = services.noted(entry, user.id.partition());
    let ending = EndSessions::Others(user.session);
    let change = AccountChange { before: &before, after: Some(&after), ending, token: None, trail };
    change_account(services, change).await?;
    Ok(NoContent)
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

/// Uses a code up.
async fn use_code(
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
