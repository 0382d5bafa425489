//! What a statement does to its session's state.

use super::Statement;

/// SET or SET LOCAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetScope {
    /// `SET`, `SET SESSION`.
    Session,
    /// `SET LOCAL`.
    Local,
}

/// The value of a SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetValue {
    /// The value as the server will see it (list items joined by `, ` with quotes removed).
    Text(Box<str>),
    /// `TO DEFAULT`: the same as RESET, with the statement's scope.
    Default,
}

/// A transaction's modes, as far as a statement writes them (manual, "SET TRANSACTION").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// READ WRITE (true), READ ONLY (false).
    pub read_write: Option<bool>,
    /// ISOLATION LEVEL.
    pub isolation: Option<Isolation>,
    /// DEFERRABLE (true), NOT DEFERRABLE (false).
    pub deferrable: Option<bool>,
}

/// An isolation level as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// READ UNCOMMITTED, which is READ COMMITTED.
    ReadUncommitted,
    /// READ COMMITTED.
    ReadCommitted,
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

/// COMMIT's and ROLLBACK's `AND CHAIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// No chain.
    No,
    /// `AND CHAIN`: a new transaction starts at once.
    Yes,
}

/// What a statement does to the session's state when it succeeds. At most one a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing the proxy keeps track of.
    None,
    /// BEGIN, START TRANSACTION.
    Begin {
        /// What is written of its modes.
        modes: Modes,
    },
    /// COMMIT, END.
    Commit(Chain),
    /// ROLLBACK, ABORT.
    Rollback(Chain),
    /// SAVEPOINT.
    Savepoint(Box<str>),
    /// RELEASE SAVEPOINT.
    Release(Box<str>),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(Box<str>),
    /// PREPARE TRANSACTION: the transaction leaves the session.
    PrepareTransaction,
    /// SET of one parameter; the name as the grammar gives it (compare without case).
    /// `SET NAMES` is `client_encoding`, `SET TIME ZONE` is `timezone`, `SET ROLE` is `role`,
    /// `SET SESSION AUTHORIZATION` is `session_authorization`. FROM CURRENT never appears here.
    Set {
        /// The parameter.
        name: Box<str>,
        /// What it is set to.
        value: SetValue,
        /// SET or SET LOCAL.
        scope: SetScope,
    },
    /// SET TRANSACTION. (A SNAPSHOT sets none of the modes.)
    SetTransaction {
        /// What is written of its modes.
        modes: Modes,
    },
    /// SET SESSION CHARACTERISTICS AS TRANSACTION.
    SetSessionCharacteristics {
        /// What is written of the modes.
        modes: Modes,
    },
    /// RESET name.
    Reset(Box<str>),
    /// RESET ALL.
    ResetAll,
    /// DISCARD ALL.
    DiscardAll,
    /// DISCARD TEMP.
    DiscardTemp,
    /// DISCARD PLANS or SEQUENCES.
    DiscardOther,
    /// PREPARE name AS …; the inner statement, judged.
    Prepare {
        /// The statement's name.
        name: Box<str>,
        /// What EXECUTE of it does.
        inner: Box<Statement>,
    },
    /// EXECUTE name, also inside EXPLAIN ANALYZE or CREATE TABLE AS: the prepared statement's
    /// class counts besides this one's.
    Execute(Box<str>),
    /// DEALLOCATE name, or ALL (`None`).
    Deallocate(Option<Box<str>>),
    /// DECLARE name CURSOR; `hold`: WITH HOLD. The class of the query is the statement's.
    Declare {
        /// The cursor's name.
        name: Box<str>,
        /// WITH HOLD.
        hold: bool,
    },
    /// FETCH or MOVE from a cursor: the cursor's class counts besides this one's.
    Fetch(Box<str>),
    /// CLOSE name, or ALL (`None`).
    CloseCursor(Option<Box<str>>),
    /// CREATE TEMPORARY … of relations with these names. `on_commit_drop`: they go at the end of
    /// the transaction.
    CreateTemp {
        /// The relations created.
        names: Box<[Box<str>]>,
        /// ON COMMIT DROP.
        on_commit_drop: bool,
    },
    /// DROP or RENAME of relations: these names are no longer known to be temporary.
    Forget {
        /// Unqualified names.
        names: Box<[Box<str>]>,
    },
}
