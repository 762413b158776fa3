//! API keys for administrators: for programs such as the server of a box office.

use crate::api::Services;
use crate::api::administrators::change_account;
use crate::api::api_keys::new_key;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Created, Envelope, Input, NoContent, Okay, Path, Query};
use crate::api::page_query::{PageQuery, Size};
use crate::api::scopes::roles_of;
use crate::api::sessions::token_hash;
use crate::api::staff::{Admin, checked_sites};
use crate::api::trail::{api_key_state, api_key_target};
use crate::api::views::moment;
use crate::domain::account::{Account, Role};
use crate::domain::api_key::{ApiKey, Scope};
use crate::domain::ids::{Partition, SiteId, UserId};
use crate::domain::trail::Act;
use crate::engine::accounts::{AccountChange, EndSessions};
use crate::engine::operation::Operation;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const NAME_CHARACTERS_MAX: usize = 60;
const PAGE_SIZE: Size = Size { usual: 50, most: 100 };

/// A new API key.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyInput {
    /// For people, such as the name of the program: 1 to 60 characters.
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    /// Any role but ADMIN. A key with the role USER can only buy.
    role: Role,
    /// The sites at which the role counts, for ORGANISER and BOX_OFFICE: at most 20.
    #[serde(default)]
    #[schema(value_type = Vec<uuid::Uuid>, max_items = 20)]
    sites: Vec<SiteId>,
    /// What the key may do, as far as its role allows it.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// When the key ends by itself. Without it the key works until somebody deletes it.
    expires_at: Option<jiff::Timestamp>,
}

/// An API key, without the key itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyView {
    /// The audit trail names this id as the `actor` of what the program does.
    #[schema(value_type = uuid::Uuid)]
    id: UserId,
    name: String,
    role: Role,
    #[schema(value_type = Vec<uuid::Uuid>)]
    sites: Vec<SiteId>,
    scopes: Vec<Scope>,
    created_at: jiff::Timestamp,
    /// null: the key works until somebody deletes it.
    #[schema(required)]
    expires_at: Option<jiff::Timestamp>,
}

impl ApiKeyView {
    fn of(account: Account) -> ApiResult<Self> {
        let Account { id, role, sites, created_at, api_key, .. } = account;
        let key = api_key.ok_or_else(|| ApiError::internal("the account is no API key"))?;
        let ApiKey { name, scopes, ends_at, .. } = key;
        let (created_at, expires_at) = (moment(created_at)?, ends_at.map(moment).transpose()?);
        Ok(Self { id, name, role, sites, scopes, created_at, expires_at })
    }
}

/// A new API key with its secret.
#[derive(Serialize, ToSchema)]
pub struct NewApiKey {
    /// For the header `Authorization: Bearer KEY`. It is shown only now: Grandstand keeps a hash.
    #[schema(pattern = "^gsk_[A-Za-z0-9_-]{65}$")]
    key: String,
    #[serde(flatten)]
    about: ApiKeyView,
}

/// A page of API keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyPage {
    api_keys: Vec<ApiKeyView>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ApiKeyQuery {
    /// The `nextCursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// 1 to 100, default 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
}

/// Makes an API key, with which a program calls the API until the key is deleted or ends. The
/// response is the only one that has the key.
#[utoipa::path(post, path = "/api/admin/api-keys",
    operation_id = "createApiKey", tag = "administration", request_body = ApiKeyInput,
    security(("admin" = [])), responses((status = 201, body = Envelope<NewApiKey>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(admin): Admin,
    input: Input<ApiKeyInput>,
) -> ApiResult<Created<NewApiKey>> {
    let partition = Partition::random(services.engine.partition_count());
    let now_ms = services.engine.now_ms(partition).await?;
    let ApiKeyInput { name, role, sites, mut scopes, expires_at } = input.value;
    let name = checked_name(&name)?;
    if role == Role::Admin {
        return Err(ApiError::field("role", "must not be ADMIN: no program is an administrator"));
    }
    let sites = checked_sites(&services, role, sites)?;
    scopes.sort_unstable();
    scopes.dedup();
    check_scopes(role, &scopes)?;
    let ends_at = expires_at.map(jiff::Timestamp::as_millisecond);
    if ends_at.is_some_and(|ends_at| ends_at <= now_ms) {
        return Err(ApiError::field("expiresAt", "must be in the future"));
    }
    let id = UserId::new(partition);
    let key = new_key(id)?;
    let about = ApiKey { name, hash: token_hash(&key), scopes, ends_at };
    let account = Account { role, sites, ..Account::of_key(id, about, now_ms) };
    let entry = admin.act(Act::ApiKeyCreated, api_key_target(id)).with(api_key_state(&account));
    let operation = Operation::default().with_trail(entry);
    services.engine.create_account(&account, operation).await?;
    Ok(Created(NewApiKey { key, about: ApiKeyView::of(account)? }))
}

/// API keys in the order in which they were made. A list may miss the changes of the last moments.
#[utoipa::path(get, path = "/api/admin/api-keys",
    operation_id = "listApiKeys", tag = "administration", params(ApiKeyQuery),
    security(("admin" = [])), responses((status = 200, body = Envelope<ApiKeyPage>)),
    extensions(("x-codes" = json!([ErrorCode::Unavailable]))))]
