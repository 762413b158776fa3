//! `grandstand dev`: everything on one machine. A private Redis and PostgreSQL as children, the
//! payment emulator, the demo, and a node with all roles.

use crate::commands::demo;
use crate::config::Settings;
use crate::demo::ACCOUNTS;
use crate::embedded::{PostgresSettings, PrivatePostgres, PrivateRedis, RedisSettings};
use crate::gateway::emulator::{Emulator, EmulatorSettings};
use crate::node::{Node, NodeRole};
use crate::store::Store;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The secret key of the emulator: it opens nothing but itself.
const EMULATOR_KEY: &str = "test_sk_grandstand_emulator";

/// The servers and the node of `dev`.
pub struct Dev {
    pub node: Node,
    pub redis: PrivateRedis,
    pub postgres: PrivatePostgres,
    pub emulator: Emulator,
}

impl Dev {
    /// Starts everything in `dir`; what is there from an earlier start goes on.
    pub async fn start(dir: &Path, mut settings: Settings) -> anyhow::Result<Self> {
        // Before the servers: a port that is taken is the usual reason to fail.
        let peer_timeout = Duration::from_millis(settings.peer_timeout_ms.into());
        drop(crate::api::serve::bind(&settings.listen, peer_timeout).await?);
        let dir = prepare(dir)?;
        eprintln!("starting Redis and PostgreSQL in {}", dir.display());
        let (redis_dir, postgres_dir) = (dir.join("redis"), dir.join("postgres"));
        let (redis, postgres) = tokio::try_join!(
            PrivateRedis::start(&redis_dir, RedisSettings::default()),
            PrivatePostgres::start(&postgres_dir, PostgresSettings::default()),
        )?;
        let listener = tokio::net::TcpListener::bind(remembered_port(&dir)?).await;
        let listener = match listener {
            Ok(listener) => listener,
            Err(_) => tokio::net::TcpListener::bind("127.0.0.1:0").await?,
        };
        std::fs::write(dir.join("emulator.port"), listener.local_addr()?.port().to_string())?;
        let emulator = Emulator::start(
            listener,
            EmulatorSettings {
                secret_key: EMULATOR_KEY.to_owned(),
                ledger_path: Some(dir.join("emulator.jsonl")),
                webhook_url: Some(format!("http://{}/api/payments/webhooks/toss", settings.listen)),
                ..EmulatorSettings::default()
            },
        )?;
        settings.redis_url = redis.url();
        // Nothing balances load in front of it.
        settings.drain_ms = 0;
        settings.database_url = postgres.url();
        settings.toss_base_url = emulator.url();
        settings.toss_checkout_url = format!("{}/pay", emulator.url());
        settings.toss_secret_key = EMULATOR_KEY.to_owned();
        if settings.jwt_secret.is_empty() {
            settings.jwt_secret = own_secret(&dir)?;
        }
        settings.check()?;
        let store = Store::new(&settings.database_url, 2)?;
        store.migrate().await.context("migrating the database")?;
        let node = Node::start(&settings, NodeRole::All).await?;
        let loaded = demo::load(&node.services).await?;
        tracing::info!(?loaded, "the demo is there");
        Ok(Self { node, redis, postgres, emulator })
    }

    /// Stops everything in the order in which it needs each other.
    pub async fn stop(self) -> anyhow::Result<()> {
        crate::telemetry::quiet();
        self.node.stop().await;
        self.emulator.stop().await;
        let (redis, postgres) = tokio::join!(self.redis.stop(), self.postgres.stop());
        redis.and(postgres)
    }

    /// What a person needs to begin.
    pub fn welcome(&self) -> String {
        let url = self.node.url();
        let mut text = format!(
            "\n  Seat map       {url}/\n  API            {url}/docs\n  \
             Payments       {} (emulator)\n\n  Demo accounts\n",
            self.emulator.url()
        );
        for one in ACCOUNTS {
            let role = if one.admin { "administrator" } else { "fan" };
            text.push_str(&format!("    {:<28} {:<18} {role}\n", one.email, one.password));
        }
        text.push_str("\n  Ctrl-C stops everything; the data stays.\n");
        text
    }
}

fn prepare(dir: &Path) -> anyhow::Result<PathBuf> {
    let explain = || format!("making the data directory {}", dir.display());
    std::fs::create_dir_all(dir).with_context(explain)?;
    dir.canonicalize().with_context(explain)
}

/// The same port as last time where it is free: a page that is open goes on to work.
fn remembered_port(dir: &Path) -> anyhow::Result<(&'static str, u16)> {
    let text = std::fs::read_to_string(dir.join("emulator.port")).unwrap_or_default();
    Ok(("127.0.0.1", text.trim().parse().unwrap_or(0)))
}

/// The secret of the access tokens: made at the first start, readable by its owner only.
fn own_secret(dir: &Path) -> anyhow::Result<String> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = dir.join("jwt.secret");
    if let Ok(secret) = std::fs::read_to_string(&path) {
        return Ok(secret.trim().to_owned());
    }
    let mut random = [0_u8; 48];
    getrandom::fill(&mut random)?;
    let secret = URL_SAFE_NO_PAD.encode(random);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(secret.as_bytes())?;
    Ok(secret)
}
