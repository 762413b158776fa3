//! One connection to one server, with settings that differ from the defaults of fred. It closes
//! when it is dropped: a client of fred that is only dropped keeps its task and its socket for
//! ever.

use crate::redis::COMMAND_TIMEOUT_MS;
use crate::tls::{TlsFiles, client};
use fred::prelude::*;
use fred::types::ConnectHandle;
use fred::types::config::{
    ReconnectError, Server, ServerConfig, TcpConfig, TlsConnector, UnresponsiveConfig,
};
use std::ops::Deref;
use std::pin::pin;
use std::time::Duration;

/// The kinds of URL: one server, Redis Cluster, Sentinel. Each has a form with TLS.
const SCHEMES: [&str; 3] = ["redis://", "redis-cluster://", "redis-sentinel://"];
const SCHEMES_WITH_TLS: [&str; 3] = ["rediss://", "rediss-cluster://", "rediss-sentinel://"];

/// An open connection. Clones of its client stop working when it is dropped.
pub struct Link {
    client: Client,
    task: ConnectHandle,
    server: ServerConfig,
}

impl Link {
    /// Connects to the server that `config` names. `timeout_ms`: a command without a reply for this
    /// time fails.
    ///
    /// # Errors
    /// The server did not accept the connection within two seconds.
    pub(super) async fn open(config: Config, timeout_ms: u64) -> Result<Self, Error> {
        let ms = Duration::from_millis;
        let server = config.server.clone();
        let client = Builder::from_config(config)
            .with_connection_config(|connection| {
                connection.connection_timeout = ms(2000);
                connection.internal_command_timeout = ms(2000);
                // fred would send a command again after a reconnect: a write could happen twice.
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = 20_000;
                connection.unresponsive =
                    UnresponsiveConfig { max_timeout: Some(ms(4000)), interval: ms(1000) };
                connection.tcp = TcpConfig {
                    nodelay: Some(true),
                    user_timeout: Some(ms(4000)),
                    keepalive: Some(
                        socket2_05::TcpKeepalive::new()
                            .with_time(Duration::from_secs(5))
                            .with_interval(Duration::from_secs(1)),
                    ),
                    ..TcpConfig::default()
                };
                connection
                    .reconnect_errors
                    .extend([ReconnectError::MasterDown, ReconnectError::Busy]);
            })
            .with_performance_config(|performance| {
                performance.default_command_timeout = ms(timeout_ms);
            })
            // Attempts are unlimited, because a client that has given up never comes back.
            .set_policy(ReconnectPolicy::new_exponential(0, 20, 1000, 2))
            .build()?;
        // The wait must be registered before the task begins, or it may never end. `init` of fred
        // does this too, but leaves the task behind when its caller stops waiting.
        let mut connected = pin!(client.wait_for_connect());
        let _ = futures::poll!(connected.as_mut());
        let link = Self { task: client.connect(), client: client.clone(), server };
        connected.await?;
        Ok(link)
    }

    /// Whether the client has given up. It never reconnects after that.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Whether this connection was opened to `wanted`.
    pub(super) fn leads_to(&self, wanted: &Server) -> bool {
        matches!(&self.server, ServerConfig::Centralized { server } if server == wanted)
    }

    /// The client. A clone must not outlive the connection.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

impl Deref for Link {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The task owns the socket. `quit` would wait for a server that may be away.
        self.task.abort();
    }
}

/// A connection to the one server that a URL names, for tools and tests.
///
/// # Errors
/// The URL is not a URL of Redis, or the server does not reply.
pub async fn connect(url: &str) -> Result<Link, Error> {
    Link::open(config_of(url)?, COMMAND_TIMEOUT_MS).await
}

/// Reads a URL of Redis. With TLS the server is always verified.
pub(super) fn config_of(url: &str) -> Result<Config, Error> {
    let invalid = |text: String| Error::new(ErrorKind::Config, text);
    let schemes = SCHEMES.iter().zip(SCHEMES_WITH_TLS);
    let with_tls = schemes.clone().find(|(_, with_tls)| url.starts_with(with_tls));
    if with_tls.is_none() && !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        let all: Vec<&str> = SCHEMES.into_iter().chain(SCHEMES_WITH_TLS).collect();
        return Err(invalid(format!("a URL of Redis begins with one of: {}", all.join(" "))));
    }
    let (url, files) = TlsFiles::take_from(url);
    let Some((scheme, with_tls)) = with_tls else {
        if files != TlsFiles::default() {
            return Err(invalid("a certificate is set, but TLS is off: use rediss://".to_owned()));
        }
        return Config::from_url(&url);
    };
    // fred would trust the authorities of the system only, and read them here.
    let mut config = Config::from_url(&url.replacen(with_tls, scheme, 1))?;
    let tls = client(&files).map_err(|error| invalid(error.to_string()))?;
    config.tls = Some(TlsConnector::from(tls).into());
    Ok(config)
}
