//! An installation never loses its last administrator through the API.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::domain::account::{Account, Role};
use crate::engine::accounts::AccountChange;

/// How long the right to take an administrator away lasts when the node dies meanwhile. It is
/// longer than any request. Longer: after such a death administrators wait longer.
const LOCK_TTL_MS: i64 = 20_000;

/// Changes an account, and all nodes refuse its older tokens then. Changes that take an
/// administrator away are made one at a time, and another administrator must remain.
///
/// # Errors
/// `LastAdministrator`, `ChangedMeanwhile`, and those of the engine.
pub async fn change_account(services: &Services, change: AccountChange<'_>) -> ApiResult<()> {
    let (id, version) = (change.before.id, change.before.version);
    if is_active(change.before) && !change.after.is_some_and(is_active) {
        if !services.engine.lock_administrators(LOCK_TTL_MS).await? {
            return Err(ErrorCode::ChangedMeanwhile.into());
        }
        let changed = change_with_lock(services, change).await;
        services.engine.unlock_administrators().await?;
        changed?;
    } else {
        services.engine.change_account(change).await?;
    }
    services.tokens.outdate(id, version + 1);
    Ok(())
}

fn is_active(account: &Account) -> bool {
    account.role == Role::Admin && !account.disabled
}

async fn change_with_lock(services: &Services, change: AccountChange<'_>) -> ApiResult<()> {
    // PostgreSQL knows who may be an administrator, and Redis who is one at this moment.
    let known = services.store.administrators().await?;
    for email in known.iter().filter(|email| **email != change.before.email) {
        if services.engine.account(email).await?.as_ref().is_some_and(is_active) {
            return Ok(services.engine.change_account(change).await?);
        }
    }
    Err(ApiError::from(ErrorCode::LastAdministrator))
}
