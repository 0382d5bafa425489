//! Declared beside observed. A fact can contradict a declaration; it never replaces one, and
//! nothing is concluded from one that does not contradict.

use std::fmt;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::config::{Config, Entry, EntryTarget, Upstream};
use crate::contract::Role;
use crate::governance::backstop::findings;
use crate::upstream::{Observed, observe};

/// One upstream looked at.
pub struct Observation {
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// What came of it.
    pub seen: Seen,
}

/// What came of it.
pub enum Seen {
    /// The facts.
    Facts(Box<Observed>),
    /// The URL names no user to look with: every client brings its own.
    NoUser,
    /// Why it could not be looked at.
    Failed(String),
}

/// Looks at every upstream at the same time, by tasks of this thread; in the order of their names.
///
/// Cancel safety: dropping it closes what connections there are.
pub async fn all(config: &Config) -> Vec<Observation> {
    let mut looking = JoinSet::new();
    for upstream in config.upstreams.values() {
        looking.spawn_local(look(Arc::clone(upstream)));
    }
    let mut observations = looking.join_all().await;
    observations.sort_by(|a, b| a.upstream.name.cmp(&b.upstream.name));
    observations
}

async fn look(upstream: Arc<Upstream>) -> Observation {
    let seen = match upstream.endpoint.user {
        None => Seen::NoUser,
        Some(_) => match observe(&upstream).await {
            Ok(facts) => Seen::Facts(Box::new(facts)),
            Err(error) => Seen::Failed(match error.hint() {
                Some(hint) => plain(&format!("{error} (hint: {hint})")),
                None => plain(&error.to_string()),
            }),
        },
    };
    Observation { upstream, seen }
}

/// No upstream could be looked at, all for the same reason.
pub fn none(config: &Config, why: &str) -> Vec<Observation> {
    let failed = |upstream: &Arc<Upstream>| Observation {
        upstream: Arc::clone(upstream),
        seen: Seen::Failed(why.to_owned()),
    };
    config.upstreams.values().map(failed).collect()
}

/// Text that a server sent, fit for a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What a fact contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradicts {
    /// Nothing could be seen at all.
    Reach,
    /// The role: the server's recovery state.
    Recovery,
    /// `chain`, or the tags of another pgauthority.
    Proxy,
    /// The database's name.
    Database,
    /// The seal.
    Seal,
    /// The backstop.
    Backstop,
    /// Another upstream's declaration for the same database.
    SamePlace,
}

/// A declaration that a fact contradicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The upstream.
    pub upstream: String,
    /// What is contradicted.
    pub what: Contradicts,
    /// How, as a sentence without a period.
    pub message: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upstream \"{}\": {}", self.upstream, self.message)
    }
}

/// Every contradiction between what is declared and what was seen.
pub fn contradictions(observations: &[Observation]) -> Vec<Contradiction> {
    let mut found = Vec::new();
    for (index, observation) in observations.iter().enumerate() {
        let name = &observation.upstream.name;
        let mut say = |what: Contradicts, message: String| {
            found.push(Contradiction { upstream: name.clone(), what, message });
        };
        match &observation.seen {
            Seen::Facts(facts) => {
                against_declaration(&observation.upstream, facts, &mut say);
                written(&observation.upstream, facts, &mut say);
                for other in &observations[..index] {
                    same_server(&observation.upstream, facts, other, &mut say);
                }
            }
            Seen::Failed(why) => {
                say(Contradicts::Reach, format!("it could not be looked at: {why}"))
            }
            Seen::NoUser => {}
        }
    }
    found
}

/// What the two places of an entry read and write values by, where that differs. It contradicts no
/// declaration.
pub fn differences(config: &Config, observations: &[Observation]) -> Vec<String> {
    let facts = |upstream: &Arc<Upstream>| {
        let mut all = observations.iter().filter(|one| one.upstream.name == upstream.name);
        all.find_map(|one| match &one.seen {
            Seen::Facts(facts) => Some(&facts.reading),
            Seen::NoUser | Seen::Failed(_) => None,
        })
    };
    let of_entry = |(name, entry): (&String, &Arc<Entry>)| {
        let EntryTarget::Routed { neon: Some(neon), local: Some(local), .. } = &entry.target else {
            return None;
        };
        let (here, there) = (facts(neon)?, facts(local)?);
        let differing = here.iter().filter_map(|(name, value)| {
            let (_, other) = there.iter().find(|(other, _)| other == name)?;
            (value != other).then(|| format!("{name} {} and {}", plain(value), plain(other)))
        });
        let differing: Vec<String> = differing.collect();
        let (neon, local) = (&neon.name, &local.name);
        (!differing.is_empty()).then(|| {
            format!(
                "entry \"{name}\": upstreams \"{neon}\" and \"{local}\" begin with other {} (hint: a \
                 session that uses both has everywhere what it was told of encoding, quotes and dates at \
                 its start; ALTER DATABASE makes the defaults the same)",
                differing.join(", ")
            )
        })
    };
    config.databases.iter().filter_map(of_entry).collect()
}

