//! A session that reads in one place and writes in another (spec of the proxy, section 4).
//!
//! Each leg is a relay like that of any session, with its own gate and law; its client is the
//! splitter, over a pipe within the process. The splitter decides where each message goes and
//! puts the answers in order. It moves in step: what goes to one leg is sent without waiting, and
//! before something goes to the other the first has answered. So the order of replies is the order
//! of requests, and an error is known before what comes after it could run elsewhere.

mod control;
mod digest;
mod extended;
mod leg;
mod open;
mod refuse;
mod run;
mod simple;
mod text;

use std::collections::HashMap;
use std::collections::HashSet;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use leg::{Kind, Leg, Pass};
use open::Ground;
pub(super) use open::{Begun, begin};

use crate::protocol::{ErrorResponse, HEADER_LENGTH, Header, frontend as kind};
use crate::net::Stream;
use crate::split::{Journal, Names, Side, Temporary};
use crate::sql::Modes;

/// Why a session ends.
#[derive(Debug)]
pub(super) enum End {
    /// The client left, or its connection broke.
    Client(io::Error),
    /// It said goodbye.
    Goodbye,
    /// A leg was lost without a word.
    Lost(Side),
    /// The client has been told: a leg's FATAL error.
    Told,
    /// Something that must not happen: said to the client, and to the log.
    Broken(String),
    /// The legs' sessions are no longer the same.
    Diverged(String),
    /// SIGTERM.
    Drained,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        End::Client(error)
    }
}

/// The session's transaction block, as its client sees it.
#[derive(Debug)]
pub(super) enum Block {
    None,
    /// BEGIN was said; legs get theirs when they are first used.
    Open(Modes),
    /// Failed: statements go to the leg that knows, where one does.
    Failed(Option<Side>, Modes),
}

impl Block {
    /// As ReadyForQuery says it.
    const fn status(&self) -> u8 {
        match self {
            Block::None => b'I',
            Block::Open(_) => b'T',
            Block::Failed(..) => b'E',
        }
    }
}

/// How the client speaks at the moment: own statements are sent in the same protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Simple,
    Extended,
}

/// A split session.
pub(super) struct Split {
    client: Stream,
    /// From the client, not dealt with.
    input: BytesMut,
    /// To the client.
    out: BytesMut,
    legs: [Option<Leg>; 2],
    ground: Ground,
    block: Block,
    journal: Journal,
    statements: Names,
    portals: Names,
    temporary: Temporary,
    /// An error came in the open pipeline: messages are skipped up to its Sync.
    pipeline_failed: bool,
    protocol: Protocol,
    /// ParameterStatus as the client knows it.
    told: HashMap<Box<[u8]>, Box<[u8]>>,
    /// Relations written to on the write leg, for the warning that reads do not see it.
    written: HashSet<Box<str>>,
    warned_read: bool,
    warned_write: bool,
    /// CommandComplete is kept in `held` for the moment.
    holding: bool,
    held: BytesMut,
    /// The leg that had the last message: what nobody knows goes there.
    last: Side,
}

impl Split {
    /// Serves the session to its end.
    async fn run(mut self) {
        let end = self.serve().await;
        let farewell = match end {
            Err(End::Lost(side)) => Some(ErrorResponse::fatal(
                "08006",
                format!("the connection to upstream \"{}\" was lost", self.ground.name(side)),
            )),
            Err(End::Broken(why)) => {
                tracing::error!(client = %self.ground.peer, %why, "split session broke");
                Some(ErrorResponse::fatal("08P01", why))
            }
            Err(End::Diverged(why)) => Some(
                ErrorResponse::fatal("55000", why)
                    .with_detail("a session's settings are the same on both of its legs")
                    .with_hint("connect again"),
            ),
            Err(End::Drained) => Some(ErrorResponse::fatal(
                "57P01",
                "terminating connection due to administrator command",
            )),
            Err(End::Client(error)) => {
                tracing::debug!(client = %self.ground.peer, %error, "session broke");
                return;
            }
            Err(End::Goodbye | End::Told) | Ok(()) => None,
        };
        if let Some(error) = farewell {
            error.encode(&mut self.out);
        }
        let _ = self.flush().await;
        let _ = self.client.shutdown().await;
    }

    async fn serve(&mut self) -> Result<(), End> {
        loop {
            match Header::from_frontend(&self.input) {
                Ok(Some(header)) => self.message(header).await?,
                Ok(None) => self.await_client().await?,
                Err(error) => return Err(End::Broken(error.to_string())),
            }
        }
    }

