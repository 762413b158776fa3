//! The parts of a node: connected, checked, and not yet started.

use crate::api::Services;
use crate::api::address::Proxies;
use crate::api::auth::Tokens;
use crate::api::checkout::Pauses;
use crate::api::extract::Calls;
use crate::api::health::Health;
use crate::api::hints::Hints;
use crate::api::limits::RateLimits;
use crate::api::taken::Taken;
use crate::api::users::{account_as_typed, checked_email, checked_password, new_account};
use crate::checkout::settle::Settlement;
use crate::config::Settings;
use crate::domain::account::Role;
use crate::domain::ids::Partition;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::{Engine, EngineSettings};
use crate::gateway::toss::{Toss, TossSettings};
use crate::live::catalog::Catalog;
use crate::live::hub::Hub;
use crate::node::NodeRole;
use crate::store::{Store, StoreError};
use crate::stream::backlog::{BacklogLimits, Backlogs};
use crate::stream::persisted::Persisted;
use crate::workers::Workers;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a start waits for a server of Redis that does not answer.
const START_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn build(
    settings: &Settings,
    stop: &CancellationToken,
) -> anyhow::Result<(Arc<Services>, Arc<Workers>)> {
    let store = Store::new(&settings.database_url, settings.database_connections)?;
    let engine = Engine::connect(EngineSettings {
        redis_url: settings.redis_url.clone(),
        partitions: settings.partitions,
        limits: settings.limits(),
    });
    let where_to = || {
        let place = crate::redis::address(&settings.redis_url);
        format!("connecting to Redis at {place} (GRANDSTAND_REDIS_URL)")
    };
    let engine = Arc::new(engine.await.with_context(where_to)?);
    check_store(&store, settings).await?;
    for warning in engine.durability_warnings().await {
        tracing::warn!("{warning}");
    }
    if let Some(stored) = engine.partitions_stored().await
        && stored != settings.partitions
    {
        anyhow::bail!(wrong_partitions("Redis", stored, settings.partitions));
    }
    let toss = gateway(settings)?;
    let catalog = Arc::new(Catalog::new(engine.clone()));
    let hub = Arc::new(Hub::new(engine.clone(), catalog.clone()));
    let workers = Workers {
        engine: engine.clone(),
        catalog: catalog.clone(),
        store: store.clone(),
        toss: toss.clone(),
        reconcile_after_ms: settings.reconcile_after_ms,
        charges_every: Duration::from_millis(settings.compare_charges_ms),
        allow_unsafe_database: settings.allow_unsafe_database,
        name: Workers::new_name(),
        owned: Default::default(),
        halted: Default::default(),
        clocks: Default::default(),
        keep_match_ms: settings.keep_match_ms as i64,
        retired: Default::default(),
    };
    let limits = BacklogLimits {
        entries: settings.journal_entries_max,
        age_ms: settings.journal_age_ms_max,
    };
    let backlogs = Backlogs::new(engine.redis().clone(), settings.partitions, limits);
    let services = Services {
        settlement: Settlement::new(&engine, &store, &toss),
        engine,
        hints: Hints::default(),
        backlogs: Arc::new(backlogs),
        store,
        catalog,
        hub,
        persisted: Arc::new(Persisted::new(settings.partitions)),
        toss,
        tokens: Tokens::new(&settings.jwt_secret, settings.access_ttl_ms, settings.refresh_ttl_ms),
        limits: RateLimits::new(&settings.rates),
        pauses: Pauses::default(),
        checkouts: TaskTracker::new(),
        calls: Calls::default(),
        taken: Taken::default(),
        health: Health::new(settings.partitions),
        checkout_url: settings.toss_checkout_url.clone(),
        proxies: Proxies::new(&settings.trusted_proxies),
        stop: stop.clone(),
    };
    Ok((Arc::new(services), Arc::new(workers)))
}

fn gateway(settings: &Settings) -> anyhow::Result<Toss> {
    // `serve` refuses to start without a key; `verify`, `rebuild` and `demo` never pay.
    let key = settings.toss_secret_key.as_str();
    Toss::new(TossSettings {
        base_url: settings.toss_base_url.clone(),
        secret_key: if key.is_empty() { "none" } else { key }.to_owned(),
        timeout_ms: settings.toss_timeout_ms,
    })
}

