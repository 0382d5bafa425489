//! Moving bytes between the client and the legs, and waiting for them.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::leg::{Kind, Leg, Named, Pass};
use super::{Block, End, Split, text};
use crate::net::Stream;
use crate::protocol::{HEADER_LENGTH, Header, frontend as kind, message};
use crate::split::Side;

/// How long a leg is left alone while the session is at work on the other one.
const AWAKE: Duration = Duration::from_secs(1);

/// What a client may send while a leg is being connected, in bytes; the rest waits in its socket.
const AHEAD: usize = 64 * 1024;

impl Split {
    /// Sends what the client is to get. A client that is slow to take it leaves no leg idle. Cancel
    /// safe: what is not sent stays in `out`.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        let mut done = self.out.is_empty();
        while !done {
            let [of_read, of_write] =
                Side::BOTH.map(|side| self.is_asked(side) && !self.is_busy(side));
            let [read, write] = &mut self.legs;
            let came = tokio::select! {
                biased;
                sent = deliver(&mut self.client, &mut self.out) => {
                    sent?;
                    done = true;
                    continue;
                }
                length = receive(read), if of_read => Came::Leg(Side::Read, length),
                length = receive(write), if of_write => Came::Leg(Side::Write, length),
                () = tokio::time::sleep(AWAKE) => Came::Woken,
            };
            match came {
                Came::Leg(side, length) => self.received(side, length)?,
                _ => {
                    self.keep_awake(Side::Read).await;
                    self.keep_awake(Side::Write).await;
                }
            }
        }
        Ok(())
    }

    /// Nothing is under way, and the client has what it is to get: another conversation may begin.
    pub(super) async fn finish(&mut self) -> Result<(), End> {
        loop {
            self.flush().await?;
            if !Side::BOTH.into_iter().any(|side| self.is_asked(side)) {
                return Ok(());
            }
            self.settle().await?;
        }
    }

    /// A leg has still to answer something.
    fn is_asked(&self, side: Side) -> bool {
        self.legs[side as usize].as_ref().is_some_and(|leg| !leg.is_quiet())
    }

    fn is_busy(&self, side: Side) -> bool {
        self.legs[side as usize].as_ref().is_some_and(Leg::is_busy)
    }

    /// Waits until one of these legs has sent something, or the client if it is listened to (true:
    /// it has); not longer than a second where a leg is to be kept awake meanwhile.
    async fn wait(
        &mut self,
        [of_read, of_write]: [bool; 2],
        of_client: bool,
        idle: Option<Side>,
    ) -> Result<bool, End> {
        let [read, write] = &mut self.legs;
        self.input.reserve(if of_client { 8192 } else { 0 });
        let came = tokio::select! {
            biased;
            length = receive(read), if of_read => Came::Leg(Side::Read, length),
            length = receive(write), if of_write => Came::Leg(Side::Write, length),
            result = self.client.read_buf(&mut self.input), if of_client => Came::Client(result?),
            () = self.ground.woken(), if of_client => Came::Woken,
            () = tokio::time::sleep(AWAKE), if idle.is_some() => Came::Woken,
        };
        if let Some(side) = idle {
            self.keep_awake(side).await;
        }
        match came {
            Came::Client(0) => Err(End::Client(io::ErrorKind::UnexpectedEof.into())),
            Came::Client(_) => Ok(true),
            Came::Leg(side, length) => self.received(side, length).map(|()| false),
            Came::Woken => Ok(false),
        }
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
            let busy = Side::BOTH.into_iter().find(|side| self.is_busy(*side));
            if self.wait([true; 2], true, busy.map(Side::other)).await? {
                return Ok(());
            }
        }
    }

    /// Waits until a leg has sent something.
    pub(super) async fn await_leg(&mut self, side: Side) -> Result<(), End> {
        self.flush().await?;
        self.at_work(side, false).await
    }

    /// While a leg is at work: waits for what it sends, or the client.
    async fn at_work(&mut self, side: Side, of_client: bool) -> Result<(), End> {
        let legs = Side::BOTH.map(|one| one == side || self.is_asked(one));
        self.wait(legs, of_client, Some(side.other())).await.map(drop)
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
        let Some(leg) = self.legs[side as usize].as_mut().filter(|_| !self.moving) else { return };
        if leg.is_quiet() && !leg.pipeline && !leg.closed && leg.used.elapsed() >= AWAKE {
            leg.used = Instant::now();
            // that it is lost is found when it is used; what is not written is not owed
            if leg.writer.write_all(message::SYNC).await.is_ok() {
                leg.rouse();
            }
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
            let is_asked = self.is_asked(side.other());
            let (here, there) = match (side, &mut self.legs) {
                (Side::Read, [read, write]) => (read, write),
                (Side::Write, [read, write]) => (write, read),
            };
            let Some(Leg { reader, writer, input, .. }) = here else { return Ok(()) };
            input.reserve(4096);
            let moved = tokio::select! {
                biased;
                written = writer.write(bytes) => Moved::Written(written),
                read = reader.read_buf(input) => Moved::Read(side, read.unwrap_or(0)),
                length = receive(there), if is_asked => Moved::Read(side.other(), length),
                () = tokio::time::sleep(AWAKE) => Moved::Nothing,
            };
            match moved {
                Moved::Written(Ok(length)) if length > 0 => bytes = &bytes[length..],
                Moved::Written(_) => {
                    // it may have said why
                    loop {
                        self.await_leg(side).await?;
                    }
                }
                Moved::Nothing => self.keep_awake(side.other()).await,
                Moved::Read(side, length) => {
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
                self.at_work(side, true).await
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
    Read(Side, usize),
    Nothing,
}

/// Sends bytes to the client. Cancel safe: what is left is not sent.
pub(super) async fn deliver(client: &mut Stream, bytes: &mut BytesMut) -> io::Result<()> {
    while !bytes.is_empty() {
        if client.write_buf(bytes).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    client.flush().await
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
