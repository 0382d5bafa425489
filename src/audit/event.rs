//! The audit record and its JSON. Pure: time and ids are arguments.

use std::sync::Arc;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A statement was blocked.
    StatementBlocked,
    /// A session confirmed, or withdrew a confirmation.
    ConfirmationSet,
    /// A statement that needed the confirmation is about to be forwarded.
    DdlConfirmed,
    /// What became of it (same id as its `ddl_confirmed`).
    DdlOutcome,
    /// A session was refused.
    SessionRefused,
    /// An upstream was refused (a contradiction at connect, a loop, a guard that is off).
    UpstreamRefused,
    /// A configuration took effect.
    ConfigLoaded,
    /// A configuration was refused and the old one kept.
    ConfigRefused,
    /// Declared and observed facts differ.
    Drift,
}

/// What became of a confirmed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its transaction committed.
    Committed,
    /// Its transaction (or savepoint) was rolled back.
    RolledBack,
    /// The statement itself failed.
    Failed,
    /// The connection broke before the server said.
    Unknown,
}

/// One event; absent fields are left out of the JSON. Field names are the log's interface.
#[derive(Clone, Debug)]
pub struct Event {
    /// `id`: UUIDv7. A `ddl_outcome` carries the id of its `ddl_confirmed`.
    pub id: uuid::Uuid,
    /// `event`.
    pub kind: EventKind,
    /// `rule`, from the closed list in `policy::Rule`.
    pub rule: Option<&'static str>,
    /// `sqlstate` that the client got.
    pub sqlstate: Option<&'static str>,
    /// `upstream` … `task`: the declarations in force.
    pub place: Arc<Place>,
    /// `user`, `application_name`, `client`, `session`.
    pub who: Arc<Who>,
    /// `class`.
    pub class: Option<&'static str>,
    /// `command_tag`.
    pub command_tag: Option<String>,
    /// The whole message text as sent; the log writes it as `[audit] statement` says.
    pub statement: Option<bytes::Bytes>,
    /// `position`: in characters from 1, of the offending statement in the text.
    pub position: Option<u32>,
    /// `outcome` of a `ddl_outcome`.
    pub outcome: Option<Outcome>,
    /// `in_transaction`.
    pub in_transaction: Option<bool>,
    /// `confirmed`.
    pub confirmed: Option<bool>,
    /// `ticket`.
    pub ticket: Option<Arc<str>>,
    /// `reason`.
    pub reason: Option<String>,
    /// `hint`.
    pub hint: Option<String>,
}

/// Where: the declarations in force for an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The upstream's name.
    pub upstream: Option<String>,
    /// Its authority.
    pub authority: Option<&'static str>,
    /// Its role.
    pub role: Option<&'static str>,
    /// Its env.
    pub env: Option<&'static str>,
    /// The entry that the client asked for.
    pub database: Option<String>,
    /// The session's task.
    pub task: Option<String>,
}

/// Who: the session that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The user's name.
    pub user: Option<String>,
    /// `application_name` as last set.
    pub application_name: Option<String>,
    /// Address and port, or `local` for a Unix socket.
    pub client: Option<String>,
    /// The session's id, shared by all its events.
    pub session: Option<String>,
}
