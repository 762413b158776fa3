//! Accounts for administrators: who they are, their roles, and whether they may log in.

use crate::api::Services;
use crate::api::administrators::change_account;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, NoContent, Okay, Path, Query};
use crate::api::page_query::{PageQuery, Size};
use crate::api::staff::{Admin, checked_sites};
use crate::api::trail::{account_state, account_target};
use crate::api::users::find_account;
use crate::api::views::moment;
use crate::domain::account::{Account, Role};
use crate::domain::ids::{SiteId, UserId};
use crate::domain::text::canonical_email;
use crate::domain::trail::Act;
use crate::engine::accounts::{AccountChange, EndSessions};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const PAGE_SIZE: Size = Size { usual: 50, most: 100 };

/// An account, without secrets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    #[schema(value_type = uuid::Uuid)]
    id: UserId,
    email: String,
    email_verified: bool,
    /// Whether log-ins need the code of an authenticator app.
    second_factor: bool,
    role: Role,
    /// The sites at which the role counts, for ORGANISER and BOX_OFFICE.
    #[schema(value_type = Vec<uuid::Uuid>)]
    sites: Vec<SiteId>,
    /// Nobody can log in to a disabled account.
    disabled: bool,
    created_at: jiff::Timestamp,
}

impl AccountView {
    fn of(account: Account) -> ApiResult<Self> {
        let created_at = moment(account.created_at)?;
        let Account { id, email, email_verified, role, sites, disabled, second_factor, .. } =
            account;
        let second_factor = !second_factor.is_empty();
        Ok(Self { id, email, email_verified, second_factor, role, sites, disabled, created_at })
    }
}

/// A page of accounts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountPage {
    accounts: Vec<AccountView>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountQuery {
    /// Only the account with this e-mail.
    email: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// 1 to 100, default 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
}

/// Changes of an account. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountPatch {
    #[schema(nullable = false)]
    role: Option<Role>,
    /// At most 20 sites. Only ORGANISER and BOX_OFFICE have any, and a change to another role
    /// takes them away.
    #[schema(value_type = Option<Vec<uuid::Uuid>>, nullable = false, max_items = 20)]
    sites: Option<Vec<SiteId>>,
    #[schema(nullable = false)]
    disabled: Option<bool>,
    /// `false` removes the second factor, for somebody who has lost the phone. Only the owner sets
    /// one up.
    #[schema(nullable = false)]
    second_factor: Option<bool>,
}

/// Accounts in the order in which they were made, or the account of one e-mail. A list may miss
/// the changes of the last moments.
#[utoipa::path(get, path = "/api/admin/accounts",
    operation_id = "listAccounts", tag = "administration", params(AccountQuery),
    security(("admin" = [])), responses((status = 200, body = Envelope<AccountPage>)),
    extensions(("x-codes" = json!([ErrorCode::Unavailable]))))]
pub async fn list(
    State(services): State<Arc<Services>>,
    Admin(admin): Admin,
    Query(query): Query<AccountQuery>,
) -> ApiResult<Okay<AccountPage>> {
    let AccountQuery { email, cursor, limit } = query;
    let page = PageQuery::check(limit, cursor.as_deref(), &PAGE_SIZE, UserId::from_key)?;
    let entry = admin.act(Act::AccountsRead, "accounts".to_owned());
    services.note(admin.id.partition(), &entry).await?;
    let mut found = match &email {
        Some(typed) => {
            let email = canonical_email(typed).unwrap_or_default();
            find_account(&services, typed, &email).await?.into_iter().collect()
        }
        None => services.store.accounts_after(page.after, page.rows().into()).await?,
    };
    let next_cursor = page.cut(&mut found, |last| last.id.key());
    let accounts = found.into_iter().map(AccountView::of).collect::<ApiResult<_>>()?;
    Ok(Okay(AccountPage { accounts, next_cursor }))
}

/// Changes the role of an account, the sites at which it counts, and whether it is disabled. The
/// change counts from the next request of that user. Disabling ends all sessions of the account.
#[utoipa::path(patch, path = "/api/admin/accounts/{user}",
    operation_id = "changeAccount", tag = "administration",
    params(("user" = uuid::Uuid, Path)), request_body = AccountPatch, security(("admin" = [])),
    responses((status = 200, body = Envelope<AccountView>)),
    extensions(("x-codes" = json!([ErrorCode::AccountNotFound, ErrorCode::LastAdministrator,
        ErrorCode::ChangedMeanwhile]))))]
pub async fn change(
    State(services): State<Arc<Services>>,
    Admin(admin): Admin,
    Path(id): Path<UserId>,
    input: Input<AccountPatch>,
) -> ApiResult<Okay<AccountView>> {
    let before = services.engine.account_by_id(id).await?.ok_or(ErrorCode::AccountNotFound)?;
    let patch = input.value;
    let role = patch.role.unwrap_or(before.role);
    let sites = match patch.sites {
        Some(sites) => checked_sites(&services, role, sites)?,
        None if role.is_of_sites() => before.sites.clone(),
        None => Vec::new(),
    };
    let disabled = patch.disabled.unwrap_or(before.disabled);
    let second_factor = match patch.second_factor {
        Some(true) if before.second_factor.is_empty() => {
            return Err(ApiError::field("secondFactor", "only the owner sets one up"));
        }
        Some(false) => String::new(),
        Some(true) | None => before.second_factor.clone(),
    };
    let after = Account { role, sites, disabled, second_factor, ..before.clone() };
    if after == before {
        return AccountView::of(before).map(Okay);
    }
    let entry = admin.act(Act::AccountChanged, account_target(id));
    let trail = Some(entry.changing(account_state(&before), account_state(&after)));
    let ending = if disabled { EndSessions::All } else { EndSessions::None };
    let change = AccountChange { before: &before, after: Some(&after), ending, token: None, trail };
    change_account(&services, change).await?;
    AccountView::of(after).map(Okay)
}

/// Deletes an account for its owner, who can't log in or has asked the organiser: its e-mail and
/// its sessions. Tickets that were bought stay valid, and the books keep the sales without a name.
#[utoipa::path(delete, path = "/api/admin/accounts/{user}",
    operation_id = "deleteAccountOf", tag = "administration",
    params(("user" = uuid::Uuid, Path)), security(("admin" = [])),
    responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::AccountNotFound, ErrorCode::LastAdministrator,
        ErrorCode::ChangedMeanwhile]))))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(admin): Admin,
    Path(id): Path<UserId>,
) -> ApiResult<NoContent> {
    let before = services.engine.account_by_id(id).await?.ok_or(ErrorCode::AccountNotFound)?;
    let entry = admin.act(Act::AccountDeleted, account_target(id));
    let trail = Some(entry.changing(account_state(&before), serde_json::Value::Null));
    let ending = EndSessions::All;
    let change = AccountChange { before: &before, after: None, ending, token: None, trail };
    change_account(&services, change).await?;
    Ok(NoContent)
}
