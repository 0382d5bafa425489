//! The environment gate (the seed's `validate_db_authority()` and `_db_guard.py`), pure: declared
//! variables in, a report of every rule that was judged out.
//!
//! `tests/guard_cases.json` is the table of what it says; every implementation of the gate in
//! another language is held to the same table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::url::DatabaseUrl;
use crate::contract::{Authority, Environment, Role, is_local_host, is_neon_host};

/// Environment variables by name.
pub type Variables = BTreeMap<String, String>;

/// The variables that the gate reads, in the order in which they are shown.
pub const VARIABLES: [&str; 6] =
    ["DB_AUTHORITY", "DB_ENV", "DB_ROLE", "DATABASE_URL", "DB_VIA", "CONFIRM_PROD_MIGRATIONS"];

/// What is asked of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// That authority and environment are declared.
    Declared,
    /// That this authority is declared.
    Authority(Authority),
    /// That migrations may run.
    Migrations,
}

/// What one rule found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Met.
    Ok,
    /// A mismatch between a declaration and what can be seen; nothing is refused for it.
    Warning,
    /// Declared, and not allowed.
    Refused,
    /// Missing, misspelled, or contradicting another declaration.
    NotDeclared,
}

/// The outcome of a whole gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go on.
    Allowed,
    /// Everything needed is declared, and it says no.
    Refused,
    /// Something needed is not declared: nothing can be said.
    NotDeclared,
}

impl Verdict {
    /// The exit code of `pgauthority guard`: 0, 1, or 78 (`EX_CONFIG` of sysexits.h).
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Allowed => 0,
            Verdict::Refused => 1,
            Verdict::NotDeclared => 78,
        }
    }

    /// The words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allowed => "allowed",
            Verdict::Refused => "refused",
            Verdict::NotDeclared => "not declared",
        }
    }
}

/// One rule, judged. A rule that does not apply is not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The rule's name, one of the closed list in docs/guard.md.
    pub rule: &'static str,
    /// What it found.
    pub status: Status,
    /// What is so; never holds a secret.
    pub message: String,
    /// What to type, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Everything a gate found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The outcome: the strictest status of any check.
    pub verdict: Verdict,
    /// Every rule that applied, in a fixed order.
    pub checks: Vec<Check>,
}

impl Report {
    /// The checks that are not met, warnings among them.
    pub fn findings(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.status != Status::Ok)
    }
}

/// Judges an environment; reports all faults at once.
pub fn judge(variables: &Variables, demand: Demand) -> Report {
    let mut gate = Gate { variables, checks: Vec::new() };
    let authority: Option<Authority> = gate.word("authority.declared", "DB_AUTHORITY", true);
    let environment: Option<Environment> = gate.word("env.declared", "DB_ENV", true);
    let role: Option<Role> = gate.word("role.declared", "DB_ROLE", demand == Demand::Migrations);
    if let (Some(role), Some(Authority::Local)) = (role, authority) {
        gate.local_is_staging(role);
    }
    match demand {
        Demand::Declared => {}
        Demand::Authority(wanted) => gate.required(authority, wanted),
        Demand::Migrations => gate.migrations(role),
    }
    let via = gate.via();
    let url = gate.url(demand == Demand::Migrations);
    if role == Some(Role::Prod)
        && let Some(environment) = environment.filter(|found| *found != Environment::ProdLike)
    {
        let message = format!("role prod is declared with env {environment}, not env prod-like");
        gate.add("mapping.env", Status::Warning, message, Some("DB_ENV=prod-like".to_owned()));
    }
    if let (Some(url), false) = (url, via) {
        gate.hosts(&url, authority, role);
    }
    gate.report()
}

/// A declaration's word.
trait Word: Copy + Sized + std::fmt::Display + 'static {
    /// Every value.
    const WORDS: &'static [Self];
    /// Reads it.
    fn read(word: &str) -> Option<Self>;
}

macro_rules! word {
    ($($type:ty),+) => {$(
        impl Word for $type {
            const WORDS: &'static [Self] = <$type>::ALL;
            fn read(word: &str) -> Option<Self> {
                <$type>::from_word(word)
            }
        }
    )+};
}

word!(Authority, Role, Environment);

struct Gate<'a> {
    variables: &'a Variables,
    checks: Vec<Check>,
}

