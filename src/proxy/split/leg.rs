//! A leg as the splitter sees it: a pipe to a relay of its own, and what is owed on it.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::time::Instant;

use crate::protocol::{backend, frontend, message};
use crate::proxy::moving::Line;
use crate::proxy::tidings::Tidings;
use crate::split::{Isolates, Known};
use crate::upstream::Connection;

/// A message that the leg has to answer.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) kind: Kind,
    pub(super) pass: Pass,
    /// A name that the message gives a meaning, and the one it had: undone if it comes to nothing.
    pub(super) named: Option<Named>,
}

/// What kind of answer ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Query, FunctionCall: ReadyForQuery.
    Query,
    /// ParseComplete.
    Parse,
    /// BindComplete.
    Bind,
    /// RowDescription or NoData.
    Describe,
    /// CloseComplete.
    Close,
    /// CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute,
    /// ReadyForQuery.
    Sync,
    /// Nothing that is sent: the client's BEGIN is complete, with this tag, once what came before
    /// it has been answered.
    Begin(&'static str),
}

impl Kind {
    pub(super) const fn is_boundary(self) -> bool {
        matches!(self, Kind::Query | Kind::Sync)
    }
}

/// What of the answer the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// All of it.
    Client,
    /// All but ReadyForQuery; errors with their position moved by this many characters.
    Unready(u32),
    /// All of it, if it is what a failed transaction tells.
    Withheld,
    /// Errors and notices.
    Errors,
    /// Errors alone.
    ErrorsAlone,
    /// Nothing.
    Nothing,
}

/// A name given a meaning by a message in flight.
#[derive(Debug)]
pub(super) struct Named {
    /// A portal's, not a prepared statement's.
    pub(super) portal: bool,
    pub(super) name: Bytes,
    pub(super) before: Option<Known>,
}

/// A leg.
pub(super) struct Leg {
    pub(super) reader: ReadHalf<DuplexStream>,
    pub(super) writer: WriteHalf<DuplexStream>,
    /// Read and not dealt with.
    pub(super) input: BytesMut,
    /// Bytes of a message under way that still go to the client, or nowhere.
    pub(super) rest: usize,
    pub(super) rest_goes: bool,
    /// The client has got a part of that message: nothing else may come in between.
    pub(super) torn: bool,
    pub(super) owed: VecDeque<Owed>,
    /// It skips messages up to the next Sync.
    pub(super) skipping: bool,
    pub(super) copy_in: bool,
    /// Rows are the splitter's own, and kept for it.
    pub(super) kept: Option<BytesMut>,
    /// The session's transaction has reached it.
    pub(super) begun: bool,
    /// It has been told what the open transaction, a block or a pipeline's, has set so far.
    pub(super) joined: bool,
    /// Messages have gone since the last that ReadyForQuery answers.
    pub(super) pipeline: bool,
    /// Something has run in the open pipeline.
    pub(super) ran: bool,
    /// In the open pipeline something has been prepared or bound that takes a snapshot.
    pub(super) planned: bool,
    /// How many Executes have made a pipeline of the open transaction, as the server counts.
    pub(super) executed: usize,
    /// What was sent last commits what it does, outside a block.
    pub(super) commits: bool,
    /// The server is in recovery.
    pub(super) recovering: bool,
    /// Its transactions are SERIALIZABLE by default.
    pub(super) serializable: bool,
    /// The proxy has SET what guards it.
    pub(super) set_by_statement: bool,
    /// A statement of the client's has run on it in the session's transaction.
    pub(super) queried: bool,
    /// What was sent last has been answered with PortalSuspended.
    pub(super) suspended: bool,
    /// What was sent last has been answered with ROLLBACK.
    pub(super) rolled_back: bool,
    /// An error came for what was sent last.
    pub(super) failed: bool,
    /// The last error that the client has not been told.
    pub(super) unsaid: Option<BytesMut>,
    /// It could not be told what it has missed.
    pub(super) lags: bool,
    pub(super) closed: bool,
    /// A statement of the splitter's own may be there.
    pub(super) has_own: bool,
    /// Nothing is owed but the answer to what keeps it awake.
    pub(super) roused: bool,
    /// When something was last sent there.
    pub(super) used: Instant,
    pub(super) tidings: Rc<Tidings>,
    /// The FATAL error that it ended with, not told yet.
    pub(super) farewell: Option<BytesMut>,
}

/// What a server says at the login.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    /// It is in recovery.
    pub(super) recovering: bool,
    /// The session's transactions are SERIALIZABLE by default.
    pub(super) serializable: bool,
    /// The read-only default of the read leg has been SET there.
    pub(super) set_by_statement: bool,
}

