//! A relay of the test's own between the proxy and a leg's server: it passes real bytes on message by
//! message, counts them, and cuts a connection where it is told to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::support::wire::Frames;
use super::support::{Cluster, Wire};

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Proxy,
    Server,
}

/// Where a connection is cut: what the message has come to by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Before,
    Within,
    After,
}

/// How it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Both sides see an orderly end.
    Close,
    /// Both sides see RST.
    Reset,
    /// An administrator ends the server's process.
    Terminate,
}

/// A cut: at which message of which sender, counted from 0 over the connections since
/// [`Tap::arm`].
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub from: From,
    pub message: usize,
    pub place: Place,
    pub how: How,
}

#[derive(Default)]
struct State {
    /// Connections of earlier generations neither count nor are cut.
    generation: u64,
    cut: Option<Cut>,
    /// Who sent what, in order.
    passed: Vec<(From, u8)>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    /// Ends server processes.
    admin: Mutex<Wire>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A relay; ended when dropped.
pub struct Tap {
    pub port: u16,
    shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

impl Tap {
    pub fn start(cluster: &Cluster) -> Tap {
        let shared = Arc::new(Shared {
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, cluster.port())),
            state: Mutex::default(),
            admin: Mutex::new(cluster.connect("postgres")),
        });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let serving = async {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((proxy, _)) = listener.accept().await {
                    let generation = served.state().generation;
                    spawn_local(relay(proxy, served.clone(), generation));
                }
            };
            LocalSet::new().block_on(&runtime.unwrap(), async {
                tokio::select! {
                    _ = stopped => {}
                    () = serving => {}
                }
            });
        });
        Tap { port, shared, _stop: stop }
    }

    /// Counts anew, and cuts (or does not).
    pub fn arm(&self, cut: Option<Cut>) {
        let mut state = self.shared.state();
        state.generation += 1;
        state.cut = cut;
        state.passed.clear();
    }

    /// The messages that a sender has sent.
    pub fn count(&self, from: From) -> usize {
        self.shared.state().passed.iter().filter(|(sender, _)| *sender == from).count()
    }

    /// How often the proxy had to wait for the server since the last call, and the kinds of the
    /// messages in order: the proxy's behind `>`, the server's behind `<`.
    pub fn trips(&self) -> (usize, String) {
        let passed = std::mem::take(&mut self.shared.state().passed);
        let mut trips = 0;
        let mut shown = String::new();
        let mut last = From::Server;
        for (from, kind) in passed {
            if from != last {
                trips += usize::from(from == From::Proxy);
                shown.push(if from == From::Proxy { '>' } else { '<' });
            }
            shown.push(kind as char);
            last = from;
        }
        (trips, shown)
    }

    /// Whether the cut has been made.
    pub fn has_cut(&self) -> bool {
        self.shared.state().cut.is_none()
    }
}

/// What becomes of a message.
enum Fate {
    Pass,
    Cut(Cut),
}

/// A connection: the streams of both senders, and what they have sent.
struct Link {
    streams: [TcpStream; 2],
    buffers: [BytesMut; 2],
    shared: Arc<Shared>,
    generation: u64,
    greeted: bool,
    /// The server's process, once it has said so.
    process: u32,
}

async fn relay(proxy: TcpStream, shared: Arc<Shared>, generation: u64) {
    let Ok(server) = TcpStream::connect(shared.server).await else { return };
    let streams = [proxy, server];
    streams.iter().for_each(|stream| stream.set_nodelay(true).unwrap());
    let buffers = Default::default();
    let link = Link { streams, buffers, shared, generation, greeted: false, process: 0 };
    // a broken connection is what this is about
    let _ = link.run().await;
}

impl Link {
    async fn run(mut self) -> io::Result<()> {
        let mut open = [true, true];
        while open[0] || open[1] {
            let [proxy, server] = &mut self.streams;
            let [of_proxy, of_server] = &mut self.buffers;
            let (from, length) = tokio::select! {
                biased;
                read = server.read_buf(of_server), if open[1] => (From::Server, read?),
                read = proxy.read_buf(of_proxy), if open[0] => (From::Proxy, read?),
            };
            if length == 0 {
                open[from as usize] = false;
                let _ = self.streams[1 - from as usize].shutdown().await;
            }
            while let Some(message) = self.next(from) {
                match self.fate(from, &message) {
                    Fate::Pass => self.pass(from, &message).await?,
                    Fate::Cut(cut) => {
                        let before = match cut.place {
                            Place::Before => 0,
                            Place::Within => message.len() / 2,
                            Place::After => message.len(),
                        };
                        if cut.how == How::Terminate && self.process != 0 {
                            if cut.place == Place::After {
                                self.pass(from, &message).await?;
                            }
                            self.terminate();
                            if cut.place != Place::After {
                                let _ = self.pass(from, &message).await;
                            }
                            continue;
                        }
                        self.pass(from, &message[..before]).await?;
                        return self.cut(cut.how).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// The next whole message, off the buffer.
    fn next(&mut self, from: From) -> Option<BytesMut> {
        let buffer = &mut self.buffers[from as usize];
        let tag = usize::from(self.greeted || from == From::Server);
        let mut length = buffer.get(tag..tag + 4)?;
        let length = length.get_u32() as usize + tag;
        let message = (buffer.len() >= length).then(|| buffer.split_to(length))?;
        if tag == 0 {
            // else the server would answer with one byte
            assert_eq!(message[4..6], [0, 3], "a startup packet: the URL says sslmode=disable");
            self.greeted = true;
        }
        if from == From::Server && message[0] == b'K' {
            self.process = (&message[5..9]).get_u32();
        }
        Some(message)
    }

    fn fate(&self, from: From, message: &[u8]) -> Fate {
        let mut state = self.shared.state();
        if state.generation != self.generation {
            return Fate::Pass;
        }
        let number = state.passed.iter().filter(|(sender, _)| *sender == from).count();
        let kind = if message[0] == 0 { b'^' } else { message[0] };
        state.passed.push((from, kind));
        match state.cut.take_if(|cut| cut.from == from && cut.message == number) {
            Some(cut) => Fate::Cut(cut),
            None => Fate::Pass,
        }
    }

    async fn pass(&mut self, from: From, bytes: &[u8]) -> io::Result<()> {
        let written = self.streams[1 - from as usize].write_all(bytes).await;
        // a server that has gone has left something to read
        if from == From::Proxy { Ok(()) } else { written }
    }

    fn terminate(&self) {
        let end = format!("SELECT pg_terminate_backend({}, 5000)", self.process);
        let mut admin = self.shared.admin.lock().unwrap();
        admin.send(&Frames::new().query(&end)).unwrap();
        // the last one may be under way as the server is stopped
        while let Ok(message) = admin.receive() {
            match message.tag {
                b'E' => panic!("{}", message.fields()),
                b'Z' => break,
                _ => {}
            }
        }
    }

    async fn cut(mut self, how: How) -> io::Result<()> {
        if how == How::Reset {
            for stream in &self.streams {
                socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
            }
            return Ok(());
        }
        for stream in &mut self.streams {
            let _ = stream.shutdown().await;
        }
        // what is left unread at the end would make a reset of it
        for stream in &mut self.streams {
            let mut rest = Vec::new();
            let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        }
        Ok(())
    }
}
