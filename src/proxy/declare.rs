//! What a session declares with its startup packet, and the law that follows from it
//! (contract §2, §3).

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{ClientAuth, Config, Entry, EntryTarget, Upstream};
use crate::contract::parameter::{self, Parameter};
use crate::contract::{Cell, DecisionRow, Role};
use crate::policy::{Denial, Policy, Rule, SplitLeg, unknown_task};
use crate::protocol::Startup;
use crate::session::{Instant, Parameters};
use crate::sql::{Class, SetScope, administrative};

/// A session's declarations, checked.
#[derive(Debug)]
pub(super) struct Declared {
    /// Where the session reads, and writes unless `write` says otherwise.
    pub(super) upstream: Arc<Upstream>,
    pub(super) policy: Policy,
    /// Of a split task: where it writes.
    pub(super) write: Option<(Arc<Upstream>, Policy)>,
    pub(super) parameters: Parameters,
    /// Confirmed by the startup packet.
    pub(super) confirmed: bool,
    /// `search_path` as the packet sets it mentions `pg_temp`.
    pub(super) search_path_doubtful: bool,
}

/// Checks what the startup packet declares for `entry`; `moved`: the task that the session has now.
pub(super) fn declare(
    config: &Config,
    entry: &Entry,
    startup: &Startup,
    now: Instant,
    moved: Option<&str>,
) -> Result<Declared, Box<Denial>> {
    let settings = in_force(startup);
    let mut wishes = Wishes::default();
    for (name, value) in &settings {
        wishes.read(name, value)?;
    }
    let Routed { upstream, write, row } = route(entry, moved.or(wishes.task.as_deref()))?;
    if write.is_some() && entry.auth == ClientAuth::Relay {
        return Err(Box::new(Denial::new(
            Rule::TaskSplit,
            "authentication cannot be relayed to both legs of a session that reads from neon and \
             writes to local",
            "let the entry say auth = \"scram-sha-256\", so that the proxy logs in to each",
        )));
    }
    let mut law = policy(config, entry, &upstream, &startup.user);
    let write = write.map(|upstream| {
        let mut writing = policy(config, entry, &upstream, &startup.user);
        writing.split = Some(SplitLeg::Write);
        law.split = Some(SplitLeg::Read);
        law.guarded = true;
        (upstream, writing)
    });
    if let Some(row) = row {
        law.read_denied = row.read == Cell::Deny;
        law.write_denied = row.write == Cell::Deny;
    }
    let task = match (&wishes.task, &entry.target) {
        (Some(task), _) | (None, EntryTarget::Routed { task: Some(task), .. }) => Some(&**task),
        _ => None,
    };
    let both = std::iter::once(&law).chain(write.as_ref().map(|(_, policy)| policy));
    for policy in both {
        wishes.check(policy)?;
        for (name, value) in &settings {
            check_setting(policy, name, value, wishes.confirm)?;
        }
    }
    let mut parameters = Parameters::new(
        wishes.confirm.then_some(now),
        wishes.ticket.as_deref().map(Arc::from),
        task.map(Arc::from),
    );
    if moved.is_some() {
        parameters.task.set(moved.map(Arc::from), SetScope::Session);
    }
    let path = settings.get("search_path").map(|path| path.to_ascii_lowercase());
    Ok(Declared {
        upstream,
        policy: law,
        write,
        parameters,
        confirmed: wishes.confirm,
        search_path_doubtful: path.is_some_and(|path| path.contains("pg_temp")),
    })
}

/// The law for a session of `user` on `entry` as it is now: at its start, and after a reload.
pub(super) fn policy(config: &Config, entry: &Entry, upstream: &Upstream, user: &str) -> Policy {
    Policy {
        confirm: entry.confirm,
        user_may_confirm: entry.confirm_users.as_ref().is_none_or(|users| users.contains(user)),
        admin: entry.admin,
        confirm_max_age: config.contract.confirm_max_age,
        routed: matches!(entry.target, EntryTarget::Routed { .. }),
        movable: entry.auth != ClientAuth::Relay,
        decisions: entry.decisions.clone(),
        ..Policy::new(&upstream.name, upstream.declaration)
    }
}

