//! Sign-up, log-in, sessions.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::auth::{Identity, Owner, User};
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::api::extract::{
    Created, Envelope, IdempotencyKey, Input, NoContent, Okay, OptionalInput,
};
use crate::api::idempotency::Repeatable;
use crate::api::passwords::{PASSWORD_BYTES_MAX, checked_password, hash_password, verify_password};
use crate::api::sessions::{
    Agent, Pair, WithCookie, cookie_token, delete_cookie, end_by_token, end_entry, is_same_origin,
    rotate_session, set_cookie, start_session,
};
use crate::api::totp::{check_log_in, is_code};
use crate::api::trail::{account_target, entry};
use crate::domain::account::{Account, Role};
use crate::domain::ids::{SiteId, UserId};
use crate::domain::text::canonical_email;
use crate::domain::trail::Act;
use crate::engine::error::{EngineError, Noun, Refusal};
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// The longest e-mail.
const EMAIL_BYTES_MAX: usize = 254;
/// E-mail and password of a new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUpInput {
    /// At most 254 characters; spaces around it are removed.
    #[schema(
        example = "fan@grandstand.example",
        max_length = 254,
        pattern = "^ *[^@\\s\\u0000-\\u001f\\u007f-\\u009f]+@\
            [^@.\\s\\u0000-\\u001f\\u007f-\\u009f]+(\\.[^@.\\s\\u0000-\\u001f\\u007f-\\u009f]+)+ *$"
    )]
    email: String,
    #[schema(example = "correct horse battery", min_length = 8, max_length = 128)]
    password: String,
}

/// E-mail and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogInInput {
    #[schema(example = "fan@grandstand.example")]
    email: String,
    #[schema(example = "correct horse battery")]
    password: String,
    /// The code of the second factor, six digits, if the account has one.
    #[schema(pattern = "^[0-9]{6}$", nullable = true)]
    code: Option<String>,
    /// Keeps the refresh token in an HttpOnly cookie of this host, for pages; default false.
    #[serde(default)]
    cookie: bool,
}

/// An account, without secrets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    #[schema(value_type = uuid::Uuid)]
    id: UserId,
    email: String,
    /// Whether somebody has opened the link in a mail to this address.
    email_verified: bool,
    /// Whether log-ins need the code of an authenticator app.
    second_factor: bool,
    role: Role,
    /// The sites at which the role counts, for ORGANISER and BOX_OFFICE.
    #[schema(value_type = Vec<uuid::Uuid>)]
    sites: Vec<SiteId>,
}

impl From<Account> for UserView {
    fn from(account: Account) -> Self {
        let Account { id, email, email_verified, role, sites, second_factor, .. } = account;
        let second_factor = !second_factor.is_empty();
        Self { id, email, email_verified, second_factor, role, sites }
    }
}

/// Tokens of a session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    access_token: String,
    /// Missing when it is in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// How long the access token lives, in seconds.
    expires_in: u64,
    user: UserView,
}

/// A refresh token. A page that keeps it in the cookie sends no body.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshInput {
    refresh_token: String,
}

/// The refresh token of a session, when there is no access token and no cookie.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogOutInput {
    refresh_token: Option<String>,
}

/// Creates an account.
#[utoipa::path(post, path = "/api/users/sign-up",
    operation_id = "signUp", tag = "users", request_body = SignUpInput,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Envelope<UserView>)),
    extensions(("x-codes" = json!([ErrorCode::EmailTaken]))))]
pub async fn sign_up(
    State(services): State<Arc<Services>>,
    key: IdempotencyKey,
    input: Input<SignUpInput>,
) -> ApiResult<Repeatable<Created<UserView>>> {
    let email = checked_email(&input.value.email);
    let password = checked_password("password", &input.value.password);
    let (email, password) = match (email, password) {
        (Ok(email), Ok(password)) => (email, password),
        (email, password) => {
            return Err(ApiError::fields(
                [email.err(), password.err()].into_iter().flatten().collect(),
            ));
        }
    };
    // PostgreSQL is away for a long time, so the journal grows in memory and must stop.
    if services.backlogs.too_long(services.engine.account_partition(&email)) {
        return Err(ErrorCode::Overloaded.into());
    }
    // An account may exist from the time before e-mails had a canonical form.
    if account_as_typed(&services, &input.value.email).await?.is_some() {
        return Err(ApiError::from(Refusal::EmailTaken));
    }
    let mut operation = key.operation(&email, "sign-up", &input);
    // The body has the password, and a fast hash of it could be guessed by those who read Redis.
    operation.fingerprint = services.tokens.keyed_hash(&operation.fingerprint)?;
    let account = new_account(&services, email, password, Role::User).await?;
    let id = services.engine.create_account(&account, operation).await?;
    let replayed = id != account.id;
    Ok(Repeatable { response: Created(Account { id, ..account }.into()), replayed })
}

