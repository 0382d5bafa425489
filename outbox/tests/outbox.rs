//! Real sockets: what is written arrives, whole, in order and where it belongs.

#![allow(clippy::unwrap_used)]

use std::io;
use std::rc::Rc;
use std::time::Duration;

use pgauthority_outbox::{Outbox, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::time::timeout;

fn runtime() -> LocalRuntime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap()
}

/// Runs a test on a runtime of one thread, with an outbox that is pumped.
fn run(test: impl AsyncFnOnce(Rc<Outbox>)) {
    runtime().block_on(async {
        let Some(outbox) = outbox() else { return };
        let pump = tokio::task::spawn_local(outbox.pump());
        timeout(Duration::from_secs(60), test(outbox)).await.expect("it hangs");
        pump.abort();
    })
}

/// `None` where the kernel has no io_uring for this process: then there is nothing to be tested.
fn outbox() -> Option<Rc<Outbox>> {
    match Outbox::new() {
        Ok(outbox) => Some(outbox),
        Err(error) => {
            let known = [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported];
            assert!(known.contains(&error.kind()), "{error:?}");
            eprintln!("skipped: no io_uring here: {error}");
            None
        }
    }
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, theirs) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (ours.unwrap(), theirs.unwrap().0)
}

fn socket(stream: TcpStream, outbox: &Rc<Outbox>) -> Socket<TcpStream> {
    let mut socket = Socket::new(stream);
    socket.use_outbox(Some(outbox));
    socket
}

/// Bytes that tell where they belong: a stream's number and how far it is.
fn bytes(of: usize, at: usize, length: usize) -> Vec<u8> {
    (at..at + length).map(|at| (at / 251 + at + of * 31) as u8).collect()
}

/// Deterministic and good enough.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

#[test]
fn many_sockets_get_what_is_theirs_in_order() {
    run(async |outbox| {
        let mut tasks = Vec::new();
        for number in 0..300 {
            let (ours, mut theirs) = pair().await;
            let mut socket = socket(ours, &outbox);
            let total = 20_000 + number * 100;
            tasks.push(tokio::task::spawn_local(async move {
                let (mut at, mut state) = (0, number as u64);
                while at < total {
                    let length = match random(&mut state) % 20 {
                        0 => 9000,
                        _ => 1 + random(&mut state) % 300,
                    };
                    let length = length.min(total - at);
                    socket.write_all(&bytes(number, at, length)).await.unwrap();
                    at += length;
                    if random(&mut state) % 3 == 1 {
                        tokio::task::yield_now().await;
                    }
                }
                // dropped with the last in the outbox
            }));
            tasks.push(tokio::task::spawn_local(async move {
                let mut got = Vec::new();
                theirs.read_to_end(&mut got).await.unwrap();
                assert!(got == bytes(number, 0, total), "stream {number}");
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn what_a_full_socket_refuses_comes_later_and_in_order() {
    run(async |outbox| {
        let (ours, mut theirs) = pair().await;
        let mut socket = socket(ours, &outbox);
        let total = 24 * 1024 * 1024;
        let writing = tokio::task::spawn_local(async move {
            let mut at = 0;
            while at < total {
                let length = (700 + at % 5000).min(total - at);
                socket.write_all(&bytes(1, at, length)).await.unwrap();
                socket.flush().await.unwrap();
                at += length;
            }
            socket.shutdown().await.unwrap();
            at
        });
        // nothing is read until the socket must be full
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!writing.is_finished(), "it took {total} bytes");
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(writing.await.unwrap(), got.len());
        assert!(got == bytes(1, 0, total));
    });
}

#[test]
fn a_full_socket_holds_up_no_other() {
    run(async |outbox| {
        let (ours, _unread) = pair().await;
        let mut full = socket(ours, &outbox);
        let stuck = tokio::task::spawn_local(async move {
            loop {
                full.write_all(&[0; 3000]).await.unwrap();
                full.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (ours, mut theirs) = pair().await;
        let mut free = socket(ours, &outbox);
        for _ in 0..1000 {
            free.write_all(b"ping").await.unwrap();
            let mut got = [0; 4];
            theirs.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, b"ping");
        }
        stuck.abort();
    });
}

/// A file's number is given to the next one that is opened: what waits must not go there.
#[test]
fn nothing_goes_to_the_next_file_of_the_same_number() {
    run(async |outbox| {
        for _ in 0..200 {
            let (other, mut heard) = pair().await;
            let mut other = socket(other, &outbox);
            let (ours, mut theirs) = pair().await;
            let mut leaving = socket(ours, &outbox);
            other.write_all(b"other").await.unwrap();
            leaving.write_all(b"last words").await.unwrap();
            drop(leaving);
            let (next, mut next_hears) = UnixStream::pair().unwrap();
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, b"last words");
            drop(next);
            got.clear();
            next_hears.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, b"");
            drop(other);
            heard.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, b"other");
        }
    });
}

#[test]
fn without_a_pump_nothing_is_lost_that_is_flushed_by_shutdown_or_drop() {
    runtime().block_on(async {
        let Some(outbox) = outbox() else { return };
        let (ours, mut theirs) = pair().await;
        let mut one = socket(ours, &outbox);
        one.write_all(b"abc").await.unwrap();
        let mut got = [0; 3];
        let early = timeout(Duration::from_millis(50), theirs.read_exact(&mut got)).await;
        assert!(early.is_err(), "it waits in the outbox");
        one.use_outbox(None);
        theirs.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"abc");
        one.write_all(b"def").await.unwrap();
        theirs.read_exact(&mut got).await.unwrap();
        one.use_outbox(Some(&outbox));
        one.write_all(b"ghi").await.unwrap();
        one.shutdown().await.unwrap();
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"ghi");
    });
}

#[test]
fn a_peer_that_has_gone_is_an_error_and_no_signal() {
    run(async |outbox| {
        let (ours, theirs) = pair().await;
        let mut one = socket(ours, &outbox);
        theirs.set_zero_linger().unwrap();
        drop(theirs);
        let error = loop {
            // with a second socket, so that it is the ring that sends
            let (other, _heard) = pair().await;
            let mut other = socket(other, &outbox);
            other.write_all(b"x").await.unwrap();
            if let Err(error) = one.write_all(b"x").await {
                break error;
            }
            tokio::task::yield_now().await;
        };
        let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error:?}");
    });
}

#[test]
fn more_than_the_outbox_holds_goes_at_once() {
    run(async |outbox| {
        let mut all = Vec::new();
        for _ in 0..200 {
            let (ours, theirs) = pair().await;
            all.push((socket(ours, &outbox), theirs));
        }
        for (number, (ours, _)) in all.iter_mut().enumerate() {
            ours.write_all(&bytes(number, 0, 4096)).await.unwrap();
        }
        for (number, (_, theirs)) in all.iter_mut().enumerate() {
            let mut got = vec![0; 4096];
            theirs.read_exact(&mut got).await.unwrap();
            assert!(got == bytes(number, 0, 4096));
        }
    });
}
