//! Upstreams that are not there yet.

use std::thread;
use std::time::{Duration, Instant};

use pgauthority::config::SslMode;
use pgauthority::upstream::ConnectErrorKind;

use crate::fixture::{open_own, tls, upstream, with};
use crate::support::{CertificateAuthority, Cluster};

#[tokio::test]
async fn a_server_that_starts_late_is_waited_for() {
    let authority = CertificateAuthority::new();
    let mut cluster = Cluster::builder().tls(&authority).start();
    let tcp = with(upstream(cluster.port()), |upstream| {
        upstream.endpoint.sslmode = SslMode::VerifyFull;
        upstream.endpoint.tls = Some(tls(&authority, None));
    });
    let socket = with(upstream(cluster.port()), |upstream| {
        upstream.endpoint.host = cluster.socket_folder().display().to_string();
    });
    cluster.stop();
    let started = Instant::now();
    let starter = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        cluster.start();
        cluster
    });
    let (over_tcp, over_socket) = tokio::join!(open_own(&tcp), open_own(&socket));
    assert!(started.elapsed() >= Duration::from_secs(2));
    let (over_tcp, over_socket) = (over_tcp.unwrap(), over_socket.unwrap());
    assert!(over_tcp.encrypted && !over_socket.encrypted);
    drop(starter.join().unwrap());
}

#[tokio::test]
async fn one_that_never_starts_is_given_up_at_connect_timeout() {
    let mut cluster = Cluster::builder().start();
    let upstream = with(upstream(cluster.port()), |upstream| {
        upstream.endpoint.connect_timeout = Duration::from_secs(1);
    });
    cluster.stop();
    let started = Instant::now();
    let error = open_own(&upstream).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!((error.kind(), error.sqlstate()), (ConnectErrorKind::Unreachable, "08001"));
    assert!(error.message().contains("connection refused at 127.0.0.1:"), "{error}");
    assert!(error.detail().unwrap().starts_with("gave up after "), "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_name_that_nobody_has_is_told_at_once() {
    let upstream = with(upstream(5432), |upstream| {
        upstream.endpoint.host = "no-such-host.invalid".to_owned();
        upstream.endpoint.connect_timeout = Duration::from_secs(3);
    });
    let error = open_own(&upstream).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Unreachable);
    assert!(error.message().contains("no-such-host.invalid"), "{error}");
    assert!(error.hint().unwrap().contains("host name"), "{error}");
}
