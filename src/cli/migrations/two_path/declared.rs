//! What is declared: that this is staging, and which local upstream the databases are made on.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::NAME;
use crate::cli::database::{FAILED, Failure, REFUSED, warn_of_contradictions};
use crate::config::{self, EXIT_INVALID, Upstream};
use crate::contract::{Authority, Declaration, Environment, Role, is_neon_host};
use crate::governance::exec::{self, Refusal};
use crate::governance::gate::{self, Demand, Status, Variables, Verdict};
use crate::governance::url::DatabaseUrl;

/// Where the declarations stand.
#[derive(Args, Debug)]
pub(super) struct Target {
    /// The configuration file that --upstream is in
    #[arg(
        long,
        value_name = "FILE",
        env = "PGAUTHORITY_CONFIG",
        default_value = config::DEFAULT_PATH
    )]
    config: PathBuf,
    /// The local upstream, by its name in the configuration, instead of DATABASE_URL
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// What DATABASE_URL begins with for the commands, where --upstream says the rest
    /// (postgresql+psycopg for SQLAlchemy)
    #[arg(long, value_name = "SCHEME", default_value = "postgresql", requires = "upstream")]
    scheme: String,
}

/// The upstream, and how the commands are to find it.
pub(super) struct Declared {
    pub(super) upstream: Arc<Upstream>,
    pub(super) url: DatabaseUrl,
    pub(super) environment: Variables,
    /// The configuration's.
    pub(super) orm_tables: Vec<String>,
}

impl Target {
    /// Judges the declarations; nothing connects.
    pub(super) fn declared(&self) -> Result<Declared, Failure> {
        let environment: Variables = std::env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect();
        must_be_staging(&environment)?;
        let (upstream, url, orm_tables) = match &self.upstream {
            Some(name) => self.configured(name, &environment)?,
            None => {
                let (upstream, url) = from_environment(&environment)?;
                (upstream, url, Vec::new())
            }
        };
        must_look_local(&upstream)?;
        if upstream.endpoint.user.is_none() {
            let message = format!("the url of upstream \"{}\" names no user", upstream.name);
            return Err(Failure::new(FAILED, message)
                .hint("postgresql://USER@HOST:PORT/DATABASE, a role that may create databases"));
        }
        Ok(Declared { upstream, url, environment, orm_tables })
    }

    fn configured(
        &self,
        name: &str,
        environment: &Variables,
    ) -> Result<(Arc<Upstream>, DatabaseUrl, Vec<String>), Failure> {
        let config = config::load(&self.config)
            .map_err(|faults| Failure::new(faults.exit_code(), faults.to_string()))?;
        let upstream = config.upstreams.get(name).ok_or_else(|| {
            let names: Vec<&str> = config.upstreams.keys().map(String::as_str).collect();
            Failure::new(FAILED, format!("no upstream \"{name}\" in {}", config.source))
                .hint(format!("the upstreams are {}", names.join(", ")))
        })?;
        let Declaration { authority, role, environment: env } = upstream.declaration;
        must_be_local(authority, &format!("upstream \"{name}\" is declared {authority}, {role}"))?;
        for (variable, declared) in [
            ("DB_AUTHORITY", authority.as_str()),
            ("DB_ROLE", role.as_str()),
            ("DB_ENV", env.as_str()),
        ] {
            let said = environment.get(variable).filter(|value| !value.is_empty());
            if let Some(said) = said.filter(|said| *said != declared) {
                let message = format!(
                    "refused: {variable} is {}, and upstream \"{name}\" is declared {declared}",
                    gate::shown(said)
                );
                return Err(Failure::new(REFUSED, message).hint(format!("{variable}={declared}")));
            }
        }
        Ok((Arc::clone(upstream), self.url(upstream)?, config.contract.orm_tables.clone()))
    }

    /// A URL for the upstream's user, whatever its database; the address is replaced later.
    fn url(&self, upstream: &Upstream) -> Result<DatabaseUrl, Failure> {
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let endpoint = &upstream.endpoint;
        let user = endpoint.user.as_deref().map(escaped).unwrap_or_default();
        let password = endpoint.password.as_ref().map(|secret| format!(":{}", escaped(&secret.0)));
        let text = format!(
            "{}://{user}{}@127.0.0.1:1/postgres",
            self.scheme,
            password.unwrap_or_default()
        );
        DatabaseUrl::parse(&text).map_err(|fault| {
            Failure::new(FAILED, format!("--scheme: the URL {fault}"))
                .hint("--scheme postgresql+psycopg")
        })
    }
}

