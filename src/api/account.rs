//! What people do with their own account.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::administrators::change_account;
use crate::api::auth::{Owner, User};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, NoContent, Okay, Path};
use crate::api::passwords::{checked_password, hash_password, verify_password};
use crate::api::sessions::{WithCookie, delete_cookie, end_entry};
use crate::api::trail::{account_target, entry};
use crate::api::users::account_with_password;
use crate::api::views::moment;
use crate::domain::account::Account;
use crate::domain::ids::SessionId;
use crate::domain::trail::Act;
use crate::engine::accounts::{AccountChange, EndSessions};
use crate::engine::sessions::Session;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// The password of an account, and the one that replaces it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordInput {
    current_password: String,
    #[schema(min_length = 8, max_length = 128)]
    new_password: String,
}

/// The password of an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletionInput {
    password: String,
}

/// A log-in that has not ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    #[schema(value_type = uuid::Uuid)]
    id: SessionId,
    started_at: jiff::Timestamp,
    /// When its tokens were refreshed last.
    last_used_at: jiff::Timestamp,
    /// From where it was used last.
    address: String,
    /// The browser or program that logged in: at most 120 characters of its `User-Agent`.
    agent: String,
    /// Whether it is the session of this request.
    current: bool,
}

/// The log-ins of an account.
#[derive(Serialize, ToSchema)]
pub struct SessionList {
    /// The newest first.
    sessions: Vec<SessionInfo>,
}

/// Changes the password and ends all other sessions.
#[utoipa::path(put, path = "/api/users/me/password",
    operation_id = "changePassword", tag = "users", request_body = PasswordInput,
    security(("token" = [])), responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::WrongPassword, ErrorCode::ChangedMeanwhile]))))]
pub async fn change_password(
    State(services): State<Arc<Services>>,
    user: Owner,
    Caller(address): Caller,
    input: Input<PasswordInput>,
) -> ApiResult<NoContent> {
    let PasswordInput { current_password, new_password } = input.value;
    let new_password = checked_password("newPassword", &new_password);
    let new_password = new_password.map_err(|error| ApiError::fields(vec![error]))?;
    let before = match own_account(&services, &user, address, current_password).await {
        // An earlier call may have changed it, whose response was lost. The try has counted.
        Err(error) if error.code() == ErrorCode::WrongPassword => {
            let account = services.engine.account_of_session(user.id).await?;
            let hash = account.map(|account| account.password_hash);
            let is_changed = verify_password(new_password, hash).await?;
            return if is_changed { Ok(NoContent) } else { Err(error) };
        }
        found => found?,
    };
    let password_hash = hash_password(new_password).await?;
    let after = Account { password_hash, ..before.clone() };
    let entry =
        entry(Some((user.id, user.role)), address, Act::PasswordChanged, account_target(user.id));
    let trail = services.noted(entry, user.id.partition());
    let ending = EndSessions::Others(user.session);
    let change = AccountChange { before: &before, after: Some(&after), ending, token: None, trail };
    change_account(&services, change).await?;
    Ok(NoContent)
}

/// The log-ins of the caller that have not ended.
#[utoipa::path(get, path = "/api/users/me/sessions",
    operation_id = "listSessions", tag = "users", security(("token" = [])),
    responses((status = 200, body = Envelope<SessionList>)))]
pub async fn list_sessions(
    State(services): State<Arc<Services>>,
    user: Owner,
) -> ApiResult<Okay<SessionList>> {
    let sessions = services.engine.sessions_of(user.id).await?;
    let view = |session: Session| {
        Ok(SessionInfo {
            id: session.id,
            started_at: moment(session.began_at)?,
            last_used_at: moment(session.used_at)?,
            address: session.from.address,
            agent: session.from.agent,
            current: session.id == user.session,
        })
    };
    let sessions = sessions.into_iter().map(view).collect::<ApiResult<Vec<_>>>()?;
    Ok(Okay(SessionList { sessions }))
}

/// Ends one log-in of the caller.
#[utoipa::path(delete, path = "/api/users/me/sessions/{session}",
    operation_id = "endSession", tag = "users", security(("token" = [])),
    params(("session" = uuid::Uuid, Path)), responses((status = 204)))]
pub async fn end_session(
    State(services): State<Arc<Services>>,
    user: Owner,
    Caller(address): Caller,
    Path(id): Path<SessionId>,
) -> ApiResult<NoContent> {
    let trail = end_entry(&services, (user.id, Some(user.role)), address, "BY_THE_USER");
    services.engine.end_session(user.id, id, None, trail.as_ref()).await?;
    services.tokens.end(id);
    Ok(NoContent)
}

/// Ends all log-ins of the caller, also this one.
#[utoipa::path(delete, path = "/api/users/me/sessions",
    operation_id = "endAllSessions", tag = "users", security(("token" = [])),
    responses((status = 204)))]
pub async fn end_all(
    State(services): State<Arc<Services>>,
    user: Owner,
    Caller(address): Caller,
) -> ApiResult<WithCookie<NoContent>> {
    let trail = end_entry(&services, (user.id, Some(user.role)), address, "ALL_BY_THE_USER");
    services.engine.end_all_sessions(user.id, trail.as_ref()).await?;
    services.tokens.end(user.session);
    Ok(WithCookie(Some(delete_cookie()), NoContent))
}

/// Deletes the account with its e-mail and its sessions. Tickets that were bought stay valid, and
/// the books keep the sales without a name. Seats that are held or not paid become free in time.
#[utoipa::path(delete, path = "/api/users/me",
    operation_id = "deleteAccount", tag = "users", request_body = DeletionInput,
    security(("token" = [])), responses((status = 204)),
    extensions(("x-codes" = json!([
        ErrorCode::WrongPassword, ErrorCode::LastAdministrator, ErrorCode::ChangedMeanwhile]))))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    user: Owner,
    Caller(address): Caller,
    input: Input<DeletionInput>,
) -> ApiResult<WithCookie<NoContent>> {
    let before = own_account(&services, &user, address, input.value.password).await?;
    let entry =
        entry(Some((user.id, user.role)), address, Act::AccountDeleted, account_target(user.id));
    let trail = services.noted(entry, user.id.partition());
    let ending = EndSessions::All;
    let change = AccountChange { before: &before, after: None, ending, token: None, trail };
    change_account(&services, change).await?;
    Ok(WithCookie(Some(delete_cookie()), NoContent))
}

/// The account of the caller, who must know its password, because a token may be stolen.
pub async fn own_account(
    services: &Services,
    user: &User,
    address: IpAddr,
    password: String,
) -> ApiResult<Account> {
    let account = services.engine.account_of_session(user.id).await?;
    let email = account.ok_or(ErrorCode::Unauthorized)?.email;
    let found = account_with_password(services, address, &email, password).await;
    let account = found.map_err(|error| match error.code() {
        ErrorCode::BadCredentials => ErrorCode::WrongPassword.into(),
        _ => error,
    })?;
    // The address may have a new account since.
    if account.id != user.id {
        return Err(ErrorCode::Unauthorized.into());
    }
    Ok(account)
}
