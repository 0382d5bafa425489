//! Scratch databases: made on the declared upstream, gone whatever happens.
//!
//! A run holds an advisory lock for as long as its own connection lives; its number is in the
//! names of its databases. What has a name of ours, no lock and no process is a dead run's: the
//! next run drops it. Databases are made after the lock is held, so a living run always has both.

use std::sync::Arc;

use super::Fault;
use super::names::Run;
use crate::config::{Endpoint, Upstream};
use crate::upstream::{ConnectError, Direct, DirectError};

/// The class of the advisory locks: "pga2".
const LOCK_CLASS: u32 = 0x7067_6132;

/// The connection that makes and drops them.
pub struct Scratch {
    upstream: Arc<Upstream>,
    direct: Direct,
    run: Run,
    made: Vec<String>,
}

/// What earlier runs had left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Dropped.
    pub dropped: Vec<String>,
    /// Left alone, and why.
    pub kept: Vec<(String, String)>,
}

impl Scratch {
    /// Connects and takes the run's lock; nothing is made yet.
    ///
    /// # Errors
    /// No connection, a server that is no primary, a role that may not create databases, a lock
    /// that does not hold.
    pub async fn begin(upstream: &Arc<Upstream>) -> Result<Scratch, Fault> {
        let mut direct = Direct::connect(upstream).await.map_err(|error| unreachable(&error))?;
        let facts = "SELECT pg_is_in_recovery(), coalesce((SELECT rolcreatedb OR rolsuper \
                     FROM pg_roles WHERE rolname = current_user), false), current_user";
        let rows = direct.run(facts).await.map_err(failed)?;
        let fact = |n: usize| rows.first().and_then(|row| row.get(n)?.as_deref());
        if fact(0) == Some("t") {
            let message =
                format!("{} is in recovery: no database can be made there", place(upstream));
            return Err(Fault::failed(message).hint("name its primary"));
        }
        if fact(1) == Some("f") {
            let role = fact(2).unwrap_or_default();
            let message = format!("role \"{role}\" may not create databases");
            return Err(Fault::failed(message).hint(format!("ALTER ROLE \"{role}\" CREATEDB")));
        }
        let run = Run::of_this_process();
        let key = format!("{LOCK_CLASS}, {}", run.id.cast_signed());
        direct.run(&format!("SELECT pg_advisory_lock({key})")).await.map_err(failed)?;
        direct.run("SET idle_session_timeout = 0").await.map_err(failed)?;
        let held = format!(
            "SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() \
             AND classid = {LOCK_CLASS} AND objid = {}",
            run.id
        );
        let lasts = !direct.run(&held).await.map_err(failed)?.is_empty();
        if !lasts || shared(upstream, &key).await? {
            let message = "a session there is not one session of the server: a pooler in \
                           transaction mode";
            return Err(Fault::failed(message).hint("name the database server itself"));
        }
        Ok(Scratch { upstream: Arc::clone(upstream), direct, run, made: Vec::new() })
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Drops what dead runs have left.
    ///
    /// # Errors
    /// The list cannot be had.
    pub async fn sweep(&mut self) -> Result<Swept, Fault> {
        // databases first: whoever has one had its lock before
        let list = "SELECT datname, pg_has_role(datdba, 'USAGE') FROM pg_database \
                    WHERE datname LIKE 'pgauthority\\_two\\_path\\_%' ORDER BY datname";
        let found = self.direct.run(list).await.map_err(failed)?;
        let locks = format!(
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND classid = {LOCK_CLASS}"
        );
        let locked = self.direct.run(&locks).await.map_err(failed)?;
        let locked: Vec<u32> =
            locked.into_iter().flatten().flatten().filter_map(|id| id.parse().ok()).collect();
        let mut swept = Swept::default();
        for row in found {
            let [Some(name), Some(ours)] = &row[..] else { continue };
            let Some(run) = Run::of_database(name) else { continue };
            if locked.contains(&run.id) || run.may_live() {
                continue;
            }
            if ours != "t" {
                swept.kept.push((name.clone(), "another role's".to_owned()));
                continue;
            }
            match self.drop_one(name).await {
                Ok(()) => swept.dropped.push(name.clone()),
                Err(why) => swept.kept.push((name.clone(), why.to_string())),
            }
        }
        Ok(swept)
    }

    /// Makes the database of a path.
    ///
    /// Cancel safety: none; a database could be made after this future is gone.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn create(&mut self, path: &str, template: &str) -> Result<String, Fault> {
        let name = self.run.database(path);
        self.made.push(name.clone());
        let create = format!("CREATE DATABASE {name} TEMPLATE {}", quoted(template));
        self.direct.run(&create).await.map_err(failed)?;
        let Run { host, pid, .. } = &self.run;
        let comment = format!(
            "COMMENT ON DATABASE {name} IS 'scratch database of pgauthority migrations two-path, \
             process {pid} on {host}: can be dropped once that has ended'"
        );
        self.direct.run(&comment).await.map_err(failed)?;
        Ok(name)
    }

    /// The upstream, with one of the databases in place of its own.
    pub fn upstream(&self, database: &str) -> Upstream {
        elsewhere(&self.upstream, database)
    }

    /// Drops all that was made; gives what could not be dropped, and why.
    pub async fn end(mut self) -> Vec<(String, String)> {
        let mut left = Vec::new();
        for name in std::mem::take(&mut self.made) {
            let mut dropped = self.drop_one(&name).await;
            if matches!(dropped, Err(DirectError::Broken(_)))
                && let Ok(direct) = Direct::connect(&self.upstream).await
            {
                self.direct = direct;
                dropped = self.drop_one(&name).await;
            }
            if let Err(error) = dropped {
                left.push((name, error.to_string()));
            }
        }
        self.direct.close().await;
        left
    }

    async fn drop_one(&mut self, name: &str) -> Result<(), DirectError> {
        // FORCE ends sessions that a command has left behind
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        self.direct.run(&drop).await.map(|_| ())
    }
}

/// Whether a second connection has the first one's lock: then both are given the same session of
/// the server in turn.
async fn shared(upstream: &Arc<Upstream>, key: &str) -> Result<bool, Fault> {
    let mut second = Direct::connect(upstream).await.map_err(|error| unreachable(&error))?;
    let rows = second.run(&format!("SELECT pg_try_advisory_lock({key})")).await.map_err(failed)?;
    second.close().await;
    Ok(rows.into_iter().flatten().flatten().next().as_deref() == Some("t"))
}

/// An upstream like this one, with another database.
fn elsewhere(upstream: &Upstream, database: &str) -> Upstream {
    Upstream {
        name: database.to_owned(),
        declaration: upstream.declaration,
        endpoint: Endpoint { dbname: database.to_owned(), ..upstream.endpoint.clone() },
        chain: false,
        trusted_routines: upstream.trusted_routines.clone(),
        require_seal: false,
        backstop: None,
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn place(upstream: &Upstream) -> String {
    upstream.endpoint.address()
}

pub(super) fn unreachable(error: &ConnectError) -> Fault {
    let fault = Fault::failed(error.to_string());
    match error.hint() {
        // another pgauthority answers: there is no --url here
        Some(hint) if hint.contains("--url") => fault.hint("name the database server itself"),
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

pub(super) fn failed(error: DirectError) -> Fault {
    let fault = Fault::failed(error.to_string());
    match error.hint() {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// A string literal; the connection has standard_conforming_strings on.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
