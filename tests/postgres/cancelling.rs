//! Cancel requests: passed on, and however many come, a few connections to the server.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::support::proxy::STAGING;
use super::support::wire::Frames;
use super::support::wire::cancel_encrypted;
use super::support::{CertificateAuthority, Cluster, Proxy, Wire};

/// A way to the server that counts the connections over it, and is slow to open them.
fn slow_way(to: u16, counted: &Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let counted = Arc::clone(counted);
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(300));
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { return };
                let (mut from, mut into) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                let up = thread::spawn(move || pump(&mut from, &mut into));
                let (mut from, mut into) = (server, client);
                pump(&mut from, &mut into);
                let _ = up.join();
            });
        }
    });
    port
}

fn pump(from: &mut TcpStream, into: &mut TcpStream) {
    let _ = io::copy(from, into);
    let _ = into.flush();
    let _ = into.shutdown(Shutdown::Write);
}

/// What became of a statement that runs for a minute unless it is cancelled.
fn cancelled(proxy: &Proxy, wire: &mut Wire, cancels: usize) -> String {
    wire.send(&Frames::new().query("SELECT pg_sleep(60)")).unwrap();
    let (process, secret) = wire.key.clone();
    let length = u32::try_from(12 + secret.len()).unwrap().to_be_bytes();
    let code = 80_877_102_u32.to_be_bytes();
    let request = [&length[..], &code, &process.to_be_bytes(), &secret].concat();
    let mut ways: Vec<TcpStream> = (0..cancels)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).unwrap())
        .collect();
    ways.iter_mut().for_each(|way| way.write_all(&request).unwrap());
    // each is closed once it has been passed on
    ways.iter_mut().for_each(|way| assert_eq!(way.read(&mut [0]).unwrap_or(0), 0));
    let messages = wire.receive_until(b'Z');
    let error = messages.iter().find(|one| one.tag == b'E');
    error.map_or(String::new(), |error| error.fields().code().to_owned())
}

#[test]
fn a_flood_of_cancel_requests_for_one_session_takes_few_connections() {
    let cluster = Cluster::builder().start();
    let counted = Arc::new(AtomicUsize::new(0));
    let way = slow_way(cluster.port(), &counted);
    let url = cluster.url("app", "app").replace(&cluster.port().to_string(), &way.to_string());
    let proxy = Proxy::builder()
        .upstream_at("local", STAGING, &url, "")
        .trusted("app", "local", "")
        .start();
    let mut wire = proxy.connect("app");
    let before = counted.load(Ordering::SeqCst);
    assert_eq!(cancelled(&proxy, &mut wire, 60), "57014");
    let taken = counted.load(Ordering::SeqCst) - before;
    assert!((1..=4).contains(&taken), "{taken} connections for 60 cancel requests");
    // the next statement has its own
    assert_eq!(wire.value("SELECT 1"), "1");
    assert_eq!(cancelled(&proxy, &mut wire, 1), "57014");
    assert!(counted.load(Ordering::SeqCst) - before > taken);
}

/// A client takes the end of a TLS connection that is not said for an error: libpq says then that the
/// cancel request failed.
#[test]
fn the_end_of_an_encrypted_connection_is_said() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().start();
    let proxy = Proxy::builder()
        .tls(&authority, "require")
        .upstream("local", STAGING, &cluster)
        .trusted("app", "local", "")
        .relayed("relayed", "local", "")
        .scram("own", "local", "")
        .start();
    let login = |entry: &str| proxy.login(entry).tls(authority.pem(), "localhost");
    let mut wire = Wire::tcp(proxy.port, &login("app")).unwrap();
    wire.send(&Frames::new().query("SELECT pg_sleep(60)")).unwrap();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(cancel_encrypted(&wire, &login("app")).unwrap(), 0);
    let messages = wire.receive_until(b'Z');
    let error = messages.iter().find(|one| one.tag == b'E').unwrap();
    assert_eq!(error.fields().code(), "57014");
    // the upstream's own refusal, the proxy's, and the end of a session
    for entry in ["relayed", "own"] {
        let mut refused = Wire::refused(proxy.port, &login(entry).password("wrong"));
        assert_eq!(refused.end().map_err(|error| error.to_string()), Ok(()), "{entry}");
    }
    let process = wire.value("SELECT pg_backend_pid()");
    cluster.sql("postgres", &format!("SELECT pg_terminate_backend({process})"));
    assert_eq!(wire.receive().unwrap().fields().code(), "57P01");
    assert_eq!(wire.end().map_err(|error| error.to_string()), Ok(()));
}