/// What no reload changes of a session's law.
pub(super) struct Lasting {
    upstream: Box<str>,
    pooler: bool,
    set_by_statement: bool,
    split: Option<SplitLeg>,
}

impl Lasting {
    pub(super) fn of(policy: &Policy) -> Lasting {
        Lasting {
            upstream: policy.upstream.as_str().into(),
            pooler: policy.pooler,
            set_by_statement: policy.set_by_statement,
            split: policy.split,
        }
    }

    /// The law as a configuration has it for an entry and a user, if the entry and the upstream are
    /// still there.
    pub(super) fn under(&self, config: &Config, entry: &str, user: &str) -> Option<Policy> {
        let entry = config.entry(entry)?;
        let upstream = config.upstreams.get(&*self.upstream)?;
        let mut law = policy(config, entry, upstream, user);
        law.pooler = self.pooler;
        law.set_by_statement = self.set_by_statement;
        law.split = self.split;
        law.guarded |= self.split == Some(SplitLeg::Read);
        Some(law)
    }
}

/// The settings in force, by lower-case name: the last of a name wins.
fn in_force(startup: &Startup) -> HashMap<String, String> {
    startup
        .settings
        .iter()
        .map(|setting| (setting.name.to_ascii_lowercase(), setting.text().into_owned()))
        .collect()
}

/// Where a session goes.
struct Routed<'a> {
    upstream: Arc<Upstream>,
    /// Where it writes, if elsewhere.
    write: Option<Arc<Upstream>>,
    row: Option<&'a DecisionRow>,
}

/// Where the session goes: the pinned upstream, or those that its task's row names.
fn route<'a>(entry: &'a Entry, task: Option<&str>) -> Result<Routed<'a>, Box<Denial>> {
    let known = |task: &str| {
        entry.decisions.lookup(task).ok_or_else(|| Box::new(unknown_task(&entry.decisions, task)))
    };
    match &entry.target {
        EntryTarget::Pinned(upstream) => {
            // a task on a pinned entry is a label; the entry is the declaration
            task.map(known).transpose()?;
            Ok(Routed { upstream: upstream.clone(), write: None, row: None })
        }
        EntryTarget::Routed { task: default, .. } => {
            let Some(task) = task.or(default.as_deref()) else {
                return Err(Box::new(undeclared_task(entry)));
            };
            let row = known(task)?;
            let mut upstreams =
                row.authorities().map(|authority| entry.target.upstream(authority).cloned());
            let first = upstreams.next().flatten();
            let (write, lacking) = match upstreams.next() {
                Some(write) => (write.clone(), write.is_none()),
                None => (None, false),
            };
            match first.filter(|_| !lacking) {
                Some(upstream) => Ok(Routed { upstream, write, row: Some(row) }),
                None => Err(Box::new(Denial::new(
                    Rule::TaskDenied,
                    format!("entry \"{}\" has no upstream for task \"{task}\"", entry.name),
                    "declare another task, or connect to another entry",
                ))),
            }
        }
    }
}

fn undeclared_task(entry: &Entry) -> Denial {
    let open = entry.decisions.iter().filter(|row| !row.is_closed());
    let tasks: Vec<&str> = open.map(|row| row.task.as_str()).collect();
    // one that can be typed as it is
    let example = "unit_tests";
    let task = tasks.iter().find(|task| **task == example).or(tasks.first()).unwrap_or(&example);
    Denial::new(
        Rule::TaskUndeclared,
        format!("no task declared for entry \"{}\"", entry.name),
        format!(
            "declare one: PGOPTIONS='-c authority.task={task}' (psql, libpq), \
             ?options=-c%20authority.task%3D{task} in the URL (psycopg, SQLAlchemy, \
             node-postgres, JDBC), ?authority.task={task} (asyncpg); the tasks are {}",
            tasks.join(", ")
        ),
    )
}

/// The `authority.*` parameters of a startup packet.
#[derive(Debug, Default)]
struct Wishes {
    confirm: bool,
    ticket: Option<String>,
    task: Option<String>,
    expectations: Vec<(Parameter, String)>,
}

