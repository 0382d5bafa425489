//! What the running proxy would do with a text: the same declaration, the same gate, no server.

use std::sync::Arc;

use bytes::BytesMut;

use super::declare::declare;
use crate::config::{Config, Upstream};
use crate::gate::{Beginning, Gate, Judging, Next};
use crate::policy::{Denial, Policy};
use crate::protocol::{InitialPacket, Startup, message};
use crate::session::{Instant, Parameters};
use crate::split::{self, Route, Side, Temporary};

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
    /// Of a session that reads in one place and writes in another: the two.
    pub between: Option<(Arc<Upstream>, Arc<Upstream>)>,
    /// Of such a session: where each statement goes, by
    /// its tag.
    pub legs: Vec<(&'static str, &'static str)>,
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
    let declared = match declare(config, entry, &startup, Instant::ZERO, None) {
        Ok(declared) => declared,
        Err(denial) => {
            let fate = Fate::Refused(denial);
            let (upstream, task, between) = (None, None, None);
            return Some(Explained { upstream, task, fate, between, legs: Vec::new() });
        }
    };
    let task = declared.parameters.task.get().as_deref().map(str::to_owned);
    let limit = config.server.limits.max_statement_bytes;
    let write = declared.write.as_ref().map(|(write, _)| write.clone());
    let mut explained = Explained {
        between: write.map(|write| (declared.upstream.clone(), write)),
        upstream: Some(declared.upstream),
        task,
        fate: Fate::Runs,
        legs: Vec::new(),
    };
    let law = (declared.parameters, declared.search_path_doubtful, limit);
    let Some((local, policy)) = declared.write else {
        explained.fate = fate(declared.policy, &law, judge, text);
        return Some(explained);
    };
    let judgement = judge.judge(text)?;
    for statement in &judgement.statements {
        let route = split::route(statement, statement.class, &Temporary::default());
        let sides: &[Side] = match &route {
            Route::To(Side::Read) => &[Side::Read],
            Route::To(Side::Write) => &[Side::Write],
            Route::Both { .. } | Route::Transaction => &Side::BOTH,
            Route::Prepared(_) | Route::Cursor(_) => &[],
            Route::Refused(why, hint) => {
                explained.fate = Fate::Refused(Box::new(super::split::unsupported(why, hint)));
                &[]
            }
        };
        explained.legs.push((statement.tag, leg_words(&route)));
        let start = (statement.location as usize).min(text.len());
        let end = start.saturating_add(statement.length as usize).min(text.len());
        for side in sides {
            // which leg a mode of transactions concerns is the session's to know
            if route == Route::Transaction || explained.fate != Fate::Runs {
                continue;
            }
            let policy = if *side == Side::Read { &declared.policy } else { &policy };
            explained.fate = fate(policy.clone(), &law, judge, &text[start..end]);
            if let Fate::Refused(denial) = &mut explained.fate {
                denial.move_by(statement.location);
            }
            explained.upstream = match side {
                Side::Write => Some(local.clone()),
                Side::Read => explained.upstream,
            };
        }
    }
    Some(explained)
}

/// Where a statement of a split session goes, for people.
fn leg_words(route: &Route) -> &'static str {
    match route {
        Route::To(Side::Read) => "neon, where the session reads",
        Route::To(Side::Write) => "local, where the session writes",
        Route::Both { .. } => "both legs",
        Route::Transaction => "the session itself: each leg when it is first used",
        Route::Prepared(_) => "where the prepared statement lives",
        Route::Cursor(_) => "where the cursor lives",
        Route::Refused(..) => "none",
    }
}

/// What a gate decides of a text.
fn fate(
    policy: Policy,
    (parameters, search_path_doubtful, limit): &(Parameters, bool, usize),
    judge: &mut impl Judging,
    text: &[u8],
) -> Fate {
    let mut gate = Gate::new(Beginning {
        policy,
        parameters: parameters.clone(),
        reports: Vec::new(),
        search_path_doubtful: *search_path_doubtful,
        signer: None,
        lookups: None,
        replication: false,
        nonce: "0".into(),
        max_statement_bytes: *limit,
    });
    match gate.frontend(judge, &message::query(text), Instant::ZERO).next {
        Next::Refuse(refusal) => Fate::Refused(Box::new(refusal.denial)),
        Next::Fatal(denial) => Fate::Refused(denial),
        Next::Record(record) if !record.confirmed.is_empty() => Fate::RunsConfirmed,
        _ => Fate::Runs,
    }
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
