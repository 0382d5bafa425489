//! The tags and the read-only default: read back before they are believed, set where the
//! upstream dropped them, and refused where they do not hold (contract §2, §4; proxy §2).

use std::borrow::Cow;
use std::time::Instant;

use super::backstop::{self, Signable};
use super::connect::place;
use super::connection::{Announced, GuardBy, Reports, TagsBy};
use super::error::{ConnectError, ConnectErrorKind, ErrorFields};
use super::query::{QueryError, literal, queries, query, texts, whole};
use super::seal::{self, Found};
use super::startup::{Ours, READ_ONLY, tags};
use super::tls::gone;
use super::wire::Wire;
use crate::config::Upstream;
use crate::contract::{Role, parameter};

/// What holds on a connection.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) tags: TagsBy,
    pub(super) guard: GuardBy,
    pub(super) search_path: String,
    pub(super) serializable: bool,
    pub(super) current_user: String,
    pub(super) announced: Option<Announced>,
    pub(super) signable: Option<Signable>,
    pub(super) observations: Vec<String>,
}

/// What is asked about a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// What went into `options`.
    pub(super) sent: Ours,
    /// The connection must be read-only by default.
    pub(super) guarded: bool,
    /// A physical replication connection knows SHOW and no other statement.
    pub(super) shows_only: bool,
    /// What the session's task is to be; it goes where the tags go.
    pub(super) task: Option<&'a str>,
}

/// Makes sure that the tags and the guard hold, and the seal where one is required. One round trip
/// where the upstream took them as startup options. The state is read last: it is what holds when
/// everything else of ours has run.
pub(super) async fn declare(
    wire: &mut Wire,
    reports: &mut Reports,
    upstream: &Upstream,
    wanted: Wanted<'_>,
) -> Result<Declared, ConnectError> {
    let (sealed, mut state) = if upstream.require_seal {
        let (sealed, state) = read_sealed(wire, reports, upstream, wanted).await?;
        (Some(sealed), state)
    } else {
        (None, read(wire, reports, upstream, wanted).await?)
    };
    let announced = reports.announced().or_else(|| state.another(upstream));
    if let Some(theirs) = &announced {
        check_chain(upstream, theirs)?;
    }
    if let Some(sealed) = sealed {
        seal::require(&sealed, upstream)?;
    }
    let tags_set = announced.is_none() && !(wanted.sent.tags && state.tags_hold(upstream));
    let guard_set = wanted.guarded && !(wanted.sent.guard && state.read_only);
    if tags_set || guard_set {
        if !wanted.shows_only {
            let what = Ours { tags: tags_set, guard: guard_set };
            set(wire, reports, upstream, what, wanted.task).await?;
        }
        state = read(wire, reports, upstream, wanted).await?;
        if tags_set && !state.tags_hold(upstream) {
            return Err(does_not_hold(upstream, "the tags"));
        }
        if guard_set && !state.read_only {
            return Err(does_not_hold(upstream, "default_transaction_read_only = on"));
        }
    }
    let tags = match (&announced, tags_set) {
        (Some(_), _) => TagsBy::Announced,
        (None, true) => TagsBy::Set,
        (None, false) => TagsBy::Options,
    };
    let guard = match (wanted.guarded, guard_set) {
        (false, _) => GuardBy::None,
        (true, true) => GuardBy::Set,
        (true, false) => GuardBy::Options,
    };
    let mut observations = observations(upstream, reports.parameter("in_hot_standby"));
    let State { search_path, serializable, current_user, signable, .. } = state;
    if upstream.backstop.is_some() && signable.is_none() && !wanted.shows_only {
        observations.push(format!(
            "upstream \"{}\" does not tell its backend's start: its backstop will refuse what is \
             confirmed here",
            upstream.name
        ));
    }
    Ok(Declared {
        tags,
        guard,
        search_path,
        serializable,
        current_user,
        announced,
        signable,
        observations,
    })
}