/// The first rule, whatever else is declared.
fn must_be_staging(environment: &Variables) -> Result<(), Failure> {
    let what = match environment.get("DB_ROLE").map(String::as_str) {
        Some("staging") => return Ok(()),
        None => "DB_ROLE is not set".to_owned(),
        Some("") => "DB_ROLE is empty".to_owned(),
        Some(other) => format!("DB_ROLE is {}", gate::shown(other)),
    };
    let message = format!("refused: {what}, and the two-path check is for staging alone");
    Err(Failure::new(REFUSED, message).hint("DB_ROLE=staging, on the local staging database"))
}

fn must_be_local(authority: Authority, what: &str) -> Result<(), Failure> {
    if authority == Authority::Local {
        return Ok(());
    }
    let message = format!("refused: {what}, and scratch databases are made on a local upstream");
    Err(Failure::new(REFUSED, message).hint("declare the local staging server, authority local"))
}

/// Databases are made and dropped there: a host of Neon's is not tried, whatever is declared of it.
/// Other contradictions are told, as everywhere.
fn must_look_local(upstream: &Upstream) -> Result<(), Failure> {
    let host = &upstream.endpoint.host;
    if is_neon_host(host) {
        let message = format!(
            "refused: authority local is declared for \"{host}\", a host of Neon's: no scratch \
             database is made there"
        );
        return Err(Failure::new(REFUSED, message).hint("name the local staging server"));
    }
    warn_of_contradictions(NAME, upstream);
    Ok(())
}

/// The seed's gate over the environment, and the server that DATABASE_URL leads to.
fn from_environment(environment: &Variables) -> Result<(Arc<Upstream>, DatabaseUrl), Failure> {
    let report = gate::judge(environment, Demand::Migrations);
    let word = |name: &str| environment.get(name).map(String::as_str).unwrap_or_default();
    if let Some(authority) = Authority::from_word(word("DB_AUTHORITY")) {
        must_be_local(authority, &format!("DB_AUTHORITY is {authority}"))?;
    }
    let declared = (
        Authority::from_word(word("DB_AUTHORITY")),
        Role::from_word(word("DB_ROLE")),
        Environment::from_word(word("DB_ENV")),
    );
    let (Verdict::Allowed, (Some(authority), Some(role), Some(env))) = (report.verdict, declared)
    else {
        let not = |status| matches!(status, Status::Refused | Status::NotDeclared);
        let checks: Vec<_> = report.findings().filter(|check| not(check.status)).collect();
        let messages: Vec<&str> = checks.iter().map(|check| check.message.as_str()).collect();
        let hints: Vec<&str> = checks.iter().filter_map(|check| check.hint.as_deref()).collect();
        let code = if report.verdict == Verdict::Refused { REFUSED } else { NOT_DECLARED };
        let verdict = report.verdict.as_str();
        // what has this code is shown as it is
        let lead =
            if code == NOT_DECLARED { format!("pgauthority {NAME}: ") } else { String::new() };
        let message = format!("{lead}{verdict}: {}", messages.join("; "));
        return Err(Failure::new(code, message).hint(hints.join("; ")));
    };
    let url = DatabaseUrl::parse(word("DATABASE_URL"))
        .map_err(|fault| Failure::new(FAILED, format!("DATABASE_URL {fault}")).hint(EXAMPLE))?;
    let declaration = Declaration { authority, role, environment: env };
    let upstream =
        exec::client_upstream(&url, environment, declaration).map_err(|refusal| match refusal {
            Refusal::Other { message, hint } => Failure::new(FAILED, message).hint(hint),
            _ => Failure::new(FAILED, "DATABASE_URL cannot be used").hint(EXAMPLE),
        })?;
    Ok((upstream, url))
}

/// As [`EXIT_INVALID`], which is for pages of faults.
const NOT_DECLARED: u8 = EXIT_INVALID;

const EXAMPLE: &str = "DATABASE_URL=postgresql://USER@HOST:PORT/DATABASE, the local staging server";
