//! libpq's `sslmode`, `sslnegotiation`, `hostaddr` and `channel_binding`, and cancel requests.

use std::time::{Duration, Instant};

use pgauthority::config::{SslMode, Upstream};
use pgauthority::upstream::{
    ConnectErrorKind, Login, NoClient, Request, ServerAddress, observe, open,
};

use crate::fixture::{open_own, tls, upstream, value, with};
use crate::support::{Auth, CertificateAuthority, Cluster, Major, NEON_HOST};

const SSL: &str = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

fn verified(cluster: &Cluster, authority: &CertificateAuthority) -> Upstream {
    let mut upstream = upstream(cluster.port());
    upstream.endpoint.host = NEON_HOST.to_owned();
    upstream.endpoint.hostaddr = Some([127, 0, 0, 1].into());
    upstream.endpoint.sslmode = SslMode::VerifyFull;
    upstream.endpoint.tls = Some(tls(authority, None));
    upstream
}

#[tokio::test]
async fn a_neon_name_is_verified_and_reached_by_hostaddr() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).tls_only().start();
    for (require, disable) in [(true, false), (false, true), (false, false)] {
        let upstream = with(verified(&cluster, &authority), |upstream| {
            upstream.endpoint.require_channel_binding = require;
            upstream.endpoint.disable_channel_binding = disable;
        });
        let mut connection = open_own(&upstream).await.unwrap();
        assert!(connection.encrypted && !connection.relayed);
        assert_eq!(connection.peer, ServerAddress::Tcp(([127, 0, 0, 1], cluster.port()).into()));
        assert_eq!(value(&mut connection, SSL).await.unwrap(), "true");
        connection.close().await;
    }

    // another authority; another name; no TLS at all
    let stranger = CertificateAuthority::new();
    let unknown = open_own(&with(verified(&cluster, &stranger), |_| {})).await.unwrap_err();
    assert_eq!(unknown.kind(), ConnectErrorKind::Tls);
    assert!(unknown.message().contains("not signed by an authority"), "{unknown}");
    assert!(unknown.hint().unwrap().contains("sslrootcert"));
    let misnamed = with(verified(&cluster, &authority), |upstream| {
        upstream.endpoint.host = "ep-other.eu-central-1.aws.neon.tech".to_owned();
    });
    let misnamed = open_own(&misnamed).await.unwrap_err();
    assert!(misnamed.message().contains("not for the host name \"ep-other"), "{misnamed}");
    let plain = with(verified(&cluster, &authority), |upstream| {
        upstream.endpoint.sslmode = SslMode::Disable;
        upstream.endpoint.tls = None;
    });
    let plain = open_own(&plain).await.unwrap_err();
    assert_eq!(plain.sqlstate(), "08004");
    assert!(plain.message().contains("no encryption"), "{plain}");

    // allow: plain first, then as the server insists
    let allow = with(verified(&cluster, &authority), |upstream| {
        upstream.endpoint.sslmode = SslMode::Allow;
    });
    assert!(open_own(&allow).await.unwrap().encrypted);

    let observed = observe(&with(verified(&cluster, &authority), |_| {})).await.unwrap();
    assert_eq!(observed.tls.unwrap().0, "TLSv1.3");
    assert!(observed.server_version.starts_with("15.") && !observed.in_recovery);
    assert_eq!((&*observed.database, &*observed.user), ("app", "app"));
    let identifier = cluster.value("app", "SELECT system_identifier FROM pg_control_system()");
    assert_eq!(observed.system_identifier, Some(identifier));
    assert_eq!(observed.announced, None);
}

#[tokio::test]
async fn prefer_takes_what_it_gets_and_require_does_not() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().start();
    let at = |mode: SslMode| {
        with(upstream(cluster.port()), |upstream| {
            upstream.endpoint.sslmode = mode;
            upstream.endpoint.tls = Some(tls(&authority, None));
        })
    };
    assert!(!open_own(&at(SslMode::Prefer)).await.unwrap().encrypted);
    assert!(!open_own(&at(SslMode::Allow)).await.unwrap().encrypted);
    let started = Instant::now();
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let refused = open_own(&at(mode)).await.unwrap_err();
        assert_eq!(refused.kind(), ConnectErrorKind::Tls);
        assert!(refused.message().contains("does not offer it"), "{refused}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "at once");
    let bound = with(upstream(cluster.port()), |upstream| {
        upstream.endpoint.require_channel_binding = true;
    });
    let bound = open_own(&bound).await.unwrap_err();
    assert!(bound.message().contains("channel_binding=require"), "{bound}");
}