/// A new account, which is not stored yet.
pub async fn new_account(
    services: &Services,
    email: String,
    password: String,
    role: Role,
) -> ApiResult<Account> {
    let id = UserId::new(services.engine.account_partition(&email));
    let created_at = services.engine.now_ms(id.partition()).await?;
    let password_hash = hash_password(password).await?;
    Ok(Account { role, ..Account::new(id, email, password_hash, created_at) })
}

/// Starts a session. An account has ten at most: the oldest ends when another one starts.
#[utoipa::path(post, path = "/api/users/log-in",
    operation_id = "logIn", tag = "users", request_body = LogInInput,
    responses((status = 200, body = Envelope<SessionView>)),
    extensions(("x-codes" = json!([
        ErrorCode::BadCredentials, ErrorCode::SecondFactorRequired,
        ErrorCode::WrongSecondFactor, ErrorCode::AccountDisabled, ErrorCode::Forbidden]))))]
pub async fn log_in(
    State(services): State<Arc<Services>>,
    Caller(address): Caller,
    Agent(agent): Agent,
    headers: HeaderMap,
    input: Input<LogInInput>,
) -> ApiResult<WithCookie<Okay<SessionView>>> {
    let LogInInput { email, password, code, cookie } = input.value;
    if cookie && !is_same_origin(&headers) {
        return Err(ApiError::new(ErrorCode::Forbidden, "The request comes from another site."));
    }
    if code.as_deref().is_some_and(|code| !is_code(code)) {
        return Err(ApiError::field("code", "must be six digits"));
    }
    let account = account_with_password(&services, address, &email, password).await?;
    if account.disabled {
        let failed = entry(None, address, Act::LogInFailed, account_target(account.id));
        let failed = failed.with(json!({"reason": ErrorCode::AccountDisabled}));
        services.note_failure(account.id.partition(), failed).await?;
        return Err(ErrorCode::AccountDisabled.into());
    }
    check_log_in(&services, &account, code.as_deref(), address).await?;
    let started = start_session(&services, &account, address, agent).await;
    let pair = started.map_err(|error| match error.code() {
        // The account has changed or is gone since its password was checked.
        ErrorCode::ChangedMeanwhile | ErrorCode::AccountNotFound => {
            ErrorCode::BadCredentials.into()
        }
        _ => error,
    })?;
    respond(&services, account, pair, cookie)
}

/// The account of an e-mail, if the password is right. Each wrong try counts.
pub async fn account_with_password(
    services: &Services,
    address: IpAddr,
    typed: &str,
    password: String,
) -> ApiResult<Account> {
    let email = canonical_email(typed).filter(|email| email.len() <= EMAIL_BYTES_MAX);
    let is_possible = email.is_some() && password.len() <= PASSWORD_BYTES_MAX;
    let (account, email) = match email {
        Some(email) => (find_account(services, typed, &email).await?, email),
        // No account has it, so the tries count for the address alone.
        None => (None, address.to_string()),
    };
    // Before the hash, because the hash is the cost of a try.
    let guess = services.limits.guess(&email, address)?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let fits = is_possible && verify_password(password, hash).await?;
    if !fits {
        if let Some(guess) = &guess {
            let account = services.tokens.keyed_hash(&email)?;
            services.limits.wrong_guess(&services.engine, guess, &account).await;
        }
        let known = account.as_ref().map(|account| account_target(account.id));
        let target = known.unwrap_or_else(|| "account/unknown".to_owned());
        let failed = entry(None, address, Act::LogInFailed, target);
        services.note_failure(services.engine.account_partition(&email), failed).await?;
    }
    let account = account.filter(|_| fits).ok_or(ErrorCode::BadCredentials)?;
    if let Some(guess) = guess {
        guess.was_right();
    }
    Ok(account)
}

/// Exchanges the refresh token for new tokens. Without a body, the token is that of the cookie. A
/// token may be used again for a minute after its first use, because the response may be lost and
/// there may be a second tab. Later use ends the session.
#[utoipa::path(post, path = "/api/users/refresh",
    operation_id = "refreshSession", tag = "users", request_body = Option<RefreshInput>,
    responses((status = 200, body = Envelope<SessionView>)),
    extensions(("x-codes" = json!([ErrorCode::Unauthorized, ErrorCode::Forbidden]))))]