/// The seal and the backstop in the database.
fn written(upstream: &Upstream, facts: &Observed, say: &mut impl FnMut(Contradicts, String)) {
    let declared = upstream.declaration;
    match &facts.seal {
        Ok(seal) if !seal.agrees(declared) => say(
            Contradicts::Seal,
            format!(
                "it is declared {}, {}, {}, and sealed {}",
                declared.authority,
                declared.role,
                declared.environment,
                plain(&seal.words())
            ),
        ),
        Err(why) if upstream.require_seal => {
            say(
                Contradicts::Seal,
                format!("require_seal = true, and it has no seal: {}", plain(why)),
            );
        }
        Ok(_) | Err(_) => {}
    }
    // behind another pgauthority it is that one's
    let Some(backstop) = facts.backstop.as_ref().filter(|_| facts.announced.is_none()) else {
        return;
    };
    let found = findings(backstop, upstream);
    match declared.role {
        Role::Prod if found.installed => {
            for problem in found.problems {
                say(Contradicts::Backstop, format!("backstop: {}", plain(&problem)));
            }
        }
        Role::Prod if upstream.backstop.is_some() => {
            say(
                Contradicts::Backstop,
                "it has a backstop key, and no backstop is installed".to_owned(),
            );
        }
        Role::Staging if found.installed => say(
            Contradicts::Backstop,
            "it is declared staging, and has a backstop, which lets no schema change pass there"
                .to_owned(),
        ),
        // a replica has its primary's
        Role::Prod | Role::Staging | Role::Replica => {}
    }
}

fn against_declaration(
    upstream: &Upstream,
    facts: &Observed,
    say: &mut impl FnMut(Contradicts, String),
) {
    let declaration = upstream.declaration;
    match (declaration.role, facts.in_recovery) {
        (Role::Prod | Role::Staging, true) => {
            let role = declaration.role;
            say(
                Contradicts::Recovery,
                format!("it is declared {role}, and is in recovery: a standby"),
            );
        }
        (Role::Replica, false) => {
            let message = "it is declared replica, and is not in recovery: it would take writes";
            say(Contradicts::Recovery, message.to_owned());
        }
        (Role::Prod | Role::Staging, false) | (Role::Replica, true) => {}
    }
    match &facts.announced {
        Some(_) if !upstream.chain => {
            let message = "it is another pgauthority, which is refused unless chain = true";
            say(Contradicts::Proxy, message.to_owned());
        }
        Some(tags) => {
            let pairs = [
                ("authority", &tags.authority, declaration.authority.as_str()),
                ("role", &tags.role, declaration.role.as_str()),
                ("env", &tags.env, declaration.environment.as_str()),
            ];
            for (key, announced, declared) in pairs {
                if announced != declared {
                    let announced = plain(announced);
                    let message =
                        format!("{key} is declared {declared}, and announced as \"{announced}\"");
                    say(Contradicts::Proxy, message);
                }
            }
        }
        None if upstream.chain => {
            let message = "it is declared a chain, and is no pgauthority: it announces no tags";
            say(Contradicts::Proxy, message.to_owned());
        }
        // behind a chain the database is an entry's name, which need not be the server's
        None if facts.database != upstream.endpoint.dbname => {
            let (asked, got) = (&upstream.endpoint.dbname, plain(&facts.database));
            let message = format!("database \"{asked}\" was asked for, and \"{got}\" answered");
            say(Contradicts::Database, message);
        }
        None => {}
    }
}

