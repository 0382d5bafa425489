//! A server that follows a script: what real ones do rarely, never, or when attacked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use pgauthority::config::{SslMode, Upstream};
use pgauthority::protocol::{ErrorResponse, message};
use pgauthority::upstream::{ConnectErrorKind, Login, NoClient, Request, TagsBy, observe, open};

use crate::fixture::{open_own, tls, upstream, with};
use crate::support::CertificateAuthority;

/// What the server does with one connection.
type Script = Box<dyn FnOnce(&mut TcpStream) + Send>;

/// Plays the scripts, one a connection, then stops listening.
fn serve(scripts: Vec<Script>) -> (Upstream, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut upstream = upstream(listener.local_addr().unwrap().port());
    upstream.endpoint.host = "127.0.0.1".to_owned();
    upstream.endpoint.connect_timeout = Duration::from_secs(5);
    let thread = thread::spawn(move || {
        for script in scripts {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            script(&mut stream);
        }
    });
    (upstream, thread)
}

fn script(script: impl FnOnce(&mut TcpStream) + Send + 'static) -> Script {
    Box::new(script)
}

/// Reads a packet without a type.
fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body).unwrap();
    body
}

/// Reads a message.
fn receive(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut kind = [0];
    stream.read_exact(&mut kind).unwrap();
    (kind[0], packet(stream))
}

fn send(stream: &mut TcpStream, write: impl FnOnce(&mut BytesMut)) {
    let mut out = BytesMut::new();
    write(&mut out);
    stream.write_all(&out).unwrap();
}

fn refuse(code: &'static str, text: &'static str) -> Script {
    script(move |stream| {
        packet(stream);
        send(stream, |out| ErrorResponse::fatal(code, text).encode(out));
    })
}

/// From AuthenticationOk to ReadyForQuery, with these reports.
fn welcome(stream: &mut TcpStream, reports: &[(&str, &str)]) {
    send(stream, |out| {
        message::authentication_ok(out);
        for (name, value) in reports {
            message::parameter_status(out, name, value.as_bytes());
        }
        message::backend_key_data(out, 7, b"key!");
        message::ready_for_query(out, b'I');
    });
}

/// Answers queries with one row until the client goes.
fn answer(stream: &mut TcpStream, row: &[&str]) {
    while let Ok(count) = stream.peek(&mut [0]) {
        if count == 0 || receive(stream).0 != b'Q' {
            return;
        }
        send(stream, |out| {
            message::frame(out, b'D', |out| {
                out.put_u16(row.len() as u16);
                for column in row {
                    out.put_u32(column.len() as u32);
                    out.put_slice(column.as_bytes());
                }
            });
            message::frame(out, b'C', |out| message::put_cstring(out, b"SELECT 1"));
            message::ready_for_query(out, b'I');
        });
    }
}

const OURS: [&str; 6] = ["neon-prod", "neon", "prod", "prod-like", "off", "public"];

