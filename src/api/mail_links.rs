//! Links in mails: a new password for those who have forgotten theirs, and the proof that the owner
//! of an account reads mails to its address.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::administrators::change_account;
use crate::api::auth::Owner;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Accepted, Envelope, Input, NoContent, Nothing};
use crate::api::mails::Mail;
use crate::api::passwords::{checked_password, hash_password};
use crate::api::sessions::{random_secret, token_hash};
use crate::api::trail::{account_target, entry};
use crate::api::users::{checked_email, find_account};
use crate::domain::account::Account;
use crate::domain::ids::UserId;
use crate::domain::trail::Act;
use crate::engine::accounts::{AccountChange, EndSessions, MailKind};
use crate::engine::error::EngineError;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

/// How long a link counts. Longer: somebody finds an old mail. Shorter: mails arrive too late.
const LINK_TTL_MS: u64 = 600_000;

/// The e-mail of an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// As at the sign-up.
    #[schema(
        example = "fan@grandstand.example",
        max_length = 254,
        pattern = "^ *[^@\\s\\u0000-\\u001f\\u007f-\\u009f]+@\
            [^@.\\s\\u0000-\\u001f\\u007f-\\u009f]+(\\.[^@.\\s\\u0000-\\u001f\\u007f-\\u009f]+)+ *$"
    )]
    email: String,
}

/// The token of a link, and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetInput {
    token: String,
    #[schema(min_length = 8, max_length = 128)]
    new_password: String,
}

/// The token of a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationInput {
    token: String,
}

/// Sends a mail with a link for a new password. The response is the same for an e-mail without an
/// account. An account gets at most five mails per hour.
#[utoipa::path(post, path = "/api/users/password-reset",
    operation_id = "requestPasswordReset", tag = "users", request_body = ResetRequest,
    responses((status = 202, body = Envelope<Nothing>)))]
pub async fn request_reset(
    State(services): State<Arc<Services>>,
    input: Input<ResetRequest>,
) -> ApiResult<Accepted<Nothing>> {
    let typed = input.value.email;
    let email = checked_email(&typed).map_err(|error| ApiError::fields(vec![error]))?;
    let work = {
        let services = services.clone();
        async move {
            match find_account(&services, &typed, &email).await {
                Ok(Some(account)) if !account.disabled => {
                    send(&services, &account, MailKind::Reset).await;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a mail was not sent"),
            }
        }
    };
    services.mails.later(work);
    Ok(Accepted(Nothing))
}

/// Sets a new password, and ends all sessions of the account. The link works once, for ten minutes.
/// It also verifies the e-mail.
#[utoipa::path(post, path = "/api/users/password-reset/confirm",
    operation_id = "resetPassword", tag = "users", request_body = ResetInput,
    responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::LinkExpired]))))]
pub async fn reset(
    State(services): State<Arc<Services>>,
    Caller(address): Caller,
    input: Input<ResetInput>,
) -> ApiResult<NoContent> {
    let ResetInput { token, new_password } = input.value;
    let new_password = checked_password("newPassword", &new_password);
    let new_password = new_password.map_err(|error| ApiError::fields(vec![error]))?;
    // Before the hash, because a hash costs much more than this.
    let before = account_of(&services, MailKind::Reset, &token).await?;
    let password_hash = hash_password(new_password).await?;
    let after = Account { password_hash, email_verified: true, ..before.clone() };
    let entry = entry(None, address, Act::PasswordChanged, account_target(before.id));
    let entry = entry.with(json!({"reason": "RESET_BY_MAIL"}));
    let trail = services.noted(entry, before.id.partition());
    let token = Some((MailKind::Reset, token_hash(&token)));
    let ending = EndSessions::All;
    let change = AccountChange { before: &before, after: Some(&after), ending, token, trail };
    use_up(&services, change).await
}

/// Sends a mail with a link that verifies the e-mail of the caller.
#[utoipa::path(post, path = "/api/users/me/email-verification",
    operation_id = "requestEmailVerification", tag = "users", security(("token" = [])),
    responses((status = 202, body = Envelope<Nothing>)))]
