//! `--from-env`: a sidecar for one upstream, declared by environment variables (proxy §1).

use std::path::PathBuf;

use super::conninfo;
use super::draft::{Draft, DraftEntry, DraftUpstream, names_upstream};
use super::fault::{At, Located, Report};
use super::model::ClientAuth;
use super::source::quoted;
use super::words::{self, Word};
use crate::contract::Declaration;

/// Looks an environment variable up; `None` where it is not set.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The upstream's name where its database's cannot serve.
const UPSTREAM: &str = "upstream";

/// A variable that is read, by its place in the documentation.
#[derive(Clone, Copy)]
struct Variable(usize, &'static str);

const AUTHORITY: Variable = Variable(0, "DB_AUTHORITY");
const ROLE: Variable = Variable(1, "DB_ROLE");
const ENV: Variable = Variable(2, "DB_ENV");
const URL: Variable = Variable(3, "PGAUTHORITY_UPSTREAM_URL");
const LISTEN: Variable = Variable(4, "PGAUTHORITY_LISTEN");
const AUTH: Variable = Variable(5, "PGAUTHORITY_AUTH");
const BACKSTOP_KEY_FILE: Variable = Variable(6, "PGAUTHORITY_BACKSTOP_KEY_FILE");
const BACKSTOP_KEY: Variable = Variable(7, "PGAUTHORITY_BACKSTOP_KEY");

/// Every variable that `--from-env` reads, and whether it is required.
pub const VARIABLES: &[(&str, bool)] = &[
    (AUTHORITY.1, true),
    (ROLE.1, true),
    (ENV.1, true),
    (URL.1, true),
    (LISTEN.1, false),
    (AUTH.1, false),
    (BACKSTOP_KEY_FILE.1, false),
    (BACKSTOP_KEY.1, false),
];

/// Reads the declarations; every fault is noted, and the draft is complete but for those.
///
/// `DATABASE_URL` is not read: in the same pod it is the application's, and leads to the proxy.
pub(super) fn read(report: &Report, variables: Variables<'_>) -> Draft {
    let given = |variable: Variable| {
        let value = variables(variable.1).filter(|value| !value.is_empty())?;
        Some(Located { value, at: At::Variable(variable.0, variable.1) })
    };
    let mut draft = Draft::new(PathBuf::from("."));
    let url = given(URL);
    if url.is_none() {
        let Variable(order, name) = URL;
        let hint = format!("export {name}=\"postgresql://USER:PASSWORD@HOST:5432/DATABASE\"");
        report.fault(&At::Variable(order, name), "not set: the upstream is not declared", hint);
    }
    if let Some(listen) = given(LISTEN) {
        let at = &listen.at;
        let addresses = listen.value.split(',').map(str::trim);
        draft.server.listen =
            addresses.map(|one| Located { value: one.to_owned(), at: at.clone() }).collect();
    }
    let auth = match given(AUTH) {
        Some(given) => word_of(report, AUTH, given),
        None => Some(Located { value: ClientAuth::Relay, at: At::Variable(AUTH.0, AUTH.1) }),
    };
    let auth = auth.filter(|auth| match auth.value {
        ClientAuth::Relay | ClientAuth::Trust => true,
        ClientAuth::ScramSha256 | ClientAuth::Cert => {
            let hint = "export PGAUTHORITY_AUTH=relay, or write a file and use --config";
            report.fault(&auth.at, "this way to authenticate needs a configuration file", hint);
            false
        }
    });
    let info = url.as_ref().and_then(|url| conninfo::read(&url.value).ok());
    let dbname = info.as_ref().map_or(UPSTREAM, |info| info.dbname.as_str());
    let upstream = if names_upstream(dbname) { dbname } else { UPSTREAM };
    // with trust nobody else is declared: the URL's own user may open the entry
    let trusted = auth.as_ref().filter(|auth| auth.value == ClientAuth::Trust);
    let users =
        trusted.zip(info.as_ref().and_then(|info| info.user.clone())).map(|(auth, user)| {
            let at = auth.at.clone();
            Located { value: vec![Located { value: user, at: at.clone() }], at }
        });
    let place = url.as_ref().map_or(At::Variable(URL.0, URL.1), |url| url.at.clone());
    draft.upstreams.push(DraftUpstream {
        name: Located { value: upstream.to_owned(), at: place.clone() },
        authority: declared(report, AUTHORITY, "authority", given(AUTHORITY)),
        role: declared(report, ROLE, "role", given(ROLE)),
        env: declared(report, ENV, "env", given(ENV)),
        hostaddr: None,
        password_file: None,
        password_env: None,
        chain: false,
        trusted_routines: Vec::new(),
        require_seal: false,
        backstop_key_file: given(BACKSTOP_KEY_FILE),
        // where the key is, which is where it was given
        backstop_key_env: given(BACKSTOP_KEY)
            .map(|key| Located { value: BACKSTOP_KEY.1.to_owned(), at: key.at }),
        url: url.clone(),
    });
    draft.databases.push(DraftEntry {
        name: Located { value: dbname.to_owned(), at: place.clone() },
        leads_somewhere: true,
        names_users: true, // the URL's user; that there is none is a fault of its own
        upstream: Some(Located { value: upstream.to_owned(), at: place }),
        neon: None,
        local: None,
        task: None,
        tasks: None,
        auth,
        users,
        confirm: None,
        confirm_users: None,
        admin: None,
        replication: None,
    });
    draft
}

/// A draft of nothing but what a URL leads to, for a command that is its client. `name` is how the
/// URL was given.
pub(super) fn client(name: &'static str, declaration: Declaration, url: String) -> Draft {
    fn located<T>(name: &'static str, value: T) -> Located<T> {
        Located { value, at: At::Variable(0, name) }
    }
    let mut draft = Draft::new(PathBuf::from("."));
    draft.upstreams.push(DraftUpstream {
        name: located(name, name.to_owned()),
        authority: Some(located(name, declaration.authority)),
        role: Some(located(name, declaration.role)),
        env: Some(located(name, declaration.environment)),
        url: Some(located(name, url)),
        hostaddr: None,
        password_file: None,
        password_env: None,
        chain: true,
        trusted_routines: Vec::new(),
        require_seal: false,
        backstop_key_file: None,
        backstop_key_env: None,
    });
    draft
}

fn declared<T: Word>(
    report: &Report,
    variable: Variable,
    what: &str,
    given: Option<Located<String>>,
) -> Option<Located<T>> {
    let Variable(order, name) = variable;
    if given.is_none() {
        let message = format!("not set: the upstream's {what} is declared, never discovered");
        let choices: Vec<String> =
            T::WORDS.iter().map(|(word, _)| format!("export {name}={word}")).collect();
        report.fault(&At::Variable(order, name), message, choices.join(" or "));
    }
    word_of(report, variable, given?)
}

fn word_of<T: Word>(
    report: &Report,
    variable: Variable,
    given: Located<String>,
) -> Option<Located<T>> {
    let Located { value, at } = given;
    let found = T::read(&value);
    if found.is_none() {
        let words = T::WORDS.iter().map(|(word, _)| *word);
        let near = crate::contract::nearest(&value, words.clone());
        let name = variable.1;
        let hint = match near {
            Some(near) => format!("export {name}={near}; it is one of {}", words::list(words)),
            None => format!("it is one of {}", words::list(words)),
        };
        report.fault(&at, format!("unknown value {}", quoted(&value)), hint);
    }
    found.map(|value| Located { value, at })
}
