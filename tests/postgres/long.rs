//! Texts that take long to judge hold up nobody else.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::support::proxy::PROD;
use super::support::wire::Frames;
use super::support::{Cluster, Proxy, Wire};

const MEBIBYTE: usize = 1 << 20;

/// Sessions beside the long one: more than there are threads, so that some share its.
const BESIDE: usize = 8;

/// Of `text` with others going on: how long it took, and of those that were beside it the longest
/// time that all of a round's took.
fn beside(proxy: &Proxy, text: &str) -> (Duration, Duration) {
    let mut others: Vec<Wire> = (0..BESIDE).map(|_| proxy.connect("prod")).collect();
    let mut long = proxy.connect("prod");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = &over;
        let rounds = scope.spawn(move || {
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::SeqCst) {
                let began = Instant::now();
                for (at, other) in others.iter_mut().enumerate() {
                    // new texts, so that they are judged as well
                    let number = began.elapsed().as_nanos() + at as u128;
                    assert_eq!(other.value(&format!("SELECT {number}")), number.to_string());
                }
                longest = longest.max(began.elapsed());
            }
            longest
        });
        let began = Instant::now();
        long.send(&Frames::new().query(text)).unwrap();
        let answer = receive(&mut long);
        let took = began.elapsed();
        over.store(true, Ordering::SeqCst);
        let round = rounds.join().unwrap();
        assert_eq!(answer.unwrap(), b'E', "it is DDL, or too much to be judged");
        (took, round)
    })
}

/// The first message, however long it takes (a wire waits some seconds only).
fn receive(wire: &mut Wire) -> io::Result<u8> {
    for _ in 0..20 {
        match wire.receive() {
            Ok(message) => return Ok(message.tag),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(io::ErrorKind::TimedOut))
}

#[test]
fn a_text_of_16_megabytes_holds_up_nobody() {
    let cluster = Cluster::builder().start();
    let proxy =
        Proxy::builder().upstream("prod", PROD, &cluster).trusted("prod", "prod", "").start();
    // refused at its end, so that the server never sees it
    let repeated = |unit: &str| unit.repeat(16 * MEBIBYTE / unit.len());
    let values = format!("INSERT INTO t VALUES (0){}; DROP TABLE t", repeated(",(1,'some text')"));
    let (took, round) = beside(&proxy, &values);
    // the bound is the ratio: where the machine is slow, both are
    assert!(round * 3 < took || round < Duration::from_millis(200), "{round:?} beside {took:?}");
    for (what, text) in [
        ("nested comments", format!("{} SELECT 1", "/*".repeat(100_000))),
        ("comments", repeated("/* a */")),
        ("operators", format!("SELECT {}1", repeated("+-"))),
        ("brackets", format!("SELECT {}1", repeated("("))),
    ] {
        let text = format!("{text}; DROP TABLE t");
        let (took, round) = beside(&proxy, &text);
        let (took, round) = (took.max(Duration::from_millis(100)), round);
        assert!(round < took * 2 + Duration::from_millis(200), "{what}: {round:?} beside {took:?}");
    }
}
