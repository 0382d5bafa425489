//! Whether the backstop that is in a database is the one that should be there.

use serde::Deserialize;

use super::{EVENTS, VERSION, function_body, install_script, trigger_name};
use crate::config::Upstream;
use crate::upstream::{FoundFunction, FoundKey, FoundTrigger, Installed};

/// What it cannot stop, for people.
pub const LIMITS: [&str; 6] = [
    "its owner and superusers: they can drop or disable it, and read its key",
    "event_triggers = off (17 and newer) and single-user mode, which are a superuser's",
    "what fires no event trigger: TRUNCATE, CLUSTER, VACUUM FULL, EXPLAIN ANALYZE of CREATE TABLE \
     AS, REASSIGN OWNED, event triggers' own DDL, REINDEX before 17",
    "what belongs to the whole cluster: databases, roles and their membership, tablespaces, \
     parameters, with the privileges and comments on them",
    "ALTER SYSTEM, server files, and changes to the catalogs by hand, which are a superuser's",
    "changes to data",
];

/// The comment of the function `guard`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Noted {
    /// The version installed.
    pub backstop: u32,
    /// The upstream that it names.
    pub upstream: String,
    /// Its authority.
    pub authority: String,
    /// Its role.
    pub role: String,
    /// Its env.
    pub env: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Any part of it is there.
    pub installed: bool,
    /// What it says of itself.
    pub noted: Option<Noted>,
    /// Who owns it.
    pub owner: Option<String>,
    /// Whether the configured key is its key; `None` where either is not known.
    pub key_matches: Option<bool>,
    /// What is not as it should be; empty for a backstop that is installed and sound.
    pub problems: Vec<String>,
}

impl Findings {
    /// It is there, whole and with the configured key.
    pub fn is_sound(&self) -> bool {
        self.installed && self.problems.is_empty()
    }
}

/// Holds what is in a database against what this version installs for this upstream.
pub fn findings(found: &Installed, upstream: &Upstream) -> Findings {
    let guard = found.functions.iter().find(|function| function.name == "guard");
    let mut findings = Findings {
        installed: !found.triggers.is_empty() || guard.is_some(),
        noted: guard.and_then(|guard| serde_json::from_str(&guard.comment).ok()),
        owner: guard.map(|guard| guard.owner.clone()),
        key_matches: None,
        problems: Vec::new(),
    };
    if !findings.installed {
        return findings;
    }
    triggers(&mut findings, &found.triggers);
    functions(&mut findings, &found.functions, upstream);
    declaration(&mut findings, upstream);
    key(&mut findings, found, upstream);
    let owners = found.triggers.iter().map(|trigger| &trigger.owner);
    let owners = owners.chain(found.functions.iter().map(|function| &function.owner));
    let mut owners: Vec<&String> = owners.chain(found.key.iter().map(|key| &key.owner)).collect();
    owners.sort_unstable();
    owners.dedup();
    if owners.len() > 1 {
        let owners: Vec<&str> = owners.into_iter().map(String::as_str).collect();
        findings.problems.push(format!("its parts have several owners: {}", owners.join(", ")));
    }
    if found.silenced {
        findings.problems.push("event_triggers is off for this login".to_owned());
    }
    findings
}

fn triggers(findings: &mut Findings, found: &[FoundTrigger]) {
    for event in EVENTS {
        let name = trigger_name(event);
        let trigger = found.iter().find(|trigger| trigger.name == name && trigger.event == event);
        let what = match trigger.map(|trigger| trigger.enabled.as_str()) {
            Some("A") => continue,
            Some("D") => "is disabled",
            Some("O") => "is silenced by session_replication_role = replica",
            Some(_) => "fires with session_replication_role = replica only",
            None => "is missing",
        };
        findings.problems.push(format!("event trigger {name} {what}"));
    }
}

