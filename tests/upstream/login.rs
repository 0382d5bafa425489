//! Logins with credentials that the proxy has.

use pgauthority::config::{Secret, SslMode};
use pgauthority::net::scram::Keys;
use pgauthority::protocol::error_response::field;
use pgauthority::protocol::{Fields, HEADER_LENGTH};
use pgauthority::upstream::{ConnectErrorKind, Login, NoClient, Request, TagsBy, open};

use crate::fixture::{open_own, tls, upstream, value, with};
use crate::support::cluster::PASSWORD;
use crate::support::{Auth, CertificateAuthority, Cluster};

#[tokio::test]
async fn wrong_passwords_are_worded_for_whose_they_are() {
    for auth in [Auth::Scram, Auth::Md5] {
        let cluster = Cluster::builder().auth(auth).start();
        let right = with(upstream(cluster.port()), |_| {});
        let mut connection = open_own(&right).await.unwrap();
        assert_eq!(value(&mut connection, "SELECT current_user").await.unwrap(), "app");

        let wrong = with(upstream(cluster.port()), |upstream| {
            upstream.endpoint.password = Some(Secret("wr0ng".to_owned()));
        });
        let own = open_own(&wrong).await.unwrap_err();
        assert_eq!((own.kind(), own.sqlstate()), (ConnectErrorKind::Authentication, "08004"));
        assert!(own.message().starts_with("upstream \"neon-prod\" at localhost:"), "{own}");
        assert!(own.message().contains("refused the proxy's own login"), "{own}");
        assert!(!format!("{own:?}{wrong:?}").contains("wr0ng"));

        let password = Secret("wr0ng".to_owned());
        let login: Login<'_> = Login::Password { user: b"app", password: &password };
        let theirs = open(&right, &Request::new(b"app"), login).await.unwrap_err();
        assert!(theirs.is_verbatim());
        let frame = theirs.frame();
        let fields = Fields::new(&frame[HEADER_LENGTH..]);
        assert_eq!(fields.code(), Some(&b"28P01"[..]));
        assert_eq!(fields.text(field::ROUTINE).unwrap(), "auth_failed");

        let none = with(upstream(cluster.port()), |upstream| upstream.endpoint.password = None);
        let none = open_own(&none).await.unwrap_err();
        assert_eq!(none.sqlstate(), "28P01");
        assert!(none.hint().unwrap().contains("password_file"));
    }
}

#[tokio::test]
async fn a_password_in_clear_needs_tls_or_a_unix_socket() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).auth(Auth::Password).start();
    let plain = open_own(&with(upstream(cluster.port()), |_| {})).await.unwrap_err();
    assert!(plain.message().contains("in clear text"), "{plain}");
    assert!(plain.hint().unwrap().contains("sslmode"));
    let secure = with(upstream(cluster.port()), |upstream| {
        upstream.endpoint.sslmode = SslMode::VerifyFull;
        upstream.endpoint.tls = Some(tls(&authority, None));
    });
    assert!(open_own(&secure).await.unwrap().encrypted);
    let bound = with(upstream(cluster.port()), |upstream| {
        upstream.endpoint.sslmode = SslMode::VerifyFull;
        upstream.endpoint.tls = Some(tls(&authority, None));
        upstream.endpoint.require_channel_binding = true;
    });
    let bound = open_own(&bound).await.unwrap_err();
    assert!(bound.message().contains("channel_binding=require"), "{bound}");
}

/// The salt and iterations of a role's verifier.
fn verifier_of(cluster: &Cluster, role: &str) -> (Vec<u8>, u32) {
    use base64::Engine;
    let query = format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'");
    let verifier = cluster.value("postgres", &query);
    let (iterations, rest) =
        verifier.strip_prefix("SCRAM-SHA-256$").unwrap().split_once(':').unwrap();
    let (salt, _) = rest.split_once('$').unwrap();
    let salt = base64::engine::general_purpose::STANDARD.decode(salt).unwrap();
    (salt, iterations.parse().unwrap())
}

