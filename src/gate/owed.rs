//! What the server owes: one entry a message that gets an answer, in order.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::gate::Refusal;
use crate::session::Change;
use crate::sql::{Effect, Judgement, Statement};

/// The id of an audit event, made by the shell (UUIDv7).
pub type EventId = u128;

/// One message's answer.
#[derive(Debug)]
pub(super) enum Owed {
    /// A Query none of whose statements changes what the gate keeps. `writes`: it may run triggers.
    PlainQuery { writes: bool },
    /// Any other Query.
    Query(Box<Run>),
    /// A Parse.
    Parse(Change),
    /// A Bind.
    Bind(Change),
    /// A Describe.
    Describe,
    /// An Execute of a portal that changes nothing the gate keeps. `writes`: as above.
    PlainExecute { writes: bool },
    /// Any other Execute.
    Execute(Box<Run>),
    /// A Close of a statement.
    CloseStatement(Change),
    /// A Close of a portal.
    ClosePortal(Change),
    /// A Sync.
    Sync,
    /// A FunctionCall.
    FunctionCall,
    /// A substitute for a refused Query or FunctionCall.
    RefusedQuery(Box<Refusal>),
    /// A substitute for any other refused message.
    Refused(Box<Refusal>),
    /// Statements of the proxy's own: their answers are absorbed.
    Own(Own),
    /// What the splitter asks of the server, whose answers are its own.
    Question,
    /// The proxy asks for the confirmation: see [`super::check`].
    Check(Check),
}

/// What the proxy's own statements are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// Tags and guard are set again.
    Restore,
    /// The catalog is looked at; `private`: in a transaction block.
    Look { private: bool },
    /// A turn of a look inside the client's pipeline.
    Inside,
    /// A Sync before a look, behind messages of the client's that have bound nothing yet.
    Aside,
    /// A token is set, with a Sync of its own.
    SyncedToken,
    /// A token is set inside the client's pipeline; so many CloseCompletes are still to come.
    Token { closes: u8 },
    /// The server is told the session's task again.
    Task,
    /// A look that failed is undone.
    Undo { private: bool },
}

/// A question to the server about the confirmation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    /// It ends with a Sync of its own; else with a Flush, inside the client's pipeline.
    pub(super) synced: bool,
    /// What the server said.
    pub(super) confirmed: bool,
    /// CloseCompletes still to come.
    pub(super) closes: u8,
}

/// A string or portal being run.
#[derive(Debug)]
pub(super) struct Run {
    /// The statements.
    pub(super) judgement: Rc<Judgement>,
    /// The portal could have been another statement too: its effects are not certain.
    pub(super) uncertain: bool,
    /// Number of statements that the server has reported done.
    pub(super) done: usize,
    /// Statements that run because the session confirmed.
    pub(super) confirmed: VecDeque<(usize, EventId)>,
    /// Names that SQL-level PREPARE and DEALLOCATE change, by statement.
    pub(super) statements: VecDeque<(usize, Change)>,
    /// Names that DECLARE and CLOSE change, by statement.
    pub(super) portals: VecDeque<(usize, Change)>,
    /// COPY FROM STDIN statements that have not asked for data yet.
    pub(super) copies: usize,
    /// EXECUTE of something whose effects are not followed.
    pub(super) indirect: bool,
    /// It may change the catalog.
    pub(super) changes: bool,
    /// Code runs that cannot be seen, in the statements themselves or in what they name.
    pub(super) unseen: bool,
}

/// What of a list ordered by statement belongs to statement `at`.
pub(super) fn take_at<T>(list: &mut VecDeque<(usize, T)>, at: usize) -> Option<T> {
    let (index, _) = list.front()?;
    if *index > at { None } else { list.pop_front().map(|(_, what)| what) }
}

/// A BEGIN that leaves the transaction as read-only as the guard has it begin.
fn begins(statement: &Statement) -> bool {
    matches!(&statement.effect, Effect::Begin { modes } if modes.read_write != Some(true))
}

impl Owed {
    /// An Execute of anything but BEGIN.
    pub(super) fn acts(&self) -> bool {
        match self {
            Owed::PlainExecute { .. } => true,
            Owed::Execute(run) => {
                run.uncertain || run.indirect || !run.judgement.statements.iter().all(begins)
            }
            _ => false,
        }
    }

    /// Ends with ReadyForQuery.
    pub(super) fn is_boundary(&self) -> bool {
        matches!(
            self,
            Owed::PlainQuery { .. }
                | Owed::Query(_)
                | Owed::Sync
                | Owed::Question
                | Owed::FunctionCall
                | Owed::RefusedQuery(_)
                | Owed::Own(
                    Own::Restore
                        | Own::Look { .. }
                        | Own::Undo { .. }
                        | Own::Aside
                        | Own::SyncedToken
                        | Own::Task
                )
                | Owed::Check(Check { synced: true, .. })
        )
    }

    /// May change state that decisions depend on.
    pub(super) fn stirs(&self) -> bool {
        matches!(self, Owed::Query(_) | Owed::Execute(_))
    }

    /// The run, where it is one.
    pub(super) fn run(&mut self) -> Option<&mut Run> {
        match self {
            Owed::Query(run) | Owed::Execute(run) => Some(run),
            _ => None,
        }
    }

    /// Confirmed statements that have not been reported done.
    pub(super) fn confirmed(&self) -> impl Iterator<Item = EventId> + '_ {
        let run = match self {
            Owed::Query(run) | Owed::Execute(run) => Some(run),
            _ => None,
        };
        run.into_iter().flat_map(|run| run.confirmed.iter().map(|(_, id)| *id))
    }
}
