//! What one file says, as far as the rules look at it: what can be judged in the file alone is a
//! finding already, the rest waits for the other files and the configuration. It is what the
//! cache keeps, so no secret is in it.

use serde::{Deserialize, Serialize};

use super::names;
use super::rule::Rule;
use crate::governance::gate::{self, Variables};
use crate::governance::url::{DatabaseUrl, UrlFault};

/// A place in a file; both from 1, columns in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// Something found, before suppressions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// By which rule.
    pub rule: Rule,
    /// Where.
    pub place: Place,
    /// What is so; never holds a secret.
    pub message: String,
    /// What to do, where it is known better than by the rule.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fix: Option<String>,
}

/// A PostgreSQL URL that is written out somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlUse {
    /// Where.
    pub place: Place,
    /// Its hosts and ports.
    pub hosts: Vec<(String, Option<u16>)>,
    /// Its database.
    pub database: Option<String>,
    /// It for people, without secrets.
    pub shown: String,
    /// It is the value of a variable of an execution context, not part of a program.
    pub in_context: bool,
}

/// A variable's value as far as it can be known without running anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A word, or a URL without its secrets.
    Known(String),
    /// Of a contract variable that is somehow set: an expression, a secret of CI, a placeholder.
    Unknown,
    /// A URL for another kind of database.
    Foreign,
    /// A PostgreSQL URL that cannot be read, and why.
    Unreadable(String),
}

/// A variable of a context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where it is set.
    pub place: Place,
    /// Set in an enclosing scope, where it has been judged.
    #[serde(default)]
    pub inherited: bool,
}

/// An execution context: variables that one process will see together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// What it is, for people: `service "api"`.
    pub what: String,
    /// Its variables; only those of the contract and those that hold URLs.
    pub variables: Vec<Variable>,
    /// Files whose variables are read into it, relative to the file's folder.
    pub files: Vec<String>,
    /// More variables come from somewhere that cannot be seen.
    pub open: bool,
    /// It is for one command only, which is how a confirmation is meant.
    pub one_command: bool,
}

/// A comment that allows findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allow {
    /// Where the comment is.
    pub place: Place,
    /// The line that it speaks of; `None`: the whole file.
    pub line: Option<u32>,
    /// The rules as written.
    pub rules: Vec<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Everything that one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Judged already.
    pub found: Vec<Found>,
    /// URLs, judged once the upstreams are known.
    pub urls: Vec<UrlUse>,
    /// Contexts, judged once their files are known.
    pub contexts: Vec<Context>,
    /// Where a URL is taken from the environment: variable and place.
    pub reads: Vec<(String, Place)>,
    /// It looks at the declaration itself.
    pub guarded: bool,
    /// What it imports, sources or includes: as written.
    pub imports: Vec<String>,
    /// Comments that allow findings.
    pub allows: Vec<Allow>,
}

impl Facts {
    /// Whether nothing was seen at all.
    pub fn is_empty(&self) -> bool {
        *self == Facts::default()
    }

    /// Adds a finding; one rule speaks once of a line.
    pub fn add(&mut self, rule: Rule, place: Place, message: String) {
        let said = |found: &Found| found.rule == rule && found.place.line == place.line;
        if !self.found.iter().any(said) {
            self.found.push(Found { rule, place, message, fix: None });
        }
    }

    /// Adds the URL of this text, where it is one of PostgreSQL that can be read.
    pub fn add_url(&mut self, text: &str, place: Place, in_context: bool) {
        let Ok(url) = DatabaseUrl::parse(text) else { return };
        let hosts = url.hosts().unwrap_or_default();
        if hosts.is_empty() || text.contains(names::DYNAMIC) && hosts.iter().any(is_dynamic) {
            return;
        }
        let shown = url.redacted().replace(names::DYNAMIC, "…");
        self.urls.push(UrlUse {
            place,
            hosts: hosts.into_iter().map(|host| (host.name, host.port)).collect(),
            database: url.database().and_then(Result::ok),
            shown,
            in_context,
        });
    }
}

fn is_dynamic(host: &crate::governance::url::Host) -> bool {
    host.name.contains(names::DYNAMIC)
}

impl Variable {
    /// A variable with this text, whose dynamic parts are [`names::DYNAMIC`]. `None` where no rule
    /// looks at it.
    pub fn read(name: &str, text: &str, place: Place) -> Option<Variable> {
        let value = if names::is_url_variable(name) {
            url_value(text)
        } else if names::is_contract_variable(name) {
            let text = text.trim();
            if text.contains(names::DYNAMIC) || names::is_placeholder(text) {
                Value::Unknown
            } else if name == "PGOPTIONS" {
                // free text: all that matters is whether it confirms
                Value::Known(if names::confirms(text) { "confirms" } else { "" }.to_owned())
            } else {
                Value::Known(text.to_owned())
            }
        } else {
            return None;
        };
        Some(Variable { name: name.to_owned(), value, place, inherited: false })
    }

    /// Whether it says that a PostgreSQL database is used.
    pub fn leads_somewhere(&self) -> bool {
        match self.value {
            Value::Foreign => false,
            Value::Known(ref text) if text.is_empty() => false,
            _ => names::is_url_variable(&self.name) || self.name == "PGHOST",
        }
    }
}

fn url_value(text: &str) -> Value {
    let text = text.trim();
    if text.is_empty() || names::is_placeholder(text) {
        return if text.is_empty() { Value::Known(String::new()) } else { Value::Unknown };
    }
    let dynamic = text.contains(names::DYNAMIC);
    match DatabaseUrl::parse(text) {
        Ok(url) if dynamic && url.hosts().is_ok_and(|hosts| hosts.iter().any(is_dynamic)) => {
            Value::Unknown
        }
        Ok(url) => Value::Known(url.redacted()),
        Err(_) if dynamic && !text.contains("://") => Value::Unknown,
        Err(UrlFault::Scheme) if text.starts_with(names::DYNAMIC) => Value::Unknown,
        // "host=… dbname=…" is libpq's other form, which the gate does not read either
        Err(UrlFault::Scheme) if text.contains("host=") => Value::Unknown,
        Err(UrlFault::Scheme) => Value::Foreign,
        Err(_) if dynamic => Value::Unknown,
        Err(fault) => Value::Unreadable(fault.to_string()),
    }
}

/// A word for people, as the gate shows it.
pub fn shown(value: &str) -> String {
    gate::shown(value)
}

/// The variables that the gate judges, where they are known.
pub fn for_gate(variables: &[&Variable]) -> Variables {
    let mut judged = Variables::new();
    for variable in variables {
        if let Value::Known(value) = &variable.value
            && gate::VARIABLES.contains(&variable.name.as_str())
        {
            judged.insert(variable.name.clone(), value.clone());
        }
    }
    judged
}