#[tokio::test]
async fn keys_of_the_same_verifier_log_in_and_others_give_way_to_the_urls_login() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).start();
    let (salt, iterations) = verifier_of(&cluster, "reader");
    let fitting = Keys::from_password(PASSWORD.as_bytes(), &salt, iterations);
    let other = Keys::from_password(PASSWORD.as_bytes(), b"another salt 123", iterations);
    let request = Request::new(b"app");
    for mode in [SslMode::Disable, SslMode::VerifyFull] {
        let upstream = with(upstream(cluster.port()), |upstream| {
            upstream.endpoint.sslmode = mode;
            upstream.endpoint.tls = Some(tls(&authority, None));
            upstream.endpoint.require_channel_binding = mode == SslMode::VerifyFull;
        });
        for (keys, user) in [(&fitting, "reader"), (&other, "app")] {
            let login: Login<'_> = Login::Keys { user: b"reader", keys };
            let mut connection = open(&upstream, &request, login).await.unwrap();
            assert_eq!(value(&mut connection, "SELECT current_user").await.unwrap(), user);
            assert_eq!(connection.user, user.as_bytes());
        }
    }
    let without = with(upstream(cluster.port()), |upstream| upstream.endpoint.user = None);
    let login: Login<'_> = Login::Keys { user: b"reader", keys: &other };
    let refused = open(&without, &request, login).await.unwrap_err();
    assert!(refused.message().contains("another SCRAM verifier"), "{refused}");
    let refused = open_own(&without).await.unwrap_err();
    assert!(refused.message().contains("has no user of its own"), "{refused}");
}

#[tokio::test]
async fn the_clients_parameters_are_passed_on_and_none_of_ours_can_be_taken() {
    let cluster = Cluster::builder().start();
    cluster.sql("postgres", "CREATE DATABASE test_17 OWNER app");
    let upstream = with(upstream(cluster.port()), |upstream| {
        upstream.endpoint.options = Some("-c work_mem=1MB -c app.url=1".to_owned());
        upstream.endpoint.application_name = Some("proxy".to_owned());
    });
    let mut request = Request::new(b"test_17");
    request.options =
        Some(b"-c work_mem=2MB -c authority.role=staging -c app.sp=a\\ b -ctimezone=UTC\\");
    request.parameters = vec![
        (b"user", b"postgres"),
        (b"DateStyle", b"German"),
        (b"authority.env", b"test"),
        (b"authority.ticket", b"OPS-1"),
        (b"_pq_.whatever", b"1"),
    ];
    let mut connection = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap();
    assert_eq!(connection.tags, TagsBy::Options);
    for (name, expected) in [
        ("authority.upstream", "neon-prod"),
        ("authority.authority", "neon"),
        ("authority.role", "prod"),
        ("authority.env", "prod-like"),
        ("authority.ticket", "OPS-1"),
        ("work_mem", "2MB"),
        ("app.url", "1"),
        ("app.sp", "a b"),
        ("application_name", "proxy"),
    ] {
        let shown = value(&mut connection, &format!("SHOW {name}")).await;
        assert_eq!(shown.as_deref(), Ok(expected), "{name}");
    }
    for statement in ["RESET ALL", "DISCARD ALL"] {
        let _ = value(&mut connection, statement).await;
        assert_eq!(value(&mut connection, "SHOW authority.role").await.as_deref(), Ok("prod"));
    }
    assert_eq!(value(&mut connection, "SELECT current_database()").await.unwrap(), "test_17");
    assert_eq!(connection.parameter("DateStyle"), Some("German, DMY"));
    assert_eq!(connection.parameter("TimeZone"), Some("UTC"));

    // what leaves no room for ours is set afterwards
    let long = format!("-c app.long={}", "x".repeat(9_840));
    request.options = Some(long.as_bytes());
    let connection = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap();
    assert_eq!(connection.tags, TagsBy::Set);
    let long = format!("-c app.long={}", "x".repeat(10_000));
    request.options = Some(long.as_bytes());
    let refused = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap_err();
    assert_eq!(refused.sqlstate(), "54000");

    // the server's own words for what is the client's own fault
    request.options = Some(b"-c no_such_parameter=1");
    let refused = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap_err();
    assert!(refused.is_verbatim() && refused.sqlstate() == "42704", "{refused}");
    let nowhere = open(&upstream, &Request::new(b"nowhere"), Login::<NoClient>::Own).await;
    assert_eq!(nowhere.unwrap_err().sqlstate(), "3D000");
}
