//! Brings PostgreSQL and Redis to this release.

use crate::config::Settings;
use crate::engine::functions::Removed;
use crate::store::Store;
use anyhow::Context as _;

/// Migrates the database and loads the functions into Redis. With `remove_old`, it also removes the
/// functions of releases that no process runs any more. Returns what was done, for people.
///
/// # Errors
/// One of the two cannot be reached, or refuses.
pub async fn migrate(settings: &Settings, remove_old: bool) -> anyhow::Result<String> {
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
    let mut text = format!(
        "the database has the schema of this release\n\
         Redis has the functions of this release ({loaded} were missing)\n"
    );
    if remove_old {
        let removed = crate::engine::remove_unused_functions(&settings.redis_url).await;
        let Removed { removed, in_use } = removed.context("removing old functions from Redis")?;
        text.push_str(&format!(
            "{removed} libraries of other releases are removed; {in_use} stay, because a process \
             has used them within the last hour\n"
        ));
    }
    Ok(text)
}
