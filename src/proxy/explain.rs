//! What the running proxy would do with a text: the same declaration, the same gate, no server.

use std::sync::Arc;

use bytes::BytesMut;

use super::declare::declare;
use crate::config::{Config, Upstream};
use crate::gate::{Beginning, Gate, Judging, Next};
use crate::policy::Denial;
use crate::protocol::{InitialPacket, Startup, frontend, message};
use crate::session::Instant;

/// A session to be explained.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The entry, as a client names it.
    pub database: &'a str,
    /// The user.
    pub user: &'a str,
    /// Settings of the startup packet, such as `authority.task`.
    pub settings: Vec<(&'a str, &'a str)>,
}

/// What would become of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It would run.
    Runs,
    /// It would run because the session has confirmed, and be recorded.
    RunsConfirmed,
    /// It would be refused.
    Refused(Box<Denial>),
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The upstream that the session would be connected to; `None`: no session at all.
    pub upstream: Option<Arc<Upstream>>,
    /// The task it would run under.
    pub task: Option<String>,
    /// What would become of the text.
    pub fate: Fate,
}

/// Explains `text` in the session asked for; `None`: there is no such entry.
pub fn explain(
    config: &Config,
    asked: &Asked<'_>,
    judge: &mut impl Judging,
    text: &[u8],
) -> Option<Explained> {
    let entry = config.entry(asked.database)?;
    let startup = startup(asked)?;
    let declared = match declare(config, entry, &startup, Instant::ZERO) {
        Ok(declared) => declared,
        Err(denial) => {
            return Some(Explained { upstream: None, task: None, fate: Fate::Refused(denial) });
        }
    };
    let task = declared.parameters.task.get().as_deref().map(str::to_owned);
    let mut gate = Gate::new(Beginning {
        policy: declared.policy,
        parameters: declared.parameters,
        reports: Vec::new(),
        search_path_doubtful: declared.search_path_doubtful,
        signer: None,
        lookups: None,
        replication: false,
        nonce: "0".into(),
        max_statement_bytes: config.server.limits.max_statement_bytes,
    });
    let mut query = BytesMut::new();
    message::frame(&mut query, frontend::QUERY, |body| message::put_cstring(body, text));
    let fate = match gate.frontend(judge, &query, Instant::ZERO).next {
        Next::Refuse(refusal) => Fate::Refused(Box::new(refusal.denial)),
        Next::Fatal(denial) => Fate::Refused(denial),
        Next::Record(record) if !record.confirmed.is_empty() => Fate::RunsConfirmed,
        _ => Fate::Runs,
    };
    Some(Explained { upstream: Some(declared.upstream), task, fate })
}

/// The startup packet of such a session.
fn startup(asked: &Asked<'_>) -> Option<Startup> {
    let mut body = BytesMut::new();
    body.extend_from_slice(&message::protocol_version(3, 0).to_be_bytes());
    let fixed = [("user", asked.user), ("database", asked.database)];
    for (name, value) in fixed.iter().chain(&asked.settings) {
        message::put_cstring(&mut body, name.as_bytes());
        message::put_cstring(&mut body, value.as_bytes());
    }
    body.extend_from_slice(&[0]);
    match InitialPacket::parse(body.freeze()) {
        Ok(InitialPacket::Startup(startup)) => Some(*startup),
        _ => None,
    }
}
