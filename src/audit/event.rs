//! The audit record: what an event holds. Pure: time and ids are arguments.
//!
//! `json` writes it as one line; the field names there are the log's interface.

mod json;

use std::borrow::Cow;
use std::sync::Arc;

use crate::contract::Declaration;
use crate::policy::Denial;
use crate::sql::Class;

pub use json::{MAX_FIELD_BYTES, MAX_STATEMENT_BYTES, Rendering, TextFn, must_escape};

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

impl EventKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: &'static [EventKind] = &[
        EventKind::StatementBlocked,
        EventKind::ConfirmationSet,
        EventKind::DdlConfirmed,
        EventKind::DdlOutcome,
        EventKind::SessionRefused,
        EventKind::UpstreamRefused,
        EventKind::ConfigLoaded,
        EventKind::ConfigRefused,
        EventKind::Drift,
    ];

    /// The word in the log's `event` field.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::StatementBlocked => "statement_blocked",
            EventKind::ConfirmationSet => "confirmation_set",
            EventKind::DdlConfirmed => "ddl_confirmed",
            EventKind::DdlOutcome => "ddl_outcome",
            EventKind::SessionRefused => "session_refused",
            EventKind::UpstreamRefused => "upstream_refused",
            EventKind::ConfigLoaded => "config_loaded",
            EventKind::ConfigRefused => "config_refused",
            EventKind::Drift => "drift",
        }
    }

    /// Whether the event reports something that stands however the log fares.
    ///
    /// What could not be written of these is written late, when the log works again. The others
    /// announce something that is refused when they cannot be written, so a late line would say
    /// what never happened.
    pub const fn is_fact(self) -> bool {
        !matches!(self, EventKind::ConfirmationSet | EventKind::DdlConfirmed)
    }
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

impl Outcome {
    /// Every outcome, in the order of the documentation.
    pub const ALL: &'static [Outcome] =
        &[Outcome::Committed, Outcome::RolledBack, Outcome::Failed, Outcome::Unknown];

    /// The word in the log's `outcome` field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Committed => "committed",
            Outcome::RolledBack => "rolled_back",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        }
    }
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
    pub sqlstate: Option<Cow<'static, str>>,
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
    /// Byte offset in `statement` of the offending statement's first token: where a text too long
    /// for the log is cut, this part of it is shown. Not a field of its own.
    pub offset: u32,
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

impl Event {
    /// An event of this kind about this session, with nothing else known yet.
    pub fn new(id: uuid::Uuid, kind: EventKind, place: Arc<Place>, who: Arc<Who>) -> Event {
        Event {
            id,
            kind,
            rule: None,
            sqlstate: None,
            place,
            who,
            class: None,
            command_tag: None,
            statement: None,
            position: None,
            offset: 0,
            outcome: None,
            in_transaction: None,
            confirmed: None,
            ticket: None,
            reason: None,
            hint: None,
        }
    }

    /// An event about a refusal; what the session alone knows is left to be filled in.
    pub fn refused(
        id: uuid::Uuid,
        kind: EventKind,
        place: Arc<Place>,
        who: Arc<Who>,
        denial: &Denial,
    ) -> Event {
        let mut reason = denial.message.clone();
        if !denial.reason.is_empty() {
            reason.push_str("; ");
            reason.push_str(&denial.logged());
        }
        Event {
            rule: Some(denial.rule.id()),
            sqlstate: Some(denial.sqlstate()),
            class: denial.class.map(Class::as_str),
            command_tag: denial.tag.map(str::to_owned),
            offset: denial.location.unwrap_or(0),
            reason: Some(reason),
            hint: Some(denial.hint.clone()).filter(|hint| !hint.is_empty()),
            ..Event::new(id, kind, place, who)
        }
    }
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

impl Place {
    /// The place of a session on this upstream.
    pub fn of(upstream: &str, declared: Declaration, database: &str, task: Option<&str>) -> Place {
        Place {
            upstream: Some(upstream.to_owned()),
            authority: Some(declared.authority.as_str()),
            role: Some(declared.role.as_str()),
            env: Some(declared.environment.as_str()),
            database: Some(database.to_owned()),
            task: task.map(str::to_owned),
        }
    }
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
