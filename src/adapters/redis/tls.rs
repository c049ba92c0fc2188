//! Encryption of a connection. The handshake is made here and not by the client library, so that the answers that come out of
//! it can be bounded like any others.

use std::sync::Arc;
use std::time::Instant;

use redis::RedisError;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::Settings;
use super::error::{BridgeError, Place};

/// Encrypts a connection to a host whose certificate is signed by one of the settings, or by one that the system trusts.
pub(super) async fn handshake(
    settings: &Settings,
    host: &str,
    stream: TcpStream,
    since: Instant,
) -> Result<TlsStream<TcpStream>, BridgeError> {
    let place = || Place::connecting(&settings.address, since);
    let roots = settings.ca.as_deref().map_or_else(system_roots, read_roots).map_err(|why| place().tls(why))?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| place().tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| place().tls(error.to_string()))?;
    let encrypted = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    encrypted.map_err(|error| place().error(&RedisError::from(error)))
}

fn read_roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the certificates cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a certificate cannot be used: {error}"))?;
    }
    if roots.is_empty() { Err("the file of certificates has none".to_owned()) } else { Ok(roots) }
}

/// What the system trusts. One certificate that cannot be used is no reason to trust no other.
fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match found.errors.first() {
        Some(error) if roots.is_empty() => Err(format!("the system's certificates cannot be read: {error}")),
        None if roots.is_empty() => Err("the system has no certificates".to_owned()),
        _ => Ok(roots),
    }
}