impl Wishes {
    fn read(&mut self, name: &str, value: &str) -> Result<(), Box<Denial>> {
        let refuse = |rule, message: String, hint: &str| {
            Err(Box::new(Denial::new(rule, message, hint.to_owned())))
        };
        match Parameter::from_name(name) {
            None => {}
            Some(Parameter::Tag) => {
                return refuse(
                    Rule::TagReadonly,
                    format!("parameter \"{name}\" cannot be set: the proxy alone sets it"),
                    "to assert what you expect, use authority.expect_authority, .expect_role, \
                     .expect_env",
                );
            }
            Some(Parameter::Undefined) => {
                let near = parameter::nearest(name)
                    .map(|near| format!("did you mean {near}? "))
                    .unwrap_or_default();
                return refuse(
                    Rule::ParameterUnknown,
                    format!("unrecognized configuration parameter \"{name}\""),
                    &format!("{near}the parameters are {}", parameter::SETTABLE.join(", ")),
                );
            }
            Some(Parameter::Confirm) => match parameter::boolean(value) {
                Some(confirm) => self.confirm = confirm,
                None => {
                    return refuse(
                        Rule::ParameterInvalid,
                        format!("parameter \"{name}\" requires a Boolean value"),
                        &format!("use -c {name}=true to confirm"),
                    );
                }
            },
            Some(Parameter::Ticket) => {
                if value.chars().count() > parameter::TICKET_LIMIT {
                    return refuse(
                        Rule::ParameterInvalid,
                        format!("\"{name}\" is longer than {} characters", parameter::TICKET_LIMIT),
                        "name the ticket, not its text",
                    );
                }
                self.ticket = Some(value.to_owned()).filter(|ticket| !ticket.is_empty());
            }
            Some(Parameter::Task) => {
                self.task = Some(value.to_owned()).filter(|task| !task.is_empty());
            }
            Some(
                kind @ (Parameter::ExpectAuthority | Parameter::ExpectRole | Parameter::ExpectEnv),
            ) => self.expectations.push((kind, value.to_owned())),
        }
        Ok(())
    }

    /// What the upstream and the entry say to it.
    fn check(&self, policy: &Policy) -> Result<(), Box<Denial>> {
        if let Some(denial) = policy.expectations(&self.expectations) {
            return Err(Box::new(denial));
        }
        match self.confirm.then(|| policy.startup_confirmation()).flatten() {
            Some(denial) => Err(Box::new(denial)),
            None => Ok(()),
        }
    }
}

/// Settings that a statement could not make either.
fn check_setting(
    policy: &Policy,
    name: &str,
    value: &str,
    confirmed: bool,
) -> Result<(), Box<Denial>> {
    if !policy.allows_everything()
        && let Some(why) = crate::policy::unsafe_lexing(name, value)
    {
        return Err(Box::new(Denial::new(
            Rule::LexingUnsafe,
            format!("session refused: {why}"),
            "statements could not be judged soundly; use client_encoding=UTF8 and \
             standard_conforming_strings=on",
        )));
    }
    let read_only = ["default_transaction_read_only", "transaction_read_only"];
    if policy.guarded && read_only.contains(&name) && parameter::boolean(value) != Some(true) {
        return Err(Box::new(Denial::new(
            Rule::ReplicaReadOnly,
            format!(
                "session refused: upstream \"{}\" is role replica and read-only",
                policy.upstream
            ),
            format!("leave {name} away"),
        )));
    }
    if administrative(name).is_some() && !policy.always_allows(Class::Admin) {
        let confirmable = policy.needs_confirmation(Class::Admin);
        if !(confirmable && confirmed) {
            let rule = match policy.declaration.role {
                Role::Replica => Rule::ReplicaAdmin,
                _ if confirmable => Rule::ProdAdminUnconfirmed,
                _ => Rule::ProdAdminBlocked,
            };
            return Err(Box::new(Denial::new(
                rule,
                format!("session refused: \"{name}\" is an administrative setting"),
                "leave it away, or let the entry say admin = \"confirm\" and confirm",
            )));
        }
    }
    Ok(())
}
