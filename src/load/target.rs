//! What is loaded: a running installation, or a private one that lives as long as the test.

use crate::commands::dev::Dev;
use crate::config::Settings;
use crate::load::arguments::LoadArguments;
use crate::load::sessions;
use crate::load::wire::Place;
use anyhow::{Context as _, bail};
use clap::Parser;
use std::path::{Path, PathBuf};

/// The target of a test.
pub struct Target {
    pub place: Place,
    /// For people to read.
    pub name: String,
    pub private: Option<Private>,
}

/// A private installation.
pub struct Private {
    pub dev: Dev,
    dir: PathBuf,
    remove: bool,
}

/// The settings of a private installation before the test changes some.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    settings: Settings,
}

impl Private {
    /// Where its data are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Target {
    /// Finds the installation, or starts one.
    pub async fn start(arguments: &LoadArguments) -> anyhow::Result<Self> {
        match &arguments.url {
            Some(url) => Self::running(url).await,
            None => Self::private(arguments.data.clone()).await,
        }
    }

    async fn running(url: &str) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!(
                "{url} must start with http://: the client speaks no TLS, which would hide what \
                   the server does behind its own cost. Aim behind the proxy."
            )
        };
        let host = rest.split('/').next().unwrap_or(rest).to_owned();
        let with_port = if host.contains(':') { host.clone() } else { format!("{host}:80") };
        let mut found = tokio::net::lookup_host(&with_port).await.with_context(|| host.clone())?;
        let address = found.next().with_context(|| format!("{host} has no address"))?;
        Ok(Self { place: Place { address, host }, name: url.to_owned(), private: None })
    }

    async fn private(data: Option<PathBuf>) -> anyhow::Result<Self> {
        let remove = data.is_none();
        let number = std::process::id();
        let dir =
            data.unwrap_or_else(|| std::env::temp_dir().join(format!("grandstand-load-{number}")));
        eprintln!("starting a private installation in {}", dir.display());
        let mut settings = Defaults::try_parse_from(["load"])?.settings;
        settings.listen = "127.0.0.1:0".to_owned();
        settings.rates.rate_limits = "off".to_owned();
        // People are played by few accounts: the bound on one of them is not what is tested.
        settings.max_seats_per_user = 100;
        crate::telemetry::init_logs("warn,fred=error,deadpool.postgres=error", false);
        let started = Dev::start(&dir, settings).await;
        if started.is_err() && remove {
            let _ = std::fs::remove_dir_all(&dir);
        }
        let dev = started.context("starting the private installation")?;
        let address = dev.node.address;
        eprintln!(
            "  it listens on {}, with durable writes and without rate limits",
            dev.node.url()
        );
        let place = Place { address, host: address.to_string() };
        let name = "a private installation (Redis appendfsync always, PostgreSQL fsync on)";
        let private = Some(Private { dev, dir, remove });
        Ok(Self { place, name: name.to_owned(), private })
    }

    /// Access tokens for so many people.
    pub async fn tokens(&self, people: usize) -> anyhow::Result<Vec<String>> {
        match &self.private {
            Some(private) => sessions::from_within(&private.dev.node.services, people).await,
            None => sessions::over_http(&self.place, people).await,
        }
    }

    /// The servers of a private installation: Redis and PostgreSQL.
    pub fn servers(&self) -> Option<(u32, u32)> {
        let private = self.private.as_ref()?;
        Some((private.dev.redis.pid(), private.dev.postgres.pid()))
    }

    /// Ends what was started.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Some(private) = self.private else { return Ok(()) };
        private.dev.stop().await?;
        if private.remove {
            std::fs::remove_dir_all(&private.dir)?;
        }
        Ok(())
    }
}