pub async fn list(
    State(services): State<Arc<Services>>,
    Admin(_admin): Admin,
    Query(query): Query<ApiKeyQuery>,
) -> ApiResult<Okay<ApiKeyPage>> {
    let ApiKeyQuery { cursor, limit } = query;
    let page = PageQuery::check(limit, cursor.as_deref(), &PAGE_SIZE, UserId::from_key)?;
    let mut found = services.store.api_keys_after(page.after, page.rows().into()).await?;
    let next_cursor = page.cut(&mut found, |last| last.id.key());
    let api_keys = found.into_iter().map(ApiKeyView::of).collect::<ApiResult<_>>()?;
    Ok(Okay(ApiKeyPage { api_keys, next_cursor }))
}

/// Deletes an API key. It counts no more from the next request on, and for a minute at most on a
/// node that is cut off from Redis. What the program bought stays bought.
#[utoipa::path(delete, path = "/api/admin/api-keys/{key}",
    operation_id = "deleteApiKey", tag = "administration",
    params(("key" = uuid::Uuid, Path)), security(("admin" = [])), responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::ApiKeyNotFound, ErrorCode::ChangedMeanwhile]))))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(admin): Admin,
    Path(id): Path<UserId>,
) -> ApiResult<NoContent> {
    let before = services.api_key(id).await?;
    let entry = admin.act(Act::ApiKeyDeleted, api_key_target(id));
    let trail = Some(entry.changing(api_key_state(&before), serde_json::Value::Null));
    let ending = EndSessions::All;
    let change = AccountChange { before: &before, after: None, ending, token: None, trail };
    change_account(&services, change).await.map_err(|error| match error.code() {
        // Somebody else was faster.
        ErrorCode::AccountNotFound => ErrorCode::ApiKeyNotFound.into(),
        _ => error,
    })?;
    Ok(NoContent)
}

impl Services {
    async fn api_key(&self, id: UserId) -> ApiResult<Account> {
        if id.partition().0 >= self.engine.partition_count() {
            return Err(ErrorCode::ApiKeyNotFound.into());
        }
        Ok(self.engine.api_key(id).await?.ok_or(ErrorCode::ApiKeyNotFound)?)
    }
}

fn checked_name(name: &str) -> ApiResult<String> {
    let name = name.trim();
    let count = name.chars().count();
    if !(1..=NAME_CHARACTERS_MAX).contains(&count) || name.chars().any(char::is_control) {
        let message = format!("must be 1 to {NAME_CHARACTERS_MAX} characters");
        return Err(ApiError::field("name", message));
    }
    Ok(name.to_owned())
}

/// Refuses scopes that the role can never use, because such a key would fail only when it is used.
fn check_scopes(role: Role, scopes: &[Scope]) -> ApiResult<()> {
    if scopes.is_empty() {
        return Err(ApiError::field("scopes", "must have a scope"));
    }
    match scopes.iter().find(|scope| !roles_of(**scope).contains(&role)) {
        None => Ok(()),
        Some(scope) => {
            let words: Vec<&str> = roles_of(*scope).iter().map(|role| role.word()).collect();
            let (scope, words) = (scope.word(), words.join(", "));
            let message = format!("{scope} needs one of the roles {words}, and no key is ADMIN");
            Err(ApiError::field("scopes", message))
        }
    }
}
