//! The test ground itself: clusters of both versions, every way to log in, replicas, restarts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::cluster::PASSWORD;
use support::proxy::{PROD, Proxy, REPLICA, STAGING};
use support::{Auth, CertificateAuthority, Cluster, Login, Major, NEON_HOST, Wire};

fn app() -> Login {
    Login::new("app", "app").password(PASSWORD)
}

#[test]
fn both_versions_serve_with_scram_and_tls() {
    let authority = CertificateAuthority::new();
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).tls(&authority).tls_only().start();
        let login = app().tls(authority.pem(), NEON_HOST);
        let mut wire = Wire::tcp(cluster.port(), &login).unwrap();
        let version = wire.value("SHOW server_version_num");
        assert_eq!(version[..2], format!("{major:?}")[1..], "{version}");
        let tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(wire.value(tls), "t");
        let refused = Wire::tcp(cluster.port(), &app()).err().unwrap().fields();
        assert_eq!(refused.code(), "28000", "{refused}");
        let wrong = Login::new("app", "app").password("no").tls(authority.pem(), "localhost");
        assert_eq!(Wire::tcp(cluster.port(), &wrong).err().unwrap().fields().code(), "28P01");
    }
}

#[test]
fn every_way_to_log_in_works() {
    let authority = CertificateAuthority::new();
    for auth in [Auth::Md5, Auth::Password, Auth::Trust, Auth::Cert] {
        let cluster = Cluster::builder().auth(auth).tls(&authority).start();
        let login =
            app().tls(authority.pem(), "localhost").client_certificate(&authority.client("app"));
        let mut wire = Wire::tcp(cluster.port(), &login).unwrap();
        assert_eq!(wire.value("SELECT current_user"), "app");
    }
}

#[test]
fn a_replica_follows_and_a_crash_is_survived() {
    for major in Major::ALL {
        let mut primary = Cluster::builder().major(major).start();
        let replica = primary.replica();
        primary.sql("app", "CREATE TABLE t AS SELECT 42 AS n");
        primary.wait_for_replica(&replica);
        assert_eq!(replica.value("app", "SELECT n FROM t"), "42");
        assert_eq!(replica.value("app", "SELECT pg_is_in_recovery()"), "t");
        assert_eq!(replica.connect("app").error("DROP TABLE t").code(), "25006");
        primary.kill();
        primary.start();
        primary.restart();
        assert_eq!(primary.value("app", "SELECT n FROM t"), "42");
    }
}

/// What the fixtures write is a configuration that the proxy takes.
#[test]
fn the_configurations_of_the_fixtures_are_sound() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).start();
    let routed = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"prod\"\nlocal = \"staging\"";
    let (path, _folder) = Proxy::builder()
        .tls(&authority, "require")
        .neon_upstream("prod", PROD, &cluster)
        .neon_upstream("replica", REPLICA, &cluster)
        .upstream("staging", STAGING, &cluster)
        .scram("own", "prod", "confirm = \"startup\"")
        .relayed("app", "prod", "")
        .trusted("test_*", "staging", "")
        .entry("routed", routed)
        .entry("routed_default", &format!("{routed}\ntask = \"unit_tests\""))
        .raw("[[decision]]\ntask = \"look\"\nread = \"neon\"\nwrite = \"deny\"")
        .write();
    if let Err(faults) = pgauthority::config::load(&path) {
        panic!("{faults}\n{}", std::fs::read_to_string(path).unwrap());
    }
}