/// Two names of one place with different declarations. The very socket address counts: a cluster's
/// system identifier is shared by all copies of it, and so proves nothing.
fn same_server(
    upstream: &Upstream,
    facts: &Observed,
    other: &Observation,
    say: &mut impl FnMut(Contradicts, String),
) {
    let Seen::Facts(other_facts) = &other.seen else { return };
    let (mine, theirs) = (upstream.declaration, other.upstream.declaration);
    let same = facts.peer == other_facts.peer
        && facts.database == other_facts.database
        && facts.system_identifier == other_facts.system_identifier;
    if same && (mine.role != theirs.role || mine.authority != theirs.authority) {
        let message = format!(
            "{} is also the address of upstream \"{}\" with the same database, which is declared \
             {} {}, not {} {}",
            facts.peer,
            other.upstream.name,
            theirs.authority,
            theirs.role,
            mine.authority,
            mine.role
        );
        say(Contradicts::SamePlace, message);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;
    use crate::upstream::{Announced, ServerAddress};

    fn config(upstreams: &[(&str, [&str; 3], &str)]) -> Config {
        let mut text = String::new();
        for (name, [authority, role, env], lines) in upstreams {
            text.push_str(&format!(
                "[upstreams.{name}]\nauthority = \"{authority}\"\nrole = \"{role}\"\n\
                 env = \"{env}\"\nurl = \"postgresql://u@127.0.0.1/nova\"\n{lines}\n"
            ));
        }
        let (first, ..) = upstreams[0];
        text.push_str(&format!("[databases.d]\nupstream = \"{first}\"\nauth = \"relay\"\n"));
        config::parse(Path::new("/x/test.toml"), &text, &|_| None)
            .unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn facts() -> Observed {
        Observed {
            peer: ServerAddress::Tcp("127.0.0.1:5432".parse().unwrap()),
            server_version: "15.1".to_owned(),
            tls: None,
            in_recovery: false,
            database: "nova".to_owned(),
            user: "u".to_owned(),
            system_identifier: None,
            announced: None,
            seal: Err("there is none".to_owned()),
            backstop: None,
            pooler: false,
            round_trip: std::time::Duration::from_millis(1),
            reading: Vec::new(),
        }
    }

    fn said(config: &Config, facts: &[Observed]) -> Vec<String> {
        let observations: Vec<Observation> = config
            .upstreams
            .values()
            .zip(facts)
            .map(|(upstream, facts)| Observation {
                upstream: Arc::clone(upstream),
                seen: Seen::Facts(Box::new(facts.clone())),
            })
            .collect();
        contradictions(&observations).iter().map(Contradiction::to_string).collect()
    }

    const PROD: [&str; 3] = ["neon", "prod", "prod-like"];
    const REPLICA: [&str; 3] = ["neon", "replica", "prod-like"];

    #[test]
    fn recovery_contradicts_prod_and_its_absence_a_replica() {
        let (prod, replica) = (config(&[("p", PROD, "")]), config(&[("r", REPLICA, "")]));
        let standby = Observed { in_recovery: true, ..facts() };
        assert_eq!(said(&prod, &[facts()]), [""; 0]);
        assert_eq!(said(&replica, std::slice::from_ref(&standby)), [""; 0]);
        assert_eq!(
            said(&prod, &[standby]),
            ["upstream \"p\": it is declared prod, and is in recovery: a standby"]
        );
        assert_eq!(
            said(&replica, &[facts()]),
            [
                "upstream \"r\": it is declared replica, and is not in recovery: it would take writes"
            ]
        );
    }

    #[test]
    fn another_pgauthority_is_told_by_its_tags() {
        let tags = |role: &str| Observed {
            announced: Some(Announced {
                upstream: "x".to_owned(),
                authority: "neon".to_owned(),
                role: role.to_owned(),
                env: "prod-like".to_owned(),
            }),
            database: "behind".to_owned(),
            ..facts()
        };
        let (plain, chain) = (config(&[("p", PROD, "")]), config(&[("p", PROD, "chain = true")]));
        assert!(said(&plain, &[tags("prod")])[0].contains("refused unless chain = true"));
        assert_eq!(said(&chain, &[tags("prod")]), [""; 0]);
        assert_eq!(
            said(&chain, &[tags("sta\x1bging")]),
            ["upstream \"p\": role is declared prod, and announced as \"sta ging\""]
        );
        assert!(said(&chain, &[facts()])[0].contains("announces no tags"));
    }

    #[test]
    fn another_database_is_told() {
        let other = Observed { database: "postgres".to_owned(), ..facts() };
        assert_eq!(
            said(&config(&[("p", PROD, "")]), &[other]),
            ["upstream \"p\": database \"nova\" was asked for, and \"postgres\" answered"]
        );
    }

    #[test]
    fn one_address_with_two_declarations_is_told_and_copies_are_not() {
        let both = config(&[("p", PROD, ""), ("r", REPLICA, "")]);
        let standby = Observed { in_recovery: true, ..facts() };
        let elsewhere = Observed {
            peer: ServerAddress::Tcp("127.0.0.1:5433".parse().unwrap()),
            ..standby.clone()
        };
        assert_eq!(said(&both, &[facts(), elsewhere]), [""; 0]);
        assert_eq!(
            said(&both, &[facts(), standby]),
            ["upstream \"r\": 127.0.0.1:5432 is also the address of upstream \"p\" with the same \
              database, which is declared neon prod, not neon replica"]
        );
    }

    #[test]
    fn what_could_not_be_looked_at_is_no_silence() {
        let config = config(&[("p", PROD, "")]);
        let found: Vec<String> = contradictions(&none(&config, "no runtime"))
            .iter()
            .map(Contradiction::to_string)
            .collect();
        assert_eq!(found, ["upstream \"p\": it could not be looked at: no runtime"]);
    }
}
