//! Brings PostgreSQL and Redis to this release.

use crate::config::Settings;
use crate::store::Store;
use anyhow::Context as _;

/// Migrates the database and loads the functions into Redis. Returns what was done, for people.
///
/// # Errors
/// One of the two cannot be reached, or refuses.
pub async fn migrate(settings: &Settings) -> anyhow::Result<String> {
    Store::new(&settings.database_url, 2)?.migrate().await?;
    let loading = crate::engine::load_functions(&settings.redis_url);
    let (loaded, warnings) = loading.await.with_context(|| {
        let address = crate::redis::address(&settings.redis_url);
        format!(
            "the database has the schema of this release; \
             loading the functions into Redis at {address} (GRANDSTAND_REDIS_URL)"
        )
    })?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(format!(
        "the database has the schema of this release\n\
         Redis has the functions of this release ({loaded} were missing)\n"
    ))
}
