//! What `sslmode` asks of a server's certificate, as a rustls verifier.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::parse_x509_certificate;

/// Whom a server's certificate must come from.
#[derive(Debug)]
pub(super) enum Trust {
    /// Anyone: `sslmode` asks for encryption only.
    Anyone,
    /// These authorities, or exactly one of these certificates: a server's self-signed
    /// certificate in `sslrootcert` is trusted, as OpenSSL does and webpki alone would not.
    Authorities {
        /// Authorities a chain may end in.
        roots: RootCertStore,
        /// Certificates trusted as they are.
        exactly: Vec<CertificateDer<'static>>,
    },
}

/// Verifies a server as `sslmode` says. Whatever the mode, the handshake's signature is verified:
/// the peer holds the key of the certificate it shows, so channel binding can rely on it.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    trust: Trust,
    /// `verify-full`: the name must be the certificate's.
    name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    pub(super) fn new(trust: Trust, name: bool, provider: &CryptoProvider) -> ServerVerifier {
        ServerVerifier { trust, name, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trust::Authorities { roots, exactly } = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if exactly.iter().any(|trusted| trusted == end_entity) {
            verify_validity(end_entity, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The dates of a certificate that is trusted as it is.
fn verify_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = parse_x509_certificate(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        Err(Error::InvalidCertificate(CertificateError::NotValidYet))
    } else if now > validity.not_after.timestamp() {
        Err(Error::InvalidCertificate(CertificateError::Expired))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
    };
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

    use super::*;

    struct Authority(CertifiedIssuer<'static, KeyPair>);

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    impl Authority {
        fn roots(&self) -> Trust {
            let mut roots = RootCertStore::empty();
            roots.add(self.0.der().clone()).unwrap();
            Trust::Authorities { roots, exactly: vec![self.0.der().clone()] }
        }

        fn issue(&self, host: &str) -> (CertificateDer<'static>, KeyPair) {
            let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &self.0).unwrap().der().clone(), key)
        }
    }

    /// A whole handshake in memory with a server that shows `certificate` and signs with `key`.
    fn handshake(
        trust: Trust,
        name: bool,
        (certificate, key): (CertificateDer<'static>, KeyPair),
    ) -> Result<(), Error> {
        let provider = Arc::new(default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let signing = provider.key_provider.load_private_key(key).unwrap();
        // a resolver does not compare key and certificate, so a thief can be played
        let shown = rustls::sign::CertifiedKey::new(vec![certificate], signing);
        let resolver = rustls::sign::SingleCertAndKey::from(shown);
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        let verifier = ServerVerifier::new(trust, name, &provider);
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        let host = ServerName::try_from("db.neon.tech").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), host).unwrap();
        for _ in 0..8 {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets()?;
            let mut bytes = Vec::new();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        assert!(!client.is_handshaking());
        Ok(())
    }

    #[test]
    fn encryption_alone_asks_nothing_of_the_certificate() {
        let issued = authority("a").issue("other.example");
        assert_eq!(handshake(Trust::Anyone, false, issued), Ok(()));
    }

    #[test]
    fn the_peer_must_hold_the_key_whatever_the_mode() {
        let own = authority("a");
        let (certificate, _) = own.issue("db.neon.tech");
        let thief = || (certificate.clone(), KeyPair::generate().unwrap());
        for trust in [Trust::Anyone, own.roots()] {
            let refused = handshake(trust, false, thief()).unwrap_err();
            let bad = Error::InvalidCertificate(CertificateError::BadSignature);
            assert_eq!(refused, bad);
        }
    }

    #[test]
    fn verify_ca_asks_for_the_chain_and_not_for_the_name() {
        let own = authority("a");
        assert_eq!(handshake(own.roots(), false, own.issue("other.example")), Ok(()));
        let foreign = authority("b").issue("db.neon.tech");
        assert!(matches!(
            handshake(own.roots(), false, foreign),
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        ));
    }

    #[test]
    fn verify_full_asks_for_both() {
        let own = authority("a");
        assert_eq!(handshake(own.roots(), true, own.issue("db.neon.tech")), Ok(()));
        assert_eq!(handshake(own.roots(), true, own.issue("*.neon.tech")), Ok(()));
        let refused = handshake(own.roots(), true, own.issue("other.example")).unwrap_err();
        assert!(matches!(
            refused,
            Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
        ));
    }

    fn self_signed(until: i32) -> (CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new(vec!["db.neon.tech".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().der().clone(), key)
    }

    #[test]
    fn a_self_signed_certificate_can_be_trusted_as_it_is() {
        let exactly = |certificate: &CertificateDer<'static>| {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            Trust::Authorities { roots, exactly: vec![certificate.clone()] }
        };
        let sound = self_signed(4000);
        assert_eq!(handshake(exactly(&sound.0), true, sound), Ok(()));
        let expired = self_signed(2001);
        assert_eq!(
            handshake(exactly(&expired.0), true, expired),
            Err(Error::InvalidCertificate(CertificateError::Expired))
        );
        let (trusted, other) = (self_signed(4000), self_signed(4000));
        assert!(handshake(exactly(&trusted.0), false, other).is_err());
    }
}
