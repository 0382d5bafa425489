//! Configuration: a [`Config`] that exists is sound ("parse, don't validate").
//!
//! `file` reads TOML with spans, `environment` reads `--from-env`, both into a draft; `build` turns
//! the draft into a [`Config`] or into *all* faults at once, each with file, line and caret.

mod build;
mod conninfo;
mod draft;
mod environment;
mod expand;
mod fault;
mod file;
pub mod keys;
mod model;
mod password_files;
mod reader;
mod reload;
mod source;
mod tls;
mod units;
mod url;
mod verifier;
mod words;

use std::fs;
use std::path::Path;

pub use crate::contract::{AdminRule, ConfirmHow};
pub(crate) use draft::MIGRATION_TABLES;
pub use environment::{VARIABLES, Variables};
pub use fault::{EXIT_INVALID, Fault, Faults};
pub use model::{
    AuditSettings, AuditTarget, ClientAuth, Config, Contract, Endpoint, Entry, EntryTarget, Limits,
    ListenAddress, MappingMode, Secret, ServerSettings, ServerTls, SslMode, StatementText, TlsMode,
    Upstream, UserSecret,
};
pub use reload::reload;
pub use words::Word;

use crate::contract::Declaration;
use fault::Report;
use source::Source;

/// Where the configuration is looked for when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/pgauthority/pgauthority.toml";

/// Loads a configuration file, with `${VAR}` from the process's environment.
///
/// # Errors
/// Every fault of the file at once, or why it cannot be read.
pub fn load(path: &Path) -> Result<Config, Faults> {
    read_file(path, &process_variables, &[])
}

/// Loads a configuration from a text as if it stood in `path`, with `${VAR}` from `variables`.
///
/// # Errors
/// Every fault of the text at once.
pub fn parse(path: &Path, text: &str, variables: Variables<'_>) -> Result<Config, Faults> {
    parse_with(path, text.to_owned(), variables, &[])
}

/// Builds a configuration from environment variables alone (`serve --from-env`).
///
/// # Errors
/// Every missing or unsound variable at once.
pub fn from_environment(vars: &dyn Fn(&str) -> Option<String>) -> Result<Config, Faults> {
    let report = Report::new(Source::new("environment".to_owned(), String::new()));
    let draft = environment::read(&report, vars);
    match build::build(&report, &draft, vars, &[]) {
        Some(config) => Ok(config),
        None => Err(report.into_faults()),
    }
}

/// What a command's own URL leads to, as an upstream of that command; it may be a pgauthority.
///
/// `url` is in libpq's form and was given as `name`, `DATABASE_URL` for example; a relative path in
/// it starts from the working folder. `variables` say where a password file is.
///
/// # Errors
/// Every fault of the URL at once; none quotes it.
pub fn client_upstream(
    name: &'static str,
    declaration: Declaration,
    url: String,
    variables: Variables<'_>,
) -> Result<Upstream, Faults> {
    let report = Report::new(Source::new("environment".to_owned(), String::new()));
    let draft = environment::client(name, declaration, url);
    match build::upstream(&report, &draft, variables) {
        Some(upstream) => Ok(upstream),
        None => Err(report.into_faults()),
    }
}

fn process_variables(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn read_file(
    path: &Path,
    variables: Variables<'_>,
    in_force: &[ListenAddress],
) -> Result<Config, Faults> {
    let text = fs::read_to_string(path).map_err(|error| {
        let message = password_files::cannot_read(path, &error);
        let hint = "name another with --config FILE or PGAUTHORITY_CONFIG".to_owned();
        Faults::unreadable(path.display().to_string(), message, hint)
    })?;
    parse_with(path, text, variables, in_force)
}

fn parse_with(
    path: &Path,
    text: String,
    variables: Variables<'_>,
    in_force: &[ListenAddress],
) -> Result<Config, Faults> {
    let report = Report::new(Source::new(path.display().to_string(), text));
    // relative paths stay right when the working directory changes
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let config = file::read(&report, folder, variables)
        .and_then(|draft| build::build(&report, &draft, variables, in_force));
    config.ok_or_else(|| report.into_faults())
}