    // -- the client's messages --------------------------------------------------------------------

    async fn message(&mut self, header: Header) -> Result<(), End> {
        let length = header.message_length();
        match header.kind {
            kind::TERMINATE => {
                for side in Side::BOTH {
                    if self.legs[side as usize].is_some() {
                        let _ = self.send(side, b"X\0\0\0\x04").await;
                    }
                }
                return Err(End::Goodbye);
            }
            kind::COPY_DATA | kind::COPY_DONE | kind::COPY_FAIL => self.copy(header).await,
            kind::SYNC if self.copying().is_some() => self.skip(length).await,
            kind::FLUSH if self.copying().is_some() => self.skip(length).await,
            kind::SYNC => {
                self.skip(length).await?;
                self.sync().await
            }
            _ if self.pipeline_failed => self.skip(length).await,
            kind::QUERY | kind::PARSE if length > self.ground.limit() => {
                self.protocol = match header.kind {
                    kind::QUERY => Protocol::Simple,
                    _ => Protocol::Extended,
                };
                self.too_large(header).await
            }
            kind::QUERY => {
                self.protocol = Protocol::Simple;
                let frame = self.whole(length).await?;
                self.query(frame).await
            }
            kind::FUNCTION_CALL => {
                self.protocol = Protocol::Simple;
                self.function_call(header).await
            }
            _ => {
                self.protocol = Protocol::Extended;
                self.extended(header).await
            }
        }
    }

    /// COPY data goes where it was asked for; without that it is nobody's.
    async fn copy(&mut self, header: Header) -> Result<(), End> {
        match self.copying() {
            Some(side) => {
                if header.kind != kind::COPY_DATA {
                    self.leg(side)?.copy_in = false;
                }
                self.pass(side, header.message_length()).await
            }
            None => self.skip(header.message_length()).await,
        }
    }

    pub(super) fn copying(&self) -> Option<Side> {
        Side::BOTH
            .into_iter()
            .find(|side| self.legs[*side as usize].as_ref().is_some_and(|leg| leg.copy_in))
    }

    /// The whole message at the front.
    async fn whole(&mut self, length: usize) -> Result<Bytes, End> {
        while self.input.len() < length {
            self.await_client().await?;
        }
        Ok(self.input.split_to(length).freeze())
    }

    /// Drops a message, as it comes.
    async fn skip(&mut self, mut length: usize) -> Result<(), End> {
        loop {
            let here = length.min(self.input.len());
            self.input.advance(here);
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.await_client().await?;
        }
    }

    /// Passes a message on to a leg, as it comes.
    async fn pass(&mut self, side: Side, mut length: usize) -> Result<(), End> {
        loop {
            let here = length.min(self.input.len());
            let part = self.input.split_to(here);
            self.send(side, &part).await?;
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.await_client().await?;
        }
    }

    // -- moving bytes -----------------------------------------------------------------------------

    /// Sends what the client is to get.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        if !self.out.is_empty() {
            self.client.write_all(&self.out).await?;
            self.client.flush().await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Waits until the client has sent something; meanwhile the legs' answers go to it.
    async fn await_client(&mut self) -> Result<(), End> {
        loop {
            self.flush().await?;
            self.drained()?;
            let [read, write] = &mut self.legs;
            self.input.reserve(8192);
            let came = tokio::select! {
                biased;
                result = receive(read) => Came::Leg(Side::Read, result),
                result = receive(write) => Came::Leg(Side::Write, result),
                result = self.client.read_buf(&mut self.input) => Came::Client(result?),
                () = self.ground.woken() => Came::Woken,
            };
            match came {
                Came::Client(0) => {
                    return Err(End::Client(io::ErrorKind::UnexpectedEof.into()));
                }
                Came::Client(_) => return Ok(()),
                Came::Leg(side, length) => self.received(side, length)?,
                Came::Woken => {}
            }
        }
    }

    /// Waits until a leg has sent something.
    async fn await_leg(&mut self, side: Side) -> Result<(), End> {
        self.flush().await?;
        let length = receive(&mut self.legs[side as usize]).await;
        self.received(side, length)
    }

    fn received(&mut self, side: Side, length: usize) -> Result<(), End> {
        self.leg(side)?.closed |= length == 0;
        self.digest(side)
    }