#[tokio::test]
async fn bytes_behind_the_answer_to_the_tls_request_are_refused() {
    let injected = script(|stream| {
        packet(stream);
        let mut behind = BytesMut::from(&b"S"[..]);
        message::authentication_ok(&mut behind);
        stream.write_all(&behind).unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    let (upstream, server) = serve(vec![injected]);
    let upstream = with(upstream, |upstream| {
        upstream.endpoint.sslmode = SslMode::Require;
        upstream.endpoint.tls = Some(tls(&CertificateAuthority::new(), None));
    });
    let refused = open_own(&upstream).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::Tls);
    assert!(refused.message().contains("unencrypted bytes behind"), "{refused}");
    server.join().unwrap();
}

#[tokio::test]
async fn an_error_before_tls_is_not_believed() {
    let attack = || {
        script(|stream| {
            packet(stream);
            send(stream, |out| ErrorResponse::fatal("XX000", "send money to").encode(out));
        })
    };
    let (upstream, server) = serve(vec![attack(), attack()]);
    let upstream = with(upstream, |upstream| {
        upstream.endpoint.sslmode = SslMode::Require;
        upstream.endpoint.tls = Some(tls(&CertificateAuthority::new(), None));
        upstream.endpoint.connect_timeout = Duration::from_millis(600);
    });
    let refused = open_own(&upstream).await.unwrap_err();
    assert!(!format!("{refused:?}").contains("money"), "{refused:?}");
    server.join().unwrap();
}

#[tokio::test]
async fn starting_and_resetting_servers_are_tried_again() {
    let (upstream, server) = serve(vec![
        refuse("57P03", "the database system is starting up"),
        script(|stream| drop(packet(stream))),
        refuse("57P03", "the database system is not yet accepting connections"),
        script(|stream| {
            packet(stream);
            welcome(stream, &[("server_version", "15.1")]);
            answer(stream, &OURS);
        }),
    ]);
    let connection = open_own(&Arc::new(upstream)).await.unwrap();
    assert_eq!(connection.parameter("server_version"), Some("15.1"));
    assert_eq!((connection.process_id, &*connection.cancel_key), (7, &b"key!"[..]));
    drop(connection);
    server.join().unwrap();
}

#[tokio::test]
async fn the_last_word_of_a_server_that_never_gets_ready_is_passed_on() {
    let starting = || refuse("57P03", "the database system is starting up");
    let (upstream, _server) = serve((0..100).map(|_| starting()).collect());
    let upstream = with(upstream, |upstream| {
        upstream.endpoint.connect_timeout = Duration::from_millis(500);
    });
    let error = open_own(&upstream).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ConnectErrorKind::NotReady, "57P03"));
    assert!(error.message().ends_with("the database system is starting up"), "{error}");
    assert!(error.detail().unwrap().contains("gave up"));
}

#[tokio::test]
async fn other_refusals_are_final() {
    let (upstream, server) = serve(vec![refuse("53300", "sorry, too many clients already")]);
    let error = open_own(&Arc::new(upstream)).await.unwrap_err();
    assert!(error.is_verbatim() && error.sqlstate() == "53300", "{error}");
    server.join().unwrap();
}

#[tokio::test]
async fn a_connection_lost_after_the_password_is_not_tried_again() {
    let (upstream, server) = serve(vec![script(|stream| {
        packet(stream);
        send(stream, |out| message::authentication_md5_password(out, *b"salt"));
        receive(stream);
    })]);
    let error = open_own(&Arc::new(upstream)).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ConnectErrorKind::Unreachable, "08006"));
    server.join().unwrap();
}

#[tokio::test]
async fn what_is_no_postgresql_is_told_at_once() {
    let (upstream, server) = serve(vec![script(|stream| {
        packet(stream);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    })]);
    let error = open_own(&Arc::new(upstream)).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Protocol);
    assert!(error.message().contains("does not speak the PostgreSQL protocol"), "{error}");
    server.join().unwrap();
}

#[tokio::test]
async fn unsupported_authentication_is_named() {
    for (code, name) in [(2, "Kerberos"), (7, "GSSAPI"), (9, "SSPI")] {
        let (upstream, server) = serve(vec![script(move |stream| {
            packet(stream);
            send(stream, |out| message::authentication(out, code, &[]));
        })]);
        let error = open_own(&Arc::new(upstream)).await.unwrap_err();
        assert!(error.message().contains(name), "{error}");
        assert!(error.hint().unwrap().contains("pg_hba.conf"));
        server.join().unwrap();
    }
    let (upstream, server) = serve(vec![script(|stream| {
        packet(stream);
        send(stream, |out| message::authentication_sasl(out, &["OAUTHBEARER"]));
    })]);
    let error = open_own(&Arc::new(upstream)).await.unwrap_err();
    assert!(error.message().contains("OAUTHBEARER"), "{error}");
    server.join().unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_prove_itself_is_refused() {
    let (upstream, server) = serve(vec![script(|stream| {
        packet(stream);
        send(stream, |out| message::authentication_sasl(out, &["SCRAM-SHA-256"]));
        let (_, first) = receive(stream);
        let nonce = String::from_utf8(first).unwrap().split_once("r=").unwrap().1.to_owned();
        let first = format!("r={nonce}server,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096");
        send(stream, |out| message::authentication(out, 11, first.as_bytes()));
        receive(stream);
        welcome(stream, &[]);
    })]);
    let error = open_own(&Arc::new(upstream)).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Protocol);
    server.join().unwrap();
}

