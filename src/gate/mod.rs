//! The gate between a client and its server: bytes in, actions out.
//!
//! It steps over message headers, looks into the few messages that carry text or names, has each
//! text judged, decides, and keeps account of what the server owes. It performs nothing itself: the
//! relay does what a [`Next`] says. No clock, no randomness: time and ids are arguments.

mod answers;
mod asked;
mod backend;
mod before;
mod catalog;
mod check;
mod extended;
mod frontend;
mod held;
mod inside;
mod left;
mod look;
mod lookups;
mod names;
mod next;
mod opened;
mod overloads;
mod owed;
mod plan;
mod process;
mod refusal;
mod refusing;
mod reports;
mod tally;
mod task;
#[cfg(test)]
mod tests;
mod text;
mod token;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::contract::backstop::Signer;
use crate::policy::Policy;
use crate::session::{Batch, Instant, Names, Parameters, State, Temporary};
use crate::sql::Judgement;

pub use backend::{Answer, Answered};
pub use held::CommonLook;
pub use look::Looked;
pub use lookups::{Look, Snapshot};
pub use next::{Next, Record, Step, Unread};
pub use owed::EventId;
pub use refusal::{Form, Refusal, Refused};
pub use tally::{Alike, Decided};
pub use task::{Astray, Declaring, MAX_NOTED};
pub use text::ConfirmedStatement;

use inside::Progress;
use left::Left;
use lookups::Lookups;
use owed::Owed;
use tally::Tally;
use task::Task;

/// Judges texts; [`crate::sql::Judge`] in life, a table in tests.
pub trait Judging {
    /// The judgement of a text without its terminating NUL; `None`: it takes too long to be waited
    /// for here (see [`Next::Judge`]).
    fn judge(&mut self, text: &[u8]) -> Option<Rc<Judgement>>;
}

impl Judging for crate::sql::Judge {
    fn judge(&mut self, text: &[u8]) -> Option<Rc<Judgement>> {
        Some(crate::sql::Judge::judge(self, text))
    }
}

/// What the server reported of itself that judging depends on.
#[derive(Clone, Debug)]
struct Reports {
    standard_conforming_strings: bool,
    client_encoding: Encoding,
    /// `client_encoding` has been UTF8 from the start.
    always_utf8: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    /// Every byte of a character of two or more has its high bit set: quotes are quotes.
    Safe,
    Unsafe,
}

/// Whether COPY FROM STDIN holds the frontend's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum CopyIn {
    #[default]
    No,
    /// A message with COPY FROM STDIN is on its way: nothing follows until the server has said
    /// whether it takes data, since a Sync would be honoured or swallowed accordingly.
    Awaited,
    /// The server takes data. It swallows Syncs meanwhile, so they are not sent to it.
    Open { data_sent: bool, syncs: u32 },
}

/// What became of statements and parameters, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Their transaction committed.
    Committed,
    /// It was rolled back.
    RolledBack,
    /// The statement itself failed or was skipped.
    Failed,
    /// Something that can end a transaction unseen ran, or the transaction left the session.
    Unknown,
}

/// A confirmed statement whose transaction is still open.
#[derive(Clone, Copy, Debug)]
struct Undecided {
    id: EventId,
    depth: usize,
}

/// The gate of one leg of a session.
pub struct Gate {
    policy: Policy,
    state: State,
    /// The state once everything of the open batch is done as foreseen; `None`: to be worked out.
    foreseen: Option<Box<State>>,
    statements: Names,
    portals: Names,
    temporary: Temporary,
    reports: Reports,
    owed: VecDeque<Owed>,
    /// Number of the batch that a message sent now belongs to.
    batch: Batch,
    /// Number of the batch that the server answers next.
    answering: Batch,
    /// Entries of `owed` that end with ReadyForQuery.
    boundaries: u32,
    /// Entries of `owed` (of any batch) that may change state unseen until answered.
    stirring: u32,
    /// Executes of the open batch that may have changed reported state.
    stirred: bool,
    /// Messages have gone since the last one that ReadyForQuery answers: an implicit transaction
    /// may be open on the server.
    open: bool,
    /// An Execute has gone in the open batch.
    ran: bool,
    /// An Execute of more than BEGIN.
    acted: bool,
    /// A Bind has gone in the open batch: a Sync would end its portal.
    bound: bool,
    /// How far its transaction has got.
    progress: Progress,
    /// The server has been told to answer what has gone of the open batch.
    flushed: bool,
    /// The server skips everything up to the next Sync, which has not been sent yet.
    skipping: bool,
    copy: CopyIn,
    /// Code that cannot be seen has run: an unknown name may exist.
    unseen_ran: bool,
    /// A statement after which nothing may go until it is answered.
    fence: Fence,
    /// Where the session's task leads.
    task: Task,
    /// `None`: the client knows it by the server's own process id.
    process: Option<process::Process>,
    frontend_pass: usize,
    frontend_discard: usize,
    backend_pass: usize,
    replication: bool,
    /// What makes the backstop's tokens, where the upstream has a key.
    signer: Option<Signer>,
    /// The token for the message at the front has been set.
    signed: bool,
    /// The session may have a token of an earlier statement.
    has_token: bool,
    /// What the open transaction has left to run later.
    left: Left,
    /// What the catalog says; `None`: judged by the text alone.
    lookups: Option<Lookups>,
    /// The judgement of the message at the front, where it was made elsewhere.
    judged: Option<Rc<Judgement>>,
    /// Ids of the events written for the message at the front; it may go now.
    cleared: Option<Vec<EventId>>,
    /// Ordered by depth.
    undecided: Vec<Undecided>,
    fates: Vec<(EventId, Fate)>,
    nonce: Box<str>,
    refusals: u64,
    limit: usize,
    tally: Tally,
    application_name: Option<Rc<str>>,
}

