//! What the gate tells the relay to do with the client's bytes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::lookups::Snapshot;
use super::refusal::Refusal;
use super::text::ConfirmedStatement;
use crate::policy::{Denial, Permit};
use crate::sql::catalog::Path;
use crate::sql::{Class, Statement};

/// What the relay does after sending the permit.
#[derive(Debug)]
pub enum Next {
    /// Everything was judged: read more.
    Read,
    /// An incomplete message remains at the end of the buffer: come back once it holds this many
    /// bytes (of that message).
    Need(usize),
    /// Nothing more may go until the server has answered: come back after the next answer.
    Wait,
    /// Drop this many bytes of the buffer: they belong to a refused message, or to one that the
    /// server would not have answered either.
    Skip(usize),
    /// The text at this place of the rest is to be judged elsewhere, while other sessions go on.
    /// Then [`Gate::judged`], and come back with the same bytes.
    Judge(Range<usize>),
    /// The message at the front of the rest needs these events first. Then [`Gate::recorded`], and
    /// come back with the same bytes.
    Record(Box<Record>),
    /// The message at the front of the rest is refused: record it, then [`Gate::refuse`], and skip
    /// its bytes.
    Refuse(Box<Refusal>),
    /// The catalog in force is too old or missing: [`Gate::set_catalog`] with a newer one, or
    /// [`Gate::look`] at the server, then come back with the same bytes. `private`: a transaction
    /// block is open, whose changes only this session sees.
    Catalog {
        /// See above.
        private: bool,
    },
    /// More of what the text runs is to be read for the first time than a worker has time for: have
    /// that done elsewhere, while other sessions go on, then come back with the same bytes.
    Bodies(Box<Unread>),
    /// The session is idle, and a reload has made its row lead elsewhere ([`Gate::astray`]): it goes
    /// there first, or comes back with the same bytes.
    Move,
    /// Send these bytes of the proxy's own first, then come back with the same bytes.
    Own(Bytes),
    /// The splitter's question for a class is answered with this one: tell it, and drop this many
    /// bytes.
    Tell(Class, usize),
    /// Skip this many bytes, and send the server what the splitter has to ask of it.
    Ask(usize),
    /// The client said goodbye (and its Terminate is part of the permit).
    Terminate,
    /// The session cannot go on.
    Fatal(Box<Denial>),
}

/// What [`Gate::frontend`] gives: bytes that may go now, and what to do then.
#[derive(Debug)]
pub struct Step<'a> {
    /// The judged prefix of the buffer.
    pub permit: Permit<'a>,
    /// What to do after sending it.
    pub next: Next,
}

/// Statements that run bodies of routines which nobody has read.
#[derive(Debug)]
pub struct Unread {
    snapshot: Arc<Snapshot>,
    statements: Vec<Statement>,
    path: Path,
}

impl Unread {
    pub(super) fn new(snapshot: Arc<Snapshot>, statements: Vec<Statement>, path: Path) -> Self {
        Unread { snapshot, statements, path }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Reads some of them, on a thread that may take a while. The snapshot knows them from then on;
    /// where there are more, the gate says so again.
    pub fn read(&self) {
        for statement in &self.statements {
            if !self.snapshot.catalog.read_some(statement, &self.path) {
                return;
            }
        }
    }
}

/// Events to write before a message may go.
#[derive(Debug)]
pub struct Record {
    /// Statements that run because the session has confirmed, in order.
    pub confirmed: Vec<ConfirmedStatement>,
    /// The message changes the confirmation.
    pub confirming: Option<ConfirmedStatement>,
    /// Whether the session will have confirmed once the message is done.
    pub confirms: bool,
    /// The text of the message.
    pub text: Arc<[u8]>,
    /// A transaction block is open.
    pub in_transaction: bool,
}
