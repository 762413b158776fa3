//! `grandstand dev`: everything on one machine. It runs a private Redis and PostgreSQL as child
//! processes, the payment emulator, the demo, and a node with all roles.

use crate::commands::demo::{self, Passwords};
use crate::config::Settings;
use crate::node::{Node, NodeRole};
use crate::store::Store;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grandstand_demo::{ACCOUNTS, DemoAccount};
use grandstand_embedded::{PostgresSettings, PrivatePostgres, PrivateRedis, RedisSettings, tell};
use grandstand_emulator::{Emulator, EmulatorSettings};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The secret key of the emulator. It gives access to the emulator only.
const EMULATOR_SECRET_KEY: &str = "test_sk_grandstand_emulator";

/// The servers and the node of `dev`.
pub struct Dev {
    pub node: Node,
    pub redis: PrivateRedis,
    pub postgres: PrivatePostgres,
    pub emulator: Emulator,
    /// Where mails go.
    mails: String,
}

impl Dev {
    /// Starts everything in `dir`, with the data of an earlier start if there are any.
    pub async fn start(dir: &Path, mut settings: Settings) -> anyhow::Result<Self> {
        // This comes before the servers, because a used port is the most frequent reason to fail.
        let peer_timeout = Duration::from_millis(settings.peer_timeout_ms.into());
        for address in [&settings.listen, &settings.ops_listen] {
            drop(crate::api::socket::bind(address, peer_timeout).await?);
        }
        let dir = prepare(dir)?;
        tell(format_args!("starting Redis and PostgreSQL in {}\n", dir.display()));
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
                secret_key: EMULATOR_SECRET_KEY.to_owned(),
                ledger_path: Some(dir.join("emulator.jsonl")),
                webhook_url: Some(format!("http://{}/api/payments/webhooks/toss", settings.listen)),
                ..EmulatorSettings::default()
            },
        )?;
        settings.redis_url = redis.url();
        // There is no load balancer that has to notice the stop.
        settings.docs = true;
        settings.drain_ms = 0;
        settings.database_url = postgres.url();
        settings.toss_base_url = emulator.url();
        if settings.toss_client_key.is_empty() {
            settings.toss_checkout_url = format!("{}/pay", emulator.url());
        }
        settings.toss_secret_key = EMULATOR_SECRET_KEY.to_owned();
        if settings.smtp_url.is_empty() {
            settings.mail_file = Some(dir.join("mails.txt"));
        }
        if settings.public_url.is_empty() {
            settings.public_url = format!("http://{}", settings.listen);
        }
        if settings.jwt_secret.is_empty() {
            settings.jwt_secret = own_secret(&dir)?;
        }
        settings.check()?;
        let store = Store::new(&settings.database_url, 2)?;
        store.migrate().await.context("migrating the database")?;
        let node = Node::start(&settings, NodeRole::All).await?;
        let loaded = demo::load(&node.services, Passwords::Published).await?;
        tracing::info!(sites = loaded.sites, matches = loaded.matches, "the demo is loaded");
        let mails =
            settings.mail_file.map_or(settings.mail_from, |path| path.display().to_string());
        Ok(Self { node, redis, postgres, emulator, mails })
    }

    /// Stops everything. The node stops first, because it needs the others.
    pub async fn stop(self) -> anyhow::Result<()> {
        crate::telemetry::quiet();
        self.node.stop().await;
        self.emulator.stop().await;
        let (redis, postgres) = tokio::join!(self.redis.stop(), self.postgres.stop());
        redis.and(postgres)
    }

    /// Returns the addresses and accounts that a person needs to begin.
    pub fn welcome(&self) -> String {
        let url = self.node.url();
        let mut text = format!(
            "\n  Seat map       {url}/\n  API            {url}/docs\n  \
             Payments       {} (emulator)\n  Mails          {}\n  Metrics        {}/metrics\n\n  \
             Demo accounts\n",
            self.emulator.url(),
            self.mails,
            self.node.ops_url()
        );
        for DemoAccount { email, password, admin } in ACCOUNTS {
            let role = if admin { "administrator" } else { "fan" };
            text.push_str(&format!("    {email:<28} {password:<18} {role}\n"));
        }
        if !self.node.address.ip().is_loopback() {
            text.push_str(
                "\n  WARNING: other machines can reach this address, and everybody knows these \
                 passwords.\n  Listen on 127.0.0.1 instead.\n",
            );
        }
        text.push_str("\n  Ctrl-C stops everything; the data stays.\n");
        text
    }
}

fn prepare(dir: &Path) -> anyhow::Result<PathBuf> {
    let explain = || format!("creating the data directory {}", dir.display());
    std::fs::create_dir_all(dir).with_context(explain)?;
    dir.canonicalize().with_context(explain)
}

/// Returns the port of the last start. An open page of the emulator works again if the port is
/// free.
fn remembered_port(dir: &Path) -> anyhow::Result<(&'static str, u16)> {
    let text = std::fs::read_to_string(dir.join("emulator.port")).unwrap_or_default();
    Ok(("127.0.0.1", text.trim().parse().unwrap_or(0)))
}

/// Returns the secret of the access tokens. The first start creates it, readable by its owner only.
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
