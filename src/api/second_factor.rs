//! The second factor of an account: its owner turns it on with an app on the phone, and off again.

use crate::api::Services;
use crate::api::account::own_account;
use crate::api::address::Caller;
use crate::api::administrators::change_account;
use crate::api::auth::Owner;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, NoContent, Okay};
use crate::api::totp::{is_setup, use_code};
use crate::api::trail::{account_state, account_target, entry};
use crate::domain::account::Account;
use crate::domain::trail::Act;
use crate::engine::accounts::{AccountChange, EndSessions};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

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
    user: Owner,
    Caller(address): Caller,
    input: Input<SetupInput>,
) -> ApiResult<Okay<SetupView>> {
    let account = own_account(&services, &user, address, input.value.password).await?;
    refuse_second(&account)?;
    let (setup, totp) = services.second_factors.begin(user.id, &account.email)?;
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
    user: Owner,
    Caller(address): Caller,
    input: Input<FirstCodeInput>,
) -> ApiResult<NoContent> {
    let FirstCodeInput { setup, code, password } = input.value;
    if !is_setup(&setup) {
        return Err(ApiError::field("setup", "must be the setup of the response before"));
    }
    let before = own_account(&services, &user, address, password).await?;
    // An earlier call has stored it, whose response was lost.
    if before.second_factor == setup {
        return Ok(NoContent);
    }
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
    user: Owner,
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

/// Who has a second factor removes it before there is another.
fn refuse_second(account: &Account) -> ApiResult<()> {
    if account.second_factor.is_empty() { Ok(()) } else { Err(ErrorCode::SecondFactorOn.into()) }
}

async fn change(
    services: &Services,
    user: &Owner,
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
