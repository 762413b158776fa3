//! The target of a load test: a running installation, or a private one for the time of the test.

use crate::arguments::{LoadArguments, Scenario};
use crate::sessions;
use crate::wire::ServerAddress;
use anyhow::{Context as _, bail};
use clap::Parser;
use grandstand::commands::dev::Dev;
use grandstand::config::Settings;
use grandstand_embedded::tell;
use std::path::{Path, PathBuf};

/// The target of a test.
pub(crate) struct Target {
    pub(crate) server: ServerAddress,
    /// The name for reports.
    pub(crate) name: String,
    pub(crate) private: Option<Private>,
}

/// A private installation.
pub(crate) struct Private {
    pub(crate) dev: Dev,
    dir: PathBuf,
    /// Whether the folder is removed at the end.
    is_temporary: bool,
}

/// The default settings, of which the test changes some.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    settings: Settings,
}

impl Private {
    /// Returns the folder of its data.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Target {
    /// Finds the running installation, or starts a private one.
    pub(crate) async fn start(arguments: &LoadArguments) -> anyhow::Result<Self> {
        match &arguments.url {
            Some(url) => Self::running(url).await,
            None => Self::private(arguments).await,
        }
    }

    async fn running(url: &str) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!(
                "{url} must start with http://: the client has no TLS, because the cost of TLS \
                 would hide the cost of the server. Use the address behind the proxy."
            )
        };
        let host = rest.split('/').next().unwrap_or(rest).to_owned();
        let with_port = if host.contains(':') { host.clone() } else { format!("{host}:80") };
        let mut found = tokio::net::lookup_host(&with_port).await.with_context(|| host.clone())?;
        let address = found.next().with_context(|| format!("{host} has no address"))?;
        Ok(Self { server: ServerAddress { address, host }, name: url.to_owned(), private: None })
    }

    async fn private(arguments: &LoadArguments) -> anyhow::Result<Self> {
        use Scenario::{Compare, Engine, Fanout, Floor, HoldRelease, Map};
        let data = arguments.data.clone();
        let is_temporary = data.is_none();
        let number = std::process::id();
        let dir =
            data.unwrap_or_else(|| std::env::temp_dir().join(format!("grandstand-load-{number}")));
        tell(format_args!("starting a private installation in {}\n", dir.display()));
        let mut settings = Defaults::try_parse_from(["load"])?.settings;
        settings.listen = "127.0.0.1:0".to_owned();
        settings.ops_listen = "127.0.0.1:0".to_owned();
        settings.rates.rate_limits = "off".to_owned();
        if matches!(arguments.scenario, HoldRelease | Map | Engine | Compare | Fanout | Floor) {
            // Many people share an account there, and these tests do not measure its limit.
            settings.max_seats_per_user = 100;
        }
        grandstand::telemetry::init_logs("warn,fred=error,deadpool.postgres=error", false);
        let started = Dev::start(&dir, settings).await;
        if started.is_err() && is_temporary {
            let _ = std::fs::remove_dir_all(&dir);
        }
        let dev = started.context("starting the private installation")?;
        let address = dev.node.address;
        tell(format_args!(
            "  it listens on {}; writes are durable, and rate limits are off\n",
            dev.node.url()
        ));
        let server = ServerAddress { address, host: address.to_string() };
        let name = "a private installation (Redis appendfsync always, PostgreSQL fsync on)";
        let private = Some(Private { dev, dir, is_temporary });
        Ok(Self { server, name: name.to_owned(), private })
    }

    /// Creates access tokens for this number of people.
    pub(crate) async fn tokens(&self, people: usize) -> anyhow::Result<Vec<String>> {
        match &self.private {
            Some(private) => sessions::create(&private.dev.node.services, people),
            None => sessions::sign_up(&self.server, people).await,
        }
    }

    /// Returns the operations listener of a private installation.
    pub(crate) fn operations(&self) -> Option<ServerAddress> {
        let address = self.private.as_ref()?.dev.node.ops_address;
        Some(ServerAddress { address, host: address.to_string() })
    }

    /// Returns the process ids of a private Redis and PostgreSQL.
    pub(crate) fn server_pids(&self) -> Option<(u32, u32)> {
        let private = self.private.as_ref()?;
        Some((private.dev.redis.pid(), private.dev.postgres.pid()))
    }

    /// Stops a private installation, and removes its temporary folder.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Some(private) = self.private else { return Ok(()) };
        private.dev.stop().await?;
        if private.is_temporary {
            std::fs::remove_dir_all(&private.dir)?;
        }
        Ok(())
    }
}
