//! Sign-up, log-in, sessions.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::auth::{Pair, User, hash_password, rotate_session, start_session, verify_password};
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::api::extract::{Created, Envelope, IdempotencyKey, Input, NoContent, Okay};
use crate::domain::account::{Account, Role};
use crate::domain::ids::UserId;
use crate::domain::text::{canonical, canonical_email};
use crate::engine::error::{EngineError, Refusal};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The longest e-mail.
const EMAIL_BYTES_MAX: usize = 254;
/// The longest password in any form of its characters: 128 syllables of Hangul as single sounds
/// have 1,152 bytes. A longer text is refused without the cost of a hash.
const PASSWORD_BYTES_MAX: usize = 2048;

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
}

/// An account, without secrets.
#[derive(Serialize, ToSchema)]
pub struct UserView {
    #[schema(value_type = uuid::Uuid)]
    id: UserId,
    email: String,
    role: Role,
}

/// Tokens of a session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    access_token: String,
    refresh_token: String,
    /// How long the access token lives, in seconds.
    expires_in: u64,
    user: UserView,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshInput {
    refresh_token: String,
}

/// Creates an account.
#[utoipa::path(post, path = "/api/users/sign-up",
    operation_id = "signUp", tag = "users", request_body = SignUpInput,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Envelope<UserView>)),
    extensions(("x-codes" = json!([ErrorCode::EmailTaken]))))]
pub async fn sign_up(
    State(services): State<Arc<Services>>,
    Caller(address): Caller,
    key: IdempotencyKey,
    input: Input<SignUpInput>,
) -> ApiResult<Created<UserView>> {
    services.limits.account_call(address)?;
    let email = checked_email(&input.value.email);
    let password = checked_password(&input.value.password);
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
    let operation = key.operation(&email, "sign-up", &input);
    let account = new_account(&services, email, password, Role::User).await?;
    let id = services.engine.create_account(&account, operation).await?;
    Ok(Created(UserView { id, email: account.email, role: account.role }))
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
    Ok(Account { id, email, password_hash, role, created_at })
}

/// Starts a session.
#[utoipa::path(post, path = "/api/users/log-in",
    operation_id = "logIn", tag = "users", request_body = LogInInput,
    responses((status = 200, body = Envelope<SessionView>)),
    extensions(("x-codes" = json!([ErrorCode::BadCredentials]))))]
pub async fn log_in(
    State(services): State<Arc<Services>>,
    Caller(address): Caller,
    input: Input<LogInInput>,
) -> ApiResult<Okay<SessionView>> {
    services.limits.account_call(address)?;
    let LogInInput { email: typed, password } = input.value;
    let email = canonical_email(&typed).filter(|email| email.len() <= EMAIL_BYTES_MAX);
    let (Some(email), true) = (email, password.len() <= PASSWORD_BYTES_MAX) else {
        return Err(ErrorCode::BadCredentials.into());
    };
    let account = match account_as_typed(&services, &typed).await? {
        Some(account) => Some(account),
        None => services.engine.account(&email).await?,
    };
    // Before the hash, because the hash is the cost of a try.
    let guess = services.limits.guess(&email, address)?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let fits = verify_password(password, hash).await?;
    match account {
        Some(account) if fits => {
            if let Some(guess) = guess {
                guess.was_right();
            }
            let pair = start_session(&services, &account).await?;
            Ok(Okay(view(&services, account, pair)))
        }
        _ => Err(ErrorCode::BadCredentials.into()),
    }
}

/// Exchanges the refresh token for new tokens. A token may be used again for 10 s after its first
/// use, because the response may be lost and there may be a second tab. Later use ends the session.
#[utoipa::path(post, path = "/api/users/refresh",
    operation_id = "refreshSession", tag = "users", request_body = RefreshInput,
    responses((status = 200, body = Envelope<SessionView>)),
    extensions(("x-codes" = json!([ErrorCode::Unauthorized]))))]
pub async fn refresh(
    State(services): State<Arc<Services>>,
    input: Input<RefreshInput>,
) -> ApiResult<Okay<SessionView>> {
    let (account, pair) = rotate_session(&services, &input.value.refresh_token).await?;
    Ok(Okay(view(&services, account, pair)))
}

/// Ends the session: its tokens are refused from now on.
#[utoipa::path(post, path = "/api/users/log-out",
    operation_id = "logOut", tag = "users", security(("token" = [])),
    responses((status = 204)))]
pub async fn log_out(State(services): State<Arc<Services>>, user: User) -> ApiResult<NoContent> {
    services.engine.end_session(user.session).await?;
    services.tokens.end(user.session);
    Ok(NoContent)
}

/// Who am I.
#[utoipa::path(get, path = "/api/users/me",
    operation_id = "whoAmI", tag = "users", security(("token" = [])),
    responses((status = 200, body = Envelope<UserView>)))]
pub async fn me(user: User) -> Okay<UserView> {
    Okay(UserView { id: user.id, email: user.email.to_string(), role: user.role })
}

fn view(services: &Services, account: Account, pair: Pair) -> SessionView {
    SessionView {
        access_token: pair.access,
        refresh_token: pair.refresh,
        expires_in: services.tokens.access_ttl_ms / 1000,
        user: UserView { id: account.id, email: account.email, role: account.role },
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

/// A password of the right length, in its canonical form, of which the hash is made.
pub fn checked_password(text: &str) -> Result<String, FieldError> {
    let password = canonical(text);
    let message = "must have 8 to 128 characters".to_owned();
    if (8..=128).contains(&password.chars().count()) {
        Ok(password)
    } else {
        Err(FieldError { field: "password".to_owned(), message })
    }
}
