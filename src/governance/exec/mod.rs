//! Runs a command under the contract (governance, `exec`): gate, proxy, relay, child.
//!
//! `run` is the whole story in order. Everything that can be refused is refused before the
//! command starts.

pub mod child_environment;
pub mod declarations;
mod owner;
pub mod process;
mod proxy;
mod relay;
mod sasl;

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;

use self::declarations::Declarations;
use self::process::Ended;
use self::proxy::Proxy;
use self::relay::Relay;
use super::gate::{self, Demand, Report, Variables, Verdict};
use super::url::DatabaseUrl;
use crate::config::Upstream;
use crate::contract::{Authority, Declaration, Environment, Role};

/// What to run, and what is declared for it beside the environment.
#[derive(Debug)]
pub struct Request {
    /// The command and its arguments; the first is looked up in `PATH`.
    pub command: Vec<OsString>,
    /// `authority.task` for its connections.
    pub task: Option<String>,
    /// `authority.ticket` for its connections.
    pub ticket: Option<String>,
    /// The environment, as far as it is text.
    pub environment: Variables,
}

/// Why the command was not run. Holds no secret.
#[derive(Debug)]
pub enum Refusal {
    /// The gate said no.
    Gate(Report),
    /// Something else did: what, and what to do about it.
    Other {
        /// What is so.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The command could not be started.
    Command {
        /// What was tried, and the system's words.
        message: String,
        /// 127 where there is no such command, else 126, as `env`.
        exit_code: u8,
    },
}

impl Refusal {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::Other { message: message.into(), hint: hint.into() }
    }
}

/// Takes a complaint; called from any thread.
pub type Complain = Box<dyn Fn(&str) + Send + Sync>;

/// What is told to people on the way.
pub trait Tell {
    /// The gate allowed it, perhaps with warnings.
    fn gate(&self, report: &Report);
    /// The proxy announced this upstream, and it is what was declared.
    fn proxy(&self, upstream: &str, declaration: Declaration, confirmed: bool);
    /// The command has failed, and no session of its came through here.
    fn unused(&self);
    /// What goes wrong while the command runs, and no client can be told.
    fn complaints(&self) -> Complain;
}

/// Runs a command under the contract; says how it ended. Its connections are tasks of this thread
/// (a `LocalRuntime`).
///
/// Cancel safety: none; dropping the future leaves the command running.
///
/// # Errors
/// A [`Refusal`] where the command was not started.
pub async fn run(request: Request, tell: &impl Tell) -> Result<Ended, Refusal> {
    let gated = pass_gate(&request.environment)?;
    tell.gate(&gated.report);
    let proxy = Proxy::from_url(&gated.url, &request.environment, gated.declaration)?;
    let declarations = Declarations {
        declaration: gated.declaration,
        confirm_database: gated.confirmed.then(|| proxy.database().to_owned()),
        task: request.task,
        ticket: request.ticket,
    };
    let upstream = proxy.probe(&declarations).await?;
    tell.proxy(&upstream, gated.declaration, gated.confirmed);

    let refused = |error: io::Error| {
        Refusal::new(
            format!("cannot listen on the loopback interface: {error}"),
            "pgauthority exec needs a free TCP port on 127.0.0.1 and a readable /proc",
        )
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    owner::try_out(&listener).await.map_err(refused)?;
    let changes = child_environment::changes(
        &gated.url,
        address.port(),
        &request.environment,
        proxy.found_password(),
    );
    let relay = Arc::new(Relay::new(proxy, declarations, tell.complaints()));
    let serving = tokio::task::spawn_local(relay::serve(listener, Arc::clone(&relay)));
    let ended = process::run(&request.command, &changes).await;
    serving.abort();
    relay.part().await;
    if matches!(ended, Ok(Ended::Exited(code)) if code != 0) && !relay.was_used() {
        tell.unused();
    }
    ended
}

/// The server that `DATABASE_URL` leads to, as an upstream of this process, for a command that is
/// its client; what the URL leaves open the environment says.
///
/// # Errors
/// What is missing or cannot be relayed.
pub fn client_upstream(
    url: &DatabaseUrl,
    environment: &Variables,
    declaration: Declaration,
) -> Result<Arc<Upstream>, Refusal> {
    Ok(Proxy::from_url(url, environment, declaration)?.upstream())
}

/// What the gate let through.
struct Gated {
    report: Report,
    url: DatabaseUrl,
    declaration: Declaration,
    /// Role prod, confirmed.
    confirmed: bool,
}

fn pass_gate(environment: &Variables) -> Result<Gated, Refusal> {
    let mut variables = environment.clone();
    if environment.get("DB_VIA").is_some_and(|via| via == "direct") {
        return Err(Refusal::new(
            "DB_VIA=direct declares that DATABASE_URL leads to the database itself",
            "pgauthority exec needs a DATABASE_URL that leads to a pgauthority, and DB_VIA=pgauthority or no DB_VIA",
        ));
    }
    // exec goes through a pgauthority or nowhere: its tags are compared, not its host. A word
    // that is none of DB_VIA's stays, and fails as such
    if environment.get("DB_VIA").is_none_or(String::is_empty) {
        variables.insert("DB_VIA".to_owned(), "pgauthority".to_owned());
    }
    let report = gate::judge(&variables, Demand::Migrations);
    let word = |name: &str| variables.get(name).map(String::as_str).unwrap_or_default();
    let declared = (
        Authority::from_word(word("DB_AUTHORITY")),
        Role::from_word(word("DB_ROLE")),
        Environment::from_word(word("DB_ENV")),
    );
    let (Verdict::Allowed, (Some(authority), Some(role), Some(environment))) =
        (report.verdict, declared)
    else {
        return Err(Refusal::Gate(report));
    };
    let url = DatabaseUrl::parse(word("DATABASE_URL")).map_err(|fault| {
        Refusal::new(
            format!("DATABASE_URL {fault}"),
            "DATABASE_URL=postgresql://USER@HOST:PORT/ENTRY, where a pgauthority listens",
        )
    })?;
    let declaration = Declaration { authority, role, environment };
    Ok(Gated { report, url, declaration, confirmed: role == Role::Prod })
}
