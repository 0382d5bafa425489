//! A leg that is being connected: the client can cancel what needs it, and leave.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::places::Places;
use super::support::wire::Frames;
use super::support::{Major, Wire};
use super::told::codes;

const WRITE: &str = "INSERT INTO w1 VALUES (70, 'never')";

/// Sends what needs a leg that is not there; its connection is under way once this returns.
fn needs(session: &mut Wire, frames: &Frames, listener: &TcpListener) -> TcpStream {
    session.send(frames).unwrap();
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Nobody wants this connection any more.
fn is_dropped(mut there: TcpStream) {
    let began = Instant::now();
    let mut asked = Vec::new();
    let _ = there.read_to_end(&mut asked);
    assert!(began.elapsed() < Duration::from_secs(5), "it is kept");
}

#[test]
fn a_cancel_request_ends_the_statement_and_not_the_session() {
    let places = Places::start(Major::V15);
    let (listener, proxy) = places.silent("local", "");
    for frames in [Frames::new().query(WRITE), Frames::new().run(WRITE, &[]).sync()] {
        let mut session = proxy.connect("both");
        for (first, status) in [("SELECT 1", 'I'), ("BEGIN", 'E')] {
            session.sql(first);
            assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
            let there = needs(&mut session, &frames, &listener);
            session.cancel().unwrap();
            let answers = session.receive_until(b'Z');
            assert_eq!(codes(&answers), ["57014"], "{first}: {answers:?}");
            is_dropped(there);
            assert_eq!(session.status(), status);
        }
        session.sql("ROLLBACK");
        assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
        // what runs on the leg that is there can be cancelled as ever
        session.send(&Frames::new().query("SELECT pg_sleep(20)")).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        session.cancel().unwrap();
        assert_eq!(codes(&session.receive_until(b'Z')), ["57014"]);
    }
}

#[test]
fn it_ends_a_call_that_waits_for_the_catalog() {
    let places = Places::start(Major::V15);
    let (listener, proxy) = places.silent("neon", "login_timeout = \"3s\"");
    let mut session = proxy.connect("both");
    is_dropped(listener.accept().unwrap().0);
    session.sql("DELETE FROM w1 WHERE false");
    let call = "SELECT note('called')";
    for frames in [Frames::new().query(call), Frames::new().run(call, &[]).sync()] {
        let there = needs(&mut session, &frames, &listener);
        session.cancel().unwrap();
        assert_eq!(codes(&session.receive_until(b'Z')), ["57014"]);
        is_dropped(there);
        assert_eq!(session.status(), 'I');
    }
    session.sql("DELETE FROM w1 WHERE false");
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let places = Places::start(Major::V15);
    let (listener, proxy) = places.silent("local", "");
    for goodbye in [false, true] {
        let mut session = proxy.connect("both");
        session.sql("BEGIN");
        session.sql("SELECT b FROM r1");
        let there = needs(&mut session, &Frames::new().query(WRITE), &listener);
        if goodbye {
            session.send(&Frames::new().terminate()).unwrap();
        }
        drop(session);
        is_dropped(there);
    }
}

/// What a server says that has no place for one more.
fn refuses(mut there: TcpStream) {
    let mut startup = [0; 4096];
    if there.read(&mut startup).unwrap() == 8 {
        // it speaks no TLS either
        there.write_all(b"N").unwrap();
        assert!(there.read(&mut startup).unwrap() > 8);
    }
    let fields = b"SFATAL\0VFATAL\0C53300\0Mtoo many\0\0";
    let length = u32::try_from(4 + fields.len()).unwrap().to_be_bytes();
    there.write_all(&[b"E", &length[..], fields].concat()).unwrap();
}

#[test]
fn what_a_client_sends_meanwhile_is_not_lost() {
    let places = Places::start(Major::V15);
    let (listener, proxy) = places.silent("local", "");
    let mut session = proxy.connect("both");
    let there = needs(&mut session, &Frames::new().query(WRITE), &listener);
    session.send(&Frames::new().query("SELECT b FROM r1 WHERE a = 2")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    refuses(there);
    assert_eq!(codes(&session.receive_until(b'Z')), ["53300"]);
    let answers = session.receive_until(b'Z');
    let row = answers.iter().find(|message| message.tag == b'D').unwrap();
    assert_eq!(row.columns()[0].as_deref(), Some("two"));
}