/// What the server says.
#[derive(Debug, Default)]
struct State {
    tags: [String; 4],
    read_only: bool,
    search_path: String,
    serializable: bool,
    current_user: String,
    signable: Option<Signable>,
}

impl State {
    /// From the columns of a [`READ`] that was sent at `at`.
    fn from_columns(
        upstream: &Upstream,
        columns: impl IntoIterator<Item = String>,
        at: Instant,
    ) -> State {
        let mut columns = columns.into_iter();
        let mut next = || columns.next().unwrap_or_default();
        let (tags, read_only) = ([next(), next(), next(), next()], next() == "on");
        let (search_path, serializable) = (next(), next() == "serializable");
        let current_user = next();
        let rest: Vec<String> = columns.collect();
        let key = upstream.backstop.as_ref();
        let signable = key.and_then(|key| Signable::read(key, &rest, at));
        State { tags, read_only, search_path, serializable, current_user, signable }
    }

    fn tags_hold(&self, upstream: &Upstream) -> bool {
        tags(upstream).iter().zip(&self.tags).all(|((_, ours), held)| ours == held)
    }

    /// The tags of another proxy, seen through something that hides its announcement.
    fn another(&self, upstream: &Upstream) -> Option<Announced> {
        let [name, authority, role, env] = self.tags.clone();
        let another = !name.is_empty() && name != upstream.name;
        another.then_some(Announced { upstream: name, authority, role, env })
    }
}

/// In the order of [`State::from_columns`]. `pg_catalog.` in front of everything: no
/// `search_path` can put another function in its place.
const READ: &str = "SELECT \
    pg_catalog.current_setting('authority.upstream', true), \
    pg_catalog.current_setting('authority.authority', true), \
    pg_catalog.current_setting('authority.role', true), \
    pg_catalog.current_setting('authority.env', true), \
    pg_catalog.current_setting('default_transaction_read_only'), \
    pg_catalog.current_setting('search_path'), \
    pg_catalog.current_setting('default_transaction_isolation'), \
    current_user";

const SHOWS: [&str; 8] = [
    "SHOW authority.upstream",
    "SHOW authority.authority",
    "SHOW authority.role",
    "SHOW authority.env",
    "SHOW default_transaction_read_only",
    "SHOW search_path",
    "SHOW default_transaction_isolation",
    "SHOW role",
];

async fn read(
    wire: &mut Wire,
    reports: &mut Reports,
    upstream: &Upstream,
    wanted: Wanted<'_>,
) -> Result<State, ConnectError> {
    let at = Instant::now();
    if !wanted.shows_only {
        let rows = query(wire, reports, &statement(upstream)).await;
        let rows = rows.map_err(|error| failed(upstream, error))?;
        return Ok(State::from_columns(upstream, texts(rows), at));
    }
    let mut columns = Vec::with_capacity(SHOWS.len());
    for show in SHOWS {
        match query(wire, reports, show).await {
            Ok(rows) => columns.push(texts(rows).collect()),
            // a parameter that nobody set
            Err(QueryError::Server(_)) => columns.push(String::new()),
            Err(error) => return Err(failed(upstream, error)),
        }
    }
    Ok(State::from_columns(upstream, columns, at))
}

/// The seal, and behind it the state, in one round trip.
async fn read_sealed(
    wire: &mut Wire,
    reports: &mut Reports,
    upstream: &Upstream,
    wanted: Wanted<'_>,
) -> Result<(Found, State), ConnectError> {
    if wanted.shows_only {
        return Err(seal::unreadable(upstream));
    }
    let at = Instant::now();
    let statement = statement(upstream);
    let statement = whole(reports, &statement);
    let messages: Vec<&str> = seal::READ.into_iter().chain([&*statement]).collect();
    let answers = queries(wire, reports, &messages).await;
    let mut answers = answers.map_err(|error| failed(upstream, QueryError::Io(error)))?;
    let state = answers.pop().unwrap_or_else(|| Ok(Vec::new()));
    let rows = state.map_err(|frame| failed(upstream, QueryError::Server(frame)))?;
    let state = State::from_columns(upstream, texts(rows), at);
    Ok((seal::found(answers.into_iter()), state))
}

