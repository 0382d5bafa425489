//! TLS material read from files: certificates, keys and authorities into rustls configurations.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::model::SslMode;
use super::password_files::cannot_read;
use super::verifier::{ServerVerifier, Trust};

/// The protocol name of direct TLS (PostgreSQL 17 manual, 53.2.11).
const ALPN: &[u8] = b"postgresql";

/// A fault: what is wrong, and what to do where that can be said.
pub(super) type TlsFault = (String, Option<String>);

fn fault<T>(message: String, hint: &str) -> Result<T, TlsFault> {
    Err((message, Some(hint.to_owned())))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificates of a PEM file, in its order; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let pem = fs::read(path).map_err(|error| (cannot_read(path, &error), None))?;
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => {
            let hint = "it must have a block that begins with -----BEGIN CERTIFICATE-----";
            fault(format!("no certificate in \"{}\"", path.display()), hint)
        }
        Err(_) => Err((format!("\"{}\" is not sound PEM", path.display()), None)),
    }
}

/// The first private key of a PEM file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let pem = fs::read(path).map_err(|error| (cannot_read(path, &error), None))?;
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(key) => Ok(key),
        Err(_) if pem.windows(9).any(|window| window == b"ENCRYPTED") => {
            let hint = "decrypt it: openssl pkey -in KEY -out PLAIN_KEY";
            fault(format!("the private key in \"{}\" is encrypted", path.display()), hint)
        }
        Err(_) => {
            let hint = "it must have a block that begins with -----BEGIN PRIVATE KEY-----";
            fault(format!("no private key in \"{}\"", path.display()), hint)
        }
    }
}

/// Authorities from certificates.
///
/// # Errors
/// One that cannot be an authority; the path is for the message.
pub(super) fn roots(
    certificates: &[CertificateDer<'static>],
    path: &Path,
) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        if let Err(error) = roots.add(certificate.clone()) {
            let message = format!("a certificate in \"{}\" is unusable: {error}", path.display());
            return Err((message, None));
        }
    }
    Ok(roots)
}

/// The authorities that this machine trusts.
///
/// # Errors
/// None could be read.
pub(super) fn system_roots() -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let hint = "apt install ca-certificates, or name a file with sslrootcert=";
        return fault("this machine has no root certificates".to_owned(), hint);
    }
    Ok(roots)
}

/// The server's side: ALPN, no session resumption (as PostgreSQL), client certificates verified
/// if they are shown and `client_ca` is given.
///
/// # Errors
/// The key is not the certificate's, or one of them is unusable.
pub(super) fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_ca: Option<RootCertStore>,
) -> Result<ServerConfig, TlsFault> {
    let unusable = |error: rustls::Error| (format!("TLS cannot be offered: {error}"), None);
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| (format!("client_ca is unusable: {error}"), None))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable_pair)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Why a certificate and a key cannot serve together.
fn unusable_pair(error: rustls::Error) -> TlsFault {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            let hint = "openssl x509 -noout -pubkey -in CERTIFICATE and openssl pkey -pubout -in KEY \
                        must print the same";
            ("the private key is not the certificate's".to_owned(), Some(hint.to_owned()))
        }
        error => (format!("the certificate or its key is unusable: {error}"), None),
    }
}

/// What an upstream's TLS is made of.
pub(super) struct ClientMaterial {
    pub(super) sslmode: SslMode,
    /// `sslrootcert`'s certificates and the authorities they make; `None`: not given.
    pub(super) given: Option<(Vec<CertificateDer<'static>>, RootCertStore)>,
    /// The machine's own authorities, where `sslmode` needs them.
    pub(super) system: Option<RootCertStore>,
    /// `sslcert` and `sslkey`.
    pub(super) own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// The client's side for an upstream: verification as `sslmode` says it.
///
/// As in libpq, a given root certificate is held against the server in every mode that comes to
/// TLS, and its name only with `verify-full`.
///
/// # Errors
/// The client's certificate or its key is unusable.
pub(super) fn client(material: ClientMaterial) -> Result<ClientConfig, TlsFault> {
    let ClientMaterial { sslmode, given, system, own } = material;
    let trust = match (given, system) {
        (Some((exactly, roots)), _) => Trust::Authorities { roots, exactly },
        (None, Some(roots)) => Trust::Authorities { roots, exactly: Vec::new() },
        (None, None) => Trust::Anyone,
    };
    let verifier = ServerVerifier::new(trust, sslmode == SslMode::VerifyFull, &provider());
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| (format!("TLS cannot be used: {error}"), None))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(unusable_pair)?,
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}
