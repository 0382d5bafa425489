//! What the running proxy would do with a text: the same declaration, the same gate, no server.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;

use super::declare::declare;
use super::split::{refused_in_string, unsupported};
use crate::config::{Config, Upstream};
use crate::gate::{Beginning, Gate, Judging, Next};
use crate::policy::{Denial, Policy, View};
use crate::protocol::{InitialPacket, Startup, message};
use crate::session::{Instant, Parameters};
use crate::split::{self, Route, Side, Temporary};
use crate::sql::{Effect, Statement};

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
    /// Of such a session: where each statement goes.
    pub legs: Vec<Leg>,
}

/// Where a statement of a split session goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The statement, by its tag.
    pub tag: &'static str,
    /// The place, in words.
    pub place: &'static str,
    /// What decides it.
    pub why: &'static str,
}

/// What the gates of a session start with.
struct Law {
    parameters: Parameters,
    search_path_doubtful: bool,
    limit: usize,
}

/// Explains `text`, sent as one Query, in the session asked for; `None`: there is no such entry.
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
    let law = Law {
        parameters: declared.parameters,
        search_path_doubtful: declared.search_path_doubtful,
        limit: config.server.limits.max_statement_bytes,
    };
    let mut explained = Explained {
        upstream: Some(declared.upstream.clone()),
        task,
        fate: Fate::Runs,
        between: None,
        legs: Vec::new(),
    };
    let Some((local, policy)) = declared.write else {
        explained.fate = law.fate(declared.policy, judge, text);
        return Some(explained);
    };
    explained.between = Some((declared.upstream, local));
    explained.spanning(&law, [declared.policy, policy], judge, text)?;
    Some(explained)
}

impl Explained {
    /// What the splitter and the legs' gates make of a text. `None`: it could not be judged.
    fn spanning(
        &mut self,
        law: &Law,
        policies: [Policy; 2],
        judge: &mut impl Judging,
        text: &[u8],
    ) -> Option<()> {
        let judgement = judge.judge(text)?;
        let alone = judgement.statements.len() == 1;
        let mut names = HashMap::new();
        let mut sides = Vec::new();
        for statement in &judgement.statements {
            let (route, why) = split::placed(statement, statement.class, &Temporary::default());
            let (tag, place) = (statement.tag, leg_words(&route));
            self.legs.push(Leg { tag, place, why });
            let route = resolved(route, &names);
            if let Some((name, side)) = named(statement, &route) {
                names.insert(name, side);
            }
            let refused = match alone {
                true => split::control_refused(&statement.effect),
                false => None,
            };
            match (refused, &route) {
                (Some((why, hint)), _) => self.refuse(statement, why, hint),
                // which leg the modes of a transaction concern is the session's to know
                (None, Route::Transaction) if alone => return Some(()),
                _ => match split::within_string(&route) {
                    Ok(side) => sides.push(side),
                    Err((why, hint)) => self.refuse(statement, why, hint),
                },
            }
        }
        if self.fate != Fate::Runs {
            return Some(());
        }
        let one = sides.first().copied().flatten();
        if let Some(side) = one.filter(|side| sides.iter().all(|other| *other == Some(*side))) {
            let fate = law.fate(policies[side as usize].clone(), judge, text);
            self.meets(side, fate);
            return Some(());
        }
        if alone {
            // it changes the session: what both gates allow
            for side in Side::BOTH {
                let fate = law.fate(policies[side as usize].clone(), judge, text);
                self.meets(side, fate);
            }
            return Some(());
        }
        let parts = judgement.statements.iter().zip(sides);
        let parts = parts.map(|(statement, side)| (statement, statement.class, side));
        let view = View { task_is_set: law.parameters.task.is_set(), ..View::default() };
        if let Some((_, side, denial)) = refused_in_string(&policies, parts, view) {
            self.meets(side, Fate::Refused(denial));
        }
        Some(())
    }

    /// The splitter refuses a statement; the first refusal is the one that is told.
    fn refuse(&mut self, statement: &Statement, why: &str, hint: &str) {
        if self.fate == Fate::Runs {
            let mut denial = unsupported(why, hint).at(statement.location);
            denial.class = Some(statement.class);
            denial.tag = Some(statement.tag);
            self.fate = Fate::Refused(Box::new(denial));
        }
    }

    /// A leg's gate has decided; the first decision that is not just to run is the one that is told.
    fn meets(&mut self, side: Side, fate: Fate) {
        if self.fate == Fate::Runs {
            self.fate = fate;
            self.upstream = self.between.as_ref().map(|(read, write)| match side {
                Side::Read => read.clone(),
                Side::Write => write.clone(),
            });
        }
    }
}

/// A name: a prepared statement's (`true`) or a cursor's.
type Name = (bool, Box<str>);

/// Where a name leads that an earlier statement of the text has made, or that nobody knows, in a
/// session that has just begun.
fn resolved(route: Route, names: &HashMap<Name, Side>) -> Route {
    let known = |name: Name, unknown| Route::To(names.get(&name).copied().unwrap_or(unknown));
    match route {
        Route::Prepared(name) => known((true, name), Side::Read),
        Route::Cursor(name) => known((false, name), Side::Write),
        other => other,
    }
}

/// The name that a statement makes, and its leg.
fn named(statement: &Statement, route: &Route) -> Option<(Name, Side)> {
    let Route::To(side) = route else { return None };
    match &statement.effect {
        Effect::Prepare { name, .. } => Some(((true, name.clone()), *side)),
        Effect::Declare { name, .. } => Some(((false, name.clone()), *side)),
        _ => None,
    }
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

impl Law {
    /// What a gate decides of a text.
    fn fate(&self, policy: Policy, judge: &mut impl Judging, text: &[u8]) -> Fate {
        let mut gate = Gate::new(Beginning {
            policy,
            parameters: self.parameters.clone(),
            reports: Vec::new(),
            search_path_doubtful: self.search_path_doubtful,
            signer: None,
            lookups: None,
            replication: false,
            nonce: "0".into(),
            max_statement_bytes: self.limit,
        });
        match gate.frontend(judge, &message::query(text), Instant::ZERO).next {
            Next::Refuse(refusal) => Fate::Refused(Box::new(refusal.denial)),
            Next::Fatal(denial) => Fate::Refused(denial),
            Next::Record(record) if !record.confirmed.is_empty() => Fate::RunsConfirmed,
            _ => Fate::Runs,
        }
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
