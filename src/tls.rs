//! TLS with rustls: whom this process trusts, and how it proves who it is. All connections use the
//! same implementation of the cryptography (docs/adr/0020-tls.md).

use percent_encoding::percent_decode_str;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// The protocols that the listener offers, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("{0}")]
    Setting(String),
}

/// The files that a client of TLS needs. All of them are in the form PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that are trusted; `None` trusts those of the system.
    pub roots: Option<PathBuf>,
    /// The certificate that this process shows, with its chain.
    pub certificate: Option<PathBuf>,
    /// The key of the certificate.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// Takes the parameters `sslrootcert`, `sslcert` and `sslkey` out of a URL, because the
    /// libraries of Redis and PostgreSQL do not know them. The names are those of libpq.
    pub fn take_from(url: &str) -> (String, Self) {
        let (url, roots) = take_parameter(url, "sslrootcert");
        let (url, certificate) = take_parameter(&url, "sslcert");
        let (url, key) = take_parameter(&url, "sslkey");
        let path = |text: Option<String>| text.map(PathBuf::from);
        (url, Self { roots: path(roots), certificate: path(certificate), key: path(key) })
    }
}

/// Takes a parameter out of a URL, or out of the form `name=value name=value` of PostgreSQL.
pub fn take_parameter(url: &str, name: &str) -> (String, Option<String>) {
    let (before, parameters, separator) = match url.split_once("://") {
        Some(_) => match url.split_once('?') {
            Some((before, parameters)) => (before, parameters, '&'),
            None => return (url.to_owned(), None),
        },
        None => ("", url, ' '),
    };
    let value_of = |part: &&str| part.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    let parts = || parameters.split(separator);
    let Some(value) = parts().find_map(|part| value_of(&part)) else {
        return (url.to_owned(), None);
    };
    let rest: Vec<&str> = parts().filter(|part| value_of(part).is_none()).collect();
    let rest = rest.join(&separator.to_string());
    let url = match (before, rest.as_str()) {
        ("", rest) => rest.to_owned(),
        (before, "") => before.to_owned(),
        (before, rest) => format!("{before}?{rest}"),
    };
    (url, Some(percent_decode_str(&value).decode_utf8_lossy().into_owned()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What a client needs to connect. It always verifies the certificate of the server and its name.
///
/// # Errors
/// A file can't be read or has no certificate, or only one of certificate and key is set.
pub fn client(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match &files.roots {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| bad_file(path, &error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        let text = "no authority is trusted: set sslrootcert to the file with its certificate";
        return Err(TlsError::Setting(text.to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setting(error.to_string()))?
        .with_root_certificates(roots);
    match (&files.certificate, &files.key) {
        (Some(path), Some(key)) => builder
            .with_client_auth_cert(certificates(path)?, private_key(key)?)
            .map_err(|error| bad_file(path, &error)),
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(TlsError::Setting("sslcert and sslkey go together: set both or none".to_owned())),
    }
}

/// What the listener needs to accept connections.
///
/// # Errors
/// A file can't be read, or the key is not that of the certificate.
pub fn server(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setting(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates(certificate)?, private_key(key)?)
        .map_err(|error| bad_file(certificate, &error))?;
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = read.map_err(|error| bad_file(path, &error))?;
    if found.is_empty() {
        return Err(bad_file(path, &"it has no certificate in the form PEM"));
    }
    Ok(found)
}

/// When the first certificate of a chain ends, in seconds since 1970.
///
/// # Errors
/// The file can't be read, or has something else than certificates.
pub fn ends_at_s(path: &Path) -> Result<i64, TlsError> {
    let mut ends = Vec::new();
    for der in certificates(path)? {
        let found = Certificate::from_der(&der).map_err(|error| bad_file(path, &error))?;
        ends.push(found.tbs_certificate.validity.not_after.to_unix_duration().as_secs() as i64);
    }
    ends.into_iter().min().ok_or_else(|| bad_file(path, &"it has no certificate"))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| bad_file(path, &error))
}

fn bad_file(path: &Path, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_taken_from_any_place_of_a_url() {
        let taken = |url: &str| take_parameter(url, "sslrootcert");
        let some = |url: &str, value: &str| (url.to_owned(), Some(value.to_owned()));
        assert_eq!(taken("rediss://h:1"), ("rediss://h:1".to_owned(), None));
        assert_eq!(taken("rediss://h:1?sslrootcert=/a%20b"), some("rediss://h:1", "/a b"));
        assert_eq!(
            taken("postgres://u:p@h/d?sslmode=verify-full&sslrootcert=/ca&a=b"),
            some("postgres://u:p@h/d?sslmode=verify-full&a=b", "/ca")
        );
        assert_eq!(taken("host=h sslrootcert=/ca user=u"), some("host=h user=u", "/ca"));
        assert_eq!(taken("r://h?xsslrootcert=/a").1, None);
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let files = TlsFiles { certificate: Some("/c".into()), ..TlsFiles::default() };
        let error = client(&files).unwrap_err().to_string();
        // A machine without any authority is refused before.
        assert!(error.contains("go together") || error.contains("no authority"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let files = TlsFiles { roots: Some("/none/ca.pem".into()), ..TlsFiles::default() };
        assert!(client(&files).unwrap_err().to_string().starts_with("/none/ca.pem: "));
    }
}
