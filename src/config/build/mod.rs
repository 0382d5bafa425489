//! Draft to [`Config`], or to all faults at once: every rule that looks at more than one value.

mod connect;
mod entries;
mod listen;
mod tasks;
mod upstreams;
mod users;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::RootCertStore;

use super::draft::Draft;
use super::environment::Variables;
use super::fault::{At, Report};
use super::model::{
    AuditSettings, Config, Contract, ListenAddress, MappingMode, ServerSettings, Upstream,
};
use super::tls::{self, TlsFault};
use crate::contract::{DecisionRow, DecisionTable, MappedUpstream, RowFault, mismatches};
use upstreams::Candidate;

/// What all rules look at.
struct Context<'a> {
    report: &'a Report,
    draft: &'a Draft,
    variables: Variables<'a>,
    /// `server.listen`, and what is listened on already where this is a reload.
    listeners: Vec<ListenAddress>,
    /// Read once, when the first upstream needs them.
    system_roots: OnceCell<Result<RootCertStore, TlsFault>>,
}

impl Context<'_> {
    fn system_roots(&self) -> Result<RootCertStore, TlsFault> {
        self.system_roots.get_or_init(tls::system_roots).clone()
    }

    /// What to type to give `key` a value, in the file or in the environment.
    fn assign(&self, at: &At, key: &str, value: &str) -> String {
        match at {
            At::Variable(_, name) => format!("export {name}={value}"),
            At::Span(..) | At::Nowhere => format!("write {key} = \"{value}\""),
        }
    }
}

/// Builds the configuration; `None` where the report has faults, from here or from before.
///
/// `in_force` is what is listened on already: rules about listeners hold for those as well.
pub(super) fn build(
    report: &Report,
    draft: &Draft,
    variables: Variables<'_>,
    in_force: &[ListenAddress],
) -> Option<Config> {
    let listen = listen::addresses(report, draft);
    let mut listeners = listen.clone();
    listeners.extend(in_force.iter().filter(|address| !listen.contains(address)).cloned());
    let context = Context { report, draft, variables, listeners, system_roots: OnceCell::new() };

    let admin_listen = listen::admin(&context);
    let tls = listen::tls(&context);
    let decisions = Arc::new(decisions(&context));
    let users = users::build(&context);
    let candidates = upstreams::read(&context);
    upstreams::refuse_loops(&context, &candidates);
    let warnings = mapping(&context, &candidates);
    let checked = entries::check(&context, &candidates, &decisions, &users, &tls);
    if !report.is_empty() {
        return None;
    }

    let upstreams: BTreeMap<_, _> = candidates
        .into_iter()
        .filter_map(Candidate::finish)
        .map(|upstream| (upstream.name.clone(), Arc::new(upstream)))
        .collect();
    let databases =
        checked.into_iter().filter_map(|entry| entry.finish(&upstreams, &decisions)).collect();
    let server = &draft.server;
    let (target, statement, fsync) = draft.audit.clone();
    Some(Config {
        server: ServerSettings {
            listen,
            admin_listen,
            admin_users: server.admin_users.clone(),
            tls,
            worker_threads: server.worker_threads,
            io_uring: server.io_uring,
            limits: server.limits,
            login_timeout: server.login_timeout,
            drain_timeout: server.drain_timeout,
            tcp_keepalive: server.tcp_keepalive,
        },
        contract: Contract {
            mapping: draft.mapping,
            confirm_max_age: draft.confirm_max_age,
            migration_tables: Arc::new(draft.migration_tables.clone()),
            orm_tables: draft.orm_tables.clone(),
        },
        decisions,
        audit: AuditSettings { target, statement, fsync },
        upstreams,
        databases,
        users: users.into_secrets(),
        warnings,
        source: report.source.path.clone(),
    })
}

/// Builds the draft's only upstream, without anything that would serve it; `None` where the
/// report has faults.
pub(super) fn upstream(
    report: &Report,
    draft: &Draft,
    variables: Variables<'_>,
) -> Option<Upstream> {
    let listeners = Vec::new();
    let context = Context { report, draft, variables, listeners, system_roots: OnceCell::new() };
    let upstream = upstreams::read(&context).into_iter().find_map(Candidate::finish);
    upstream.filter(|_| report.is_empty())
}

/// The default rows with those of the draft added or put in their place.
fn decisions(context: &Context<'_>) -> DecisionTable {
    let mut table = DecisionTable::default();
    let rows = &context.draft.decisions;
    for (index, row) in rows.iter().enumerate() {
        let task = &row.task.value;
        if rows[..index].iter().any(|earlier| earlier.task.value == *task) {
            let message = format!("task \"{task}\" has two rows");
            context.report.fault(&row.task.at, message, "remove one of them");
        }
        let row_of = DecisionRow { task: task.clone(), read: row.read, write: row.write };
        if let Err(fault) = table.put(row_of) {
            let hint = match &fault {
                RowFault::Split { .. } => "write read = \"neon\" and write = \"local\"",
                RowFault::Name { .. } => "write task = \"billing_reports\"",
            };
            context.report.fault(&row.task.at, fault.to_string(), hint);
        }
    }
    table
}

/// Mismatches between declarations and hosts: warnings, or faults with `mapping = "enforce"`.
fn mapping(context: &Context<'_>, candidates: &[Candidate<'_>]) -> Vec<String> {
    let mapped: Vec<MappedUpstream<'_>> =
        candidates.iter().filter_map(Candidate::as_mapped).collect();
    let mut warnings = Vec::new();
    for mismatch in mismatches(&mapped) {
        match context.draft.mapping {
            MappingMode::Warn => warnings.push(mismatch.to_string()),
            MappingMode::Enforce => {
                let candidate = candidates.iter().find(|c| c.name == mismatch.upstream);
                let at = candidate.map_or(At::Nowhere, |candidate| candidate.url_at());
                let hint = "correct the declaration or the URL, or write mapping = \"warn\"";
                context.report.fault(&at, mismatch.to_string(), hint);
            }
        }
    }
    warnings
}