/// Whether a statement in flight changes the very law that later ones are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Fence {
    #[default]
    No,
    /// It is in flight. `restore`: it was RESET ALL or DISCARD ALL on a server whose tags and
    /// guard were set with SET, so they are set again before anything else.
    Up { restore: bool },
}

/// How the catalog is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The session's `search_path`.
    pub path: crate::sql::catalog::Path,
    /// The upstream's database has the backstop.
    pub backstop: bool,
}

/// What a session starts with.
#[derive(Debug)]
pub struct Beginning {
    /// The law it runs under.
    pub policy: Policy,
    /// Its `authority.*` parameters as the startup packet left them.
    pub parameters: Parameters,
    /// ParameterStatus of the upstream, by name.
    pub reports: Vec<(String, String)>,
    /// The search path mentions `pg_temp`, or is not known.
    pub search_path_doubtful: bool,
    /// What makes the backstop's tokens, where the upstream has a key.
    pub signer: Option<Signer>,
    /// Whether routines are looked up in the catalog; `None`: the text alone decides.
    pub lookups: Option<Asked>,
    /// A replication connection.
    pub replication: bool,
    /// Random text, at most 32 characters of `[0-9a-f]`.
    pub nonce: Box<str>,
    /// `max_statement_bytes`.
    pub max_statement_bytes: usize,
}

impl Gate {
    /// A gate for an idle connection.
    pub fn new(beginning: Beginning) -> Self {
        let mut gate = Gate {
            policy: beginning.policy,
            state: State::new(beginning.parameters),
            foreseen: None,
            statements: Names::default(),
            portals: Names::default(),
            temporary: Temporary::default(),
            reports: Reports {
                standard_conforming_strings: true,
                client_encoding: Encoding::Utf8,
                always_utf8: true,
            },
            owed: VecDeque::new(),
            batch: 1,
            answering: 1,
            boundaries: 0,
            stirring: 0,
            stirred: false,
            open: false,
            bound: false,
            progress: Progress::Nothing,
            flushed: false,
            ran: false,
            acted: false,
            skipping: false,
            copy: CopyIn::No,
            unseen_ran: false,
            fence: Fence::No,
            task: Task::default(),
            process: None,
            frontend_pass: 0,
            frontend_discard: 0,
            backend_pass: 0,
            replication: beginning.replication,
            signer: beginning.signer,
            signed: false,
            has_token: false,
            left: Left::default(),
            lookups: beginning.lookups.map(|asked| Lookups::new(asked.path, asked.backstop)),
            judged: None,
            cleared: None,
            undecided: Vec::new(),
            fates: Vec::new(),
            nonce: beginning.nonce,
            refusals: 0,
            limit: beginning.max_statement_bytes,
            tally: Tally::default(),
            application_name: None,
        };
        if beginning.search_path_doubtful {
            gate.temporary.doubt_search_path();
        }
        for (name, value) in &beginning.reports {
            gate.report(name, value);
        }
        gate.task = Task::new(gate.state.parameters.task.get().clone());
        gate
    }

    /// Nothing is outstanding, no transaction is open, no message is half through: the connection
    /// could be drained, or serve another session.
    pub fn is_idle(&self) -> bool {
        self.owed.is_empty()
            && !self.open
            && !self.skipping
            && self.state.block() == crate::session::Block::None
            && self.frontend_pass == 0
            && self.frontend_discard == 0
            && self.backend_pass == 0
    }

    /// Number of messages that the server still has to answer.
    pub fn outstanding(&self) -> usize {
        self.owed.len()
    }

    /// The session's parameters as settled.
    pub fn parameters(&self) -> &Parameters {
        &self.state.parameters
    }

    /// A transaction block is open, as settled.
    pub fn in_transaction(&self) -> bool {
        self.state.block() != crate::session::Block::None
    }

    /// The law in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// `application_name` as last reported, if it changed since the last call.
    pub fn take_application_name(&mut self) -> Option<Rc<str>> {
        self.application_name.take()
    }

    /// The connection broke: confirmed statements whose end is not known.
    pub fn undecided(&self) -> Vec<EventId> {
        let mut ids: Vec<EventId> = self.undecided.iter().map(|one| one.id).collect();
        for owed in &self.owed {
            ids.extend(owed.confirmed());
        }
        ids
    }

    /// A confirmation older than `confirm_max_age` lapses; one that held when the open block began
    /// holds to its end.
    fn lapse(&mut self, now: Instant) {
        if let Some(max_age) = self.policy.confirm_max_age
            && self.state.lapse(now, max_age)
        {
            self.foreseen = None;
        }
    }

    /// Fates not yet given with an [`Answer`]: for the end of the session.
    pub fn take_fates(&mut self) -> Vec<(EventId, Fate)> {
        self.unused_record();
        std::mem::take(&mut self.fates)
    }
}
