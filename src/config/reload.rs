//! SIGHUP and `RELOAD`: the new file whole, or the old configuration kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::environment::Variables;
use super::fault::Faults;
use super::model::{Config, Endpoint, Entry, EntryTarget, Secret, Upstream, UserSecret};
use super::words::Word as _;
use super::{process_variables, read_file};

/// Reads the file again. The new configuration keeps what only a restart changes (what is listened
/// on, the threads, the audit log); the sentences say what changed and what waits for a restart.
///
/// # Errors
/// Every fault of the new file; the current configuration is untouched. `trust` is refused while
/// the proxy still listens beyond loopback, whatever the new file says about listening.
pub fn reload(current: &Config, path: &Path) -> Result<(Config, Vec<String>), Faults> {
    reload_with(current, path, &process_variables)
}

pub(super) fn reload_with(
    current: &Config,
    path: &Path,
    variables: Variables<'_>,
) -> Result<(Config, Vec<String>), Faults> {
    let mut new = read_file(path, variables, &current.server.listen)?;
    let mut changes = Vec::new();
    keep_until_restart(current, &mut new, &mut changes);
    settings(current, &new, &mut changes);
    for task in changed(&rows(current), &rows(&new)) {
        changes.push(format!("decision row of task \"{}\" {}", task.0, task.1));
    }
    let upstreams = |config: &Config| described(&config.upstreams, upstream_lines);
    for (name, what) in changed(&upstreams(current), &upstreams(&new)) {
        changes.push(format!("upstream \"{name}\" {what}"));
    }
    let entries = |config: &Config| described(&config.databases, entry_lines);
    for (name, what) in changed(&entries(current), &entries(&new)) {
        changes.push(format!("entry \"{name}\" {what}"));
    }
    for (name, what) in changed(&users(current), &users(&new)) {
        changes.push(format!("user \"{name}\" {what}"));
    }
    Ok((new, changes))
}

/// Puts back what a running process cannot change, and says so.
fn keep_until_restart(current: &Config, new: &mut Config, changes: &mut Vec<String>) {
    let mut waits = |key: &str| {
        changes.push(format!("{key} changed: it takes effect at the next restart"));
    };
    if new.server.listen != current.server.listen {
        new.server.listen.clone_from(&current.server.listen);
        waits("server.listen");
    }
    if new.server.admin_listen != current.server.admin_listen {
        new.server.admin_listen = current.server.admin_listen;
        waits("server.admin.listen");
    }
    if new.server.worker_threads != current.server.worker_threads {
        new.server.worker_threads = current.server.worker_threads;
        waits("server.worker_threads");
    }
    if new.server.io_uring != current.server.io_uring {
        new.server.io_uring = current.server.io_uring;
        waits("server.io_uring");
    }
    if new.audit.target != current.audit.target {
        waits("audit.path");
    }
    if new.audit.statement != current.audit.statement {
        waits("audit.statement");
    }
    if new.audit.fsync != current.audit.fsync {
        waits("audit.fsync");
    }
    new.audit = current.audit.clone();
}

fn settings(current: &Config, new: &Config, changes: &mut Vec<String>) {
    let (old, server) = (&current.server, &new.server);
    let (old_limits, limits) = (&old.limits, &server.limits);
    let (old_contract, contract) = (&current.contract, &new.contract);
    let different = [
        (
            "server.max_client_connections",
            old_limits.max_client_connections != limits.max_client_connections,
        ),
        (
            "server.max_connections_per_user",
            old_limits.max_connections_per_user != limits.max_connections_per_user,
        ),
        (
            "server.max_connections_per_entry",
            old_limits.max_connections_per_entry != limits.max_connections_per_entry,
        ),
        (
            "server.max_connections_per_address",
            old_limits.max_connections_per_address != limits.max_connections_per_address,
        ),
        (
            "server.max_statement_bytes",
            old_limits.max_statement_bytes != limits.max_statement_bytes,
        ),
        ("server.login_timeout", old.login_timeout != server.login_timeout),
        ("server.drain_timeout", old.drain_timeout != server.drain_timeout),
        ("server.tcp_keepalive", old.tcp_keepalive != server.tcp_keepalive),
        ("server.admin.users", old.admin_users != server.admin_users),
        ("server.tls.mode", old.tls.mode != server.tls.mode),
        ("server.tls.certificate", old.tls.leaf != server.tls.leaf),
        ("server.tls.client_ca", old.tls.client_certificates != server.tls.client_certificates),
        ("contract.mapping", old_contract.mapping != contract.mapping),
        ("contract.confirm_max_age", old_contract.confirm_max_age != contract.confirm_max_age),
        ("contract.migration_tables", old_contract.migration_tables != contract.migration_tables),
    ];
    for (key, _) in different.iter().filter(|(_, different)| *different) {
        changes.push(format!("{key} changed"));
    }
}

