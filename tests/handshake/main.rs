//! Real clients against the client half of connecting: listener, handshake, authentication.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod server;
#[path = "../support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::BytesMut;
use pgauthority::config::{ListenAddress, TlsMode};
use pgauthority::net::Bound;
use pgauthority::protocol::message::{cancel_request, protocol_version, startup};
use pgauthority::protocol::{Fields, HEADER_LENGTH, Header};
use pgauthority::proxy::{Handshake, handshake};
use server::{KEEPALIVE, Server, config};
use support::CertificateAuthority;

#[track_caller]
fn assert_says(text: &str, expected: &str) {
    assert!(text.contains(expected), "expected {expected:?} in:\n{text}");
}

#[test]
fn psql_logs_in_with_scram() {
    let server = Server::start(TlsMode::Allow);
    let says = |dsn: &str, password: &str, expected: &str| {
        assert_says(&server.psql(dsn, password), expected);
    };
    for (sslmode, tls) in [
        ("disable", "TCP, no TLS"),
        ("allow", "TCP, no TLS"),
        ("prefer", "TCP, requested TLSv1.3 for localhost"),
        ("require", "TCP, requested TLSv1.3 for localhost"),
        ("verify-full", "TCP, requested TLSv1.3 for localhost"),
        ("require ssl_max_protocol_version=TLSv1.2", "TCP, requested TLSv1.2 for localhost"),
        ("require channel_binding=require", "TCP, requested TLSv1.3 for localhost"),
        ("require channel_binding=disable", "TCP, requested TLSv1.3 for localhost"),
    ] {
        let reached = format!("FATAL:  reached as nova, {tls}, protocol 3.0, keys true");
        says(&format!("user=nova dbname=app sslmode={sslmode}"), "s3cret", &reached);
    }
    let stored = "user=stored dbname=app sslmode=require channel_binding=require";
    says(stored, "stored pässword", "reached as stored");
    says(stored, "stored password", "password authentication failed for user \"stored\"");
    let socket = format!("host={} user=nova dbname=app", server.folder().display());
    says(&socket, "s3cret", "reached as nova, socket, no TLS");
}

