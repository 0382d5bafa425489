//! Certificates for tests: an authority of its own, server and client certificates.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The name that stands for a Neon endpoint; reached by `hostaddr`.
pub const NEON_HOST: &str = "ep-cool-name-123456.eu-central-1.aws.neon.tech";

/// A certificate and its key in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Pair {
    /// Writes `NAME.crt` and `NAME.key` (readable by their owner only) into `folder`.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        use std::os::unix::fs::PermissionsExt;
        let certificate = folder.join(format!("{name}.crt"));
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&certificate, &self.certificate).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        (certificate, key)
    }
}

/// A certificate authority that lives as long as a test.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl CertificateAuthority {
    pub fn new() -> CertificateAuthority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "pgauthority test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        CertificateAuthority { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate in PEM: what `sslrootcert` names.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server's certificate for these names (and addresses).
    pub fn server(&self, names: &[&str]) -> Pair {
        self.issue(names, names[0], ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate whose common name is `user`.
    pub fn client(&self, user: &str) -> Pair {
        self.issue(&[], user, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, names: &[&str], common_name: &str, purpose: ExtendedKeyUsagePurpose) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}