fn functions(findings: &mut Findings, found: &[FoundFunction], upstream: &Upstream) {
    let noted = findings.noted.as_ref();
    // under the name that it was installed with; another one is a finding of its own
    let name = noted.map_or(upstream.name.as_str(), |noted| noted.upstream.as_str());
    let script = install_script(name, upstream.declaration, false);
    let differs = noted.is_some_and(|noted| noted_differently(noted, upstream));
    for name in ["guard", "token_fault"] {
        let Some(function) = found.iter().find(|function| function.name == name) else {
            findings.problems.push(format!("function pgauthority.{name}() is missing"));
            continue;
        };
        let as_installed = function_body(&script, name) == Some(function.body.as_str());
        if !as_installed && !differs {
            let what = "is not as this version installs it";
            findings.problems.push(format!("function pgauthority.{name}() {what}"));
        }
        if function.attributes != "true {\"search_path=pg_catalog, pg_temp\"}" {
            let what = "is not SECURITY DEFINER with a search_path of its own";
            findings.problems.push(format!("function pgauthority.{name}() {what}"));
        }
        if name == "token_fault" && !function.owner_sees_backends {
            findings.problems.push(format!(
                "its owner cannot see when sessions began: GRANT pg_read_all_stats TO {}",
                function.owner
            ));
        }
    }
}

fn noted_differently(noted: &Noted, upstream: &Upstream) -> bool {
    let declared = upstream.declaration;
    let words =
        [declared.authority.as_str(), declared.role.as_str(), declared.environment.as_str()];
    [&*noted.authority, &*noted.role, &*noted.env] != words || noted.backstop != VERSION
}

fn declaration(findings: &mut Findings, upstream: &Upstream) {
    let Some(noted) = &findings.noted else {
        findings.problems.push("it does not say what it was installed for".to_owned());
        return;
    };
    let again = "install it again";
    let mut problems = Vec::new();
    if noted.backstop != VERSION {
        problems.push(format!("it is version {}, this is {VERSION}: {again}", noted.backstop));
    } else if noted_differently(noted, upstream) {
        let Noted { authority, role, env, .. } = noted;
        problems.push(format!("it says {authority}, {role}, {env}, declared otherwise: {again}"));
    }
    if noted.upstream != upstream.name {
        problems.push(format!("it names upstream \"{}\": {again}", noted.upstream));
    }
    findings.problems.append(&mut problems);
}

fn key(findings: &mut Findings, found: &Installed, upstream: &Upstream) {
    match &found.key {
        None => findings.problems.push("its key is missing: nothing passes".to_owned()),
        Some(FoundKey { strange: Some(why), .. }) => findings.problems.push(why.clone()),
        Some(key) if !key.grantees.is_empty() => {
            findings.problems.push(format!("its key is open to {}", key.grantees));
        }
        Some(_) => {}
    }
    let there = found.key.as_ref().and_then(|key| key.fingerprint.as_ref());
    findings.key_matches =
        upstream.backstop.as_ref().zip(there).map(|(key, there)| key.fingerprint() == *there);
    match (&upstream.backstop, findings.key_matches) {
        (None, _) => findings.problems.push(
            "the configuration has no key for it: what is confirmed will be refused".to_owned(),
        ),
        (Some(_), Some(false)) => findings.problems.push(
            "the configured key is another than its own: what is confirmed will be refused"
                .to_owned(),
        ),
        (Some(_), Some(true) | None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_reads_back() {
        use crate::contract::{Authority, Declaration, Environment, Role};
        let declared = Declaration {
            authority: Authority::Neon,
            role: Role::Prod,
            environment: Environment::ProdLike,
        };
        let noted: Noted =
            serde_json::from_str(&super::super::comment("a.b-c_1", declared)).unwrap();
        assert_eq!((noted.backstop, &*noted.upstream), (VERSION, "a.b-c_1"));
        assert_eq!((&*noted.role, &*noted.env), ("prod", "prod-like"));
    }
}