fn statement(upstream: &Upstream) -> Cow<'static, str> {
    match upstream.backstop {
        Some(_) => Cow::Owned(format!("{READ}{}", backstop::COLUMNS)),
        None => Cow::Borrowed(READ),
    }
}

async fn set(
    wire: &mut Wire,
    reports: &mut Reports,
    upstream: &Upstream,
    what: Ours,
    task: Option<&str>,
) -> Result<(), ConnectError> {
    let statement = set_statement(upstream, what, task);
    match query(wire, reports, &statement).await {
        Ok(_) => Ok(()),
        Err(error) => Err(failed(upstream, error)),
    }
}

fn set_statement(upstream: &Upstream, what: Ours, task: Option<&str>) -> String {
    let mut calls = Vec::with_capacity(6);
    let mut call = |name: &str, value: &str| {
        calls.push(format!("pg_catalog.set_config('{name}', {}, false)", literal(value)));
    };
    if what.tags {
        for (name, value) in tags(upstream) {
            call(name, value);
        }
        if let Some(task) = task {
            call(parameter::TASK, task);
        }
    }
    if what.guard {
        call(READ_ONLY, "on");
    }
    format!("SELECT {}", calls.join(", "))
}

fn failed(upstream: &Upstream, error: QueryError) -> ConnectError {
    match error {
        QueryError::Server(frame) => {
            let fields = ErrorFields::read(&frame);
            contract(upstream, &format!("did not let its tags be checked: {}", fields.message))
        }
        QueryError::Io(error) => {
            let message = format!("{}: {}", place(upstream), gone(&error));
            ConnectError::new(ConnectErrorKind::Unreachable, "08006", message)
        }
    }
}

fn does_not_hold(upstream: &Upstream, what: &str) -> ConnectError {
    contract(upstream, &format!("does not keep {what}"))
        .with_detail("set as a startup option and by SET, and read back otherwise")
        .with_hint("connect to the server itself rather than to a transaction pooler")
}

fn contract(upstream: &Upstream, what: &str) -> ConnectError {
    let message = format!("{} {what}", place(upstream));
    ConnectError::new(ConnectErrorKind::Contract, "28000", message)
}

/// The upstream turned out to be another pgauthority, and `chain` does not allow it.
pub(super) fn another_pgauthority(upstream: &Upstream) -> ConnectError {
    contract(upstream, "is another pgauthority").with_hint(format!(
        "name a PostgreSQL server in its url, or set chain = true in [upstreams.{}] if a chain \
         of proxies is meant",
        upstream.name
    ))
}

/// The tags that the proxy there announces, against the declaration here (contract §1).
fn check_chain(upstream: &Upstream, theirs: &Announced) -> Result<(), ConnectError> {
    if !upstream.chain {
        let there = format!("it announces upstream \"{}\"", theirs.upstream);
        return Err(another_pgauthority(upstream).with_detail(there));
    }
    let [_, (_, authority), (_, role), (_, env)] = tags(upstream);
    let ours = [authority, role, env].join(", ");
    let theirs = [&*theirs.authority, &*theirs.role, &*theirs.env].join(", ");
    if ours == theirs {
        return Ok(());
    }
    Err(contract(upstream, "is a pgauthority whose tags differ from the declaration here")
        .with_detail(format!("declared here: {ours}; announced there: {theirs}"))
        .with_hint("make both configurations declare the same authority, role and env"))
}

