//! API keys as programs send them: `gsk_`, the id of the key, and 256 random bits. The fixed
//! beginning lets scanners find a key that somebody has published.

use crate::api::Services;
use crate::api::auth::{Credential, User};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::sessions::{random_secret, token_hash};
use crate::domain::account::Account;
use crate::domain::ids::UserId;
use std::net::IpAddr;

/// The beginning of each key.
const PREFIX: &str = "gsk_";
const ID_BYTES: usize = 22;
const SECRET_BYTES: usize = 43;
/// A key is looked up again after this time, in seconds. Longer: a node that is cut off from Redis
/// accepts a deleted key for longer. Shorter: more look-ups, and programs stop earlier when Redis
/// is away.
const KEPT_S: i64 = 60;

/// A new key of this id.
pub fn new_key(id: UserId) -> ApiResult<String> {
    Ok(format!("{PREFIX}{}{}", id.key(), random_secret()?))
}

/// The id in a text that has the form of a key.
fn id_in(text: &str) -> Option<UserId> {
    let rest = text.strip_prefix(PREFIX)?;
    let has_form = rest.is_ascii() && rest.len() == ID_BYTES + SECRET_BYTES;
    has_form.then(|| UserId::from_key(&rest[..ID_BYTES])).flatten()
}

/// The caller with this access token or API key.
///
/// # Errors
/// `Unauthorized`; for a key also `TooManyRequests` and `Unavailable`.
pub async fn caller(services: &Services, token: &str, address: IpAddr) -> ApiResult<User> {
    if !token.starts_with(PREFIX) {
        return services.tokens.check(token);
    }
    match services.tokens.kept_key(token) {
        Some((user, true)) => return Ok(user),
        // A flood of wrong keys from the same address does not stop a program with a right one.
        Some((_, false)) => {}
        None => services.limits.look_up_key(address)?,
    }
    // In a box, because the call of Redis would make the future of each request larger, also of
    // those without a key.
    match Box::pin(look_up(services, token)).await? {
        Some(user) => Ok(user),
        None => {
            services.tokens.forget_key(token);
            Err(ApiError::new(ErrorCode::Unauthorized, "The API key is wrong or has ended."))
        }
    }
}

/// The program with this key, as Redis knows it. It is kept for a while.
async fn look_up(services: &Services, key: &str) -> ApiResult<Option<User>> {
    let id = id_in(key).filter(|id| id.partition().0 < services.engine.partition_count());
    let Some(id) = id else { return Ok(None) };
    let account = services.engine.api_key(id).await?;
    let now_s = services.tokens.clock.now_s();
    let found = account.and_then(|account| user_of(account, &token_hash(key)));
    let Some((user, end_s)) = found.filter(|(_, end_s)| now_s < *end_s) else { return Ok(None) };
    services.tokens.keep_key(key, &user, end_s.min(now_s + KEPT_S));
    Ok(Some(user))
}

/// The program whose key has this hash, and the second at which the key ends.
fn user_of(account: Account, hash: &str) -> Option<(User, i64)> {
    let key = account.api_key.filter(|key| key.hash == hash && !account.disabled)?;
    let user = User {
        id: account.id,
        // An administrator has made it, and it is as good as a person with a second factor.
        email_verified: true,
        second_factor: true,
        role: account.role,
        sites: account.sites.into(),
        version: account.version,
        credential: Credential::Key(key.scopes.into()),
    };
    Some((user, key.ends_at.map_or(i64::MAX, |ends_at| ends_at / 1000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Partition;

    #[test]
    fn only_a_whole_key_has_an_id() {
        let id = UserId::new(Partition(7));
        let key = new_key(id).unwrap();
        assert_eq!((id_in(&key), key.len()), (Some(id), 69));
        let longer = format!("{key}x");
        for wrong in ["", "gsk_", &key[1..], &key[..68], &longer, &key.replace("gsk_", "gsk-")] {
            assert_eq!(id_in(wrong), None, "{wrong}");
        }
        assert_eq!(id_in(&format!("gsk_{}", "가".repeat(65))), None);
        assert_eq!(id_in(&format!("gsk_{}", "!".repeat(65))), None);
    }
}
