//! What the commands that write into a database share: which upstream, how to get there, whether
//! it is confirmed, how it is said.

use std::future::Future;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::output;
use crate::config::{self, Config, Upstream};
use crate::contract::{MappedUpstream, mismatches};
use crate::governance::confirmed::{self, Recorded};
use crate::upstream::{ConnectError, Direct, DirectError};

/// Refused, not installed, not sealed, otherwise than declared.
pub(super) const REFUSED: u8 = 1;
/// It could not be done.
pub(super) const FAILED: u8 = 2;

/// Which upstream, and how to get there.
#[derive(Args, Debug)]
pub(super) struct Target {
    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        env = "PGAUTHORITY_CONFIG",
        default_value = config::DEFAULT_PATH,
        global = true
    )]
    config: PathBuf,
    /// The upstream, by its name in the configuration
    #[arg(long, value_name = "NAME", global = true)]
    upstream: Option<String>,
    /// Connect with this URL instead of the upstream's own: another user, or a copy of it
    #[arg(long, value_name = "URL", global = true, hide_env_values = true)]
    url: Option<String>,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
}

/// Why a command ends: what is said, and its exit code.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), hint: None }
    }

    /// Whether the message has these words.
    pub(super) fn mentions(&self, words: &str) -> bool {
        self.message.contains(words)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Failure {
        let failure = Failure::new(FAILED, plain(&error.to_string()));
        match error.hint() {
            Some(hint) => failure.hint(plain(hint)),
            None => failure,
        }
    }
}

impl From<DirectError> for Failure {
    fn from(error: DirectError) -> Failure {
        let failure = Failure::new(FAILED, plain(&error.to_string()));
        match error.hint() {
            Some(hint) => failure.hint(plain(hint)),
            None => failure,
        }
    }
}

/// A configuration and the upstream that the command is about.
pub(super) struct Chosen {
    pub(super) config: Config,
    pub(super) upstream: Arc<Upstream>,
}

impl Target {
    /// Loads the configuration and finds the upstream, under `--url` where that is given.
    pub(super) fn choose(&self) -> Result<Chosen, Failure> {
        let config = config::load(&self.config)
            .map_err(|faults| Failure::new(faults.exit_code(), faults.to_string()))?;
        let names: Vec<&str> = config.upstreams.keys().map(String::as_str).collect();
        let Some(name) = &self.upstream else {
            return Err(Failure::new(FAILED, "no upstream is named")
                .hint(format!("--upstream NAME, one of {}", names.join(", "))));
        };
        let Some(upstream) = config.upstreams.get(name) else {
            let failure =
                Failure::new(FAILED, format!("no upstream \"{name}\" in {}", config.source));
            return Err(failure.hint(format!("the upstreams are {}", names.join(", "))));
        };
        let upstream = match &self.url {
            None => Arc::clone(upstream),
            Some(url) => Arc::new(elsewhere(upstream, url)?),
        };
        Ok(Chosen { config, upstream })
    }
}

/// The upstream as declared, reached by another URL.
fn elsewhere(upstream: &Upstream, url: &str) -> Result<Upstream, Failure> {
    let variables = |name: &str| std::env::var(name).ok();
    let found = config::client_upstream("--url", upstream.declaration, url.to_owned(), &variables);
    let found = found.map_err(|faults| Failure::new(FAILED, faults.to_string()))?;
    Ok(Upstream {
        name: upstream.name.clone(),
        declaration: upstream.declaration,
        endpoint: found.endpoint,
        chain: false,
        trusted_routines: upstream.trusted_routines.clone(),
        require_seal: upstream.require_seal,
        backstop: upstream.backstop.clone(),
    })
}

/// Says what can be seen of the upstream's URL that contradicts its declaration.
pub(super) fn warn_of_contradictions(command: &str, upstream: &Upstream) {
    let endpoint = &upstream.endpoint;
    let mapped = MappedUpstream {
        name: &upstream.name,
        declaration: upstream.declaration,
        host: &endpoint.host,
        port: endpoint.port,
        dbname: &endpoint.dbname,
        chain: upstream.chain,
    };
    for mismatch in mismatches(&[mapped]) {
        say(command, &format!("warning: {mismatch}"));
    }
}

/// Connects, and says on a terminal that it does where that takes more than a second.
pub(super) async fn connect(upstream: &Arc<Upstream>) -> Result<Direct, ConnectError> {
    let connecting = Direct::connect(upstream);
    tokio::pin!(connecting);
    tokio::select! {
        biased;
        connected = &mut connecting => return connected,
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "connecting to upstream \"{}\" …", upstream.name);
    }
    connecting.await
}

/// Refuses an unconfirmed schema change on prod.
pub(super) fn must_be_confirmed(upstream: &Upstream, flag: bool) -> Result<(), Failure> {
    let variable = std::env::var(confirmed::VARIABLE).ok();
    if confirmed::is_allowed(upstream, flag, variable.as_deref()) {
        return Ok(());
    }
    let message = format!(
        "refused: upstream \"{}\" is role {} and this is not confirmed",
        upstream.name, upstream.declaration.role
    );
    Err(Failure::new(REFUSED, message).hint(format!("--confirm, or {}=true", confirmed::VARIABLE)))
}

/// Runs a confirmed change: on record, with a token for a backstop that is there already.
pub(super) async fn change(
    chosen: &Chosen,
    direct: &mut Direct,
    what: Change<'_>,
) -> Result<(), Failure> {
    let Change { command, tag, script } = what;
    let recorded = Recorded::begin(&chosen.config, &chosen.upstream, command, tag, script).await;
    let recorded = recorded.map_err(|why| {
        Failure::new(FAILED, format!("refused: the audit log cannot be written: {why}"))
            .hint("run it as the user whose log it is: what is confirmed does not run unrecorded")
    })?;
    let result = direct.run_confirmed(script).await;
    if let Some(why) = recorded.end(&result).await {
        say(command, &format!("warning: the outcome is not in the audit log: {why}"));
    }
    result.map(|_| ()).map_err(Failure::from)
}

/// What [`change`] does.
pub(super) struct Change<'a> {
    /// The command, for messages and the log.
    pub(super) command: &'a str,
    /// The command tag in the log.
    pub(super) tag: &'a str,
    /// What runs.
    pub(super) script: &'a str,
}

/// Runs a command to its exit code.
pub(super) fn run(command: &str, future: impl Future<Output = Result<u8, Failure>>) -> ExitCode {
    let result = match super::runtime() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => Err(Failure::new(FAILED, format!("cannot start: {error}"))),
    };
    ExitCode::from(result.unwrap_or_else(|failure| {
        match failure.code {
            // the configuration's faults are a page of their own
            config::EXIT_INVALID => drop(writeln!(io::stderr(), "{}", failure.message)),
            _ => say(command, &failure.message),
        }
        if let Some(hint) = &failure.hint {
            say(command, &format!("hint: {hint}"));
        }
        failure.code
    }))
}

/// On standard error.
pub(super) fn say(command: &str, text: &str) {
    let _ = writeln!(io::stderr(), "pgauthority {command}: {text}");
}

/// Writes a report.
pub(super) fn write(text: &str, output: Option<&Path>) -> Result<(), Failure> {
    output::write(text.as_bytes(), output).map_err(|message| Failure::new(FAILED, message))
}

/// Text that a server sent, fit for a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
