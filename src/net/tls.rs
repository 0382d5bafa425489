//! TLS towards clients: the handshake, what it says about the client, and channel binding data.

use std::io;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;

use super::Stream;

/// The protocol name that direct TLS must negotiate (manual, section "SSL Session Encryption"):
/// it keeps a client of another protocol from being talked into speaking to this one.
pub const ALPN: &[u8] = b"postgresql";

/// What a TLS handshake says about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// The server name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The client has shown a certificate, which the configured authority has signed.
    pub certificate: bool,
    /// That certificate's common name; `None` unless there is exactly one, in UTF-8.
    pub common_name: Option<String>,
    /// As PostgreSQL names versions: `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite.
    pub cipher: &'static str,
    /// TLS from the first byte, without an SSLRequest.
    pub direct: bool,
}

/// Takes the server's part in a TLS handshake on a plain stream.
///
/// `direct`: no SSLRequest came before; then the client must negotiate [`ALPN`].
///
/// Not cancel safe: the stream is lost.
pub async fn accept(
    stream: Stream,
    config: &Arc<ServerConfig>,
    direct: bool,
) -> io::Result<(Stream, ClientTls)> {
    let acceptor = TlsAcceptor::from(naming_alpn(config));
    let (stream, tls) = match stream {
        Stream::Tcp(tcp) => {
            let stream = Box::new(acceptor.accept(tcp).await?);
            let tls = describe(stream.get_ref().1, direct)?;
            (Stream::TlsServer(stream), tls)
        }
        Stream::Unix(unix) => {
            let stream = Box::new(acceptor.accept(unix).await?);
            let tls = describe(stream.get_ref().1, direct)?;
            (Stream::TlsServerUnix(stream), tls)
        }
        Stream::TlsServer(_)
        | Stream::TlsServerUnix(_)
        | Stream::TlsClient(_)
        | Stream::Pipe(_) => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS inside TLS"));
        }
    };
    Ok((stream, tls))
}

fn naming_alpn(config: &Arc<ServerConfig>) -> Arc<ServerConfig> {
    if config.alpn_protocols.iter().any(|name| name == ALPN) {
        return Arc::clone(config);
    }
    let mut config = ServerConfig::clone(config);
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}

fn describe(connection: &rustls::ServerConnection, direct: bool) -> io::Result<ClientTls> {
    if direct && connection.alpn_protocol() != Some(ALPN) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "received direct SSL connection request without ALPN protocol negotiation extension",
        ));
    }
    let leaf = connection.peer_certificates().and_then(|chain| chain.first());
    Ok(ClientTls {
        server_name: connection.server_name().map(str::to_owned),
        certificate: leaf.is_some(),
        common_name: leaf.and_then(common_name),
        version: match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        },
        cipher: connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown"),
        direct,
    })
}

/// The one common name of a certificate. With several nobody can say which one was meant, and
/// with a NUL inside different readers see different names: neither names a user.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    let usable = names.next().is_none() && !name.is_empty() && !name.contains('\0');
    usable.then(|| name.to_owned())
}

/// The `tls-server-end-point` channel binding data of a leaf certificate: its hash by the hash of
/// its own signature, MD5 and SHA-1 replaced by SHA-256 (RFC 5929 section 4.1).
///
/// `None` where the signature algorithm has no single hash (Ed25519): then there is no channel
/// binding of this type.
pub fn tls_server_end_point(leaf: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let algorithm = &certificate.signature_algorithm;
    let hash = match algorithm.algorithm.to_id_string().as_str() {
        // RSASSA-PSS says its hash in its parameters
        "1.2.840.113549.1.1.10" => match SignatureAlgorithm::try_from(algorithm).ok()? {
            SignatureAlgorithm::RSASSA_PSS(parameters) => {
                match parameters.hash_algorithm_oid().to_id_string().as_str() {
                    "1.3.14.3.2.26" | "2.16.840.1.101.3.4.2.1" => &digest::SHA256,
                    "2.16.840.1.101.3.4.2.2" => &digest::SHA384,
                    "2.16.840.1.101.3.4.2.3" => &digest::SHA512,
                    "2.16.840.1.101.3.4.2.4" => &digest::SHA224,
                    _ => return None,
                }
            }
            _ => return None,
        },
        // MD5 and SHA-1, then SHA-256: with RSA, DSA, ECDSA
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10040.4.3"
        | "1.2.840.10045.4.1"
        | "1.2.840.113549.1.1.11"
        | "2.16.840.1.101.3.4.3.2"
        | "1.2.840.10045.4.3.2" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => &digest::SHA224,
        _ => return None,
    };
    Some(digest::digest(hash, leaf).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SignatureAlgorithm};

    use super::*;

    fn certificate(
        algorithm: &'static SignatureAlgorithm,
        names: &[&str],
    ) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in names {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        let key = KeyPair::generate_for(algorithm).unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, hash) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(&digest::SHA256)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(&digest::SHA384)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let leaf = certificate(algorithm, &["x"]);
            let expected = hash.map(|hash| digest::digest(hash, &leaf).as_ref().to_vec());
            assert_eq!(tls_server_end_point(&leaf), expected);
        }
        assert_eq!(tls_server_end_point(b"not a certificate"), None);
    }

    #[test]
    fn one_common_name_is_a_name() {
        let name =
            |names: &[&str]| common_name(&certificate(&rcgen::PKCS_ECDSA_P256_SHA256, names));
        assert_eq!(name(&["zoë"]), Some("zoë".to_owned()));
        assert_eq!(name(&[]), None);
        assert_eq!(name(&["a\0b"]), None);
    }
}