/// Facts that contradict the declaration.
fn observations(upstream: &Upstream, in_hot_standby: Option<&str>) -> Vec<String> {
    let name = &upstream.name;
    let role = upstream.declaration.role;
    match in_hot_standby {
        Some("off") if role == Role::Replica => vec![format!(
            "upstream \"{name}\" is declared a replica, but its server is not in recovery \
             (in_hot_standby = off)"
        )],
        Some("on") if role != Role::Replica => vec![format!(
            "upstream \"{name}\" is declared {role}, but its server is a standby \
             (in_hot_standby = on) and takes no writes"
        )],
        _ => Vec::new(),
    }
}

/// A Neon host of the `-pooler` kind: PgBouncer in transaction mode, without session state.
pub(super) fn is_pooler(upstream: &Upstream) -> bool {
    crate::contract::is_neon_pooler(&upstream.endpoint.host)
}

/// A guard that rests on a session default cannot hold where sessions have no state.
pub(super) fn refuse_guard_on_pooler(upstream: &Upstream) -> Result<(), ConnectError> {
    if !is_pooler(upstream) {
        return Ok(());
    }
    let direct = upstream.endpoint.host.replacen("-pooler.", ".", 1);
    let what = "is a transaction pooler, which keeps no session state: it cannot be held read-only";
    Err(contract(upstream, what).with_hint(format!("use the direct host \"{direct}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::open::tests::upstream;

    fn announced(role: &str) -> Announced {
        Announced {
            upstream: "far".to_owned(),
            authority: "neon".to_owned(),
            role: role.to_owned(),
            env: "prod-like".to_owned(),
        }
    }

    #[test]
    fn a_chain_must_be_meant_and_must_agree() {
        let mut upstream = upstream("neon-prod");
        let unmeant = check_chain(&upstream, &announced("prod")).unwrap_err();
        assert!(unmeant.hint().unwrap().contains("chain = true"));
        upstream.chain = true;
        assert!(check_chain(&upstream, &announced("prod")).is_ok());
        let other = check_chain(&upstream, &announced("staging")).unwrap_err();
        assert_eq!(other.kind(), ConnectErrorKind::Contract);
        assert!(other.detail().unwrap().contains("neon, staging, prod-like"));
    }

    #[test]
    fn neon_poolers_are_known_by_name() {
        let mut upstream = upstream("x");
        for (host, pooler) in [
            ("ep-a-1-pooler.eu-central-1.aws.neon.tech", true),
            ("EP-A-1-POOLER.eu-central-1.aws.Neon.Tech.", true),
            ("ep-a-1.eu-central-1.aws.neon.tech", false),
            ("my-pooler", false),
        ] {
            upstream.endpoint.host = host.to_owned();
            assert_eq!(is_pooler(&upstream), pooler, "{host}");
            assert_eq!(refuse_guard_on_pooler(&upstream).is_err(), pooler, "{host}");
        }
    }

    #[test]
    fn facts_contradict_and_never_replace() {
        let mut upstream = upstream("x");
        assert!(observations(&upstream, Some("off")).is_empty());
        assert!(observations(&upstream, None).is_empty());
        assert_eq!(observations(&upstream, Some("on")).len(), 1);
        upstream.declaration.role = Role::Replica;
        assert_eq!(observations(&upstream, Some("off")).len(), 1);
        assert!(observations(&upstream, Some("on")).is_empty());
    }

    #[test]
    fn the_set_statement_sets_what_is_missing() {
        let upstream = upstream("it's");
        let statement = set_statement(&upstream, Ours { tags: false, guard: true }, Some("t"));
        assert_eq!(
            statement,
            "SELECT pg_catalog.set_config('default_transaction_read_only', E'on', false)"
        );
        let statement = set_statement(&upstream, Ours { tags: true, guard: false }, Some("t"));
        assert!(statement.contains("set_config('authority.upstream', E'it''s', false)"));
        assert!(statement.ends_with("set_config('authority.task', E't', false)"));
    }
}
