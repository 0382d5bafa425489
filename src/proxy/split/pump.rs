//! Moving bytes between the client and the legs, and waiting for them.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::leg::{Kind, Leg, Named, Pass};
use super::{Block, End, Split, text};
use crate::protocol::{HEADER_LENGTH, Header, frontend as kind, message};
use crate::split::Side;

/// How long a leg is left alone while the session is at work on the other one.
const AWAKE: Duration = Duration::from_secs(1);

/// What a client may send while a leg is being connected, in bytes; the rest waits in its socket.
const AHEAD: usize = 64 * 1024;

impl Split {
    /// Sends what the client is to get. Cancel safe: what is not sent stays in `out`.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        while !self.out.is_empty() {
            if self.client.write_buf(&mut self.out).await? == 0 {
                return Err(End::Client(io::ErrorKind::WriteZero.into()));
            }
        }
        self.client.flush().await.map_err(End::Client)
    }

    /// Waits until the client has sent something; meanwhile the legs' answers go to it.
    pub(super) async fn await_client(&mut self) -> Result<(), End> {
        loop {
            if self.moving {
                return Ok(());
            }
            self.flush().await?;
            self.drained()?;
            for side in Side::BOTH {
                self.ended(side)?;
            }
            let is_busy =
                |side: &Side| self.legs[*side as usize].as_ref().is_some_and(|leg| !leg.is_quiet());
            let busy = Side::BOTH.into_iter().find(is_busy);
            let [read, write] = &mut self.legs;
            self.input.reserve(8192);
            let came = tokio::select! {
                biased;
                result = receive(read) => Came::Leg(Side::Read, result),
                result = receive(write) => Came::Leg(Side::Write, result),
                result = self.client.read_buf(&mut self.input) => Came::Client(result?),
                () = self.ground.woken() => Came::Woken,
                () = tokio::time::sleep(AWAKE), if busy.is_some() => Came::Woken,
            };
            if let Some(side) = busy {
                self.keep_awake(side.other()).await;
            }
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
    pub(super) async fn await_leg(&mut self, side: Side) -> Result<(), End> {
        self.flush().await?;
        let [read, write] = &mut self.legs;
        let (here, there) = match side {
            Side::Read => (read, write),
            Side::Write => (write, read),
        };
        let is_asked = there.as_ref().is_some_and(|leg| !leg.is_quiet());
        let came = tokio::select! {
            biased;
            length = receive(here) => Came::Leg(side, length),
            length = receive(there), if is_asked => Came::Leg(side.other(), length),
            () = tokio::time::sleep(AWAKE) => Came::Woken,
        };
        match came {
            Came::Leg(side, length) => self.received(side, length),
            _ => {
                self.keep_awake(side.other()).await;
                Ok(())
            }
        }
    }

    /// Waits for what connects a leg. `None`: the client has sent a cancel request. What else it sends
    /// waits, so that it is seen to leave; the other leg is kept awake.
    pub(super) async fn meanwhile<T>(
        &mut self,
        side: Side,
        mut connecting: Pin<&mut impl Future<Output = T>>,
    ) -> Result<Option<T>, End> {
        let cancel = self.ground.cancel.clone();
        loop {
            self.flush().await?;
            let has_room = self.input.len() < AHEAD;
            self.input.reserve(if has_room { 8192 } else { 0 });
            let other = &mut self.legs[side.other() as usize];
            let came = tokio::select! {
                biased;
                connected = &mut connecting => return Ok(Some(connected)),
                () = cancel.cancelled() => return Ok(None),
                length = receive(other) => Came::Leg(side.other(), length),
                result = self.client.read_buf(&mut self.input), if has_room => {
                    Came::Client(result?)
                }
                () = self.ground.woken() => Came::Woken,
                () = tokio::time::sleep(AWAKE) => Came::Woken,
            };
            match came {
                Came::Client(0) => return Err(End::Client(io::ErrorKind::UnexpectedEof.into())),
                Came::Leg(side, length) => self.received(side, length)?,
                Came::Client(_) => {}
                Came::Woken if self.ground.drain_is_over() => return Err(End::Drained),
                Came::Woken => self.keep_awake(side.other()).await,
            }
        }
    }

    /// A leg that is not used while the session is at work on the other one is not idle: its server
    /// counts from the last ReadyForQuery (`idle_in_transaction_session_timeout`).
    async fn keep_awake(&mut self, side: Side) {
        let Some(leg) = &mut self.legs[side as usize] else { return };
        if leg.is_quiet() && !leg.pipeline && !leg.closed && leg.used.elapsed() >= AWAKE {
            leg.used = Instant::now();
            leg.owe(Kind::Sync, Pass::Nothing, None);
            // that it is lost is found when it is used
            let _ = leg.writer.write_all(message::SYNC).await;
        }
    }

    fn received(&mut self, side: Side, length: usize) -> Result<(), End> {
        self.leg(side)?.closed |= length == 0;
        self.digest(side)
    }

    /// Sends bytes to a leg; meanwhile its answers go to the client, so that neither waits for
    /// the other for ever.
    pub(super) async fn send(&mut self, side: Side, mut bytes: &[u8]) -> Result<(), End> {
        self.keep_awake(side.other()).await;
        self.ground.runs_on(side);
        self.last = side;
        self.is_there(side)?;
        self.leg(side)?.used = Instant::now();
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
            self.send(side, message::FLUSH).await?;
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
                kind::COPY_DATA | kind::COPY_DONE | kind::COPY_FAIL => {
                    self.take(side, header).await
                }
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
    pub(super) async fn request(
        &mut self,
        side: Side,
        kind: Kind,
        pass: Pass,
        frame: &[u8],
    ) -> Result<(), End> {
        self.is_there(side)?;
        if kind == Kind::Sync {
            self.close_own(side).await?;
        }
        self.owe(side, kind, pass, None)?;
        self.leg(side)?.has_own |= kind == Kind::Parse && text::is_own(frame);
        self.send(side, frame).await
    }

    /// Nothing of the splitter's own outlasts a pipeline: the session would see it.
    async fn close_own(&mut self, side: Side) -> Result<(), End> {
        let leg = self.leg(side)?;
        if leg.skipping || !std::mem::take(&mut leg.has_own) {
            return Ok(());
        }
        for what in [b'P', b'S'] {
            self.owe(side, Kind::Close, Pass::Nothing, None)?;
            self.send(side, &text::own_close(what)).await?;
        }
        Ok(())
    }

    /// A message that a leg answers is about to go there. Behind an error the leg skips it, and
    /// answers nothing: a name that it would give a meaning keeps the one it has.
    pub(super) fn owe(
        &mut self,
        side: Side,
        kind: Kind,
        pass: Pass,
        named: Option<Named>,
    ) -> Result<(), End> {
        let leg = self.leg(side)?;
        if !leg.skipping || kind.is_boundary() {
            leg.owe(kind, pass, named);
            return Ok(());
        }
        leg.failed = true;
        if pass == Pass::Client && !self.pipeline_failed {
            return Err(End::Broken("a leg has failed, and the client does not know".to_owned()));
        }
        if let Some(named) = named {
            self.names(named.portal).restore(&named.name, named.before);
        }
        Ok(())
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