pub async fn refresh(
    State(services): State<Arc<Services>>,
    Caller(address): Caller,
    headers: HeaderMap,
    OptionalInput(input): OptionalInput<RefreshInput>,
) -> ApiResult<WithCookie<Okay<SessionView>>> {
    let (token, cookie) = match input {
        Some(input) => (input.refresh_token, false),
        None => (cookie_token(&headers)?.ok_or(ErrorCode::Unauthorized)?, true),
    };
    let (account, pair) = rotate_session(&services, &token, address).await?;
    respond(&services, account, pair, cookie)
}

/// Ends the session: its tokens are refused from now on. It also works with the refresh token
/// alone, in the body or in the cookie, when the access token has ended.
#[utoipa::path(post, path = "/api/users/log-out",
    operation_id = "logOut", tag = "users", request_body = Option<LogOutInput>,
    security((), ("token" = [])), responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::Unauthorized, ErrorCode::Forbidden]))))]
pub async fn log_out(
    State(services): State<Arc<Services>>,
    identity: Identity,
    Caller(address): Caller,
    headers: HeaderMap,
    OptionalInput(input): OptionalInput<LogOutInput>,
) -> ApiResult<WithCookie<NoContent>> {
    let in_cookie = cookie_token(&headers)?;
    let deletion = in_cookie.as_ref().map(|_| delete_cookie());
    let owner = identity.found.and_then(Result::ok).and_then(User::owner);
    if let Some(Owner { user, session }) = owner {
        let trail = end_entry(&services, (user.id, Some(user.role)), address, "LOG_OUT");
        let ended = services.engine.end_session(user.id, session, None, trail.as_ref()).await;
        ended.or_else(gone)?;
        services.tokens.end(session);
        return Ok(WithCookie(deletion, NoContent));
    }
    let token = input.and_then(|input| input.refresh_token).or(in_cookie);
    end_by_token(&services, &token.ok_or(ErrorCode::Unauthorized)?, address).await?;
    Ok(WithCookie(deletion, NoContent))
}

/// A session that has ended already.
fn gone(error: EngineError) -> Result<(), EngineError> {
    match error {
        EngineError::Refused(Refusal::NotFound(Noun::Session)) => Ok(()),
        other => Err(other),
    }
}

/// Who am I.
#[utoipa::path(get, path = "/api/users/me",
    operation_id = "whoAmI", tag = "users", security(("token" = [])),
    responses((status = 200, body = Envelope<UserView>)))]
pub async fn me(State(services): State<Arc<Services>>, user: Owner) -> ApiResult<Okay<UserView>> {
    let account = services.engine.account_of_session(user.id).await?;
    Ok(Okay(account.ok_or(ErrorCode::Unauthorized)?.into()))
}

fn respond(
    services: &Services,
    account: Account,
    pair: Pair,
    cookie: bool,
) -> ApiResult<WithCookie<Okay<SessionView>>> {
    let header =
        cookie.then(|| set_cookie(&pair.refresh, services.tokens.refresh_ttl_ms)).transpose()?;
    let view = SessionView {
        access_token: pair.access,
        refresh_token: (!cookie).then_some(pair.refresh),
        expires_in: services.tokens.access_ttl_ms / 1000,
        user: account.into(),
    };
    Ok(WithCookie(header, Okay(view)))
}

/// The account of an e-mail as it was typed. `email` is its canonical form.
pub async fn find_account(
    services: &Services,
    typed: &str,
    email: &str,
) -> Result<Option<Account>, EngineError> {
    match account_as_typed(services, typed).await? {
        Some(account) => Ok(Some(account)),
        None => services.engine.account(email).await,
    }
}

/// The account of an e-mail in its older form, which was only trimmed and in lower case.
pub async fn account_as_typed(
    services: &Services,
    typed: &str,
) -> Result<Option<Account>, EngineError> {
    let email = typed.trim().to_lowercase();
    if canonical_email(typed).as_ref() == Some(&email) || email.len() > EMAIL_BYTES_MAX {
        return Ok(None);
    }
    services.engine.account(&email).await
}

/// An e-mail in its canonical form, under which accounts are stored. Only an impossible address is
/// refused, because only a mail can show that an address exists. `SignUpInput` has the same rule as
/// a pattern.
pub fn checked_email(text: &str) -> Result<String, FieldError> {
    let plausible = |email: &String| {
        email.len() <= EMAIL_BYTES_MAX
            && !email.chars().any(|letter| letter.is_control() || letter.is_whitespace())
            && email.split_once('@').is_some_and(|(name, host)| {
                !name.is_empty()
                    && host.contains('.')
                    && !host.contains('@')
                    && host.split('.').all(|part| !part.is_empty())
            })
    };
    let message = "must be an e-mail address such as name@example.com".to_owned();
    let error = FieldError { field: "email".to_owned(), message };
    canonical_email(text).filter(plausible).ok_or(error)
}