/// A thing as keys and values that can be compared. Secrets are compared, never shown: only the
/// keys of what differs are.
type Lines = Vec<(&'static str, String)>;

fn described<T>(
    things: &BTreeMap<String, Arc<T>>,
    lines: impl Fn(&T) -> Lines,
) -> BTreeMap<String, Lines> {
    things.iter().map(|(name, thing)| (name.clone(), lines(thing))).collect()
}

/// What was added, removed or changed, and in the latter case by which keys.
fn changed(old: &BTreeMap<String, Lines>, new: &BTreeMap<String, Lines>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, lines) in new {
        let Some(before) = old.get(name) else {
            found.push((name.clone(), "added".to_owned()));
            continue;
        };
        let keys: Vec<&str> = lines
            .iter()
            .zip(before)
            .filter(|(now, before)| now != before)
            .map(|((key, _), _)| *key)
            .collect();
        if !keys.is_empty() {
            found.push((name.clone(), format!("changed: {}", keys.join(", "))));
        }
    }
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    found.extend(removed.map(|name| (name.clone(), "removed".to_owned())));
    found
}

fn rows(config: &Config) -> BTreeMap<String, Lines> {
    let lines = |read: String, write: String| vec![("read", read), ("write", write)];
    config
        .decisions
        .iter()
        .map(|row| (row.task.clone(), lines(row.read.to_string(), row.write.to_string())))
        .collect()
}

fn secret(secret: Option<&Secret>) -> String {
    secret.map_or_else(String::new, |Secret(secret)| secret.clone())
}

fn upstream_lines(upstream: &Upstream) -> Lines {
    let Endpoint { user, password, sslmode, options, application_name, .. } = &upstream.endpoint;
    let endpoint = &upstream.endpoint;
    vec![
        ("authority", upstream.declaration.authority.to_string()),
        ("role", upstream.declaration.role.to_string()),
        ("env", upstream.declaration.environment.to_string()),
        ("address", endpoint.address()),
        ("hostaddr", format!("{:?}", endpoint.hostaddr)),
        ("user", format!("{user:?}")),
        ("password", secret(password.as_ref())),
        ("sslmode", sslmode.word().to_owned()),
        ("sslnegotiation", endpoint.direct_tls.to_string()),
        (
            "channel_binding",
            format!("{}{}", endpoint.require_channel_binding, endpoint.disable_channel_binding),
        ),
        ("connect_timeout", format!("{:?}", endpoint.connect_timeout)),
        ("options", format!("{options:?}")),
        ("application_name", format!("{application_name:?}")),
        ("chain", upstream.chain.to_string()),
        ("trusted_routines", format!("{:?}", upstream.trusted_routines)),
        ("require_seal", upstream.require_seal.to_string()),
        ("backstop_key", format!("{:?}", upstream.backstop)),
    ]
}

fn entry_lines(entry: &Entry) -> Lines {
    let name = |upstream: Option<&Arc<Upstream>>| {
        upstream.map_or_else(String::new, |upstream| upstream.name.clone())
    };
    let (pinned, neon, local, task) = match &entry.target {
        EntryTarget::Pinned(upstream) => (name(Some(upstream)), String::new(), String::new(), None),
        EntryTarget::Routed { neon, local, task } => {
            (String::new(), name(neon.as_ref()), name(local.as_ref()), task.clone())
        }
    };
    let tasks: Vec<&str> = entry.decisions.iter().map(|row| row.task.as_str()).collect();
    vec![
        ("upstream", pinned),
        ("neon", neon),
        ("local", local),
        ("task", task.unwrap_or_default()),
        ("tasks", tasks.join(", ")),
        ("auth", entry.auth.word().to_owned()),
        ("users", format!("{:?}", entry.users)),
        ("confirm", entry.confirm.word().to_owned()),
        ("confirm_users", format!("{:?}", entry.confirm_users)),
        ("admin", entry.admin.word().to_owned()),
        ("replication", entry.replication.to_string()),
    ]
}

fn users(config: &Config) -> BTreeMap<String, Lines> {
    let lines = |user: &UserSecret| {
        vec![
            ("password", secret(user.password.as_ref())),
            ("certificate_names", format!("{:?}", user.certificate_names)),
        ]
    };
    config.users.iter().map(|(name, user)| (name.clone(), lines(user))).collect()
}
