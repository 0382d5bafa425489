//! What passes between a command and the proxy, seen: how many sessions there were, and every
//! error that the server sent with the statement that it was for. Changes not a byte.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::protocol::{Fields, InitialPacket, backend, frontend};

/// Bytes copied at a time, each way.
const CHUNK: usize = 32 * 1024;
/// What is kept of a message.
const KEPT: usize = 16 * 1024;
/// How many errors are kept, the newest.
const ERRORS: usize = 50;

/// An error that the server sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// Its SQLSTATE.
    pub sqlstate: String,
    /// Its message, in the server's language.
    pub message: String,
    /// The statement sent last before it.
    pub statement: String,
}

/// What one command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Sessions that got as far as ReadyForQuery.
    pub sessions: usize,
    /// Errors, oldest first.
    pub errors: Vec<ServerError>,
}

/// A port on the loopback interface that leads to the proxy; gone when dropped.
pub struct Tap {
    port: u16,
    seen: Arc<Mutex<Seen>>,
    serving: JoinHandle<()>,
}

impl Tap {
    /// Listens; the proxy is at `proxy`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(proxy: SocketAddr) -> io::Result<Tap> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let serving = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((client, _)) => {
                        let seen = Arc::clone(&shared);
                        tokio::spawn(async move {
                            // either side that breaks off is told so by its end of the stream
                            let _ = session(client, proxy, seen).await;
                        });
                    }
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                }
            }
        });
        Ok(Tap { port, seen, serving })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What was seen since the last call.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut *lock(&self.seen))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn session(
    mut client: TcpStream,
    proxy: SocketAddr,
    seen: Arc<Mutex<Seen>>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let Some(startup) = startup(&mut client).await? else { return Ok(()) };
    let mut server = TcpStream::connect(proxy).await?;
    server.set_nodelay(true)?;
    server.write_all(&startup).await?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let statement = Arc::new(Mutex::new(String::new()));
    let sent = Arc::clone(&statement);
    let mut statements = Messages::new(|kind| matches!(kind, frontend::QUERY | frontend::PARSE));
    let there = copy(from_client, to_server, move |bytes| {
        statements.feed(bytes, |kind, body| {
            let text = statement_text(kind, body);
            *sent.lock().unwrap_or_else(PoisonError::into_inner) = text;
        });
    });
    let mut ready = false;
    let mut answers =
        Messages::new(|kind| matches!(kind, backend::ERROR_RESPONSE | backend::READY_FOR_QUERY));
    let back = copy(from_server, to_client, move |bytes| {
        answers.feed(bytes, |kind, body| {
            let mut seen = lock(&seen);
            if kind == backend::READY_FOR_QUERY {
                seen.sessions += usize::from(!ready);
                ready = true;
                return;
            }
            let statement = statement.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if seen.errors.len() == ERRORS {
                seen.errors.remove(0);
            }
            seen.errors.push(server_error(body, statement));
        });
    });
    tokio::try_join!(there, back).map(|_| ())
}

/// The startup packet, or a cancel request, length word included; encryption is declined.
async fn startup(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    for _ in 0..3 {
        let mut length = [0; 4];
        client.read_exact(&mut length).await?;
        let Ok(body) = InitialPacket::body_length(length) else { return Ok(None) };
        let mut packet = vec![0; 4 + body];
        packet[..4].copy_from_slice(&length);
        client.read_exact(&mut packet[4..]).await?;
        match InitialPacket::parse(packet[4..].to_vec().into()) {
            Ok(InitialPacket::SslRequest | InitialPacket::GssEncRequest) => {
                client.write_all(b"N").await?;
            }
            // what is wrong about it the proxy says
            _ => return Ok(Some(packet)),
        }
    }
    Ok(None)
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut look: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        look(&buffer[..count]);
        to.write_all(&buffer[..count]).await?;
    }
}

/// Finds the messages of some types in a stream of them.
struct Messages {
    wanted: fn(u8) -> bool,
    header: Vec<u8>,
    body: Vec<u8>,
    /// Bytes of the body that are still to come.
    left: usize,
}

impl Messages {
    fn new(wanted: fn(u8) -> bool) -> Messages {
        Messages { wanted, header: Vec::new(), body: Vec::new(), left: 0 }
    }

    fn feed(&mut self, mut bytes: &[u8], mut found: impl FnMut(u8, &[u8])) {
        while !bytes.is_empty() {
            if self.header.len() < 5 {
                let take = bytes.len().min(5 - self.header.len());
                self.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                let [_, a, b, c, d] = self.header[..] else { return };
                self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
            }
            let take = bytes.len().min(self.left);
            let kind = self.header[0];
            if (self.wanted)(kind) {
                let room = KEPT.saturating_sub(self.body.len());
                self.body.extend_from_slice(&bytes[..take.min(room)]);
            }
            self.left -= take;
            bytes = &bytes[take..];
            if self.left == 0 {
                if (self.wanted)(kind) {
                    found(kind, &self.body);
                }
                self.header.clear();
                self.body.clear();
            }
        }
    }
}

fn statement_text(kind: u8, body: &[u8]) -> String {
    let mut strings = body.split(|byte| *byte == 0);
    let skipped = usize::from(kind == frontend::PARSE);
    String::from_utf8_lossy(strings.nth(skipped).unwrap_or_default()).into_owned()
}

fn server_error(body: &[u8], statement: String) -> ServerError {
    let fields = Fields::new(body);
    let text = |letter| fields.text(letter).map(|text| text.into_owned()).unwrap_or_default();
    ServerError { sqlstate: text(b'C'), message: text(b'M'), statement }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let mut stream = b"d\0\0\0\x06xyQ\0\0\0\x0dSELECT 1\0S\0\0\0\x04".to_vec();
        stream.extend_from_slice(b"P\0\0\0\x0ea\0SELECT\0\0\0");
        for size in 1..stream.len() {
            let mut texts = Vec::new();
            let mut messages = Messages::new(|kind| matches!(kind, b'Q' | b'P'));
            for chunk in stream.chunks(size) {
                messages.feed(chunk, |kind, body| texts.push(statement_text(kind, body)));
            }
            assert_eq!(texts, ["SELECT 1", "SELECT"], "{size}");
        }
    }

    #[test]
    fn errors_are_read() {
        let error = server_error(b"SERROR\0C42P01\0Mno such\0\0", "SELECT".to_owned());
        let wanted = ServerError {
            sqlstate: "42P01".to_owned(),
            message: "no such".to_owned(),
            statement: "SELECT".to_owned(),
        };
        assert_eq!(error, wanted);
    }
}