impl Server {
    pub(super) fn of(connection: &Connection) -> Server {
        Server {
            recovering: connection.parameter("in_hot_standby") == Some("on"),
            serializable: connection.serializable,
            set_by_statement: connection.set_by_statement(),
        }
    }

    /// What it has to be told first.
    pub(super) fn first(self) -> Option<Bytes> {
        let isolates = Isolates::Reset(false);
        let told = isolates.on_standby(self.serializable).filter(|_| self.recovering);
        told.map(|text| Bytes::from_static(text.as_bytes()))
    }
}

impl Leg {
    pub(super) fn new(pipe: DuplexStream, tidings: Rc<Tidings>, server: Server) -> Self {
        let Server { recovering, serializable, set_by_statement } = server;
        let (reader, writer) = tokio::io::split(pipe);
        Leg {
            reader,
            writer,
            input: BytesMut::new(),
            rest: 0,
            rest_goes: false,
            torn: false,
            owed: VecDeque::new(),
            skipping: false,
            copy_in: false,
            kept: None,
            begun: false,
            joined: false,
            pipeline: false,
            ran: false,
            planned: false,
            executed: 0,
            commits: false,
            recovering,
            serializable,
            set_by_statement,
            queried: false,
            suspended: false,
            rolled_back: false,
            failed: false,
            unsaid: None,
            lags: false,
            closed: false,
            has_own: false,
            roused: false,
            used: Instant::now(),
            tidings,
            farewell: None,
        }
    }

    /// Everything sent has been answered, as far as it will be.
    pub(super) fn is_quiet(&self) -> bool {
        self.owed.is_empty() && self.rest == 0
    }

    /// It is at work for the session.
    pub(super) fn is_busy(&self) -> bool {
        !self.is_quiet() && !self.roused
    }

    /// A Sync has gone that keeps it awake; how what was sent last has ended is still to be seen.
    pub(super) fn rouse(&mut self) {
        self.commits = false;
        self.roused = true;
        self.owed.push_back(Owed { kind: Kind::Sync, pass: Pass::Nothing, named: None });
    }

    /// A message that is answered is about to go.
    pub(super) fn owe(&mut self, kind: Kind, pass: Pass, named: Option<Named>) {
        self.roused = false;
        self.commits = kind == Kind::Query || kind == Kind::Sync && self.ran && !self.skipping;
        if kind.is_boundary() {
            self.pipeline = false;
            self.ran = false;
            self.planned = false;
            self.executed = 0;
            self.skipping = false;
        } else {
            self.pipeline = true;
            self.ran |= kind == Kind::Execute;
            self.executed += usize::from(kind == Kind::Execute);
        }
        self.failed = false;
        self.suspended = false;
        self.rolled_back = false;
        self.owed.push_back(Owed { kind, pass, named });
    }
}

impl Leg {
    /// What is owed first has been answered.
    pub(super) fn answered(&mut self, message: u8, body: &[u8]) {
        let Some(owed) = self.owed.pop_front() else { return };
        // nothing has run
        let is_empty = message == backend::EMPTY_QUERY_RESPONSE;
        // it has ended the transaction
        let is_alone = ALONE.contains(&body);
        let counts = owed.kind == Kind::Execute && (is_empty || is_alone);
        if !counts || self.owed.iter().any(|owed| owed.kind.is_boundary()) {
            return;
        }
        let in_flight = self.owed.iter().filter(|owed| owed.kind == Kind::Execute);
        self.executed = if is_empty { self.executed.saturating_sub(1) } else { in_flight.count() };
    }
}

/// Tags of statements that commit once they are complete. (VACUUM has begun another transaction then.)
const ALONE: [&[u8]; 7] = [
    b"DISCARD ALL\0",
    b"ALTER SYSTEM\0",
    b"CREATE DATABASE\0",
    b"DROP DATABASE\0",
    b"CREATE TABLESPACE\0",
    b"DROP TABLESPACE\0",
    b"COMMIT PREPARED\0",
];

/// While nothing is owed on it.
impl Line for Leg {
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    async fn hear(&mut self, into: &mut BytesMut) -> io::Result<()> {
        if !self.input.is_empty() {
            into.unsplit(self.input.split());
            return Ok(());
        }
        match self.reader.read_buf(into).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A leg whose server is asked beneath its gate, which lets the client ask less perhaps.
pub(super) struct Asking<'a>(pub(super) &'a mut Leg);

impl Line for Asking<'_> {
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.tidings.ask(Bytes::copy_from_slice(bytes));
        let mut frame = BytesMut::new();
        message::frame(&mut frame, frontend::ASK, |_| {});
        self.0.say(&frame).await
    }

    async fn hear(&mut self, into: &mut BytesMut) -> io::Result<()> {
        self.0.hear(into).await
    }
}