    /// Sends bytes to a leg; meanwhile its answers go to the client, so that neither waits for
    /// the other for ever.
    pub(super) async fn send(&mut self, side: Side, mut bytes: &[u8]) -> Result<(), End> {
        self.ground.runs_on(side);
        self.last = side;
        while !bytes.is_empty() {
            let Leg { reader, writer, input, .. } = self.leg(side)?;
            input.reserve(4096);
            let moved = tokio::select! {
                biased;
                written = writer.write(bytes) => Moved::Written(written),
                read = reader.read_buf(input) => Moved::Read(read.unwrap_or(0)),
            };
            match moved {
                Moved::Written(Ok(length)) if length > 0 => bytes = &bytes[length..],
                Moved::Written(_) => {
                    // it may have said why
                    loop {
                        self.await_leg(side).await?;
                    }
                }
                Moved::Read(length) => {
                    self.received(side, length)?;
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until a leg has answered all that it will answer, COPY data taken meanwhile.
    pub(super) async fn quiet(&mut self, side: Side) -> Result<(), End> {
        let Some(leg) = &self.legs[side as usize] else { return Ok(()) };
        if leg.pipeline && !leg.is_quiet() && !leg.skipping {
            self.send(side, b"H\0\0\0\x04").await?;
        }
        while self.legs[side as usize].as_ref().is_some_and(|leg| !leg.is_quiet()) {
            if self.leg(side)?.copy_in {
                self.feed(side).await?;
            } else {
                self.await_leg(side).await?;
            }
        }
        Ok(())
    }

    /// While a leg takes COPY data: the client's next message, or the leg's.
    async fn feed(&mut self, side: Side) -> Result<(), End> {
        match Header::from_frontend(&self.input) {
            Ok(Some(header)) => match header.kind {
                kind::COPY_DATA | kind::COPY_DONE | kind::COPY_FAIL => self.copy(header).await,
                kind::SYNC | kind::FLUSH => self.skip(header.message_length()).await,
                kind::TERMINATE => Err(End::Goodbye),
                other => Err(End::Broken(format!(
                    "unexpected message type 0x{other:02X} during COPY from stdin"
                ))),
            },
            Ok(None) => {
                self.flush().await?;
                self.input.reserve(8192);
                let came = tokio::select! {
                    biased;
                    length = receive(&mut self.legs[side as usize]) => Came::Leg(side, length),
                    result = self.client.read_buf(&mut self.input) => Came::Client(result?),
                };
                match came {
                    Came::Client(0) => Err(End::Client(io::ErrorKind::UnexpectedEof.into())),
                    Came::Leg(side, length) => self.received(side, length),
                    Came::Client(_) | Came::Woken => Ok(()),
                }
            }
            Err(error) => Err(End::Broken(error.to_string())),
        }
    }

    /// Before something goes to `side`: the other leg has answered. False: what is open has
    /// failed, so nothing goes.
    pub(super) async fn turn_to(&mut self, side: Side) -> Result<bool, End> {
        self.quiet(side.other()).await?;
        Ok(!self.pipeline_failed)
    }

    /// Both legs have answered.
    pub(super) async fn settle(&mut self) -> Result<(), End> {
        for side in Side::BOTH {
            self.quiet(side).await?;
        }
        Ok(())
    }

    /// SIGTERM: an idle session ends; a busy one when it is idle, or when time is up.
    fn drained(&self) -> Result<(), End> {
        if !self.ground.drains() {
            return Ok(());
        }
        let busy = self.input.len() >= HEADER_LENGTH
            || !matches!(self.block, Block::None)
            || self.legs.iter().flatten().any(|leg| !leg.is_quiet() || leg.pipeline);
        match busy && !self.ground.drain_is_over() {
            true => Ok(()),
            false => Err(End::Drained),
        }
    }

    /// Owes and sends a message to a leg.
    async fn request(
        &mut self,
        side: Side,
        kind: Kind,
        pass: Pass,
        frame: &[u8],
    ) -> Result<(), End> {
        self.leg(side)?.owe(kind, pass, None);
        self.send(side, frame).await
    }
}

enum Came {
    Client(usize),
    Leg(Side, usize),
    Woken,
}

enum Moved {
    Written(io::Result<usize>),
    Read(usize),
}

/// Reads from a leg; for ever where it is not open. 0: it has ended.
async fn receive(leg: &mut Option<Leg>) -> usize {
    match leg {
        Some(leg) if !leg.closed => {
            leg.input.reserve(8192);
            leg.reader.read_buf(&mut leg.input).await.unwrap_or(0)
        }
        _ => std::future::pending().await,
    }
}
