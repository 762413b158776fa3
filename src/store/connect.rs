//! Reads the URL of PostgreSQL, and makes the connections of the pool.

use crate::store::StoreError;
use crate::tls::{TlsFiles, client, take_parameter};
use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use std::error::Error as StdError;
use std::io;
use std::str::FromStr;
use std::time::Duration;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// For how long a statement may run and wait, because it goes on after its caller has given up.
#[derive(Debug, Clone, Copy)]
pub(super) enum StatementTimes {
    /// Requests only read, and do not wait for longer.
    Requests,
    /// A worker writes many rows at once, and other locks than those of migrations are its own.
    Work,
}

impl StatementTimes {
    /// Statements are short, so they are not compiled, which would take longer than they run.
    fn options(self) -> &'static str {
        match self {
            Self::Requests => {
                "-c jit=off -c statement_timeout=2s -c lock_timeout=500ms \
                 -c idle_in_transaction_session_timeout=5s"
            }
            Self::Work => {
                "-c jit=off -c statement_timeout=10s -c lock_timeout=5s \
                 -c idle_in_transaction_session_timeout=10s"
            }
        }
    }
}

/// What a connection is opened with, and host and port of each server for messages.
pub(super) fn manager(
    database_url: &str,
    times: StatementTimes,
) -> Result<(Manager, String), StoreError> {
    let (url, mode) = take_parameter(database_url, "sslmode");
    let (url, files) = TlsFiles::take_from(&url);
    let mut config = Config::from_str(&url)
        .map_err(|error| StoreError::Setting(format!("database URL: {error}")))?;
    configure(&mut config, times);
    let address = address(&config);
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    if is_verified(mode.as_deref())? {
        config.ssl_mode(SslMode::Require);
        let tls = client(&files)
            .map_err(|error| StoreError::Setting(format!("database URL: {error}")))?;
        return Ok((Manager::from_config(config, MakeRustlsConnect::new(tls), recycling), address));
    }
    if files != TlsFiles::default() {
        return Err(StoreError::Setting(
            "database URL: a certificate is set, but TLS is off: add sslmode=verify-full".into(),
        ));
    }
    config.ssl_mode(SslMode::Disable);
    Ok((Manager::from_config(config, NoTls, recycling), address))
}

fn configure(config: &mut Config, times: StatementTimes) {
    config.connect_timeout(Duration::from_secs(2));
    config.tcp_user_timeout(Duration::from_secs(5));
    // Only keepalives notice a host that vanished after it acknowledged the last packet.
    config.keepalives_idle(Duration::from_secs(10));
    config.keepalives_interval(Duration::from_secs(2));
    config.keepalives_retries(3);
    config.application_name("grandstand");
    config.options(times.options());
}

/// Whether TLS is on. Forms of TLS that do not verify the server are refused, because anybody in
/// the middle can read such a connection.
fn is_verified(mode: Option<&str>) -> Result<bool, StoreError> {
    match mode {
        Some("verify-full") => Ok(true),
        None | Some("disable") => Ok(false),
        Some(weak) => Err(StoreError::Setting(format!(
            "database URL: sslmode={weak} does not verify the server. Set sslmode=verify-full, \
             with sslrootcert=FILE unless the system trusts the authority; or sslmode=disable in \
             a private network."
        ))),
    }
}

/// Host and port of each server.
fn address(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports().iter().copied().chain(std::iter::repeat(5432));
    let addresses: Vec<String> =
        hosts.zip(ports).map(|(host, port)| format!("{host}:{port}")).collect();
    addresses.join(", ")
}

/// Whether a connection failed because of TLS: the certificate of the server, or a server without
/// TLS. A connection that was cut during the handshake is no such error.
pub(super) fn is_of_tls(error: &tokio_postgres::Error) -> bool {
    let first: &(dyn StdError + 'static) = error;
    let mut causes = std::iter::successors(Some(first), |cause| (*cause).source());
    causes.any(|cause| {
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::InvalidData;
        cause.downcast_ref().is_some_and(refused)
            || cause.to_string() == "server does not support TLS"
    })
}
