//! A session that reads in one place and writes in another (spec of the proxy, section 4).
//!
//! Each leg is a relay like that of any session, with its own gate and law; its client is the
//! splitter, over a pipe within the process. The splitter decides where each message goes and
//! puts the answers in order. It moves in step: what goes to one leg is sent without waiting, and
//! before something goes to the other the first has answered. So the order of replies is the order
//! of requests, and an error is known before what comes after it could run elsewhere.

mod close;
mod control;
mod digest;
mod ended;
mod extended;
mod failed;
mod lagging;
mod lead;
mod leg;
mod moved;
mod open;
mod pump;
mod refuse;
mod run;
mod savepoint;
mod simple;
mod sync;
mod taken;
mod temporary;
mod text;
mod told;

use std::collections::HashMap;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;

use leg::Leg;
use open::Ground;
pub(super) use open::{Begun, begin};
pub(super) use refuse::refused_in_string;
pub(super) use run::unsupported;
pub(super) use text::{OWN, characters};

use super::moving::{self, Session};
use crate::net::Stream;
use crate::protocol::{ErrorResponse, Header, frontend as kind, message};
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
    Diverged {
        /// How.
        why: String,
        /// What was to be the same on both.
        statement: Option<String>,
    },
    /// SIGTERM.
    Drained,
    /// Its task leads elsewhere.
    Moves,
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

/// Values of reported parameters, by name.
type Reports = HashMap<Box<[u8]>, Box<[u8]>>;

/// A split session.
pub(super) struct Split {
    client: Stream,
    /// From the client, not dealt with.
    input: BytesMut,
    /// To the client.
    out: BytesMut,
    /// To the client, behind the message that it has got a part of.
    aside: BytesMut,
    legs: [Option<Leg>; 2],
    ground: Ground,
    block: Block,
    journal: Journal,
    statements: Names,
    portals: Names,
    temporary: Temporary,
    /// An error came in the open pipeline: messages are skipped up to its Sync.
    pipeline_failed: bool,
    /// The client has sent Bind or Execute in the open pipeline.
    bound: bool,
    protocol: Protocol,
    /// ParameterStatus as the client knows it.
    told: Reports,
    /// Relations written to on the write leg, for the warning that reads do not see it.
    written: HashSet<Box<str>>,
    warned_read: bool,
    warned_write: bool,
    /// CommandComplete is kept in `held` for the moment.
    holding: bool,
    held: BytesMut,
    /// Reports that wait for the end of a string or of a transaction, where the server would send them.
    late: Option<Reports>,
    /// Notifications that wait with them.
    notified: BytesMut,
    /// Notifications by leg, while the session moves here: the old servers tell some of them.
    apart: Option<Box<[BytesMut; 2]>>,
    /// The write leg is about to commit the block.
    committing: bool,
    /// What stands before the RESET ALL that ends a string has committed.
    behind_commit: bool,
    /// The write leg has committed a pipeline: the client gets ReadyForQuery, whatever becomes of
    /// the read leg.
    committed: bool,
    /// The leg that had the last message: what nobody knows goes there.
    last: Side,
    /// The session's task: that of the legs, once what changed it is settled.
    task: Option<Arc<str>>,
    /// A statement in the open pipeline may have changed the task.
    stirred: bool,
    /// The task leads elsewhere: the client waits for ReadyForQuery.
    moving: bool,
    /// The open transaction has set something that the server reports.
    reported: bool,
    /// The block has failed on both legs.
    fallen: bool,
    /// How many DO and CALL have been watched for the end of a transaction.
    marks: u64,
    /// The last of them has failed.
    marked: bool,
}

impl Split {
    /// Serves the session to its end.
    pub(super) async fn run(mut self) {
        let end = self.serve().await;
        let farewell = match end {
            Err(End::Moves) => {
                let session = Session::Split(Box::new(self));
                tokio::task::spawn_local(moving::go(session));
                return;
            }
            Err(End::Lost(side)) => Some(self.lost(side)),
            Err(End::Broken(why)) => {
                tracing::error!(client = %self.ground.origin.peer, %why, "split session broke");
                Some(ErrorResponse::fatal("08P01", why))
            }
            Err(End::Diverged { why, statement }) => {
                let mut detail = "a session's settings are the same on both of its legs".to_owned();
                if let Some(statement) = statement {
                    detail += &format!(", and this was to be done on both: {statement}");
                }
                let error = ErrorResponse::fatal("55000", why).with_detail(detail);
                Some(error.with_hint("connect again"))
            }
            Err(End::Drained) => Some(ErrorResponse::fatal(
                "57P01",
                "terminating connection due to administrator command",
            )),
            Err(End::Client(error)) => {
                tracing::debug!(client = %self.ground.origin.peer, %error, "session broke");
                return;
            }
            Err(End::Goodbye | End::Told) | Ok(()) => None,
        };
        // behind a part of a message it would be read as the rest of it
        if let Some(error) = farewell.filter(|_| !self.is_torn()) {
            error.encode(&mut self.out);
        }
        let _ = pump::deliver(&mut self.client, &mut self.out).await;
        let _ = self.client.shutdown().await;
    }

    /// A leg was lost without a word. What was open is rolled back, unless the write leg was about
    /// to commit it.
    fn lost(&self, side: Side) -> ErrorResponse {
        let name = self.ground.name(side);
        if self.behind_commit {
            return ErrorResponse::fatal(
                "08007",
                format!("the connection to upstream \"{name}\" was lost behind a commit"),
            )
            .with_detail("what stands before RESET ALL in its string has been committed");
        }
        let commits = self.legs[Side::Write as usize]
            .as_ref()
            .is_some_and(|leg| !leg.is_quiet() && (self.committing || leg.commits && !leg.begun));
        match side == Side::Write && commits {
            true => ErrorResponse::fatal(
                "08007",
                format!("the connection to upstream \"{name}\" was lost during a commit"),
            )
            .with_detail("whether it was committed is not known")
            .with_hint("look for what was written before writing it again"),
            false => ErrorResponse::fatal(
                "08006",
                format!("the connection to upstream \"{name}\" was lost"),
            )
            .with_detail("what was not committed is rolled back"),
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        loop {
            if self.moving {
                self.finish().await?;
                return Err(End::Moves);
            }
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
                        let _ = self.send(side, message::TERMINATE).await;
                    }
                }
                Err(End::Goodbye)
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
                self.bound |= matches!(header.kind, kind::BIND | kind::EXECUTE);
                self.extended(header).await
            }
        }
    }

    /// COPY data goes where it was asked for; without that it is nobody's, which is certain once
    /// all is answered.
    async fn copy(&mut self, header: Header) -> Result<(), End> {
        match self.copying() {
            Some(side) => self.take(side, header).await,
            None if self.legs.iter().flatten().any(|leg| !leg.is_quiet()) => self.settle().await,
            None => self.skip(header.message_length()).await,
        }
    }

    /// COPY data of the client's, or its end, for the leg that asked for it.
    pub(super) async fn take(&mut self, side: Side, header: Header) -> Result<(), End> {
        let ends = header.kind != kind::COPY_DATA;
        if ends {
            self.leg(side)?.copy_in = false;
        }
        self.pass(side, header.message_length()).await?;
        // in a pipeline the server answers behind a Flush, and the client waits for that answer if
        // its Sync came while data was taken, where it counts for nothing
        if ends && self.leg(side)?.pipeline {
            self.send(side, message::FLUSH).await?;
        }
        Ok(())
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
}
