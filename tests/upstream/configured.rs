//! From the text of a configuration to a connection: each `sslmode` as libpq carries it out.

use std::sync::Arc;

use pgauthority::config::{self, Upstream};
use pgauthority::upstream::ConnectErrorKind;

use crate::fixture::{open_own, value};
use crate::support::cluster::PASSWORD;
use crate::support::process::Folder;
use crate::support::{Auth, CertificateAuthority, Cluster, NEON_HOST};

/// The upstream of a configuration with this query part in its URL.
fn configured(folder: &Folder, cluster: &Cluster, host: &str, query: &str) -> Arc<Upstream> {
    let text = format!(
        r#"
[server]
listen = ["127.0.0.1:7432"]
[upstreams.neon-prod]
authority = "neon"
role = "prod"
env = "prod-like"
url = "postgresql://app:{PASSWORD}@{host}:{}/app?connect_timeout=10&{query}"
hostaddr = "127.0.0.1"
[databases.app]
upstream = "neon-prod"
auth = "relay"
"#,
        cluster.port(),
    );
    let config = config::parse(&folder.join("pgauthority.toml"), &text, &|_| None).unwrap();
    Arc::clone(&config.upstreams["neon-prod"])
}

#[tokio::test]
async fn every_sslmode_verifies_what_libpq_verifies() {
    let (authority, stranger) = (CertificateAuthority::new(), CertificateAuthority::new());
    let cluster = Cluster::builder().tls(&authority).tls_only().start();
    let folder = Folder::new();
    folder.write("ca.crt", authority.pem());
    folder.write("stranger.crt", stranger.pem());
    let other = "ep-other.eu-central-1.aws.neon.tech";
    for (host, query, opens) in [
        (other, "sslmode=allow", true),
        (other, "sslmode=prefer", true),
        (other, "sslmode=require&channel_binding=require", true),
        (other, "sslmode=require&sslrootcert=ca.crt", true),
        (other, "sslmode=require&sslrootcert=stranger.crt", false),
        (other, "sslmode=verify-ca&sslrootcert=ca.crt", true),
        (other, "sslmode=verify-ca&sslrootcert=stranger.crt", false),
        (NEON_HOST, "sslmode=verify-full&sslrootcert=ca.crt", true),
        (other, "sslmode=verify-full&sslrootcert=ca.crt", false),
        (NEON_HOST, "sslmode=verify-full&sslrootcert=stranger.crt", false),
    ] {
        match open_own(&configured(&folder, &cluster, host, query)).await {
            Ok(mut connection) => {
                assert!(opens && connection.encrypted, "{host} {query}");
                let role = value(&mut connection, "SHOW authority.role").await;
                assert_eq!(role.as_deref(), Ok("prod"));
            }
            Err(error) => {
                assert!(!opens, "{host} {query}: {error}");
                assert_eq!(error.kind(), ConnectErrorKind::Tls, "{error}");
                assert!(error.hint().is_some(), "{error}");
            }
        }
    }
    let plain = open_own(&configured(&folder, &cluster, other, "sslmode=disable")).await;
    assert!(plain.unwrap_err().message().contains("no encryption"));
}

#[tokio::test]
async fn a_configured_client_certificate_is_shown() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).auth(Auth::Cert).start();
    let folder = Folder::new();
    folder.write("ca.crt", authority.pem());
    authority.client("app").write(folder.path(), "app");
    let query = "sslmode=verify-full&sslrootcert=ca.crt&sslcert=app.crt&sslkey=app.key";
    assert!(open_own(&configured(&folder, &cluster, NEON_HOST, query)).await.unwrap().encrypted);
}
