//! Connections to PostgreSQL.

use anyhow::Result;
use tokio_postgres::{Client, NoTls};

/// A setting: the log of a server must fit on its small disk.
pub(crate) const SMALL_LOG: &str = "max_wal_size = '96MB'";

/// A connection, which ends with the client.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