#[tokio::test]
async fn protocol_versions_are_negotiated_down() {
    let asks = |minor: u16| move |body: &[u8]| assert_eq!(body[..4], [0, 3, 0, minor as u8]);
    // one that says so, one that refuses, one that claims more than was asked
    let negotiates = script(move |stream| {
        asks(2)(&packet(stream));
        let version = message::protocol_version(3, 0);
        send(stream, |out| message::negotiate_protocol_version(out, version, &[]));
        welcome(stream, &[]);
        answer(stream, &OURS);
    });
    let refuses = script(move |stream| {
        asks(2)(&packet(stream));
        let text = "unsupported frontend protocol 3.2: server supports 3.0 to 3.0";
        send(stream, |out| ErrorResponse::fatal("0A000", text).encode(out));
    });
    let accepts = script(move |stream| {
        asks(0)(&packet(stream));
        welcome(stream, &[]);
        answer(stream, &OURS);
    });
    let lies = script(move |stream| {
        asks(2)(&packet(stream));
        let version = message::protocol_version(3, 9);
        send(stream, |out| message::negotiate_protocol_version(out, version, &[]));
    });
    let (upstream, server) = serve(vec![negotiates, refuses, accepts, lies]);
    let upstream = Arc::new(upstream);
    let mut request = Request::new(b"app");
    request.protocol_minor = 2;
    for _ in 0..2 {
        let connection = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap();
        assert_eq!(connection.protocol_minor, 0);
    }
    let error = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Protocol);
    server.join().unwrap();
}

const FAR: [(&str, &str); 4] = [
    ("authority.upstream", "far-prod"),
    ("authority.authority", "neon"),
    ("authority.role", "prod"),
    ("authority.env", "prod-like"),
];
const FAR_ROW: [&str; 6] = ["far-prod", "neon", "prod", "prod-like", "off", "public"];

fn another_pgauthority() -> Script {
    script(|stream| {
        let startup = packet(stream);
        let tagged = startup.windows(15).any(|part| part == b"authority.role=");
        if tagged {
            let text = "parameter \"authority.role\" cannot be set by a client";
            send(stream, |out| ErrorResponse::fatal("55P02", text).encode(out));
            return;
        }
        welcome(stream, &FAR);
        answer(stream, &FAR_ROW);
    })
}

#[tokio::test]
async fn another_pgauthority_is_refused_unless_a_chain_is_meant_and_agrees() {
    let (upstream, server) = serve((0..4).map(|_| another_pgauthority()).collect());
    let port = upstream.endpoint.port;
    let refused = open_own(&Arc::new(upstream)).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::Contract);
    assert!(refused.message().contains("is another pgauthority"), "{refused}");
    assert!(refused.hint().unwrap().contains("chain = true"));

    let at = |change: fn(&mut Upstream)| with(crate::fixture::upstream(port), change);
    let chained = open_own(&at(|upstream| upstream.chain = true)).await.unwrap();
    assert_eq!(chained.tags, TagsBy::Announced);
    assert_eq!(chained.announced.as_ref().unwrap().upstream, "far-prod");
    drop(chained);
    let other = at(|upstream| {
        upstream.chain = true;
        upstream.declaration.environment = pgauthority::contract::Environment::Dev;
    });
    let refused = open_own(&other).await.unwrap_err();
    assert!(refused.detail().unwrap().contains("announced there: neon, prod, prod-like"));
    // `check --connect` may look at it all the same
    let observed = observe(&at(|_| {})).await.unwrap();
    assert_eq!(observed.announced.unwrap().role, "prod");
    server.join().unwrap();
}

#[tokio::test]
async fn a_pgauthority_behind_something_that_hides_it_is_refused_too() {
    let hidden = script(|stream| {
        packet(stream);
        welcome(stream, &[]);
        answer(stream, &FAR_ROW);
    });
    let (upstream, server) = serve(vec![hidden]);
    let refused = open_own(&Arc::new(upstream)).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::Contract);
    assert!(refused.detail().unwrap().contains("far-prod"), "{refused}");
    server.join().unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let (upstream, server) = serve(vec![script(|stream| {
        packet(stream);
        thread::sleep(Duration::from_millis(1500));
    })]);
    let upstream = with(upstream, |upstream| {
        upstream.endpoint.connect_timeout = Duration::from_millis(400);
    });
    let error = open_own(&upstream).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ConnectErrorKind::TimedOut, "08001"));
    assert!(error.message().contains("did not answer within 0.4 s"), "{error}");
    server.join().unwrap();
}