impl Gate<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn add(&mut self, rule: &'static str, status: Status, message: String, hint: Option<String>) {
        self.checks.push(Check { rule, status, message, hint });
    }

    /// A declaration that must be one of a list of words; an optional one may be missing, never
    /// misspelled.
    fn word<W: Word>(&mut self, rule: &'static str, name: &str, needed: bool) -> Option<W> {
        let value = self.value(name).unwrap_or_default();
        if value.is_empty() && !needed {
            return None;
        }
        if let Some(word) = W::read(value) {
            self.add(rule, Status::Ok, format!("{name} is {word}"), None);
            return Some(word);
        }
        let words: Vec<String> = W::WORDS.iter().map(W::to_string).collect();
        let message = match self.value(name) {
            None => format!("{name} is not set"),
            Some("") => format!("{name} is empty"),
            Some(value) => {
                format!("{name} is {}, which is not one of {}", shown(value), words.join(", "))
            }
        };
        let hint: Vec<String> = words.iter().map(|word| format!("{name}={word}")).collect();
        self.add(rule, Status::NotDeclared, message, Some(hint.join(" or ")));
        None
    }

    /// Contract §1: the local database's role is staging.
    fn local_is_staging(&mut self, role: Role) {
        if role != Role::Staging {
            let message = format!(
                "DB_AUTHORITY is local and DB_ROLE is {role}: the local database is for staging only"
            );
            let hint = "DB_ROLE=staging, or DB_AUTHORITY=neon where production data lives";
            self.add("role.authority", Status::NotDeclared, message, Some(hint.to_owned()));
        }
    }

    fn required(&mut self, authority: Option<Authority>, wanted: Authority) {
        let Some(authority) = authority else { return };
        if authority == wanted {
            let message = format!("DB_AUTHORITY is {authority}, as required");
            self.add("authority.required", Status::Ok, message, None);
        } else {
            let message = format!("DB_AUTHORITY is {authority}, and {wanted} is required");
            let hint = format!("run it where DB_AUTHORITY={wanted} is declared");
            self.add("authority.required", Status::Refused, message, Some(hint));
        }
    }

    /// Rules 2 to 4 of the seed's gate; rule 1 is `role.declared`.
    fn migrations(&mut self, role: Option<Role>) {
        const RULE: &str = "role.migrates";
        match role {
            Some(Role::Staging) => {
                self.add(RULE, Status::Ok, "role staging may run migrations".to_owned(), None);
            }
            Some(Role::Prod) => {
                let message = "role prod may run migrations once they are confirmed";
                self.add(RULE, Status::Ok, message.to_owned(), None);
                self.confirmed();
            }
            Some(Role::Replica) => {
                let message = "DB_ROLE is replica: migrations are always blocked on a replica, \
                               confirmed or not";
                let hint = "run them on its primary: DB_ROLE=prod and the primary's DATABASE_URL";
                let (message, hint) = (message.to_owned(), Some(hint.to_owned()));
                self.add("replica.blocked", Status::Refused, message, hint);
            }
            None => {
                if let Some(value) = self.value("DB_ROLE").filter(|value| !value.is_empty()) {
                    let message = format!(
                        "only the roles staging and prod may run migrations, and {} is neither",
                        shown(value)
                    );
                    let hint = "DB_ROLE=staging or DB_ROLE=prod";
                    self.add(RULE, Status::Refused, message, Some(hint.to_owned()));
                }
            }
        }
    }

    fn confirmed(&mut self) {
        let (status, message) = match self.value("CONFIRM_PROD_MIGRATIONS") {
            Some(value) if value.eq_ignore_ascii_case("true") => {
                (Status::Ok, "CONFIRM_PROD_MIGRATIONS is true".to_owned())
            }
            None => (
                Status::Refused,
                "DB_ROLE is prod and CONFIRM_PROD_MIGRATIONS is not set".to_owned(),
            ),
            Some("") => {
                (Status::Refused, "DB_ROLE is prod and CONFIRM_PROD_MIGRATIONS is empty".to_owned())
            }
            Some(value) => (
                Status::Refused,
                format!(
                    "DB_ROLE is prod and CONFIRM_PROD_MIGRATIONS is {}: only true confirms",
                    shown(value)
                ),
            ),
        };
        let hint = (status != Status::Ok).then(|| "CONFIRM_PROD_MIGRATIONS=true".to_owned());
        self.add("prod.confirmed", status, message, hint);
    }

    /// Whether DATABASE_URL is declared to lead to a pgauthority.
    fn via(&mut self) -> bool {
        let (status, message) = match self.value("DB_VIA").unwrap_or_default() {
            "" => return false,
            "pgauthority" => (Status::Ok, "DATABASE_URL is declared to lead to a pgauthority"),
            "direct" => (Status::Ok, "DATABASE_URL is declared to lead to the database itself"),
            value => {
                let message =
                    format!("DB_VIA is {}, which is not one of direct, pgauthority", shown(value));
                let hint = Some("DB_VIA=direct or DB_VIA=pgauthority".to_owned());
                self.add("via.declared", Status::NotDeclared, message, hint);
                // what was meant is unknown: no host is judged
                return true;
            }
        };
        let via = self.value("DB_VIA") == Some("pgauthority");
        self.add("via.declared", status, message.to_owned(), None);
        via
    }

    /// Rule 5 of the seed's gate.
    fn url(&mut self, needed: bool) -> Option<DatabaseUrl> {
        const RULE: &str = "url.declared";
        let text = match self.value("DATABASE_URL") {
            Some(text) if !text.is_empty() => text,
            found => {
                if needed {
                    let what = if found.is_some() { "empty" } else { "not set" };
                    let hint = "DATABASE_URL=postgresql://USER@HOST:PORT/DATABASE".to_owned();
                    let message = format!("DATABASE_URL is {what}");
                    self.add(RULE, Status::NotDeclared, message, Some(hint));
                }
                return None;
            }
        };
        match DatabaseUrl::parse(text) {
            Ok(url) => {
                self.add(RULE, Status::Ok, format!("DATABASE_URL is {}", url.redacted()), None);
                Some(url)
            }
            Err(fault) => {
                self.add(RULE, Status::Ok, "DATABASE_URL is set".to_owned(), None);
                let message =
                    format!("DATABASE_URL {fault}: its host is not compared with the declarations");
                self.add("url.readable", Status::Warning, message, None);
                None
            }
        }
    }

    /// Rule 6 of the seed's gate and contract §1: hosts are compared with declarations, and
    /// decide nothing.
    fn hosts(&mut self, url: &DatabaseUrl, authority: Option<Authority>, role: Option<Role>) {
        let hint = || Some("DB_VIA=pgauthority, if that is a pgauthority proxy".to_owned());
        for host in url.hosts().unwrap_or_default() {
            let host = host.name;
            let mismatch = match authority {
                Some(Authority::Neon) if !is_neon_host(&host) => Some(format!(
                    "authority neon expects a host under neon.tech, not {}",
                    shown(&host)
                )),
                Some(Authority::Local) if !is_local_host(&host) => Some(format!(
                    "authority local expects localhost, a loopback address, a Unix socket or a \
                     one-label service name, not {}",
                    shown(&host)
                )),
                _ => None,
            };
            if let Some(message) = mismatch {
                self.add("mapping.authority", Status::Warning, message, hint());
            }
            if role == Some(Role::Prod) && is_local_host(&host) {
                let message =
                    format!("role prod is declared for {}, which looks local", shown(&host));
                self.add("mapping.role", Status::Warning, message, hint());
            }
        }
    }

    fn report(self) -> Report {
        let any = |status| self.checks.iter().any(|check| check.status == status);
        let verdict = if any(Status::NotDeclared) {
            Verdict::NotDeclared
        } else if any(Status::Refused) {
            Verdict::Refused
        } else {
            Verdict::Allowed
        };
        Report { verdict, checks: self.checks }
    }
}

/// A variable's value for people. [`VARIABLES`] hold short words: whatever looks like a URL, a
/// connection string or a token was put there by mistake and may be a secret.
pub fn shown(value: &str) -> String {
    let plain = value.chars().all(|c| !c.is_control() && !matches!(c, '@' | '=' | '"'));
    if plain && !value.contains("://") && value.chars().count() <= 63 {
        format!("\"{value}\"")
    } else {
        "a value that is not shown".to_owned()
    }
}

/// What `guard show` lists: every variable of [`VARIABLES`] with its value for people, or `None`
/// where it is not set.
pub fn declared(variables: &Variables) -> Vec<(&'static str, Option<String>)> {
    let of = |name: &'static str| {
        let value = variables.get(name)?;
        Some(if name == "DATABASE_URL" {
            DatabaseUrl::parse(value)
                .map_or_else(|fault| format!("not shown: it {fault}"), |url| url.redacted())
        } else {
            shown(value).trim_matches('"').to_owned()
        })
    };
    VARIABLES.iter().map(|name| (*name, of(name))).collect()
}
