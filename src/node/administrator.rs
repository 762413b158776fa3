//! The first administrator, whom the settings name.

use crate::api::Services;
use crate::api::passwords::{checked_password, verify_password};
use crate::api::trail::created;
use crate::api::users::{checked_email, find_account, new_account};
use crate::config::Settings;
use crate::domain::account::{Account, Role};
use crate::domain::trail::SETTINGS;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;

/// Creates the account of the first administrator, if the settings name one and it does not exist.
/// It changes no account, because these settings stay where they are for years. But it says so when
/// they do not fit the account.
pub(super) async fn first_administrator(
    services: &Services,
    settings: &Settings,
) -> anyhow::Result<()> {
    if settings.admin_email.is_empty() {
        return Ok(());
    }
    let email = checked_email(&settings.admin_email);
    let password = checked_password("password", &settings.admin_password);
    let (email, password) = match (email, password) {
        (Ok(email), Ok(password)) => (email, password),
        (Err(error), _) => anyhow::bail!("GRANDSTAND_ADMIN_EMAIL {}", error.message),
        (_, Err(error)) => anyhow::bail!("GRANDSTAND_ADMIN_PASSWORD {}", error.message),
    };
    let account = match find_account(services, &settings.admin_email, &email).await {
        Ok(Some(account)) => return compare(settings, account, password).await,
        Ok(None) => new_account(services, email, password, Role::Admin).await,
        Err(error) => {
            tracing::warn!(%error, "no first administrator: accounts can't be read");
            return Ok(());
        }
    };
    let account =
        account.map_err(|_| anyhow::anyhow!("creating the first administrator failed"))?;
    let operation = Operation::default().with_trail(created(&account, SETTINGS));
    match services.engine.create_account(&account, operation).await {
        Ok(_) | Err(EngineError::Refused(Refusal::EmailTaken)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Says loudly when the settings do not fit the account that exists.
async fn compare(settings: &Settings, account: Account, password: String) -> anyhow::Result<()> {
    let email = &settings.admin_email;
    if account.role != Role::Admin || account.disabled {
        tracing::error!(
            %email,
            "the account of GRANDSTAND_ADMIN_EMAIL is no administrator: somebody else may have \
             signed up with this address. `grandstand admin reset {email}` makes it one"
        );
        return Ok(());
    }
    let fits = verify_password(password, Some(account.password_hash)).await;
    if !fits.map_err(|_| anyhow::anyhow!("the password of the administrator can't be checked"))? {
        tracing::error!(
            %email,
            "GRANDSTAND_ADMIN_PASSWORD is not the password of this account and changes nothing. \
             Take the setting out, or run `grandstand admin reset {email}`"
        );
    }
    Ok(())
}