pub async fn request_verification(
    State(services): State<Arc<Services>>,
    user: Owner,
) -> ApiResult<Accepted<Nothing>> {
    let account = services.engine.account_of_session(user.id).await?;
    let account = account.ok_or(ErrorCode::Unauthorized)?;
    if !account.email_verified {
        let work = {
            let services = services.clone();
            async move { send(&services, &account, MailKind::Verification).await }
        };
        services.mails.later(work);
    }
    Ok(Accepted(Nothing))
}

/// Verifies an e-mail with the token of a link. The link works for ten minutes; a second call with
/// it is 204, too, and changes nothing. Access tokens from before the first one are refused; a
/// refresh brings one that says `emailVerified`.
#[utoipa::path(post, path = "/api/users/email-verification/confirm",
    operation_id = "verifyEmail", tag = "users", request_body = VerificationInput,
    responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::LinkExpired]))))]
pub async fn verify(
    State(services): State<Arc<Services>>,
    Caller(address): Caller,
    input: Input<VerificationInput>,
) -> ApiResult<NoContent> {
    let before = account_of(&services, MailKind::Verification, &input.value.token).await?;
    if before.email_verified {
        return Ok(NoContent);
    }
    let after = Account { email_verified: true, ..before.clone() };
    // Only the owner reads the mails of this address.
    let entry = entry(
        Some((before.id, before.role)),
        address,
        Act::EmailVerified,
        account_target(before.id),
    );
    let trail = services.noted(entry, before.id.partition());
    let ending = EndSessions::None;
    let change = AccountChange { before: &before, after: Some(&after), ending, token: None, trail };
    change_account(&services, change).await?;
    Ok(NoContent)
}

/// The account whose owner got this token by mail.
async fn account_of(services: &Services, kind: MailKind, token: &str) -> ApiResult<Account> {
    let user = token.split_once('.').and_then(|(user, _)| UserId::from_key(user));
    let known = |user: &UserId| user.partition().0 < services.engine.partition_count();
    let user = user.filter(known).ok_or(ErrorCode::LinkExpired)?;
    let email = services.engine.mailed_token_email(user, kind, &token_hash(token)).await?;
    let account = services.engine.account(&email.ok_or(ErrorCode::LinkExpired)?).await?;
    let account = account.filter(|account| account.id == user && !account.disabled);
    Ok(account.ok_or(ErrorCode::LinkExpired)?)
}

/// Changes the account and uses up the token, in one step.
async fn use_up(services: &Services, change: AccountChange<'_>) -> ApiResult<NoContent> {
    change_account(services, change).await.map_err(|error| match error.code() {
        // Another request has used the token in the meantime.
        ErrorCode::Unauthorized => ErrorCode::LinkExpired.into(),
        _ => error,
    })?;
    Ok(NoContent)
}

/// Sends a mail with a new token. A failure is only logged, because the response was sent before.
async fn send(services: &Services, account: &Account, kind: MailKind) {
    if let Err(error) = try_to_send(services, account, kind).await {
        tracing::error!(error = format!("{error:#}"), user = %account.id, "a mail was not sent");
    }
}

async fn try_to_send(services: &Services, account: &Account, kind: MailKind) -> anyhow::Result<()> {
    let secret = random_secret().map_err(|_| anyhow::anyhow!("there are no random numbers"))?;
    let token = format!("{}.{secret}", account.id.key());
    let hash = token_hash(&token);
    let stored = services.engine.store_mailed_token(account, kind, hash, LINK_TTL_MS).await;
    let stored = stored.map_err(|error: EngineError| anyhow::anyhow!("{error}"))?;
    if !stored {
        tracing::warn!(user = %account.id, "no mail: this account got too many in this hour");
        return Ok(());
    }
    let (purpose, korean, english) = match kind {
        MailKind::Reset => ("reset", "비밀번호 재설정", "Reset your password"),
        MailKind::Verification => ("verify", "이메일 주소 확인", "Verify your e-mail address"),
    };
    let link = services.mails.link(purpose, &token);
    let text = format!(
        "{korean}:\n{link}\n\n이 링크는 10분 동안 한 번만 쓸 수 있습니다. 요청한 적이 없다면 이 메일을 \
         무시해 주세요.\n\n{english}:\n{link}\n\nThis link works once, for 10 minutes. If you did \
         not ask for it, please ignore this mail.\n"
    );
    let subject = format!("{korean} · {english}");
    services.mails.send(Mail { to: account.email.clone(), subject, text }).await
}