#[tokio::test]
async fn prefer_goes_without_tls_where_tls_fails_or_is_refused() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).start();
    let prefer = |authority: &CertificateAuthority| {
        with(upstream(cluster.port()), |upstream| {
            upstream.endpoint.sslmode = SslMode::Prefer;
            upstream.endpoint.tls = Some(tls(authority, None));
        })
    };
    assert!(open_own(&prefer(&authority)).await.unwrap().encrypted);
    assert!(!open_own(&prefer(&CertificateAuthority::new())).await.unwrap().encrypted);
    let hba = cluster.data().join("pg_hba.conf");
    std::fs::write(&hba, "local all all trust\nhostnossl all all 127.0.0.1/32 scram-sha-256\n")
        .unwrap();
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!open_own(&prefer(&authority)).await.unwrap().encrypted);
}

#[tokio::test]
async fn direct_tls_and_protocol_3_2_with_a_newer_server() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().major(Major::V18).tls(&authority).tls_only().start();
    let upstream = with(verified(&cluster, &authority), |upstream| {
        upstream.endpoint.direct_tls = true;
        upstream.endpoint.require_channel_binding = true;
    });
    let mut request = Request::new(b"app");
    request.protocol_minor = 2;
    let mut connection = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap();
    assert!(connection.encrypted);
    assert_eq!((connection.protocol_minor, connection.cancel_key.len()), (2, 32));
    assert_eq!(value(&mut connection, SSL).await.unwrap(), "true");
    let token = connection.cancel_token();
    let (cancelled, ()) = tokio::join!(value(&mut connection, "SELECT pg_sleep(60)"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel().await.unwrap();
    });
    assert_eq!(cancelled, Err("57014".to_owned()));
}

#[tokio::test]
async fn an_older_server_has_no_direct_tls_and_speaks_3_0() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).start();
    let direct = with(verified(&cluster, &authority), |upstream| {
        upstream.endpoint.direct_tls = true;
        upstream.endpoint.connect_timeout = Duration::from_secs(1);
    });
    let refused = open_own(&direct).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::Tls);
    assert!(refused.hint().unwrap().contains("sslnegotiation=direct"), "{refused:?}");
    let mut request = Request::new(b"app");
    request.protocol_minor = 2;
    let upstream = with(verified(&cluster, &authority), |_| {});
    let connection = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap();
    assert_eq!((connection.protocol_minor, connection.cancel_key.len()), (0, 4));
}

#[tokio::test]
async fn queries_are_cancelled_over_tcp_and_unix_sockets() {
    let cluster = Cluster::builder().start();
    let socket = with(upstream(cluster.port()), |upstream| {
        upstream.endpoint.host = cluster.socket_folder().display().to_string();
        // libpq does not encrypt Unix sockets, whatever sslmode says
        upstream.endpoint.sslmode = SslMode::VerifyFull;
    });
    for upstream in [with(upstream(cluster.port()), |_| {}), socket] {
        let mut connection = open_own(&upstream).await.unwrap();
        assert!(!connection.encrypted);
        let token = connection.cancel_token();
        assert!(!format!("{token:?}{connection:?}").contains("key"));
        let (cancelled, ()) = tokio::join!(value(&mut connection, "SELECT pg_sleep(60)"), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            token.cancel().await.unwrap();
        });
        assert_eq!(cancelled, Err("57014".to_owned()));
    }
}

#[tokio::test]
async fn a_client_certificate_logs_in() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).auth(Auth::Cert).start();
    let named = |user: Option<&str>| {
        let pair = user.map(|user| authority.client(user));
        with(verified(&cluster, &authority), |upstream| {
            upstream.endpoint.tls = Some(tls(&authority, pair.as_ref()));
        })
    };
    assert!(open_own(&named(Some("app"))).await.unwrap().encrypted);
    let other = open_own(&named(Some("reader"))).await.unwrap_err();
    assert_eq!((other.kind(), other.sqlstate()), (ConnectErrorKind::Authentication, "08004"));
    let none = open_own(&named(None)).await.unwrap_err();
    assert_eq!(none.sqlstate(), "08004");
    assert!(none.message().contains("certificate"), "{none}");
}
