//! TLS on the listener: the certificate of this node, which may change while it runs.

use crate::api::wire::Socket;
use crate::tls::{TlsError, ends_at_s, server};
use parking_lot::RwLock;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// The interval at which the files are compared with those in use. A renewed certificate is used
/// after this time at most.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// The most bytes of a response that TLS keeps while the socket is full. More: a client that reads
/// nothing costs more memory. Fewer: more turns for each long response.
const BUFFER_BYTES_MAX: usize = 16 * 1024;

/// Accepts connections with the certificate of this node.
pub struct TlsListener {
    certificate: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

struct Loaded {
    acceptor: TlsAcceptor,
    /// The bytes of both files.
    files: (Vec<u8>, Vec<u8>),
}

/// A connection after its handshake.
pub(super) struct AcceptedTls {
    pub stream: TlsStream<Socket>,
    /// Whether the client has chosen HTTP/2.
    pub http2: bool,
}

impl TlsListener {
    /// Reads the certificate with its chain, and its key, from files in the form PEM.
    ///
    /// # Errors
    /// A file can't be read, or the key is not that of the certificate.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        // The bytes are read first: when a file changes in between, the next look notices it.
        let files = read(&certificate, &key).unwrap_or_default();
        let acceptor = acceptor(server(&certificate, &key)?);
        Ok(Self { certificate, key, loaded: RwLock::new(Loaded { acceptor, files }) })
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<AcceptedTls> {
        let acceptor = self.loaded.read().acceptor.clone();
        let mut stream = acceptor.accept(Socket::new(stream, None)).await?;
        stream.get_mut().1.set_buffer_limit(Some(BUFFER_BYTES_MAX));
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(AcceptedTls { stream, http2 })
    }

    /// Uses the files from now on if they have changed. Returns whether it does.
    ///
    /// # Errors
    /// The files are incomplete, for example because somebody is writing them. The earlier
    /// certificate stays.
    pub fn reload_once(&self) -> Result<bool, TlsError> {
        let Ok(files) = read(&self.certificate, &self.key) else { return Ok(false) };
        if self.loaded.read().files == files {
            return Ok(false);
        }
        let acceptor = acceptor(server(&self.certificate, &self.key)?);
        *self.loaded.write() = Loaded { acceptor, files };
        Ok(true)
    }

    /// Seconds until the certificate, or another one of its chain, ends; below 0 afterwards.
    ///
    /// # Errors
    /// The file can't be read now.
    pub fn ends_in_s(&self) -> Result<i64, TlsError> {
        Ok(ends_at_s(&self.certificate)? - jiff::Timestamp::now().as_second())
    }

    /// Looks for new files until `stop`.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            // A file that is just being written is read again at the next look.
            if let Ok(ends_in_s) = self.ends_in_s() {
                metrics::gauge!("grandstand_certificate_ends_seconds").set(ends_in_s as f64);
            }
            tokio::select! {
                () = tokio::time::sleep(RELOAD_INTERVAL) => {}
                () = stop.cancelled() => return,
            }
            match self.reload_once() {
                Ok(true) => tracing::info!("the listener has a new certificate"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the new certificate can't be used"),
            }
        }
    }
}

fn acceptor(config: ServerConfig) -> TlsAcceptor {
    TlsAcceptor::from(Arc::new(config))
}

fn read(certificate: &PathBuf, key: &PathBuf) -> io::Result<(Vec<u8>, Vec<u8>)> {
    Ok((std::fs::read(certificate)?, std::fs::read(key)?))
}