#[test]
fn refusals_look_the_same() {
    let server = Server::start(TlsMode::Allow);
    for tls in ["sslmode=disable", "sslmode=require channel_binding=require"] {
        for (user, database, password) in [
            ("nova", "app", "wrong"),
            ("nova", "nowhere", "s3cret"),
            ("nobody", "app", "s3cret"),
            ("nobody", "nowhere", "s3cret"),
            ("outsider", "app", "s3cret"),
            ("bare", "app", "s3cret"),
        ] {
            let said = server.psql(&format!("user={user} dbname={database} {tls}"), password);
            let message = format!("password authentication failed for user \"{user}\"");
            assert_says(&said, &message);
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}

#[test]
fn tls_is_held_to_its_mode() {
    let server = Server::start(TlsMode::Require);
    let said = server.psql("user=nova dbname=app sslmode=disable", "s3cret");
    assert_says(&said, "FATAL:  connection requires TLS");
    assert_says(&said, "HINT:  add sslmode=require to the connection string");
    for sslmode in ["allow", "prefer", "verify-full"] {
        let said = server.psql(&format!("user=nova dbname=app sslmode={sslmode}"), "s3cret");
        assert_says(&said, "reached as nova, TCP, requested");
    }
    let socket = format!("host={} user=nova dbname=app", server.folder().display());
    assert_says(&server.psql(&socket, "s3cret"), "reached as nova, socket");

    let server = Server::start(TlsMode::Disable);
    assert_says(
        &server.psql("user=nova dbname=app sslmode=require", "s3cret"),
        "server does not support SSL, but SSL was required",
    );
    assert_says(
        &server.psql("user=nova dbname=app sslmode=prefer", "s3cret"),
        "reached as nova, TCP, no TLS",
    );
}

#[test]
fn certificates_name_users() {
    let server = Server::start(TlsMode::Allow);
    let with = |user: &str, certificate: &str| {
        let file = |end: &str| server.path(&format!("{certificate}.{end}"));
        let dsn = format!(
            "user={user} dbname=certified sslmode=require sslcert={} sslkey={}",
            file("crt").display(),
            file("key").display()
        );
        server.psql(&dsn, "")
    };
    assert_says(&with("nova", "nova"), "reached as nova, TCP, requested TLSv1.3");
    assert_says(&with("ops", "cn-of-ops"), "reached as ops");
    for (user, certificate) in [("ops", "nova"), ("nova", "cn-of-ops"), ("outsider", "nova")] {
        let message = format!("certificate authentication failed for user \"{user}\"");
        assert_says(&with(user, certificate), &message);
    }
    let none = "user=nova dbname=certified sslmode=require sslcert=none";
    let message = "certificate authentication failed for user \"nova\"";
    assert_says(&server.psql(none, ""), message);
    assert_says(&server.psql("user=nova dbname=certified sslmode=disable", ""), message);
    let stranger = CertificateAuthority::new();
    stranger.client("nova").write(server.folder(), "stranger");
    assert!(!with("nova", "stranger").contains("reached"));
    assert_ne!(stranger.pem(), server.authority());
}

#[test]
fn trust_asks_nobody() {
    let server = Server::start(TlsMode::Allow);
    assert_says(&server.psql("user=nova dbname=trusting", ""), "reached as nova");
    assert_says(
        &server.psql("user=outsider dbname=trusting", ""),
        "\"trust\" authentication failed for user \"outsider\"",
    );
}

const PSYCOPG: &str = "\
import sys, psycopg
try: psycopg.connect(sys.argv[1])
except psycopg.Error as error: print(error)
";

const ASYNCPG: &str = "\
import sys, asyncio, asyncpg, ssl
context = ssl.create_default_context(cafile=sys.argv[3])
async def main():
    for tls in (False, context):
        try: await asyncpg.connect(host='localhost', port=int(sys.argv[2]), user='nova',
            database='app', password='s3cret', ssl=tls, server_settings={'a.b': 'c'})
        except Exception as error: print(error)
asyncio.run(main())
";

const PG8000: &str = "\
import sys, pg8000.dbapi, ssl
context = ssl.create_default_context(cafile=sys.argv[3])
for tls in (False, context):
    try: pg8000.dbapi.connect('nova', host='localhost', port=int(sys.argv[2]),
        database='app', password='s3cret', ssl_context=tls)
    except Exception as error: print(error)
";

#[test]
fn drivers_log_in() {
    let server = Server::start(TlsMode::Allow);
    let login = "user=nova dbname=app password=s3cret";
    for (how, expected) in [
        ("sslmode=disable", "TCP, no TLS, protocol 3.0"),
        ("sslmode=disable max_protocol_version=3.2", "TCP, no TLS, protocol 3.2"),
        ("sslmode=verify-full sslnegotiation=direct", "TCP, direct TLSv1.3 for localhost"),
        (
            "sslmode=verify-full sslnegotiation=direct channel_binding=require \
             max_protocol_version=latest",
            "TCP, direct TLSv1.3 for localhost, protocol 3.2, keys true",
        ),
        ("sslmode=require require_auth=scram-sha-256", "TCP, requested TLSv1.3"),
    ] {
        assert_says(&server.python(PSYCOPG, &format!("{login} {how}")), expected);
    }
    for script in [ASYNCPG, PG8000] {
        let said = server.python(script, "");
        assert_says(&said, "reached as nova, TCP, no TLS");
        assert_says(&said, "reached as nova, TCP, requested TLSv1.3 for localhost");
    }
}

#[test]
fn direct_tls_without_the_protocols_name_is_refused() {
    let server = Server::start(TlsMode::Allow);
    let script = "\
import sys, socket, ssl
for names in ([], ['http/1.1'], ['postgresql']):
    context = ssl.create_default_context(cafile=sys.argv[3])
    if names: context.set_alpn_protocols(names)
    plain = socket.create_connection(('localhost', int(sys.argv[2])))
    try:
        with context.wrap_socket(plain, server_hostname='localhost') as stream:
            stream.sendall(b'\\0\\0\\0\\x08\\0\\x03\\0\\0')
            print(names, stream.recv(1))
    except OSError as error: print(names, 'refused')
";
    let said = server.python(script, "");
    assert_says(&said, "['postgresql'] b'E'");
    assert_says(&said, "['http/1.1'] refused");
    assert!(said.contains("[] b''") || said.contains("[] refused"), "{said}");
    let disabled = Server::start(TlsMode::Disable);
    assert_says(&disabled.python(script, ""), "['postgresql'] refused");
}

/// Sends bytes, and gives everything that comes back until the end.
fn answer(server: &Server, parts: &[&[u8]]) -> Vec<u8> {
    let mut stream = server.connect();
    for part in parts {
        stream.write_all(part).unwrap();
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// SQLSTATE and message of the ErrorResponse at the end of `bytes`, behind `before`.
#[track_caller]
fn error_behind(before: &[u8], bytes: &[u8]) -> (String, String) {
    let error = bytes.strip_prefix(before).unwrap_or_else(|| panic!("{bytes:?}"));
    let header = Header::from_backend(error).unwrap().unwrap();
    assert_eq!((header.kind, header.message_length()), (b'E', error.len()));
    let fields = Fields::new(&error[HEADER_LENGTH..]);
    let text = |letter| fields.text(letter).unwrap().into_owned();
    (text(b'C'), text(b'M'))
}

const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSSENC_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";

fn startup_packet(minor: u16, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let parameters: Vec<(&[u8], &[u8])> =
        parameters.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    startup(&mut out, protocol_version(3, minor), &parameters);
    out.to_vec()
}

#[test]
fn requests_for_encryption_are_answered_once_each() {
    let server = Server::start(TlsMode::Disable);
    let login = startup_packet(0, &[("user", "outsider"), ("database", "trusting")]);
    for requests in [
        &[SSL_REQUEST][..],
        &[GSSENC_REQUEST],
        &[SSL_REQUEST, GSSENC_REQUEST],
        &[GSSENC_REQUEST, SSL_REQUEST],
    ] {
        let mut stream = server.connect();
        for request in requests {
            stream.write_all(request).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            assert_eq!(&byte, b"N");
        }
        stream.write_all(&login).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(error_behind(b"", &answer).0, "28000");
    }
    for (request, number) in [(SSL_REQUEST, 5679), (GSSENC_REQUEST, 5680)] {
        let mut stream = server.connect();
        stream.write_all(request).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let message =
            format!("unsupported frontend protocol 1234.{number}: server supports 3.0 to 3.2");
        assert_eq!(error_behind(b"", &answer), ("0A000".to_owned(), message));
    }
}

#[test]
fn bytes_behind_a_request_for_encryption_are_an_error() {
    for mode in [TlsMode::Allow, TlsMode::Disable] {
        let server = Server::start(mode);
        let login = startup_packet(0, &[("user", "nova"), ("database", "trusting")]);
        for (request, name) in [(SSL_REQUEST, "SSL"), (GSSENC_REQUEST, "GSSAPI encryption")] {
            let answer = answer(&server, &[&[request, &login].concat()]);
            let message = format!("received unencrypted data after {name} request");
            assert_eq!(error_behind(b"", &answer), ("08P01".to_owned(), message));
        }
    }
}

#[test]
fn versions_and_options_that_are_not_known_are_negotiated() {
    let server = Server::start(TlsMode::Disable);
    let user = ("user", "outsider");
    let place = ("database", "trusting");
    let greased = answer(&server, &[&startup_packet(9999, &[user, place, ("_pq_.x", "1")])]);
    error_behind(b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0", &greased);
    let old = answer(&server, &[&startup_packet(0, &[user, place, ("_pq_.x", "1")])]);
    error_behind(b"v\0\0\0\x13\0\x03\0\0\0\0\0\x01_pq_.x\0", &old);
    error_behind(b"", &answer(&server, &[&startup_packet(2, &[user, place])]));
    let two = answer(&server, &[b"\0\0\0\x0a\0\x02\0\0\0\0"]);
    let line = "EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.2\n\0";
    assert_eq!(String::from_utf8(two).unwrap(), line);
    let bad = startup_packet(0, &[user, place, ("options", "-z")]);
    let message = "invalid command-line argument for server process: -z".to_owned();
    assert_eq!(error_behind(b"", &answer(&server, &[&bad])), ("42601".to_owned(), message));
}

#[test]
fn what_is_no_packet_gets_no_answer() {
    let server = Server::start(TlsMode::Allow);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\0", b"\0\0\0\x07abc", &[0xff; 40]] {
        assert_eq!(answer(&server, &[bytes]), b"", "{bytes:?}");
    }
    // a port probe, and one that dies half-way: the server is there for the next
    drop(server.connect());
    server.connect().write_all(b"\0\0").unwrap();
    assert_says(&server.psql("user=nova dbname=trusting", ""), "reached as nova");
}

#[tokio::test]
async fn cancel_requests_and_departures_are_told_apart() {
    let settings = config(TlsMode::Require, &CertificateAuthority::new()).server;
    let bound = Bound::bind(&ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    let listener = bound.listener(KEEPALIVE).unwrap();
    let ListenAddress::Tcp(address) = *bound.address() else { panic!("not TCP") };
    let outcome = async |bytes: &[u8]| {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(bytes).unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        drop(client);
        handshake(stream, peer, &settings).await.map_err(|error| error.to_string())
    };
    for key in [&b"4key"[..], &[7; 32], &[9; 256]] {
        let mut packet = BytesMut::new();
        cancel_request(&mut packet, 4711, key);
        match outcome(&packet).await {
            Ok(Handshake::Cancel { process_id: 4711, key: asked, .. }) => assert_eq!(asked, key),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(outcome(b"").await, Ok(Handshake::Closed)));
    for (bytes, error) in [
        (&b"\0\0"[..], "incomplete startup packet"),
        (b"\0\0\0\x10\0\x03", "incomplete startup packet"),
        (b"\0\0\x27\x15\0\x03", "invalid length of startup packet"),
        (b"\0\0\0\x0c\x04\xd2\x16\x2e\0\0\0\x01", "invalid length of cancel request packet"),
    ] {
        assert_eq!(outcome(bytes).await.unwrap_err(), error);
    }
}

#[test]
fn a_hidden_offer_of_channel_binding_is_noticed() {
    let server = Server::start(TlsMode::Allow);
    let script = "\
import sys, socket, ssl, struct
plain = socket.create_connection(('localhost', int(sys.argv[2])))
plain.sendall(struct.pack('!ii', 8, 80877103)); plain.recv(1)
context = ssl.create_default_context(cafile=sys.argv[3])
stream = context.wrap_socket(plain, server_hostname='localhost')
body = b'\\0\\x03\\0\\0user\\0nova\\0database\\0app\\0\\0'
stream.sendall(struct.pack('!i', len(body) + 4) + body)
print(stream.recv(999))
first = b'y,,n=,r=abc'
body = b'SCRAM-SHA-256\\0' + struct.pack('!i', len(first)) + first
stream.sendall(b'p' + struct.pack('!i', len(body) + 4) + body)
print(stream.recv(999))
";
    let said = server.python(script, "");
    assert_says(&said, "SCRAM-SHA-256-PLUS\\x00SCRAM-SHA-256\\x00\\x00");
    assert_says(&said, "SCRAM channel binding negotiation error");
}