/// A node starts without PostgreSQL (holds go on), but never on one that is set up wrong.
async fn check_store(store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let checked = async {
        if !settings.allow_unsafe_database {
            store.assert_durable().await?;
        }
        store.partition_count().await
    };
    match checked.await {
        Ok(Some(stored)) if stored != settings.partitions => {
            Err(anyhow::anyhow!(wrong_partitions("PostgreSQL", stored, settings.partitions)))
        }
        // Without a number it is new, or has lost everything: the worker finds out which.
        Ok(_) => Ok(()),
        Err(StoreError::Away(reason)) => {
            tracing::warn!(reason, "PostgreSQL is away: payments are paused until it is back");
            Ok(())
        }
        Err(
            error @ (StoreError::Schema(_) | StoreError::Refused(_) | StoreError::Moved { .. }),
        ) => Err(error).context("the database is not ready: run `grandstand migrate` first"),
        Err(error) => Err(error.into()),
    }
}

fn wrong_partitions(place: &str, stored: u16, wanted: u16) -> String {
    format!(
        "{place} was first started with {stored} partitions and the setting says {wanted}. Ids \
         carry their partition, so the number can't change: set GRANDSTAND_PARTITIONS={stored}."
    )
}

/// Who waits for the partitions.
pub(super) enum Waiting {
    /// A node waits as long as it takes.
    Node(NodeRole),
    /// A command says so to its user, and ends after a time.
    Command(Duration),
}

/// At the first start the worker makes the partitions; an API node waits for one to do so. When
/// others are loaded, a partition that is not, or that does not answer, is left to come later.
pub(super) async fn wait_until_loaded(services: &Services, waiting: Waiting) -> anyhow::Result<()> {
    let (mut told, begun) = (false, Instant::now());
    let mut missing: Vec<Partition> = services.engine.partitions().collect();
    loop {
        let mut away = Vec::new();
        for partition in missing {
            let loaded = match services.engine.epoch(partition).await {
                Ok(Some(_)) => services.catalog.reload(partition).await.is_ok(),
                Ok(None) | Err(_) => false,
            };
            if !loaded {
                away.push(partition);
            }
        }
        missing = away;
        let some_are_loaded = missing.len() < usize::from(services.engine.partition_count());
        if missing.is_empty() || some_are_loaded && begun.elapsed() > START_PATIENCE {
            break;
        }
        match waiting {
            Waiting::Node(NodeRole::Api) if !told => {
                tracing::info!("waiting for a worker to load the partitions");
            }
            Waiting::Command(most) if !told => {
                let most = most.as_secs();
                eprintln!("waiting for a worker to load the partitions, at most {most} s");
            }
            Waiting::Command(most) if begun.elapsed() >= most => anyhow::bail!(
                "no worker has loaded the partitions within {} s. Start one (`grandstand serve`, \
                 or with `--role worker`) and look at its log; then run this again.",
                most.as_secs()
            ),
            Waiting::Node(_) | Waiting::Command(_) => {}
        }
        told = true;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for partition in missing {
        tracing::warn!(%partition, "starting without this partition, which is not loaded");
    }
    Ok(())
}

pub(super) async fn first_administrator(
    services: &Services,
    settings: &Settings,
) -> anyhow::Result<()> {
    if settings.admin_email.is_empty() {
        return Ok(());
    }
    let email = checked_email(&settings.admin_email);
    let password = checked_password(&settings.admin_password);
    let (Ok(email), Ok(password)) = (email, password) else {
        anyhow::bail!(
            "GRANDSTAND_ADMIN_EMAIL must be an e-mail address and GRANDSTAND_ADMIN_PASSWORD must \
             have 8 to 128 characters"
        );
    };
    let found = match account_as_typed(services, &settings.admin_email).await {
        Ok(None) => services.engine.account(&email).await,
        found => found,
    };
    match found {
        Ok(None) => {}
        Ok(Some(_)) => return Ok(()),
        Err(error) => {
            tracing::warn!(%error, "whether there is an administrator can't be read: not made now");
            return Ok(());
        }
    }
    let account = new_account(services, email, password, Role::Admin).await;
    let account = account.map_err(|_| anyhow::anyhow!("making the first administrator failed"))?;
    match services.engine.create_account(&account, Default::default()).await {
        Ok(_) | Err(EngineError::Refused(Refusal::EmailTaken)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
